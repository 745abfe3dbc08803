//! What the retransmissions of a run say to be wrong.
//!
//! A connection counts for the first rule that claims it, so rules stand in order of how certain their evidence is.

use super::{Flow, Flows};
use crate::{
    analysis::{
        counter::Correlated,
        explain::remedy,
        finding::{Finding, Severity},
    },
    decode::{RetransKind, TcpState},
};
use netdiag_common::NetnsId;
use std::collections::{BTreeMap, BTreeSet};

/// A way in which retransmissions come about.
struct Rule {
    id: &'static str,
    severity: Severity,
    /// How sure the rule is of this connection; `None` when it is none of its business.
    claims: fn(&Flow, &Counters<'_>) -> Option<f64>,
    /// What is wrong, after "5 segments retransmitted by 1 connection to 10.0.0.2:80".
    fault: &'static str,
    /// What the figures of the claimed connections say for it.
    evidence: fn(&[&Flow]) -> Vec<String>,
    /// Counters that speak for it.
    counters: &'static [&'static str],
    /// What to do.
    remedy: fn(&[&Flow]) -> Vec<String>,
    /// How it could be wrong.
    doubt: &'static str,
}

/// Counters that rose.
struct Counters<'a>(&'a [Correlated]);

impl Counters<'_> {
    /// By how much one rose in a namespace.
    fn risen(&self, name: &str, netns: Option<NetnsId>) -> u64 {
        let found = self.0.iter().filter(|counter| counter.key.name == name);
        found
            .filter(|counter| netns.is_none() || counter.key.netns == netns)
            .map(|counter| counter.delta)
            .sum()
    }
}

const RULES: [Rule; 9] = [
    Rule {
        id: "retransmission-dropped-here",
        severity: Severity::Error,
        claims: |flow, _| (flow.dropped > flow.dropped_duplicate).then_some(0.98),
        fault: "the segments were dropped on this very host",
        evidence: |flows| places(flows, false),
        counters: &["TcpExtTCPRetransFail"],
        remedy: local_remedy,
        doubt: "drops are matched by addresses, ports and sequence number: address translation between the socket and \
                the place hides a drop, and never invents one",
    },
    Rule {
        id: "retransmission-failed-here",
        severity: Severity::Error,
        claims: |flow, _| {
            (flow.failed > 0 && !matches!(flow.errno, Some(EBUSY | EAGAIN))).then_some(0.9)
        },
        fault: "this host could not send the segments",
        evidence: |flows| {
            let errors: BTreeSet<_> = flows.iter().filter_map(|flow| flow.errno).collect();
            let failed: u64 = flows.iter().map(|flow| flow.failed).sum();
            let names: Vec<_> = errors.into_iter().map(crate::decode::errno_name).collect();
            vec![format!("{failed} calls failed with {}", names.join(", "))]
        },
        counters: &["TcpExtTCPRetransFail"],
        remedy: |flows| for_peer("retransmission-failed-here", flows),
        doubt: "where in the output path it failed is not seen",
    },
    Rule {
        id: "zero-window-stall",
        severity: Severity::Warning,
        claims: |flow, _| (flow.stalled > 0).then_some(0.9),
        fault: "the peer has closed its receive window: its application does not read",
        evidence: |flows| {
            let stalled: u64 = flows.iter().map(|flow| flow.stalled).sum();
            vec![format!("the peer's window was 0 in {stalled} of the calls")]
        },
        counters: &["TcpExtTCPWinProbe"],
        remedy: |flows| for_peer("zero-window-stall", flows),
        doubt: "a window that closes for moments under load is normal",
    },
    Rule {
        id: "spurious-retransmission",
        severity: Severity::Warning,
        claims: |flow, counters| {
            let told = flow.duplicates.is_some_and(|(first, last)| last > first);
            if flow.dropped_duplicate > 0 || told {
                return Some(0.95);
            }
            // A counter of the whole namespace speaks for a connection only where nothing else does.
            let dsack = counters.risen("TcpExtTCPDSACKRecv", flow.key.netns);
            (dsack > 0 && established(flow)).then_some(0.6)
        },
        fault: "the peer had the data already: the acknowledgment was late or lost, not the segment",
        evidence: |flows| {
            let mut evidence = places(flows, true);
            let told: u64 = flows
                .iter()
                .filter_map(|flow| flow.duplicates)
                .map(|(first, last)| u64::from(last.saturating_sub(first)))
                .sum();
            if told > 0 {
                evidence.push(format!(
                    "the peer has reported {told} duplicates (DSACK) meanwhile"
                ));
            }
            evidence
        },
        counters: &[
            "TcpExtTCPDSACKRecv",
            "TcpExtTCPDSACKOfoRecv",
            "TcpExtTCPDSACKOldSent",
            "TcpExtTCPSpuriousRTOs",
        ],
        remedy: |flows| for_peer("spurious-retransmission", flows),
        doubt: "DSACK counters are of the whole namespace: with many connections they may be another's",
    },
    Rule {
        id: "host-queue-delay",
        severity: Severity::Warning,
        claims: |flow, counters| {
            let queued = counters.risen("TcpExtTCPSpuriousRtxHostQueues", flow.key.netns);
            if flow.errno == Some(EBUSY) {
                return Some(0.95);
            }
            (queued > 0 && established(flow)).then_some(0.5)
        },
        fault: "the first transmission still waited in a queue of this host when its time was up",
        evidence: |_| Vec::new(),
        counters: &["TcpExtTCPSpuriousRtxHostQueues"],
        remedy: |flows| {
            let device = flows.iter().find_map(|flow| flow.ifname.as_deref());
            remedy("host-queue-delay", &[("DEVICE", device.or(Some("DEVICE")))])
        },
        doubt: "",
    },
    Rule {
        id: "peer-unreachable",
        severity: Severity::Error,
        claims: |flow, _| flow.only(RetransKind::Syn).then_some(0.8),
        fault: "SYNs are not answered: they do not arrive, or nothing comes back",
        evidence: handshake_evidence,
        counters: &["TcpExtTCPSynRetrans", "TcpExtTCPTimeouts"],
        remedy: |flows| for_peer("peer-unreachable", flows),
        doubt: "a SYN-ACK that is lost on its way back looks the same from here",
    },
    Rule {
        id: "return-path-lost",
        severity: Severity::Error,
        claims: |flow, _| flow.only(RetransKind::SynAck).then_some(0.8),
        fault: "SYNs arrive and the answers do not get back, or their acknowledgments are lost",
        evidence: handshake_evidence,
        counters: &[
            "TcpExtTCPSynRetrans",
            "TcpExtListenOverflows",
            "TcpExtListenDrops",
        ],
        remedy: |flows| for_peer("return-path-lost", flows),
        doubt: "a client that has given up, or never existed, does not answer either",
    },
    Rule {
        id: "path-mtu-black-hole",
        severity: Severity::Error,
        claims: |flow, counters| {
            let full = flow.shortest? >= flow.mss.filter(|&mss| mss > 0)?;
            let told = counters.risen("IcmpInDestUnreachs", flow.key.netns)
                + counters.risen("Icmp6InPktTooBigs", flow.key.netns);
            let timer = flow.count(RetransKind::Rto) >= 2 && flow.retransmits >= 2;
            (full && timer && told == 0).then_some(0.7)
        },
        fault: "only segments of full size are lost, again and again, and no ICMP says why: a link on the way takes no \
                packets of this size",
        evidence: |flows| {
            let sizes: BTreeSet<_> = flows.iter().filter_map(|flow| flow.mss).collect();
            let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
            vec![
                format!(
                    "every retransmitted segment is full: {} bytes of payload",
                    sizes.join(", ")
                ),
                "no ICMP \"fragmentation needed\" or \"packet too big\" came in".to_owned(),
            ]
        },
        counters: &["TcpExtTCPMTUPFail", "TcpExtTCPTimeouts"],
        remedy: |flows| for_peer("path-mtu-black-hole", flows),
        doubt: "plain loss of a connection that only sends full segments looks the same; sizes that pass tell",
    },
    Rule {
        id: "tail-loss",
        severity: Severity::Info,
        claims: |flow, _| flow.only(RetransKind::Tlp).then_some(0.7),
        fault: "the last segments of a burst, or their acknowledgments, were lost; a probe brought them back",
        evidence: |_| Vec::new(),
        counters: &["TcpExtTCPLossProbes", "TcpExtTCPLossProbeRecovery"],
        remedy: |flows| for_peer("tail-loss", flows),
        doubt: "an acknowledgment that is only late (delayed ACKs of the peer) starts a probe, too",
    },
];

/// What is left: segments were lost, and nothing here says where.
const LOSS: Rule = Rule {
    id: "packet-loss",
    severity: Severity::Warning,
    claims: |_, _| Some(0.6),
    fault: "segments, or their acknowledgments, are lost on the way; no drop of them was seen on this host",
    evidence: |flows| {
        let worst = flows
            .iter()
            .filter_map(|flow| Some((flow.rate()?, flow)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let words = worst.map(|(rate, flow)| {
            format!(
                "{:.1} % of what {} has sent was retransmitted",
                rate * 100.0,
                flow.ends()
            )
        });
        words.into_iter().collect()
    },
    counters: &[
        "TcpExtTCPTimeouts",
        "TcpExtTCPFastRetrans",
        "TcpExtTCPSlowStartRetrans",
        "TcpExtTCPLossProbes",
    ],
    remedy: |flows| for_peer("packet-loss", flows),
    doubt: "the peer's host, a switch or a NIC may have dropped them",
};

/// The names of all findings about retransmissions.
pub fn ids() -> impl Iterator<Item = &'static str> {
    RULES.iter().chain([&LOSS]).map(|rule| rule.id)
}

const EBUSY: u32 = 16;
const EAGAIN: u32 = 11;

/// Concludes from the connections and the counters that rose, worst first. `compared` says whether the counters are of
/// the same retransmissions.
#[must_use]
pub fn findings(flows: &Flows, counters: &[Correlated], compared: bool) -> Vec<Finding> {
    let counters = Counters(if compared { counters } else { &[] });
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
        interfaces: Vec::new(),
    })
}

fn describe(rule: &Rule, claims: &[(&Flow, f64)], counters: &Counters<'_>) -> Finding {
    /// More connections are not named one by one.
    const NAMED: usize = 3;
    let flows: Vec<&Flow> = claims.iter().map(|(flow, _)| *flow).collect();
    let segs: u64 = flows.iter().map(|flow| flow.segs).sum();
    let mut evidence: Vec<String> = flows.iter().take(NAMED).map(|flow| figures(flow)).collect();
    if let Some(more) = flows.len().checked_sub(NAMED).filter(|&more| more > 0) {
        evidence.push(format!("and {more} more connections"));
    }
    evidence.extend((rule.evidence)(&flows));
    let namespaces: BTreeSet<_> = flows.iter().map(|flow| flow.key.netns).collect();
    let spoken = counters.0.iter().filter(|counter| {
        rule.counters.contains(&counter.key.name.as_str())
            && namespaces.contains(&counter.key.netns)
    });
    evidence.extend(spoken.map(|counter| format!("{} +{}", counter.key.name, counter.delta)));
    if !rule.doubt.is_empty() {
        evidence.push(format!("how it could be wrong: {}", rule.doubt));
    }
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
        count: segs,
        title: format!(
            "{} retransmitted {}: {}",
            plural(segs, "segment"),
            whose(&flows),
            rule.fault
        ),
        evidence,
        remedy: (rule.remedy)(&flows),
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

/// How long it was tried.
fn handshake_evidence(flows: &[&Flow]) -> Vec<String> {
    let longest = flows.iter().map(|flow| flow.calls).max().unwrap_or(0);
    vec![format!(
        "sent up to {} more without an answer",
        plural(longest, "time")
    )]
}

/// Whether data flows, or has.
fn established(flow: &Flow) -> bool {
    !matches!(
        flow.state,
        Some(TcpState::SynSent | TcpState::SynRecv | TcpState::NewSynRecv)
    )
}

/// What a finding advises, with the peer of the first connection; lines that need one are left out without.
fn for_peer(id: &str, flows: &[&Flow]) -> Vec<String> {
    remedy(id, &[("PEER", first_remote(flows).as_deref())])
}

fn first_remote(flows: &[&Flow]) -> Option<String> {
    flows
        .iter()
        .find_map(|flow| flow.key.remote)
        .map(|remote| remote.to_string())
}

/// Where segments were dropped: as duplicates by their receiver, or for another reason.
fn places(flows: &[&Flow], duplicates: bool) -> Vec<String> {
    let mut places: BTreeMap<_, u64> = BTreeMap::new();
    for (place, count) in flows.iter().flat_map(|flow| &flow.drops) {
        if place.is_duplicate() == duplicates {
            *places.entry(place.words()).or_default() += count;
        }
    }
    let calls: u64 = flows.iter().map(|flow| flow.calls).sum();
    places
        .into_iter()
        .map(|(place, count)| {
            format!("{count} of {calls} retransmitted segments were seen dropped: {place}")
        })
        .collect()
}

fn local_remedy(flows: &[&Flow]) -> Vec<String> {
    let mut remedy = BTreeSet::new();
    for place in flows.iter().flat_map(|flow| flow.drops.keys()) {
        let reason = place.reason.as_deref().unwrap_or_default();
        let is_at = |name: &str| place.location.contains(name);
        let device = place.ifname.as_deref().unwrap_or("DEVICE");
        remedy.insert(if reason == "NETFILTER_DROP" || is_at("nf_hook_slow") || is_at("nft_do_chain") {
            "a netfilter rule drops them: nft list ruleset in that namespace, and its counters".to_owned()
        } else if reason.starts_with("QDISC") || is_at("dev_queue_xmit") || is_at("kfree_skb_list") {
            format!("the queue of {device} drops them: tc -s qdisc show dev {device}")
        } else if reason.starts_with("TC_") {
            format!("a tc program or action drops them: tc filter show dev {device} ingress; ... egress")
        } else {
            "netdiag drops --each, with --host of the peer, shows each of these packets".to_owned()
        });
    }
    remedy.into_iter().collect()
}

#[cfg(test)]
mod tests;
