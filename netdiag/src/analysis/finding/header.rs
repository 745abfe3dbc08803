//! IP headers that are wrong in themselves.

use super::{Event, Rule, Severity};
use crate::decode::MalformedKind;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "ip-header-truncated",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpTruncated]),
        counters: &["IpInHdrErrors", "Ip6InHdrErrors", "Ip6InTruncatedPkts"],
        fault: |_| "the packet ends before its IP header does".to_owned(),
        evidence: |tally| tally.faults.clone(),
        remedy: |_| {
            lines(&[
                "find who cuts the packets: a driver, a tunnel's encapsulation, an eBPF program that shrinks them, a \
                 program that writes short packets to a tun device",
                "compare on both ends: `tcpdump -nn -e -v`, `ip -s link`",
            ])
        },
    },
    Rule {
        id: "ip-length-beyond-packet",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpLengthBeyond]),
        counters: &["IpExtInTruncatedPkts", "Ip6InTruncatedPkts"],
        fault: |_| "the IP header claims more bytes than the packet has".to_owned(),
        evidence: |tally| tally.faults.clone(),
        remedy: |_| {
            lines(&[
                "find who cuts the packets: a NIC or driver that truncates, a smaller MTU on the way without \
                 fragmentation, a tunnel that counts its overhead wrongly",
                "compare MTUs along the path: `ip -d link`, `tracepath`",
            ])
        },
    },
    Rule {
        id: "ip-header-checksum",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpChecksum]),
        counters: &["IpExtInCsumErrors", "IpInHdrErrors"],
        fault: |_| {
            "the checksum of the IP header is wrong: it was changed on the way, or built wrongly"
                .to_owned()
        },
        evidence: |tally| tally.faults.clone(),
        remedy: |_| {
            lines(&[
                "from many senders: suspect a NIC, cable or switch (`ethtool -S`), and receive offloads (`ethtool -k`)",
                "from one: suspect the program that rewrites its headers: eBPF without bpf_l3_csum_replace, a userspace \
                 stack, NAT in a middlebox",
            ])
        },
    },
    Rule {
        id: "ip-header-version",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpVersion]),
        counters: &["IpInHdrErrors", "Ip6InHdrErrors"],
        fault: |_| {
            "the version in the IP header is not that of the protocol that the packet was announced as".to_owned()
        },
        evidence: |tally| tally.faults.clone(),
        remedy: |_| {
            lines(&[
                "find who sets the EtherType or the tun packet-info protocol: it must be 0x0800 for IPv4 and 0x86dd for \
                 IPv6",
            ])
        },
    },
    Rule {
        id: "ip-header-length",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpIhl, MalformedKind::IpLengthShort]),
        counters: &["IpInHdrErrors", "IpExtInTruncatedPkts"],
        fault: |_| "a length in the IP header is impossible".to_owned(),
        evidence: |tally| tally.faults.clone(),
        remedy: |_| {
            lines(&[
                "find who builds these packets: a crafted packet, a broken userspace stack, or corrupted memory",
            ])
        },
    },
];

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The first fault counts: the kernel checks in this order and stops there.
fn faulty(event: &Event<'_>, kinds: &[MalformedKind]) -> Option<f32> {
    if !event.judged_by_header() {
        return None;
    }
    let first = event.packet.faults().next()?;
    kinds.contains(&first.kind).then_some(first.confidence)
}
