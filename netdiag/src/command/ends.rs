//! What the runs of a file came to, added up.
//!
//! The numbers are a file's: nothing keeps them from being absurd, and there may be any number of them.

use crate::{
    analysis::{
        counter::{Correlated, CounterKey},
        icmp::{Arrival, Echoes},
    },
    capture::note::{CounterNote, EchoNote, EndNote},
    render::HeaderChecks,
};
use netdiag_common::NetnsId;
use std::collections::BTreeSet;

/// How much of what has a name is kept, in bytes of names: far above any real run, and a bound on memory.
const MOST_NAMES: usize = 1 << 20;

/// What an entry costs beside its name.
const ENTRY: usize = 64;

/// All ends of runs so far.
#[derive(Debug)]
pub(super) struct Ends {
    any: bool,
    /// `seen`, `reported`, `filtered`, `sampled_out` and `lost`.
    ledger: [u64; 5],
    duration_ns: u64,
    interrupted: bool,
    compared: bool,
    echoes: [EchoNote; 2],
    checks_missed: u64,
    check_ns: Option<u64>,
    counters: Vec<Correlated>,
    checks: Vec<HeaderChecks>,
    namespaces: BTreeSet<(NetnsId, String)>,
    room: usize,
    left_out: u64,
}

impl Default for Ends {
    fn default() -> Self {
        let none = EchoNote {
            hooked: true,
            ..EchoNote::default()
        };
        Self {
            any: false,
            ledger: [0; 5],
            duration_ns: 0,
            interrupted: false,
            compared: true,
            echoes: [none; 2],
            checks_missed: 0,
            check_ns: None,
            counters: Vec::new(),
            checks: Vec::new(),
            namespaces: BTreeSet::new(),
            room: MOST_NAMES,
            left_out: 0,
        }
    }
}

impl Ends {
    /// Adds the end of a run.
    pub(super) fn add(&mut self, end: EndNote) {
        self.any = true;
        let sums = self.ledger.iter_mut().zip(end.ledger);
        sums.for_each(|(sum, value)| *sum = sum.saturating_add(value));
        self.duration_ns = self.duration_ns.saturating_add(end.duration_ns);
        self.interrupted |= end.interrupted;
        self.compared &= end.compared;
        for (sum, echoes) in self.echoes.iter_mut().zip(end.echoes) {
            sum.hooked &= echoes.hooked;
            sum.received = sum.received.saturating_add(echoes.received);
            sum.replied = sum.replied.saturating_add(echoes.replied);
        }
        self.checks_missed = self.checks_missed.saturating_add(end.checks_missed);
        self.check_ns = end.check_ns.or(self.check_ns);
        for counter in end.counters {
            let ifname = counter.ifname.as_deref().unwrap_or_default();
            if self.has_room(&[&counter.name, ifname]) {
                self.counters.push(correlated(counter));
            }
        }
        for check in end.checks {
            if self.has_room(&[&check.name]) {
                let [calls, refused, malformed, accepted] = check.counts;
                self.checks.push(HeaderChecks {
                    probe: check.name,
                    calls,
                    refused,
                    malformed,
                    accepted,
                });
            }
        }
        for namespace in end.namespaces {
            if !self.namespaces.contains(&namespace) && self.has_room(&[&namespace.1]) {
                self.namespaces.insert(namespace);
            }
        }
    }

    fn has_room(&mut self, names: &[&str]) -> bool {
        let size = names.iter().fold(ENTRY, |size, name| size + name.len());
        match self.room.checked_sub(size) {
            Some(room) => {
                self.room = room;
                true
            }
            None => {
                self.left_out += 1;
                false
            }
        }
    }

    /// Whether no run has ended.
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Counters, header checks and names that there was no room for.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The ledgers together: `seen`, `reported`, `filtered`, `sampled_out` and `lost`.
    pub(super) fn ledger(&self) -> [u64; 5] {
        self.ledger
    }

    /// How long the runs took, in nanoseconds.
    pub(super) fn duration_ns(&self) -> u64 {
        self.duration_ns
    }

    /// Whether one was interrupted.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Whether the counters of all could be compared with the drops.
    pub(super) fn compared(&self) -> bool {
        self.any && self.compared
    }

    /// Echo requests. Where no end of a run is told, a file does not say what arrived, and what was dropped alone says
    /// nothing.
    pub(super) fn echoes(&self, dropped: [u64; 2]) -> [Echoes; 2] {
        let [dropped4, dropped6] = if self.any { dropped } else { [0; 2] };
        let of = |note: EchoNote, dropped| Echoes {
            dropped,
            received: if note.hooked {
                Arrival::Hooked(note.received)
            } else {
                Arrival::Counted(note.received)
            },
            replied: note.replied,
        };
        let [ip4, ip6] = self.echoes;
        [of(ip4, dropped4), of(ip6, dropped6)]
    }

    /// Header checks that the kernel skipped.
    pub(super) fn checks_missed(&self) -> u64 {
        self.checks_missed
    }

    /// Nanoseconds that a header check took, in the last run that knew.
    pub(super) fn check_ns(&self) -> Option<u64> {
        self.check_ns
    }

    /// Counters that rose, header checks, and the names of namespaces in order.
    pub(super) fn into_lists(self) -> (Vec<Correlated>, Vec<HeaderChecks>, Vec<(NetnsId, String)>) {
        let namespaces = self.namespaces.into_iter().collect();
        (self.counters, self.checks, namespaces)
    }
}

fn correlated(counter: CounterNote) -> Correlated {
    Correlated {
        key: CounterKey {
            netns: counter.netns,
            ifname: counter.ifname,
            name: counter.name,
        },
        delta: counter.delta,
        explained: counter.explained.min(counter.delta),
    }
}
