//! In which ways connections go wrong.

use super::{Cause, ConnEvent, ConnKind, Side, errno::Errno, state};
use crate::analysis::finding::Severity;

/// A handshake is slow when it takes so many times the round-trip time.
const SLOW: u64 = 3;
/// And no less than this.
const SLOW_NS: u64 = 50_000_000;
/// Who has waited so long for an answer had reason to expect one.
const PATIENT_NS: u64 = 900_000_000;
/// One way in which connections go wrong.
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    /// After "3 connections to 10.0.0.1:80".
    pub(super) fault: &'static str,
    pub(super) remedy: &'static [&'static str],
    pub(super) counters: &'static [&'static str],
}

const REFUSED: Rule = Rule {
    id: "connection-refused",
    severity: Severity::Warning,
    confidence: 0.95,
    fault: "refused: nothing listens there, or a firewall rejects it",
    remedy: &[
        "on the destination: `ss -ltnp` shows what listens, and on which addresses (127.0.0.1 only?)",
        "start the service, or correct address and port of the client",
        "if it does listen: look for a reject rule on the way, `nft list ruleset | grep -i reject`",
    ],
    counters: &["TcpAttemptFails"],
};

pub(super) const FILTERED: Rule = Rule {
    id: "connection-filtered",
    severity: Severity::Error,
    confidence: 0.9,
    fault: "without any answer: the SYN or the answer to it is dropped on the way, or the host is down",
    remedy: &[
        "if the evidence names a place on this host: `nft list ruleset`, `iptables-save`, `tc qdisc show` there",
        "on the way: security groups and firewalls between the two; `traceroute -T -p PORT ADDRESS` shows how far a SYN comes",
        "on the destination: `netdiag drops --port PORT` shows whether the SYN arrives and what drops it",
    ],
    counters: &["TcpExtTCPTimeouts", "TcpAttemptFails"],
};

const NO_ROUTE: Rule = Rule {
    id: "connection-no-route",
    severity: Severity::Error,
    confidence: 0.95,
    fault: "without a route: the destination cannot be reached from here",
    remedy: &[
        "`ip route get ADDRESS` in the namespace of the connection says which route is missing",
        "`ip route add PREFIX via GATEWAY`, or start what sets the routes (DHCP, VPN, CNI)",
        "with a route: `ip neigh show` tells whether the next hop answers",
    ],
    counters: &["IpOutNoRoutes"],
};

const REJECTED: Rule = Rule {
    id: "connection-rejected",
    severity: Severity::Error,
    confidence: 0.9,
    fault: "rejected on the way (ICMP), or the host does not answer ARP or neighbour discovery",
    remedy: &[
        "`ip neigh show`: FAILED says that the host, or the router before it, does not answer",
        "routers and firewalls on the way send ICMP: `tcpdump -ni any icmp or icmp6` shows which one, and why",
        "a firewall's reject rule: `nft list ruleset | grep -i reject` there",
    ],
    counters: &["TcpAttemptFails"],
};

const NO_PORT: Rule = Rule {
    id: "ephemeral-ports-exhausted",
    severity: Severity::Error,
    confidence: 0.9,
    fault: "without a free local port: every port of the range is in use towards this destination",
    remedy: &[
        "`sysctl net.ipv4.ip_local_port_range` is the range; widen it, such as 1024 65535",
        "`ss -tan state time-wait | wc -l`: keep connections open and reuse them (pools, keep-alive)",
        "`sysctl net.ipv4.tcp_tw_reuse=1` lets new connections take ports from TIME_WAIT; more destination addresses help, too",
    ],
    counters: &[],
};

const FORBIDDEN: Rule = Rule {
    id: "connection-forbidden",
    severity: Severity::Error,
    confidence: 0.9,
    fault: "forbidden on this host before a packet was sent: by a cgroup program, a security module or a prohibit route",
    remedy: &[
        "`bpftool cgroup tree` lists programs of cgroups (connect4, connect6)",
        "`ip route get ADDRESS` shows a prohibit route; the audit log shows a security module's refusal",
    ],
    counters: &[],
};

pub(super) const RESET: Rule = Rule {
    id: "connection-reset",
    severity: Severity::Warning,
    confidence: 0.9,
    fault: "reset while they were open: data may be lost",
    remedy: &[
        "reset by the peer: look at its process (crash, restart, closed with unread data), and at load balancers and firewalls between, which reset what was idle for long",
        "reset by this host: `reset_reason` says why; a process that closes with unread data (TCP_ABORT_ON_CLOSE) should read to the end first",
        "idle connections: keep-alive shorter than the firewall's patience, `sysctl net.ipv4.tcp_keepalive_time`",
    ],
    counters: &["TcpEstabResets", "TcpOutRsts"],
};

pub(super) const TIMED_OUT: Rule = Rule {
    id: "connection-timed-out",
    severity: Severity::Warning,
    confidence: 0.9,
    fault: "broken off while they were open: the other end no longer answered",
    remedy: &[
        "the other host or the way to it is down, or a firewall between has forgotten the connection",
        "`netdiag retrans` shows which connections send again, and whether this host drops their segments",
        "idle connections: keep-alive shorter than the firewall's patience, `sysctl net.ipv4.tcp_keepalive_time`",
    ],
    counters: &["TcpExtTCPAbortOnTimeout", "TcpExtTCPTimeouts"],
};

const SLOW_HANDSHAKE: Rule = Rule {
    id: "slow-handshake",
    severity: Severity::Warning,
    confidence: 0.85,
    fault: "with a handshake of several round trips: a SYN or its answer was lost, or the way to the first hop had to be found",
    remedy: &[
        "`netdiag retrans` shows which SYNs are sent again; `netdiag drops` whether this host drops them",
        "on the destination: `netstat -s | grep -i listen`: a full accept queue lets SYNs go unanswered",
    ],
    counters: &["TcpExtTCPTimeouts"],
};

pub(super) const QUEUE: Rule = Rule {
    id: "accept-queue-overflow",
    severity: Severity::Error,
    confidence: 0.98,
    fault: "dropped without an answer because the accept queue is full: the process accepts too slowly, or its backlog is too small",
    remedy: &[
        "`netdiag conn --listen` shows every accept queue: used, limit, process",
        "raise the backlog that the process gives to listen(2), and `sysctl net.core.somaxconn`, which caps it",
        "let the process accept faster: more threads, no blocking work between two accepts",
    ],
    counters: &["TcpExtListenOverflows", "TcpExtListenDrops"],
};

pub(super) const RULES: [&Rule; 10] = [
    &QUEUE,
    &FILTERED,
    &REJECTED,
    &NO_ROUTE,
    &NO_PORT,
    &FORBIDDEN,
    &REFUSED,
    &RESET,
    &TIMED_OUT,
    &SLOW_HANDSHAKE,
];

/// The names of all findings about connections.
pub fn ids() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.id)
}

/// Which rule an event belongs to.
pub(super) fn rule(event: &ConnEvent) -> Option<&'static Rule> {
    let sent = event.syns.is_some();
    match (event.kind, event.result) {
        (ConnKind::Failed, Some(Some(errno))) => match errno {
            Errno::REFUSED => Some(&REFUSED),
            Errno::TIMED_OUT if event.cause == Some(Cause::FullQueue) => Some(&QUEUE),
            Errno::TIMED_OUT => Some(&FILTERED),
            Errno::NET_UNREACHABLE
            | Errno::HOST_UNREACHABLE
            | Errno::NOT_PERMITTED
            | Errno::NO_ACCESS
            | Errno::NO_PROTOCOL
                if sent =>
            {
                Some(&REJECTED)
            }
            Errno::NET_UNREACHABLE | Errno::HOST_UNREACHABLE => Some(&NO_ROUTE),
            Errno::NO_ADDRESS if event.cause == Some(Cause::NoPort) => Some(&NO_PORT),
            Errno::NOT_PERMITTED | Errno::NO_ACCESS => Some(&FORBIDDEN),
            _ => None,
        },
        (ConnKind::Failed, None) if event.cause == Some(Cause::FullQueue) => Some(&QUEUE),
        // Given up by the process: what did not take long may just have been cancelled.
        (ConnKind::Failed, None) => {
            let patient = event.latency_ns.is_some_and(|ns| ns >= PATIENT_NS);
            let tried = event.syns.is_some_and(|syns| syns > 1 || patient);
            let rule = match event.cause {
                Some(Cause::Rejected) => &REJECTED,
                _ => &FILTERED,
            };
            (event.side == Some(Side::Active) && tried).then_some(rule)
        }
        (ConnKind::Closed, Some(Some(Errno::TIMED_OUT))) => Some(&TIMED_OUT),
        (ConnKind::Closed, result) => {
            let open = matches!(event.old_state, state::ESTABLISHED | state::CLOSE_WAIT);
            let by_peer = matches!(result, Some(Some(Errno::RESET | Errno::PIPE)));
            let by_us = open && event.cause == Some(Cause::ResetHere);
            // A health check that only looks whether somebody answers loses nothing.
            let empty = (event.bytes_sent, event.bytes_received) == (Some(0), Some(0));
            if (by_peer || by_us) && !empty {
                return Some(&RESET);
            }
            slow(event).then_some(&SLOW_HANDSHAKE)
        }
        // Sent again after a second: the round trip is not what took so long.
        (ConnKind::Established, _) if event.syns.is_some_and(|syns| syns > 1) => {
            Some(&SLOW_HANDSHAKE)
        }
        _ => None,
    }
}

/// Whether the handshake took long against what a round trip turned out to take.
fn slow(event: &ConnEvent) -> bool {
    let Some(handshake) = event.handshake_ns.filter(|&ns| ns >= SLOW_NS) else {
        return false;
    };
    event
        .srtt_us
        .is_some_and(|srtt| handshake > SLOW * u64::from(srtt) * 1000)
}
