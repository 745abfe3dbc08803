//! What the ends of runs in files say, summed up: a file may have several, and numbers that no run ever had.

use crate::{
    analysis::{
        counter::{Correlated, CounterKey, Gap},
        fact::Facts,
        icmp::{Arrival, Echoes},
    },
    capture::note::EndNote,
    render::HeaderChecks,
};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// More counters, namespaces or header checks than this are not kept: memory stays bounded.
const MOST: usize = 1 << 14;

/// The sum of all ends.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// How many there were.
    pub(super) runs: u64,
    pub(super) duration_ns: u64,
    pub(super) interrupted: bool,
    /// Seen, reported, filtered, sampled out, lost.
    pub(super) ledger: [u64; 5],
    /// Whether one of them could not compare its counters.
    uncompared: bool,
    /// Delta, explained, and why not all of it is.
    counters: BTreeMap<CounterKey, (u64, Option<u64>, Option<Gap>)>,
    received: [u64; 2],
    replied: [u64; 2],
    /// Whether arrivals were taken from a counter somewhere.
    counted: [bool; 2],
    checks: Vec<HeaderChecks>,
    pub(super) checks_missed: u64,
    pub(super) check_ns: Option<u64>,
    namespaces: BTreeMap<NetnsId, String>,
    pub(super) facts: Facts,
    /// What the last of them had to say about its counters.
    pub(super) remark: Option<String>,
    pub(super) evidence_lost: u64,
    /// Counters, checks and namespaces that no room was left for.
    pub(super) left_out: u64,
}

impl Ended {
    /// Adds a run.
    pub(super) fn add(&mut self, end: EndNote) {
        let add = |sum: &mut u64, value: u64| *sum = sum.saturating_add(value);
        self.runs += 1;
        add(&mut self.duration_ns, end.duration_ns);
        self.interrupted |= end.interrupted;
        for (sum, value) in self.ledger.iter_mut().zip(end.ledger) {
            add(sum, value);
        }
        self.uncompared |= !end.compared;
        for counter in end.counters {
            let key = CounterKey {
                netns: counter.netns,
                ifname: counter.ifname,
                name: counter.name,
            };
            if self.counters.len() < MOST || self.counters.contains_key(&key) {
                let (delta, explained, gap) = self.counters.entry(key).or_default();
                add(delta, counter.delta);
                if let Some(more) = counter.explained {
                    add(explained.get_or_insert(0), more.min(counter.delta));
                }
                *gap = counter.because.as_deref().and_then(Gap::named).or(*gap);
            } else {
                self.left_out += 1;
            }
        }
        for (index, note) in end.echoes.iter().enumerate() {
            let numbers = (
                self.received.get_mut(index),
                self.replied.get_mut(index),
                self.counted.get_mut(index),
            );
            if let (Some(received), Some(replied), Some(counted)) = numbers {
                add(received, note.received);
                add(replied, note.replied);
                *counted |= !note.hooked;
            }
        }
        for check in end.checks {
            let [calls, refused, malformed, accepted] = check.counts;
            let known = self
                .checks
                .iter()
                .position(|known| known.probe == check.name);
            let index = known.unwrap_or(self.checks.len());
            // Two functions are checked; a file may name more.
            if index == self.checks.len() && index < 16 {
                self.checks.push(HeaderChecks {
                    probe: check.name,
                    ..HeaderChecks::default()
                });
            }
            if let Some(sum) = self.checks.get_mut(index) {
                add(&mut sum.calls, calls);
                add(&mut sum.refused, refused);
                add(&mut sum.malformed, malformed);
                add(&mut sum.accepted, accepted);
            } else {
                self.left_out += 1;
            }
        }
        for line in &end.facts {
            self.left_out += u64::from(!self.facts.learn_line(line));
        }
        add(&mut self.evidence_lost, end.evidence_lost);
        self.remark = end.remark.or(self.remark.take());
        add(&mut self.checks_missed, end.checks_missed);
        self.check_ns = end.check_ns.or(self.check_ns);
        for (id, name) in end.namespaces {
            if self.namespaces.len() < MOST {
                self.namespaces.insert(id, name);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Whether all of them could compare their counters with their drops.
    pub(super) fn compared(&self) -> bool {
        self.runs > 0 && !self.uncompared
    }

    pub(super) fn counters(&self) -> Vec<Correlated> {
        self.counters
            .iter()
            .map(|(key, &(delta, explained, gap))| Correlated {
                key: key.clone(),
                delta,
                explained,
                gap,
            })
            .collect()
    }

    /// Where no end is told, a file does not say what arrived, and what was dropped alone says nothing.
    pub(super) fn echoes(&self, dropped: [u64; 2]) -> [Echoes; 2] {
        let of = |index: usize| {
            let at = |numbers: &[u64; 2]| numbers.get(index).copied().unwrap_or(0);
            let received = at(&self.received);
            Echoes {
                dropped: if self.runs > 0 { at(&dropped) } else { 0 },
                received: if self.counted.get(index) == Some(&true) {
                    Arrival::Counted(received)
                } else {
                    Arrival::Hooked(received)
                },
                replied: at(&self.replied),
            }
        };
        [of(0), of(1)]
    }

    /// What the header checks counted, and the names of namespaces.
    pub(super) fn into_parts(self) -> (Vec<HeaderChecks>, Vec<(NetnsId, String)>) {
        (self.checks, self.namespaces.into_iter().collect())
    }
}
