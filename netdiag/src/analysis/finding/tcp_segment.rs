//! TCP segments that a standing connection does not take: out of its window, too old, no memory, after its end.

use super::{
    Rule, Severity,
    rule::Counted,
    seen::{advice, owner, service, source},
};
use crate::{analysis::place::TCP, decode::TcpFlags};

/// Why there is no packet to show of it.
const SILENT: &str = "what a standing connection refuses has no event before Linux 5.17, and some of it no namespace \
                      before 6.11";
const DO_RCV: &[&str] = &["tcp_v4_do_rcv", "tcp_v6_do_rcv"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "tcp-zero-window",
        reasons: &[&["TCP_ZEROWINDOW", "TCP_INVALID_END_SEQUENCE"]],
        // One byte is a probe, and asks whether there is room again.
        claims: |event| {
            match () {
                () if event.payload() == 1 => None,
                () if event.reason_is(&["TCP_ZEROWINDOW"]) => Some(0.95),
                // tcp_sequence lets in what goes beyond the window, unless there is data that nobody has read.
                () if event.reason_is(&["TCP_INVALID_END_SEQUENCE"]) => Some(0.85),
                () => None,
            }
        },
        counters: &["TcpExtTCPZeroWindowDrop", "TcpExtTCPToZeroWindowAdv"],
        counted: |counters, _| {
            Some(Counted {
                confidence: 0.6,
                // A probe of one byte counts as well, and is ordinary.
                severity: Some(Severity::Info),
                fault: "data came for a connection whose receive window is closed, because its program does not read"
                    .to_owned(),
                evidence: vec![SILENT.to_owned()],
                remedy: vec!["ss -tmi shows whose receive queue is full (Recv-Q)".to_owned()],
                ..Counted::untold(counters, "TcpExtTCPZeroWindowDrop")?
            })
        },
        fault: |tally| {
            let who = owner(tally).unwrap_or_else(|| "its program".to_owned());
            format!(
                "the receive window of {} is closed, because {who} does not read",
                service(tally)
            )
        },
        remedy: |tally| advice("tcp-zero-window", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-paws",
        reasons: &[&[
            "TCP_RFC7323_PAWS",
            "TCP_RFC7323_TW_PAWS",
            "TCP_RFC7323_TSECR",
        ]],
        // TCP_RFC7323_PAWS_ACK is an ACK that was overtaken, and ordinary.
        claims: |event| {
            const REASONS: &[&str] = &[
                "TCP_RFC7323_PAWS",
                "TCP_RFC7323_TW_PAWS",
                "TCP_RFC7323_TSECR",
            ];
            event.reason_is(REASONS).then_some(0.95)
        },
        counters: &["TcpExtPAWSEstab"],
        counted: |counters, _| {
            Some(Counted {
                confidence: 0.8,
                fault: "TCP timestamps of a peer go backwards, or are of somebody else: several hosts behind one \
                        address"
                    .to_owned(),
                evidence: vec![SILENT.to_owned()],
                remedy: vec![
                    "tcpdump -n tcp shows the timestamps (TS val) of one address; they must not go back".to_owned(),
                ],
                ..Counted::untold(counters, "TcpExtPAWSEstab")?
            })
        },
        fault: |tally| {
            format!(
                "the TCP timestamps of {} go backwards, or are of somebody else",
                source(tally)
            )
        },
        remedy: |tally| advice("tcp-paws", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-out-of-window",
        reasons: &[&[
            "TCP_OVERWINDOW",
            "TCP_INVALID_END_SEQUENCE",
            "TCP_INVALID_SEQUENCE",
        ]],
        claims: |event| match () {
            () if event.reason_is(&["TCP_OVERWINDOW"]) => Some(0.95),
            () if event.reason_is(&["TCP_INVALID_END_SEQUENCE"]) => Some(0.6),
            // Before 6.6 also what is too old: a keepalive probe is such, and has no data.
            () if event.reason_is(&["TCP_INVALID_SEQUENCE"]) && event.payload() > 1 => Some(0.7),
            () => None,
        },
        counters: &["TcpExtBeyondWindow"],
        fault: |tally| {
            let where_ = match tally.reasons.contains("TCP_INVALID_SEQUENCE") {
                true => "outside the receive window (before 6.6 also: before it)",
                false => "beyond the receive window",
            };
            format!("the data of {} lies {where_}", source(tally))
        },
        remedy: |tally| advice("tcp-out-of-window", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-old-data",
        reasons: &[&[
            "TCP_OLD_DATA",
            "TCP_OFOMERGE",
            "TCP_OFO_DROP",
            "TCP_OLD_SEQUENCE",
            "TCP_INVALID_SEQUENCE",
        ]],
        claims: |event| match () {
            () if event.reason_is(&["TCP_OLD_DATA", "TCP_OFOMERGE", "TCP_OFO_DROP"]) => Some(0.95),
            // Without data, or with one byte of it, it is a keepalive probe.
            () if event.reason_is(&["TCP_OLD_SEQUENCE"]) && event.payload() > 1 => Some(0.95),
            () if event.reason_is(&["TCP_INVALID_SEQUENCE"]) && event.payload() > 1 => Some(0.4),
            () => None,
        },
        counters: &["TcpExtDelayedACKLost", "TcpExtTCPOFOMerge"],
        counted: |counters, _| {
            Some(Counted {
                confidence: 0.8,
                fault: "this host had the data already, and a peer sent it again too early"
                    .to_owned(),
                evidence: vec![SILENT.to_owned()],
                remedy: vec!["netdiag retrans on the peer shows why it sends again".to_owned()],
                ..Counted::untold(counters, "TcpExtDelayedACKLost")?
            })
        },
        fault: |tally| {
            format!(
                "this host had the data already: {} sent it again too early",
                source(tally)
            )
        },
        remedy: |tally| advice("tcp-old-data", tally),
        ..Rule::INFO
    },
    Rule {
        id: "tcp-reset-refused",
        reasons: &[&["TCP_RESET"]],
        claims: |event| event.reason_is(&["TCP_RESET"]).then_some(0.9),

        fault: |tally| {
            format!(
                "the resets of {} do not fit the connection exactly, and are not believed",
                source(tally)
            )
        },
        remedy: |tally| advice("tcp-reset-refused", tally),
        ..Rule::INFO
    },
    Rule {
        id: "tcp-memory",
        reasons: &[&["PROTO_MEM", "TCP_OFO_QUEUE_PRUNE"]],
        claims: |event| match () {
            () if event.reason_is(&["PROTO_MEM"]) && event.is_tcp() => Some(0.95),
            () if event.reason_is(&["TCP_OFO_QUEUE_PRUNE"]) => Some(0.85),
            () => None,
        },
        counters: &[
            "TcpExtTCPRcvQDrop",
            "TcpExtTCPOFODrop",
            "TcpExtOfoPruned",
            "TcpExtRcvPruned",
        ],
        fault: |tally| {
            format!(
                "there is no receive memory left for {}: tcp_mem, the cgroup's limit, or the socket's own buffer",
                service(tally)
            )
        },
        counted: |counters, _| {
            Some(Counted {
                confidence: 0.9,
                fault: "there is no receive memory left for a connection: tcp_mem, the cgroup's limit, or the socket's \
                        own buffer"
                    .to_owned(),
                evidence: vec![SILENT.to_owned()],
                remedy: vec![
                    "cat /proc/net/sockstat (TCP: mem, in pages); sysctl net.ipv4.tcp_mem".to_owned(),
                    "ss -tmn shows whose receive buffers hold it (skmem: r)".to_owned(),
                ],
                ..Counted::untold(counters, "TcpExtTCPRcvQDrop")?
            })
        },
        remedy: |tally| advice("tcp-memory", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "tcp-backlog-full",
        reasons: &[&["SOCKET_BACKLOG"]],
        functions: &[TCP, &["tcp_add_backlog"]],
        claims: |event| match () {
            () if event.reason_is(&["SOCKET_BACKLOG"]) => Some(0.97),
            () if event.is_unspecified() && event.dropped_in(&["tcp_add_backlog"]) => Some(0.85),
            // Inlined, and one of several causes: its counter tells.
            () if event.is_reasonless() && event.is_tcp() && event.dropped_in(TCP) => Some(0.2),
            () => None,
        },
        counters: &["TcpExtTCPBacklogDrop"],
        counted: |counters, _| {
            Some(Counted {
                confidence: 0.95,
                fault: "a program holds the socket of a connection locked, and what waits meanwhile is too much"
                    .to_owned(),
                evidence: vec![SILENT.to_owned()],
                remedy: vec![
                    "ss -tmi shows whose backlog is long (skmem: bl); cat /proc/PID/stack tells where it hangs".to_owned(),
                ],
                ..Counted::untold(counters, "TcpExtTCPBacklogDrop")?
            })
        },
        always_counted: true,
        fault: |tally| {
            let who = owner(tally).unwrap_or_else(|| "its program".to_owned());
            format!(
                "{who} holds the socket {} locked, and what waits meanwhile is too much",
                service(tally)
            )
        },
        remedy: |tally| advice("tcp-backlog-full", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "tcp-data-after-close",
        reasons: &[&["TCP_ABORT_ON_DATA", "TCP_CLOSE"]],
        functions: &[DO_RCV],
        claims: |event| {
            let data = event.payload() > 0
                && event.tcp().is_some_and(|flags| {
                    flags.has(TcpFlags::ACK) && !flags.has(TcpFlags::SYN | TcpFlags::RST)
                });
            match () {
                () if event.reason_is(&["TCP_ABORT_ON_DATA"]) => Some(0.97),
                () if event.reason_is(&["TCP_CLOSE"]) && data => Some(0.7),
                // tcp_rcv_state_process says "reset", and tcp_v4_do_rcv drops. A listener does so with the data of a
                // connection from before a restart.
                () if event.is_unspecified() && event.dropped_in(DO_RCV) && data => Some(0.6),
                () => None,
            }
        },

        fault: |tally| {
            format!(
                "{} sends data after the program of {} has closed the connection: it is lost, and a reset goes back",
                source(tally),
                service(tally)
            )
        },
        remedy: |tally| advice("tcp-data-after-close", tally),
        ..Rule::DEFAULT
    },
];
