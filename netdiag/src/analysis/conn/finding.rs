//! What is wrong with connections, and what to change.

pub use super::rule::ids;

use super::{
    ConnEvent, FullQueue, Listener, Side,
    rule::{FILTERED, QUEUE, RESET, RULES, Rule, TIMED_OUT, rule},
};
use crate::analysis::{
    counter::Correlated,
    explain,
    finding::{Finding, Severity},
};
use std::collections::{BTreeMap, BTreeSet};

/// Confidence in one of two explanations.
const UNSURE: f64 = 0.5;
/// How many names a finding lists.
const FEW: usize = 8;

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
    let ends = rule.id == RESET.id || rule.id == TIMED_OUT.id;
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
            if queue.refused == 0 {
                return format!(
                    "the queue of {place} is full: {} waiting, and {} may",
                    queue.queued, queue.limit
                );
            }
            format!(
                "{} times a connection to {place} found the queue full: {} waiting, and {} may",
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
        // Where both ends are on this host, both are told.
        (false, 1) if ends => "1 end of a connection".to_owned(),
        (false, count) if ends => format!("{count} ends of connections"),
        (false, 1) => "1 connection".to_owned(),
        (false, count) => format!("{count} connections"),
    };
    let towards = if tally.remotes.is_empty() {
        String::new()
    } else {
        format!(" ({})", list(&tally.remotes))
    };
    // A full queue lets SYNs go unanswered, too. Which listener's it was is known where the hook stands.
    let perhaps_queue = rule.id == FILTERED.id && overflows > refused;
    let confidence = if perhaps_queue {
        evidence.push(format!(
            "an accept queue on this host was full (TcpExtListenOverflows +{overflows}): where the destination is \
             on this host, that may be why; `netdiag conn --listen` shows every queue"
        ));
        rule.confidence.min(UNSURE)
    } else {
        rule.confidence
    };
    Some(Finding {
        id: rule.id,
        severity: rule.severity,
        confidence,
        count,
        title: format!(
            "{subject}{towards} {}{}",
            rule.fault,
            if perhaps_queue {
                ", or the accept queue of a listener on this host was full"
            } else {
                ""
            }
        ),
        evidence,
        remedy: rule.remedy.iter().map(|&text| text.to_owned()).collect(),
        caveat: explain::doubt(rule.id),
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
