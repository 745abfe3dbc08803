//! Which of the kernel's counters of TCP connections rose, and how much of that the events explain.

use super::{ConnEvent, ConnKind, Side, state};
use crate::analysis::counter::{Correlated, Delta};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// The counters that matter here. The first four are explained by connections; resets are also sent where there is
/// none, and the queue's are explained where its hook stands.
pub const COUNTERS: [&str; 12] = [
    "TcpActiveOpens",
    "TcpPassiveOpens",
    "TcpAttemptFails",
    "TcpEstabResets",
    "TcpOutRsts",
    "TcpExtListenOverflows",
    "TcpExtListenDrops",
    "TcpExtTCPTimeouts",
    "TcpExtTCPAbortOnTimeout",
    "TcpExtTCPReqQFullDrop",
    "TcpExtTCPFastOpenActive",
    "TcpExtTCPFastOpenPassive",
];

/// What the events of a run explain.
#[derive(Debug, Default)]
pub struct Explained {
    counts: BTreeMap<(Option<NetnsId>, &'static str), u64>,
}

impl Explained {
    /// Takes an event into account, shown or not.
    pub fn observe(&mut self, event: &ConnEvent) {
        let active = event.side == Some(Side::Active);
        let netns = event.netns;
        match event.kind {
            ConnKind::Established if active => self.add(netns, "TcpActiveOpens", 1),
            ConnKind::Established => self.add(netns, "TcpPassiveOpens", 1),
            ConnKind::Failed if event.old_state == state::SYN_SENT && event.syns.is_some() => {
                self.add(netns, "TcpActiveOpens", 1);
                // Not where the process gave up.
                if matches!(event.result, Some(Some(_))) {
                    self.add(netns, "TcpAttemptFails", 1);
                }
            }
            ConnKind::Failed if event.old_state == state::SYN_RECV => {
                self.add(netns, "TcpAttemptFails", 1);
                if !active {
                    self.add(netns, "TcpPassiveOpens", 1);
                }
            }
            ConnKind::Closed
                if matches!(event.old_state, state::ESTABLISHED | state::CLOSE_WAIT) =>
            {
                self.add(netns, "TcpEstabResets", 1);
            }
            _ => {}
        }
    }

    /// Adds to what is explained of a counter.
    pub fn add(&mut self, netns: Option<NetnsId>, counter: &'static str, count: u64) {
        *self.counts.entry((netns, counter)).or_default() += count;
    }

    /// The counters that rose. More may be explained than one rose by: then an event claims what was not.
    pub fn correlate(&self, deltas: &[Delta]) -> Vec<Correlated> {
        let explained = |delta: &Delta| {
            self.counts
                .iter()
                .find(|((netns, name), _)| *netns == delta.key.netns && *name == delta.key.name)
                .map_or(0, |(_, count)| *count)
        };
        deltas
            .iter()
            .filter(|delta| COUNTERS.contains(&delta.key.name.as_str()))
            .map(|delta| Correlated {
                key: delta.key.clone(),
                delta: delta.delta,
                explained: Some(explained(delta)),
                gap: None,
            })
            .collect()
    }
}
