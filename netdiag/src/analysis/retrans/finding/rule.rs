//! The rules about retransmissions, the most certain first.

use super::{Counters, plural};
use crate::{
    analysis::{
        explain,
        finding::Severity,
        retrans::{Flow, LocalDrop, Verdict},
    },
    decode::{RetransKind, TcpState, result_name},
};
use std::collections::{BTreeMap, BTreeSet};

/// A way in which retransmissions come about.
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// How sure the rule is of this connection; `None` when it is none of its business.
    pub(super) claims: fn(&Flow, &Counters<'_>) -> Option<f64>,
    /// What is wrong, after "5 segments retransmitted by 1 connection to 10.0.0.2:80".
    pub(super) fault: &'static str,
    /// What the figures of the claimed connections say for it.
    pub(super) evidence: fn(&[&Flow]) -> Vec<String>,
    /// Counters that speak for it.
    pub(super) counters: &'static [&'static str],
    /// What to do.
    pub(super) remedy: fn(&[&Flow]) -> Vec<String>,
}

/// The peer had it already. Certain here, by a counter below.
const SPURIOUS: Rule = Rule {
    id: "spurious-retransmission",
    severity: Severity::Warning,
    claims: |flow, _| {
        let told = flow.duplicates.is_some_and(|(first, last)| last > first);
        (flow.duplicate > 0 || told).then_some(0.95)
    },
    fault: "the peer had the data already: the acknowledgment was late or lost, not the segment",
    evidence: |flows| {
        let mut evidence = places(flows, Verdict::Duplicate, "had by the receiver already");
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
};

/// It was not even sent. Certain here, by a counter below.
const HOST_QUEUE: Rule = Rule {
    id: "host-queue-delay",
    severity: Severity::Warning,
    claims: |flow, _| flow.failed.contains_key(&EBUSY).then_some(0.95),
    fault: "the first transmission still waited in a queue of this host when its time was up",
    evidence: |_| Vec::new(),
    counters: &["TcpExtTCPSpuriousRtxHostQueues"],
    remedy: |flows| {
        let device = flows.iter().find_map(|flow| flow.ifname.as_deref());
        explain::remedy("host-queue-delay", &[("DEVICE", device.or(Some("DEVICE")))])
    },
};

/// In order of precedence.
pub(super) const RULES: [Rule; 13] = [
    Rule {
        id: "retransmission-dropped-here",
        severity: Severity::Error,
        claims: |flow, _| (flow.dropped > 0).then(|| 0.5 + 0.48 * ratio(flow.dropped, flow.calls)),
        fault: "the segments were dropped on this very host",
        evidence: |flows| places(flows, Verdict::Lost, "seen dropped"),
        counters: &["TcpExtTCPRetransFail"],
        remedy: local_remedy,
    },
    Rule {
        id: "retransmission-failed-here",
        severity: Severity::Error,
        claims: |flow, _| flow.failures().next().map(|_| 0.9),
        fault: "this host could not send the segments",
        evidence: |flows| {
            let mut failures: BTreeMap<i32, u64> = BTreeMap::new();
            for (result, count) in flows.iter().flat_map(|flow| flow.failures()) {
                *failures.entry(result).or_default() += count;
            }
            let words = failures.into_iter();
            words
                .map(|(result, count)| format!("{count} calls failed with {}", result_name(result)))
                .collect()
        },
        counters: &["TcpExtTCPRetransFail"],
        remedy: |flows| for_peer("retransmission-failed-here", flows),
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
    },
    SPURIOUS,
    HOST_QUEUE,
    Rule {
        id: "accept-queue-overflow",
        severity: Severity::Error,
        claims: |flow, counters| {
            let handshake = flow.only(RetransKind::Syn) || flow.only(RetransKind::SynAck);
            // A SYN that a full queue refuses leaves no event of its own: the namespace's counter is all there is.
            let refused = counters.risen("TcpExtListenOverflows", flow.key.netns);
            (handshake && refused > 0).then_some(0.7)
        },
        fault: "a listener in the same namespace has a full accept queue, and refuses SYNs: its application does not \
                accept fast enough",
        evidence: handshake_evidence,
        counters: &[
            "TcpExtListenOverflows",
            "TcpExtListenDrops",
            "TcpExtTCPSynRetrans",
        ],
        remedy: |flows| for_peer("accept-queue-overflow", flows),
    },
    Rule {
        id: "handshake-delayed",
        severity: Severity::Info,
        claims: |flow, _| (handshake(flow) && flow.calls == 1).then_some(0.7),
        fault: "the first SYN, or the answer to it, got lost or was late, and cost the connection a second",
        evidence: handshake_evidence,
        counters: &["TcpExtTCPSynRetrans"],
        remedy: |flows| for_peer("handshake-delayed", flows),
    },
    Rule {
        id: "peer-unreachable",
        severity: Severity::Error,
        claims: |flow, _| flow.only(RetransKind::Syn).then_some(0.8),
        fault: "SYNs are not answered: they do not arrive, or nothing comes back",
        evidence: handshake_evidence,
        counters: &[
            "TcpExtTCPSynRetrans",
            "TcpExtTCPTimeouts",
            "TcpExtListenOverflows",
        ],
        remedy: |flows| for_peer("peer-unreachable", flows),
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
    },
    Rule {
        id: "path-mtu-black-hole",
        severity: Severity::Error,
        claims: |flow, counters| {
            let timeouts = flow.count(RetransKind::Rto);
            let told = counters.risen("IcmpInDestUnreachs", flow.key.netns)
                + counters.risen("Icmp6InPktTooBigs", flow.key.netns);
            let again = timeouts >= 2 && flow.retransmits >= 2;
            (again && flow.full == timeouts && told == 0).then_some(0.7)
        },
        fault: "only segments of full size are lost, again and again, and no ICMP says why: a link on the way takes no \
                packets of this size",
        evidence: |flows| {
            let sizes: BTreeSet<_> = flows.iter().filter_map(|flow| flow.mss).collect();
            let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
            vec![
                format!(
                    "every segment that the timer sent once more is full: {} bytes of payload",
                    sizes.join(", ")
                ),
                "no ICMP \"fragmentation needed\" or \"packet too big\" came in".to_owned(),
            ]
        },
        counters: &["TcpExtTCPMTUPFail", "TcpExtTCPTimeouts"],
        remedy: |flows| for_peer("path-mtu-black-hole", flows),
    },
    Rule {
        id: "tail-loss",
        severity: Severity::Info,
        claims: |flow, _| flow.only(RetransKind::Tlp).then_some(0.7),
        fault: "the last segments of a burst, or their acknowledgments, were lost; a probe brought them back",
        evidence: |_| Vec::new(),
        counters: &["TcpExtTCPLossProbes", "TcpExtTCPLossProbeRecovery"],
        remedy: |flows| for_peer("tail-loss", flows),
    },
    Rule {
        id: "spurious-retransmission",
        severity: Severity::Warning,
        claims: |flow, counters| {
            let dsack = counters.risen("TcpExtTCPDSACKRecv", flow.key.netns);
            (dsack > 0 && counters.alone(flow) && flow.retransmits < 2).then_some(0.6)
        },
        ..SPURIOUS
    },
    Rule {
        id: "host-queue-delay",
        severity: Severity::Warning,
        claims: |flow, counters| {
            // Where the hook tells of calls that fail, those are what the counter counts.
            let queued = counters.unexplained("TcpExtTCPSpuriousRtxHostQueues", flow.key.netns);
            (queued > 0 && counters.alone(flow)).then_some(0.6)
        },
        ..HOST_QUEUE
    },
];

/// What is left: segments were lost, and nothing here says where.
pub(super) const LOSS: Rule = Rule {
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
};

pub(super) const EBUSY: i32 = -16;

/// How long it was tried, and how far it got.
fn handshake_evidence(flows: &[&Flow]) -> Vec<String> {
    let longest = flows.iter().map(|flow| flow.calls).max().unwrap_or(0);
    let mut evidence = vec![format!("sent up to {} more", plural(longest, "time"))];
    evidence.extend(places(
        flows,
        Verdict::Arrived,
        "seen to arrive at its receiver, which is on this host",
    ));
    evidence
}

/// Whether nothing but the handshake was sent once more.
fn handshake(flow: &Flow) -> bool {
    flow.only(RetransKind::Syn) || flow.only(RetransKind::SynAck)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Whether data flows, or has.
pub(super) fn established(flow: &Flow) -> bool {
    !matches!(
        flow.state,
        Some(TcpState::SynSent | TcpState::SynRecv | TcpState::NewSynRecv)
    )
}

/// What the source of `netdiag explain` advises, for the first connection's peer.
fn for_peer(id: &str, flows: &[&Flow]) -> Vec<String> {
    explain::remedy(id, &[("PEER", first_remote(flows).as_deref())])
}

fn first_remote(flows: &[&Flow]) -> Option<String> {
    flows
        .iter()
        .find_map(|flow| flow.key.remote)
        .map(|remote| remote.to_string())
}

/// Where segments were dropped, by what the drop says: "3 of 4 retransmissions were seen dropped: PLACE", of the
/// connections that were dropped there.
fn places(flows: &[&Flow], verdict: Verdict, words: &str) -> Vec<String> {
    let mut places: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for flow in flows {
        for (place, count) in flow
            .drops
            .iter()
            .filter(|(place, _)| place.verdict() == verdict)
        {
            let (dropped, calls) = places.entry(place.words()).or_default();
            *dropped += count;
            *calls += flow.calls;
        }
    }
    places
        .into_iter()
        .map(|(place, (count, calls))| {
            format!(
                "{count} of {} were {words}: {place}",
                plural(calls, "retransmission")
            )
        })
        .collect()
}

fn local_remedy(flows: &[&Flow]) -> Vec<String> {
    let mut remedy = BTreeSet::new();
    let lost = |place: &&LocalDrop| place.verdict() == Verdict::Lost;
    for place in flows.iter().flat_map(|flow| flow.drops.keys()).filter(lost) {
        let reason = place.reason.as_deref().unwrap_or_default();
        let is_at = |name: &str| place.location.contains(name);
        let device = place.ifname.as_deref().unwrap_or("DEVICE");
        remedy.insert(if reason == "NETFILTER_DROP" || is_at("nf_hook_slow") || is_at("nft_do_chain") {
            "a netfilter rule drops them: nft list ruleset, in that namespace (ip netns exec NAME ...), and its counters".to_owned()
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
