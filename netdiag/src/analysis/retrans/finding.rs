//! What the retransmissions of a run say to be wrong.
//!
//! A connection counts for the first rule that claims it, so rules stand in order of how certain their evidence is.

mod rule;

use rule::{LOSS, RULES, Rule};

use super::{Flow, Flows};
use crate::{
    analysis::{counter::Correlated, explain, finding::Finding},
    decode::RetransKind,
};
use netdiag_common::NetnsId;
use std::collections::{BTreeMap, BTreeSet};

/// Counters that rose, and how many connections they may be about.
struct Counters<'a> {
    counters: &'a [Correlated],
    /// Connections with data, by namespace.
    established: BTreeMap<Option<NetnsId>, usize>,
}

impl Counters<'_> {
    /// By how much one rose in a namespace.
    fn risen(&self, name: &str, netns: Option<NetnsId>) -> u64 {
        self.named(name, netns).map(|counter| counter.delta).sum()
    }

    /// By how much one rose that no event explains.
    fn unexplained(&self, name: &str, netns: Option<NetnsId>) -> u64 {
        let found = self.named(name, netns);
        found
            .map(|counter| counter.delta - counter.explained.unwrap_or(0))
            .sum()
    }

    fn named(&self, name: &str, netns: Option<NetnsId>) -> impl Iterator<Item = &Correlated> {
        let found = self
            .counters
            .iter()
            .filter(move |counter| counter.key.name == name);
        found.filter(move |counter| netns.is_none() || counter.key.netns == netns)
    }

    /// Whether a counter of its namespace can be about no other connection that retransmits.
    fn alone(&self, flow: &Flow) -> bool {
        rule::established(flow) && self.established.get(&flow.key.netns) == Some(&1)
    }
}

/// The names of all findings about retransmissions.
pub fn ids() -> impl Iterator<Item = &'static str> {
    RULES.iter().chain([&LOSS]).map(|rule| rule.id)
}

/// Concludes from the connections and the counters that rose, worst first. `compared` says whether the counters are of
/// the same retransmissions.
#[must_use]
pub fn findings(flows: &Flows, counters: &[Correlated], compared: bool) -> Vec<Finding> {
    let mut established = BTreeMap::new();
    for flow in flows
        .sorted()
        .into_iter()
        .filter(|flow| rule::established(flow))
    {
        *established.entry(flow.key.netns).or_default() += 1;
    }
    let counters = Counters {
        counters: if compared { counters } else { &[] },
        established,
    };
    let mut claimed: BTreeMap<usize, Vec<(&Flow, f64)>> = BTreeMap::new();
    let rules: Vec<&Rule> = RULES.iter().chain([&LOSS]).collect();
    for flow in flows.sorted() {
        let claim = rules
            .iter()
            .enumerate()
            .find_map(|(index, rule)| Some((index, (rule.claims)(flow, &counters)?)));
        if let Some((index, confidence)) = claim {
            claimed.entry(index).or_default().push((flow, confidence));
        }
    }
    let mut findings: Vec<_> = claimed
        .iter()
        .filter_map(|(index, claims)| Some(describe(rules.get(*index)?, claims, &counters)))
        .collect();
    findings.extend(stall_without_retransmission(&findings, &counters));
    findings.sort_by_key(Finding::rank);
    findings
}

/// A closed window is probed, and a probe is no retransmission: the counter alone tells.
fn stall_without_retransmission(findings: &[Finding], counters: &Counters<'_>) -> Option<Finding> {
    let rule = RULES.iter().find(|rule| rule.id == "zero-window-stall")?;
    let probes = counters.risen("TcpExtTCPWinProbe", None);
    if probes == 0 || findings.iter().any(|finding| finding.id == rule.id) {
        return None;
    }
    Some(Finding {
        id: rule.id,
        severity: rule.severity,
        confidence: 0.8,
        count: probes,
        title: format!(
            "{probes} probes of closed windows: {}",
            rule.fault.replace("the peer has", "a peer has")
        ),
        evidence: vec![format!("TcpExtTCPWinProbe +{probes}")],
        remedy: (rule.remedy)(&[]),
        caveat: explain::doubt(rule.id),
        interfaces: Vec::new(),
    })
}

fn describe(rule: &Rule, claims: &[(&Flow, f64)], counters: &Counters<'_>) -> Finding {
    /// More connections are not named one by one.
    const NAMED: usize = 3;
    let flows: Vec<&Flow> = claims.iter().map(|(flow, _)| *flow).collect();
    let segs: u64 = flows.iter().map(|flow| flow.segs).sum();
    let calls: u64 = flows.iter().map(|flow| flow.calls).sum();
    let what = match segs {
        0 => format!("{} to retransmit", plural(calls, "attempt")),
        _ => format!("{} retransmitted", plural(segs, "segment")),
    };
    let mut evidence: Vec<String> = flows.iter().take(NAMED).map(|flow| figures(flow)).collect();
    if let Some(more) = flows.len().checked_sub(NAMED).filter(|&more| more > 0) {
        evidence.push(format!("and {more} more connections"));
    }
    evidence.extend((rule.evidence)(&flows));
    let namespaces: BTreeSet<_> = flows.iter().map(|flow| flow.key.netns).collect();
    let spoken = counters.counters.iter().filter(|counter| {
        rule.counters.contains(&counter.key.name.as_str())
            && namespaces.contains(&counter.key.netns)
    });
    evidence.extend(spoken.map(|counter| format!("{} +{}", counter.key.name, counter.delta)));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of connections far below 2^52"
    )]
    let confidence =
        claims.iter().map(|(_, confidence)| confidence).sum::<f64>() / claims.len() as f64;
    let interfaces: BTreeSet<_> = flows
        .iter()
        .filter_map(|flow| flow.ifname.clone())
        .collect();
    Finding {
        id: rule.id,
        severity: rule.severity,
        confidence: (confidence * 100.0).round() / 100.0,
        count: if segs > 0 { segs } else { calls },
        title: format!("{what} {}: {}", whose(&flows), rule.fault),
        evidence,
        remedy: (rule.remedy)(&flows),
        caveat: explain::doubt(rule.id),
        interfaces: interfaces.into_iter().collect(),
    }
}

/// "by 10.0.0.1:4711 → 10.0.0.2:80", "by 3 connections to 10.0.0.2:80"
fn whose(flows: &[&Flow]) -> String {
    let [first, rest @ ..] = flows else {
        return String::new();
    };
    if rest.is_empty() {
        return format!("by {}", first.ends());
    }
    let target = |flow: &Flow| (flow.key.remote, flow.key.remote_port);
    let same = rest.iter().all(|flow| target(flow) == target(first));
    if same {
        format!("by {} connections to {}", flows.len(), first.key.there())
    } else {
        format!("by {} connections", flows.len())
    }
}

/// "10.0.0.1:4711 → 10.0.0.2:80: 3 rto, 1 tlp; RTT 20.1 ms, RTO 224.0 ms"
fn figures(flow: &Flow) -> String {
    let kinds: Vec<_> = RetransKind::ALL
        .into_iter()
        .filter(|&kind| flow.count(kind) > 0)
        .map(|kind| format!("{} {}", flow.count(kind), kind.name()))
        .collect();
    let mut text = format!("{}: {}", flow.ends(), kinds.join(", "));
    if kinds.is_empty() {
        text += &plural(flow.calls, "call");
    }
    if let Some(us) = flow.srtt_us {
        text += &format!("; RTT {}", milliseconds(u64::from(us)));
    }
    if let Some(us) = flow.rto_us {
        text += &format!("; RTO {}", milliseconds(us));
    }
    if let Some((pid, comm)) = &flow.owner {
        text += &format!("; process {comm} ({pid})");
    }
    text
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

fn plural(count: u64, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

#[cfg(test)]
mod tests;
