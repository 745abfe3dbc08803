//! UDP, and the checksums of ICMP: closed ports, full sockets, datagrams that are wrong in themselves.
//!
//! A kernel without reasons has two functions for all of it: length and checksum are read off the packet, and what is
//! left is a closed port in the one, and mostly a full buffer in the other.

use super::{
    Event, Rule, known,
    rule::Counted,
    seen::{advice, evidence_with_length, owner, service, source},
};
use crate::{
    analysis::place::{ICMP, ICMP6, RAW, UDP, UDP_QUEUE, UDP_READ, UDP6, UDP6_QUEUE},
    analysis::{
        counter::Correlated,
        fact::{Facts, Need},
    },
    decode::MalformedKind,
};

/// Where a program takes a datagram out.
const UDP_RECEIVE: &[&str] = &["udp_recvmsg", "udpv6_recvmsg"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "udp-length",
        reasons: &[&["PKT_TOO_SMALL"]],
        functions: &[UDP, UDP6],
        claims: |event| {
            let wrong = event
                .packet
                .faults()
                .any(|fault| fault.kind == MalformedKind::UdpLength);
            match () {
                () if !event.is_udp() || !is_received(event) => None,
                () if event.reason_is(&["PKT_TOO_SMALL"]) => Some(0.97),
                () if event.is_unspecified() && wrong => Some(0.95),
                () => None,
            }
        },
        counters: &["UdpInErrors", "Udp6InErrors"],
        fault: |tally| {
            format!(
                "the length in the UDP header is wrong, from {}",
                source(tally)
            )
        },
        evidence: |tally| {
            let mut lines = evidence_with_length(tally);
            lines.extend(tally.faults.clone());
            lines
        },
        remedy: |tally| advice("udp-length", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "udp-checksum",
        reasons: &[&["UDP_CSUM", "NO_SOCKET"]],
        functions: &[UDP_READ, UDP, UDP6, UDP_QUEUE, UDP6_QUEUE, UDP_RECEIVE],
        claims: |event| {
            let place = is_received(event) || is_queued(event) || is_read(event);
            match () {
                () if !event.is_udp() => None,
                () if event.reason_is(&["UDP_CSUM"]) => Some(0.97),
                // __udp6_lib_rcv says NO_SOCKET, and then finds the checksum wrong.
                () if event.reason_is(&["NO_SOCKET"]) && event.is_ipv6() && place => {
                    event.has_wrong_checksum().then_some(0.85)
                }
                () if event.is_unspecified() && place && event.has_wrong_checksum() => Some(0.95),
                () if event.is_unspecified() && event.dropped_in(UDP_READ) => Some(0.85),
                () => None,
            }
        },
        counters: &["UdpInCsumErrors", "Udp6InCsumErrors"],
        fault: |tally| format!("the UDP checksum is wrong, from {}", source(tally)),
        remedy: |tally| advice("udp-checksum", tally),
        needs: &[Need::Device],
        verdict: known::device::offloads,
        ..Rule::DEFAULT
    },
    Rule {
        id: "udp-port-closed",
        reasons: &[&["NO_SOCKET"]],
        functions: &[UDP, UDP6],
        claims: |event| match () {
            () if !event.is_udp() || event.is_for_group() => None,
            // __udp6_lib_rcv finds the checksum wrong after it has set the reason.
            () if event.reason_is(&["NO_SOCKET"])
                && event.is_ipv6()
                && event.has_wrong_checksum() =>
            {
                Some(0.3)
            }
            () if event.reason_is(&["NO_SOCKET"]) => Some(0.97),
            () if event.is_reasonless() && is_received(event) => Some(0.85),
            () => None,
        },
        counters: &["UdpNoPorts", "Udp6NoPorts"],
        always_counted: true,
        fault: |tally| format!("nobody listens on {}", service(tally)),
        remedy: |tally| advice("udp-port-closed", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "udp-receive-buffer-full",
        reasons: &[&["SOCKET_RCVBUFF"]],
        functions: &[UDP_QUEUE, UDP6_QUEUE],
        claims: |event| match () {
            // A raw socket of UDP has a copy.
            () if !event.is_udp() || event.dropped_in(RAW) => None,
            () if event.reason_is(&["SOCKET_RCVBUFF"]) => Some(0.97),
            () if event.is_reasonless() && is_queued(event) => Some(0.5),
            () => None,
        },
        counters: &["UdpRcvbufErrors", "Udp6RcvbufErrors"],
        always_counted: true,
        fault: |tally| {
            let who = owner(tally).unwrap_or_else(|| "the program".to_owned());
            let service = service(tally);
            match tally.reasons.is_empty() && !tally.is_certain() {
                true => format!(
                    "the receive buffer of {service} is full and {who} does not read fast enough, or a filter refuses \
                     them (this kernel does not say which)"
                ),
                false => format!(
                    "the receive buffer of {service} is full: {who} does not read fast enough"
                ),
            }
        },
        remedy: |tally| advice("udp-receive-buffer-full", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "udp-memory",
        reasons: &[&["PROTO_MEM"]],
        functions: &[UDP_QUEUE, UDP6_QUEUE],
        claims: |event| match () {
            () if !event.is_udp() => None,
            () if event.reason_is(&["PROTO_MEM"]) => Some(0.97),
            () if event.is_reasonless() && is_queued(event) => Some(0.2),
            () => None,
        },
        counters: &["UdpMemErrors", "Udp6MemErrors"],
        counted: out_of_memory,
        fault: |_| "all UDP sockets together have used up their memory (udp_mem)".to_owned(),
        remedy: |tally| advice("udp-memory", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "icmp-checksum",
        reasons: &[&["ICMP_CSUM"]],
        functions: &[ICMP, ICMP6],
        claims: |event| {
            let place = event.dropped_in(ICMP) || event.dropped_in(ICMP6);
            match () {
                () if event.reason_is(&["ICMP_CSUM"]) => Some(0.97),
                () if event.is_unspecified() && place && event.has_wrong_checksum() => Some(0.95),
                () => None,
            }
        },
        counters: &["IcmpInCsumErrors", "Icmp6InCsumErrors"],
        fault: |tally| {
            format!(
                "the checksum of the ICMP message is wrong, from {}",
                source(tally)
            )
        },
        remedy: |tally| advice("icmp-checksum", tally),
        needs: &[Need::Device],
        verdict: known::device::offloads,
        ..Rule::DEFAULT
    },
];

/// Until 6.11 (`rx_sk`) such a drop tells neither device nor socket: with a namespace asked for, it is not among the
/// events.
fn out_of_memory(counters: &[Correlated], _: &Facts) -> Option<Counted> {
    let found = ["UdpMemErrors", "Udp6MemErrors"]
        .into_iter()
        .find_map(|name| Counted::rest(counters, name))?;
    Some(Counted {
        confidence: 0.95,
        fault: "all UDP sockets together have used up their memory (udp_mem)".to_owned(),
        evidence: vec![
            "no drop of this namespace was seen for it: until Linux 6.11 it tells neither device nor socket".to_owned(),
        ],
        remedy: vec![
            "cat /proc/net/sockstat (UDP: mem, in pages); sysctl net.ipv4.udp_mem".to_owned(),
            "ss -uamn shows whose receive buffers hold it (skmem: r)".to_owned(),
        ],
        ..found
    })
}

/// Where a datagram is checked and its socket looked for.
fn is_received(event: &Event<'_>) -> bool {
    event.dropped_in(UDP) || event.dropped_in(UDP6)
}

/// Where it is put into its socket.
fn is_queued(event: &Event<'_>) -> bool {
    event.dropped_in(UDP_QUEUE) || event.dropped_in(UDP6_QUEUE)
}

/// Where it is taken out.
fn is_read(event: &Event<'_>) -> bool {
    event.dropped_in(UDP_READ) || event.dropped_in(UDP_RECEIVE)
}
