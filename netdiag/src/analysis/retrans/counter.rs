//! The kernel's own counters of retransmissions, held against what was seen.

use crate::{
    analysis::counter::{Correlated, Delta},
    decode::{Retrans, RetransKind},
};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// What was seen in a namespace, by the counters that rise for it.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// `TcpRetransSegs`: segments, not calls (`__tcp_retransmit_skb`, `tcp_rtx_synack`).
    segs: u64,
    /// `TcpExtTCPSynRetrans`: SYNs (`__tcp_retransmit_skb`) and SYN-ACKs (`tcp_rtx_synack`).
    syns: u64,
    /// `TcpExtTCPRetransFail`: segments of calls that failed but for EBUSY, which the next attempt makes good.
    failed: u64,
    /// `TcpExtTCPSpuriousRtxHostQueues`: the first transmission is still in a queue of this host
    /// (`skb_still_in_host_queue`), and the call fails with EBUSY.
    queued: u64,
}

/// What was seen, by namespace.
#[derive(Clone, Debug, Default)]
pub struct Reconciled {
    seen: BTreeMap<Option<NetnsId>, Seen>,
}

/// `EBUSY`.
const BUSY: i32 = -16;

/// Counters that tell of the same thing in other words: evidence, and nothing that events could explain.
const CONTEXT: [&str; 20] = [
    "TcpExtTCPTimeouts",
    "TcpExtTCPLossProbes",
    "TcpExtTCPLossProbeRecovery",
    "TcpExtTCPFastRetrans",
    "TcpExtTCPSlowStartRetrans",
    "TcpExtTCPLostRetransmit",
    "TcpExtTCPSpuriousRTOs",
    "TcpExtTCPDSACKRecv",
    "TcpExtTCPDSACKOfoRecv",
    "TcpExtTCPDSACKOldSent",
    "TcpExtTCPDSACKOfoSent",
    "TcpExtTCPWinProbe",
    "TcpExtTCPToZeroWindowAdv",
    "TcpExtTCPZeroWindowDrop",
    "TcpExtTCPMTUPFail",
    "TcpExtTCPMTUPSuccess",
    "TcpExtListenOverflows",
    "TcpExtListenDrops",
    "IcmpInDestUnreachs",
    "Icmp6InPktTooBigs",
];

/// Counters that retransmissions raise.
const EXPLAINED: [&str; 4] = [
    "TcpRetransSegs",
    "TcpExtTCPSynRetrans",
    "TcpExtTCPRetransFail",
    "TcpExtTCPSpuriousRtxHostQueues",
];

/// The names of all counters that speak of retransmissions.
pub fn names() -> impl Iterator<Item = &'static str> {
    EXPLAINED.into_iter().chain(CONTEXT)
}

impl Reconciled {
    /// Takes a retransmission into account.
    pub fn observe(&mut self, retrans: &Retrans) {
        let seen = self.seen.entry(retrans.socket.netns).or_default();
        let segs = u64::from(retrans.segs.unwrap_or(1));
        seen.segs += segs;
        if matches!(retrans.kind, Some(RetransKind::Syn | RetransKind::SynAck)) {
            // A counter of calls (`__NET_INC_STATS`).
            seen.syns += u64::from(segs > 0);
        }
        match retrans.result {
            Some(0) | None => {}
            Some(BUSY) => seen.queued += 1,
            Some(_) => seen.failed += segs,
        }
    }

    /// Sets what was seen against the counters that rose; those that do not speak of retransmissions are left out.
    #[must_use]
    pub fn correlate(&self, deltas: &[Delta]) -> Vec<Correlated> {
        let correlated = deltas.iter().filter(|delta| delta.key.ifname.is_none());
        correlated
            .filter_map(|delta| {
                let seen = self.seen.get(&delta.key.netns).copied().unwrap_or_default();
                let events = match delta.key.name.as_str() {
                    "TcpRetransSegs" => Some(seen.segs),
                    "TcpExtTCPSynRetrans" => Some(seen.syns),
                    "TcpExtTCPRetransFail" => Some(seen.failed),
                    "TcpExtTCPSpuriousRtxHostQueues" => Some(seen.queued),
                    name if CONTEXT.contains(&name) => None,
                    _ => return None,
                };
                Some(Correlated {
                    key: delta.key.clone(),
                    delta: delta.delta,
                    explained: events.map(|events| events.min(delta.delta)),
                    gap: None,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::counter::CounterKey;

    #[test]
    fn segments_are_counted_and_not_calls() {
        let call = |segs, result| Retrans {
            kind: Some(RetransKind::Fast),
            segs,
            result,
            ..Retrans::default()
        };
        let mut reconciled = Reconciled::default();
        // Three at once; nobody knows; a call that sent nothing; one that failed afterwards.
        reconciled.observe(&call(Some(3), Some(0)));
        reconciled.observe(&call(None, Some(0)));
        reconciled.observe(&call(Some(0), Some(BUSY)));
        reconciled.observe(&call(Some(2), Some(-1)));
        reconciled.observe(&Retrans {
            kind: Some(RetransKind::Syn),
            ..call(Some(1), Some(0))
        });
        let delta = |name: &str, delta| Delta {
            key: CounterKey {
                netns: None,
                ifname: None,
                name: name.to_owned(),
            },
            before: 0,
            after: delta,
            delta,
        };
        let found = reconciled.correlate(&[
            delta("TcpRetransSegs", 9),
            delta("TcpExtTCPSynRetrans", 1),
            delta("TcpExtTCPRetransFail", 5),
            delta("TcpExtTCPSpuriousRtxHostQueues", 1),
            delta("TcpExtTCPTimeouts", 4),
            delta("UdpNoPorts", 4),
        ]);
        let found: Vec<_> = found
            .iter()
            .map(|counter| (counter.key.name.as_str(), counter.explained))
            .collect();
        let expected = [
            ("TcpRetransSegs", Some(7)),
            ("TcpExtTCPSynRetrans", Some(1)),
            ("TcpExtTCPRetransFail", Some(2)),
            ("TcpExtTCPSpuriousRtxHostQueues", Some(1)),
            ("TcpExtTCPTimeouts", None),
        ];
        assert_eq!(found, expected);
    }
}
