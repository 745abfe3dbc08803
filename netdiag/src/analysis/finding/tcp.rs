//! TCP, until a connection stands: closed ports, listeners' queues, SYN cookies, signatures and TTLs, checksums.
//!
//! Before 5.17 `tcp_v4_rcv` drops for all of it without a word, and what a standing connection refuses leaves no event
//! at all (`tcp_drop` calls `__kfree_skb`): counters have to speak there.

use super::{
    Event, Rule, known,
    rule::Counted,
    seen::{advice, evidence_with_ttl, owner, service, source},
};
use crate::analysis::{
    counter::Correlated,
    fact::{Facts, Need},
};
use crate::{
    analysis::place::{TCP, TCP_RECEIVE},
    decode::{MalformedKind, TcpFlags},
};

const DO_RCV: &[&str] = &["tcp_v4_do_rcv", "tcp_v6_do_rcv"];
const COOKIE: &[&str] = &["cookie_v4_check", "cookie_v6_check"];
/// TCP options (IANA).
const OPTION_MD5: u8 = 19;
const OPTION_AO: u8 = 29;
const SIGNATURE: &[&str] = &[
    "TCP_AUTH_HDR",
    "TCP_MD5NOTFOUND",
    "TCP_MD5UNEXPECTED",
    "TCP_MD5FAILURE",
    "TCP_AONOTFOUND",
    "TCP_AOUNEXPECTED",
    "TCP_AOKEYNOTFOUND",
    "TCP_AOFAILURE",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "tcp-checksum",
        reasons: &[&["TCP_CSUM"]],
        functions: &[TCP_RECEIVE],
        claims: |event| match () {
            () if event.reason_is(&["TCP_CSUM"]) => Some(0.97),
            () if event.is_unspecified()
                && event.is_tcp()
                && event.dropped_in(TCP_RECEIVE)
                && event.has_wrong_checksum() =>
            {
                Some(0.95)
            }
            () => None,
        },
        counters: &["TcpInCsumErrors", "TcpInErrs"],
        fault: |tally| format!("the TCP checksum is wrong, from {}", source(tally)),
        remedy: |tally| advice("tcp-checksum", tally),
        needs: &[Need::Device],
        verdict: known::device::offloads,
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-signature",
        reasons: &[SIGNATURE],
        functions: &[TCP],
        claims: |event| match () {
            () if event.reason_is(SIGNATURE) => Some(0.97),
            () if is_silent(event) && is_signed(event) => Some(0.6),
            // Its counters tell.
            () if is_silent(event) => Some(0.2),
            () => None,
        },
        counters: &[
            "TcpExtTCPMD5NotFound",
            "TcpExtTCPMD5Unexpected",
            "TcpExtTCPMD5Failure",
            "TcpExtTCPAOBad",
            "TcpExtTCPAOKeyNotFound",
        ],
        always_counted: true,
        fault: |tally| {
            let has = |name: &str| tally.reasons.iter().any(|reason| reason.contains(name));
            let what = match () {
                () if has("KEYNOTFOUND") => "are signed with a key that this host does not have",
                () if has("NOTFOUND") => "are not signed, and the socket demands it",
                () if has("UNEXPECTED") => "are signed, and the socket has no key for them",
                () if has("AUTH_HDR") => "have a malformed signature",
                () if !tally.has_reasons() => {
                    "have no signature, a wrong one, or one that nobody expects"
                }
                () => "have a wrong signature",
            };
            format!("the segments of {} {what}", source(tally))
        },
        remedy: |tally| advice("tcp-signature", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "accept-queue-overflow",
        reasons: &[&["TCP_LISTEN_OVERFLOW", "NO_SOCKET"]],
        functions: &[COOKIE, TCP],
        claims: |event| match () {
            () if event.reason_is(&["TCP_LISTEN_OVERFLOW"]) => Some(0.97),
            // The cookie was good, and syn_recv_sock found no room. The other cause is want of memory.
            () if event.dropped_in(COOKIE) && event.reason_is(&["NO_SOCKET"]) => Some(0.85),
            // tcp_check_req: the last ACK of a handshake. TCP_DEFER_ACCEPT and a low TTL are dropped here as well.
            () if event.dropped_in(TCP)
                && event.reason_is(&["NOT_SPECIFIED"])
                && event.is_plain_ack() =>
            {
                Some(0.6)
            }
            // Before 5.17 much else is dropped there so: the counter decides.
            () if event.dropped_in(TCP) && event.is_reasonless() && event.is_plain_ack() => {
                Some(0.2)
            }
            () => None,
        },
        // TcpExtListenDrops rises with it, and for other causes.
        counters: &["TcpExtListenOverflows"],
        // Of what has no reason here, TCP_DEFER_ACCEPT and the end of a connection are ordinary.
        always_counted: true,
        fault: |tally| {
            let who = owner(tally).unwrap_or_else(|| "the program".to_owned());
            format!(
                "the accept queue of {} is full: {who} does not accept fast enough, and finished handshakes are thrown away",
                service(tally)
            )
        },
        remedy: |tally| advice("accept-queue-overflow", tally),
        needs: &[Need::Listeners],
        verdict: known::listener::queues,
        counted: overflows,
        ..Rule::ERROR
    },
    Rule {
        id: "syn-queue-full",
        // tcp_conn_request drops SYNs without an event: this one is found by its counters.
        counters: &["TcpExtTCPReqQFullDrop", "TcpExtTCPReqQFullDoCookies"],
        fault: |tally| {
            format!(
                "the queue of half-open connections to {} is full",
                service(tally)
            )
        },
        remedy: |tally| advice("syn-queue-full", tally),
        counted: full_of_syns,
        ..Rule::DEFAULT
    },
    Rule {
        id: "syncookie-failed",
        reasons: &[&["TCP_FLAGS"]],
        functions: &[DO_RCV],
        // An ACK for a listener: its cookie is stale, or it is of a connection from before a restart.
        claims: |event| {
            let silent = event.is_unspecified() || event.reason_is(&["TCP_FLAGS"]);
            (silent && event.dropped_in(DO_RCV) && event.is_plain_ack() && event.payload() == 0)
                .then_some(0.45)
        },
        counters: &["TcpExtSyncookiesFailed"],
        fault: |tally| {
            format!(
                "the acknowledgments for {} finish no handshake that the listener knows: a SYN cookie that does not \
                 hold, or a connection from before a restart",
                service(tally)
            )
        },
        remedy: |tally| advice("syncookie-failed", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-ttl-too-low",
        reasons: &[&["TCP_MINTTL"]],
        functions: &[TCP],
        claims: |event| match () {
            () if event.reason_is(&["TCP_MINTTL"]) => Some(0.97),
            // 6.1 has names for all that a SYN meets in this function but this.
            () if event.dropped_in(TCP)
                && event.reason_is(&["NOT_SPECIFIED"])
                && event.is_syn() =>
            {
                Some(0.65)
            }
            () if is_silent(event) => Some(0.2),
            () => None,
        },
        counters: &["TcpExtTCPMinTTLDrop"],
        always_counted: true,
        fault: |tally| {
            format!(
                "the segments of {} come from farther away than {} allows (IP_MINTTL, IPV6_MINHOPCOUNT)",
                source(tally),
                service(tally)
            )
        },
        evidence: evidence_with_ttl,
        remedy: |tally| advice("tcp-ttl-too-low", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "tcp-port-closed",
        reasons: &[&["NO_SOCKET"]],
        functions: &[TCP],
        claims: |event| {
            // Anything but a SYN is of a connection that is over, and ordinary.
            if !event.is_syn() || !event.dropped_in(TCP) {
                return None;
            }
            let whole = || event.packet.faults().next().is_none();
            match () {
                () if event.reason_is(&["NO_SOCKET"]) => Some(0.97),
                // Or the signature was wrong, and there was no reset.
                () if event.is_reasonless() && is_signed(event) => Some(0.4),
                () if event.is_reasonless() && whole() => Some(0.8),
                () => None,
            }
        },

        fault: |tally| {
            format!(
                "nobody listens on {}, and the clients get a reset",
                service(tally)
            )
        },
        remedy: |tally| advice("tcp-port-closed", tally),
        needs: &[Need::Listeners],
        verdict: known::listener::unheard,
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-flags-invalid",
        reasons: &[&["TCP_FLAGS", "TCP_INVALID_SYN", "PKT_TOO_SMALL"]],
        functions: &[DO_RCV, TCP_RECEIVE],
        claims: |event| {
            let offset = || {
                event
                    .packet
                    .faults()
                    .any(|fault| fault.kind == MalformedKind::TcpOffset)
            };
            match () {
                // A listener has no use for it: of an old connection, or with a SYN cookie.
                () if event.reason_is(&["TCP_FLAGS"])
                    && event.dropped_in(DO_RCV)
                    && event.is_plain_ack() =>
                {
                    Some(0.4)
                }
                () if event.reason_is(&["TCP_FLAGS", "TCP_INVALID_SYN"]) => Some(0.9),
                () if event.reason_is(&["PKT_TOO_SMALL"]) && event.dropped_in(TCP_RECEIVE) => {
                    Some(0.9)
                }
                () if event.is_reasonless() && event.dropped_in(TCP_RECEIVE) && offset() => {
                    Some(0.9)
                }
                () => None,
            }
        },
        counters: &["TcpExtTCPSYNChallenge", "TcpInErrs"],
        fault: |tally| {
            let what = match () {
                () if tally.reasons.contains("TCP_INVALID_SYN") => {
                    "are SYNs inside a connection that stands"
                }
                () if tally.reasons.contains("TCP_FLAGS") => {
                    "have flags that make no sense in the connection's state"
                }
                () => "have a header length that is impossible",
            };
            format!("the segments of {} {what}", source(tally))
        },
        remedy: |tally| advice("tcp-flags-invalid", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "tcp-ack-invalid",
        reasons: &[&[
            "TCP_TOO_OLD_ACK",
            "TCP_ACK_UNSENT_DATA",
            "TCP_INVALID_ACK_SEQUENCE",
        ]],
        functions: &[DO_RCV],
        claims: |event| {
            const REASONS: &[&str] = &[
                "TCP_TOO_OLD_ACK",
                "TCP_ACK_UNSENT_DATA",
                "TCP_INVALID_ACK_SEQUENCE",
            ];
            let answer = event
                .tcp()
                .is_some_and(|flags| flags.has(TcpFlags::SYN) && flags.has(TcpFlags::ACK));
            match () {
                () if event.reason_is(REASONS) => Some(0.95),
                // tcp_rcv_synsent_state_process says "reset", and tcp_v4_do_rcv drops.
                () if event.is_unspecified() && event.dropped_in(DO_RCV) && answer => Some(0.7),
                () => None,
            }
        },

        fault: |tally| {
            format!(
                "the segments of {} acknowledge what this host did not send, or sent long ago",
                source(tally)
            )
        },
        remedy: |tally| advice("tcp-ack-invalid", tally),
        ..Rule::DEFAULT
    },
];

/// Before 5.17 the function has no word for what it drops.
fn is_silent(event: &Event<'_>) -> bool {
    event.is_reasonless()
        && event.is_tcp()
        && event.dropped_in(TCP)
        && event.packet.faults().next().is_none()
}

fn is_signed(event: &Event<'_>) -> bool {
    event
        .upper()
        .is_some_and(|upper| upper.has_tcp_option(OPTION_MD5) || upper.has_tcp_option(OPTION_AO))
}

const OVERFLOWS: &str = "TcpExtListenOverflows";

/// A SYN for a full queue leaves no event.
fn overflows(counters: &[Correlated], _: &Facts) -> Option<Counted> {
    let rest = Counted::rest(counters, OVERFLOWS);
    let silent = "SYNs that find the queue full are dropped without an event";
    Some(Counted {
        confidence: 0.95,
        fault: "the accept queue of a listener is full: its program does not accept fast enough".to_owned(),
        // Where every rise has its event, there need not have been one.
        evidence: rest.iter().map(|_| silent.to_owned()).collect(),
        remedy: vec![
            "netdiag conn --listen shows whose queue is full; ss -ltn as well (Recv-Q beyond Send-Q)".to_owned(),
            "make the program accept faster, or give it a longer queue: listen(2), net.core.somaxconn".to_owned(),
        ],
        // What is taken for the last ACK of a handshake, because its reason is not said, may be something else.
        ..rest.or_else(|| Counted::risen(counters, OVERFLOWS))?
    })
}

/// Nor does one for a full queue of half-open connections. With SYN cookies, which are the default, it is answered.
fn full_of_syns(counters: &[Correlated], _: &Facts) -> Option<Counted> {
    let answered = || {
        Some(Counted {
            confidence: 0.9,
            fault: "the queue of half-open connections of a listener is full, and SYN cookies are sent: a SYN flood, or \
                    too small a queue"
                .to_owned(),
            evidence: vec!["with a cookie nothing is dropped, but the connection does without some options".to_owned()],
            remedy: vec![
                "ss -tan state syn-recv shows whose queue it is, and who does not answer".to_owned(),
                "sysctl net.ipv4.tcp_max_syn_backlog net.core.somaxconn, and the program's own backlog: how many there \
                 may be"
                    .to_owned(),
            ],
            ..Counted::rest(counters, "TcpExtTCPReqQFullDoCookies")?
        })
    };
    dropped_syns(counters).or_else(answered)
}

fn dropped_syns(counters: &[Correlated]) -> Option<Counted> {
    Some(Counted {
        confidence: 0.95,
        fault: "the queue of half-open connections of a listener is full, and SYN cookies are off: a SYN flood, or too \
                small a queue"
            .to_owned(),
        evidence: vec!["such SYNs are dropped without an event".to_owned()],
        remedy: vec![
            "sysctl net.ipv4.tcp_syncookies net.ipv4.tcp_max_syn_backlog".to_owned(),
            "sysctl -w net.ipv4.tcp_syncookies=1 keeps a host reachable in a flood".to_owned(),
        ],
        ..Counted::rest(counters, "TcpExtTCPReqQFullDrop")?
    })
}
