//! IP headers that are wrong in themselves.

use super::{Event, Rule, Severity};
use crate::{analysis::explain::remedy, decode::MalformedKind};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "ip-header-truncated",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpTruncated]),
        counters: &["IpInHdrErrors", "Ip6InHdrErrors", "Ip6InTruncatedPkts"],
        fault: |_| "the packet ends before its IP header does".to_owned(),
        evidence: |tally| tally.faults.clone(),
        remedy: |_| remedy("ip-header-truncated", &[]),
        ..Rule::DEFAULT
    },
    Rule {
        id: "ip-length-beyond-packet",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpLengthBeyond]),
        counters: &["IpExtInTruncatedPkts", "Ip6InTruncatedPkts"],
        fault: |_| "the IP header claims more bytes than the packet has".to_owned(),
        evidence: |tally| tally.faults.clone(),
        remedy: |_| remedy("ip-length-beyond-packet", &[]),
        ..Rule::DEFAULT
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
        remedy: |_| remedy("ip-header-checksum", &[]),
        ..Rule::DEFAULT
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
        remedy: |_| remedy("ip-header-version", &[]),
        ..Rule::DEFAULT
    },
    Rule {
        id: "ip-header-length",
        severity: Severity::Warning,
        claims: |event| faulty(event, &[MalformedKind::IpIhl, MalformedKind::IpLengthShort]),
        counters: &["IpInHdrErrors", "IpExtInTruncatedPkts"],
        fault: |_| "a length in the IP header is impossible".to_owned(),
        evidence: |tally| tally.faults.clone(),
        remedy: |_| remedy("ip-header-length", &[]),
        ..Rule::DEFAULT
    },
];

/// The first fault counts: the kernel checks in this order and stops there.
fn faulty(event: &Event<'_>, kinds: &[MalformedKind]) -> Option<f32> {
    if !event.judged_by_header() {
        return None;
    }
    let first = event.packet.faults().next()?;
    // Bytes that are something else are no surer to be a wrong header than to be that, and that says more.
    let disguise = event.packet.disguise.as_ref();
    let most = disguise.map_or(1.0, |disguise| disguise.confidence);
    kinds
        .contains(&first.kind)
        .then_some(first.confidence.min(most))
}
