//! What is wrong with connections, and what to change.

use super::{ClosedBy, ConnEvent, ConnKind, FullQueue, Listener, Side, errno::Errno, state};
use crate::analysis::{
    counter::Correlated,
    finding::{Finding, Severity},
};
use std::collections::{BTreeMap, BTreeSet};

/// A handshake is slow when it takes so many times the round-trip time.
const SLOW: u64 = 3;
/// And no less than this.
const SLOW_NS: u64 = 50_000_000;
/// Who has waited so long for an answer had reason to expect one.
const PATIENT_NS: u64 = 900_000_000;
/// How many names a finding lists.
const FEW: usize = 8;

/// One way in which connections go wrong.
struct Rule {
    id: &'static str,
    severity: Severity,
    confidence: f64,
    /// After "3 connections to 10.0.0.1:80".
    fault: &'static str,
    remedy: &'static [&'static str],
    counters: &'static [&'static str],
}

const REFUSED: Rule = Rule {
    id: "connection-refused",
    severity: Severity::Warning,
    confidence: 0.95,
    fault: "refused: nothing listens there, or a firewall answers with a reset",
    remedy: &[
        "on the destination: `ss -ltnp` shows what listens, and on which addresses (127.0.0.1 only?)",
        "start the service, or correct address and port of the client",
        "if it does listen: look for a reject rule on the way, `nft list ruleset | grep -i reject`",
    ],
    counters: &["TcpAttemptFails"],
};

const FILTERED: Rule = Rule {
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

const RESET: Rule = Rule {
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

const QUEUE: Rule = Rule {
    id: "accept-queue-overflow",
    severity: Severity::Error,
    confidence: 0.98,
    fault: "refused because the accept queue is full: the process accepts too slowly, or its backlog is too small",
    remedy: &[
        "`netdiag conn --listen` shows every accept queue: used, limit, process",
        "raise the backlog that the process gives to listen(2), and `sysctl net.core.somaxconn`, which caps it",
        "let the process accept faster: more threads, no blocking work between two accepts",
    ],
    counters: &["TcpExtListenOverflows", "TcpExtListenDrops"],
};

const RULES: [&Rule; 8] = [
    &QUEUE,
    &FILTERED,
    &NO_ROUTE,
    &NO_PORT,
    &FORBIDDEN,
    &REFUSED,
    &RESET,
    &SLOW_HANDSHAKE,
];

/// The names of all findings about connections.
pub fn ids() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.id)
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    remotes: BTreeSet<String>,
    processes: BTreeSet<String>,
    evidence: BTreeMap<String, u64>,
    interfaces: BTreeSet<String>,
    example: String,
}

impl Tally {
    fn observe(&mut self, event: &ConnEvent) {
        self.count += 1;
        if self.example.is_empty() {
            self.example = event.to_string();
        }
        remember(&mut self.remotes, remote(event));
        let process = event.caller.as_ref();
        remember(
            &mut self.processes,
            process.map(|caller| caller.comm.clone()),
        );
        remember(&mut self.interfaces, event.ifname.clone());
        if let Some(evidence) = &event.evidence
            && (self.evidence.len() < FEW || self.evidence.contains_key(evidence))
        {
            *self.evidence.entry(evidence.clone()).or_default() += 1;
        }
    }
}

fn remote(event: &ConnEvent) -> Option<String> {
    // Of a listener's connections the local end says more: the others are clients.
    let (address, port) = match event.side {
        Some(Side::Passive) => (event.flow.local, event.flow.sport),
        _ => (event.flow.remote, event.flow.dport),
    };
    Some(socket_text(address?, port))
}

fn socket_text(address: std::net::IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}

fn remember(set: &mut BTreeSet<String>, name: Option<String>) {
    if let Some(name) = name
        && set.len() < FEW
    {
        set.insert(name);
    }
}

/// Which rule an event belongs to.
fn rule(event: &ConnEvent) -> Option<&'static Rule> {
    match (event.kind, event.result) {
        (ConnKind::Failed, Some(Some(errno))) => match errno {
            Errno::REFUSED => Some(&REFUSED),
            Errno::TIMED_OUT if queue_was_full(event) => Some(&QUEUE),
            Errno::TIMED_OUT => Some(&FILTERED),
            Errno::NET_UNREACHABLE | Errno::HOST_UNREACHABLE => Some(&NO_ROUTE),
            Errno::NO_ADDRESS => Some(&NO_PORT),
            Errno::NOT_PERMITTED | Errno::NO_ACCESS => Some(&FORBIDDEN),
            _ => None,
        },
        // Given up by the process: what did not take long may just have been cancelled.
        (ConnKind::Failed, None) if queue_was_full(event) => Some(&QUEUE),
        (ConnKind::Failed, None) => {
            let patient = event.latency_ns.is_some_and(|ns| ns >= PATIENT_NS);
            let sent = event.syns.is_some_and(|syns| syns > 1 || patient);
            (event.side == Some(Side::Active) && sent).then_some(&FILTERED)
        }
        (ConnKind::Closed, Some(Some(Errno::RESET | Errno::PIPE))) => Some(&RESET),
        (ConnKind::Closed, _) => {
            let open = matches!(event.old_state, state::ESTABLISHED | state::CLOSE_WAIT);
            let by_us = event.closed_by == Some(ClosedBy::Local) && event.reset_reason.is_some();
            if open && by_us {
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

fn queue_was_full(event: &ConnEvent) -> bool {
    event
        .evidence
        .as_deref()
        .is_some_and(|evidence| evidence.contains("accept queue"))
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

/// Findings in the making.
#[derive(Debug, Default)]
pub struct Findings {
    tallies: BTreeMap<&'static str, Tally>,
}

impl Findings {
    /// Takes an event into account, and tells which finding it belongs to.
    pub fn observe(&mut self, event: &ConnEvent) -> Option<&'static str> {
        let rule = rule(event)?;
        self.tallies.entry(rule.id).or_default().observe(event);
        Some(rule.id)
    }

    /// The findings, worst and most frequent first. `queues` are the listeners whose queue was full.
    pub fn finish<'a>(
        &self,
        counters: &[Correlated],
        queues: impl Iterator<Item = (&'a Listener, &'a FullQueue)>,
    ) -> Vec<Finding> {
        let queues: Vec<_> = queues.collect();
        let mut findings: Vec<_> = RULES
            .iter()
            .filter_map(|rule| describe(rule, self.tallies.get(rule.id), counters, &queues))
            .collect();
        findings.sort_by_key(|finding| {
            let rank = match finding.severity {
                Severity::Error => 0,
                Severity::Warning => 1,
                Severity::Info => 2,
            };
            (rank, u64::MAX - finding.count)
        });
        findings
    }
}

fn describe(
    rule: &Rule,
    tally: Option<&Tally>,
    counters: &[Correlated],
    queues: &[(&Listener, &FullQueue)],
) -> Option<Finding> {
    let is_queue = rule.id == QUEUE.id;
    let none = Tally::default();
    let tally = tally.unwrap_or(&none);
    let overflows: u64 = counters
        .iter()
        .filter(|counter| counter.key.name == "TcpExtListenOverflows")
        .map(|counter| counter.delta)
        .sum();
    let refused: u64 = queues.iter().map(|(_, queue)| queue.refused).sum();
    let count = if is_queue {
        refused.max(overflows).max(tally.count)
    } else {
        tally.count
    };
    if count == 0 {
        return None;
    }
    let mut evidence = Vec::new();
    if tally.count > 0 {
        evidence.push(format!("for example: {}", tally.example));
    }
    if is_queue {
        evidence.extend(queues.iter().take(FEW).map(|((_, listener), queue)| {
            let place = match (listener.local, listener.sport) {
                (Some(address), port) => socket_text(address, port),
                (None, Some(port)) => format!("*:{port}"),
                (None, None) => "a listener".to_owned(),
            };
            format!(
                "{} SYNs to {place} found {} waiting, and {} may",
                queue.refused, queue.queued, queue.limit
            )
        }));
    }
    evidence.extend(tally.evidence.iter().map(|(text, count)| match count {
        1 => text.clone(),
        count => format!("{text} ({count} times)"),
    }));
    if !tally.processes.is_empty() {
        evidence.push(format!("processes: {}", list(&tally.processes)));
    }
    evidence.extend(
        counters
            .iter()
            .filter(|counter| rule.counters.contains(&counter.key.name.as_str()))
            .map(|counter| format!("{} +{}", counter.key.name, counter.delta)),
    );
    let subject = match (is_queue, count) {
        (true, 1) => "1 SYN".to_owned(),
        (true, count) => format!("{count} SYNs"),
        (false, 1) => "1 connection".to_owned(),
        (false, count) => format!("{count} connections"),
    };
    let towards = if tally.remotes.is_empty() {
        String::new()
    } else {
        format!(" ({})", list(&tally.remotes))
    };
    Some(Finding {
        id: rule.id,
        severity: rule.severity,
        confidence: rule.confidence,
        count,
        title: format!("{subject}{towards} {}", rule.fault),
        evidence,
        remedy: rule.remedy.iter().map(|&text| text.to_owned()).collect(),
        interfaces: tally.interfaces.iter().cloned().collect(),
    })
}

fn list(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
