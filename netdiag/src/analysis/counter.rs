//! Which kernel counter rose, by how much, and which of that the drop events explain.
//!
//! Events and counters are not the same set: some drops raise no counter, some counters rise without an event. So a
//! delta is split into what matching events explain and a rest that stays unexplained. The rules, one a counter, are
//! in [`rule`](mod@rule); this file applies them.
//!
//! Where the kernel gives no reason (before 5.17), the dropping function and what is wrong with the header stand in
//! for it. Where even that leaves a choice (on 5.10 `ip_error` raises InAddrErrors, InNoRoutes or nothing), one event
//! explains at most one of the counters it may have raised.

mod gap;
pub mod rule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use netdiag_common::NetnsId;

pub use gap::{Circumstances, Gap, judge};
pub use rule::{CounterRule, Family, Match, Reason, rules};

/// Which counter: of a namespace, of a device in it, or of the whole host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// The namespace; `None` for the softnet counters, which the host has once.
    pub netns: Option<NetnsId>,
    /// The device, for a device counter.
    pub ifname: Option<String>,
    /// The name: family and counter as in `IpExtInTruncatedPkts`, `Ip6InHdrErrors`, `rx_dropped`, `softnet_dropped`.
    pub name: String,
}

/// The counters at one moment.
pub type Snapshot = BTreeMap<CounterKey, u64>;

/// A counter that rose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Which.
    pub key: CounterKey,
    /// Its value at the start.
    pub before: u64,
    /// Its value at the end.
    pub after: u64,
    /// By how much it rose.
    pub delta: u64,
}

/// The counters that rose between two snapshots, in the order of their keys.
///
/// A counter that only `after` has is taken to have been 0 before, when `before` has others of its namespace: the
/// device was made meanwhile. Not so when `before` knows nothing of the namespace, whose counters may be old (it could
/// not be read then), nor for a device that another namespace had under that name before and has no longer: it was
/// moved, with its counters. A counter that vanished, or that is lower than before, was lost or reset: no delta.
#[must_use]
pub fn deltas(before: &Snapshot, after: &Snapshot) -> Vec<Delta> {
    let known: BTreeSet<Option<NetnsId>> = before.keys().map(|key| key.netns).collect();
    let devices: BTreeSet<(&str, Option<NetnsId>)> = devices_of(after);
    let gone: BTreeSet<&str> = devices_of(before)
        .into_iter()
        .filter(|device| !devices.contains(device))
        .map(|(name, _)| name)
        .collect();
    let start = |key: &CounterKey| match before.get(key) {
        Some(&value) => Some(value),
        None if !known.contains(&key.netns) => None,
        None if key
            .ifname
            .as_deref()
            .is_some_and(|name| gone.contains(name)) =>
        {
            None
        }
        None => Some(0),
    };
    after
        .iter()
        .filter_map(|(key, &after)| {
            let before = start(key)?;
            let delta = after.checked_sub(before).filter(|&delta| delta > 0)?;
            Some(Delta {
                key: key.clone(),
                before,
                after,
                delta,
            })
        })
        .collect()
}

fn devices_of(snapshot: &Snapshot) -> BTreeSet<(&str, Option<NetnsId>)> {
    snapshot
        .keys()
        .filter_map(|key| Some((key.ifname.as_deref()?, key.netns)))
        .collect()
}

/// The rule for a counter, if it speaks of drops.
#[must_use]
pub fn rule(name: &str) -> Option<&'static CounterRule> {
    rules().find(|rule| rule.counter == name)
}

/// Whether a counter speaks of dropped packets.
#[must_use]
pub fn is_drop_related(name: &str) -> bool {
    rule(name).is_some()
}

/// What is wrong with the header that the dropping function checks: the IP header in `ip_rcv_core`, the UDP header
/// in `udp_rcv`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderFault {
    /// Nothing that can be seen.
    #[default]
    None,
    /// The version, the header length, or a length below that of the header; or the packet is shorter than its header.
    Header,
    /// The length field goes beyond the packet.
    LengthBeyond,
    /// The checksum is wrong.
    Checksum,
}

/// What is known of one dropped packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropFacts<'a> {
    /// The kernel's name of the reason, without `SKB_DROP_REASON_`; `None` before 5.17.
    pub reason: Option<&'a str>,
    /// The function that dropped it, without offset; a compiler suffix (`.isra.0`) does no harm.
    pub function: Option<&'a str>,
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The device.
    pub ifname: Option<&'a str>,
    /// 4 or 6.
    pub ip_version: Option<u8>,
    /// Whether it came in by a device; others were made on this host.
    pub received: bool,
    /// What is wrong with the header.
    pub malformed: HeaderFault,
    /// Whether it is a TCP segment that acknowledges, and neither opens nor ends a connection.
    pub plain_ack: bool,
}

/// The rules and matches that fit one drop, at most one match a rule.
fn fitting<'a>(
    facts: &'a DropFacts<'_>,
) -> impl Iterator<Item = (&'static CounterRule, &'static Match)> + 'a {
    rules().filter_map(|rule| Some((rule, rule.explains.iter().find(|entry| entry.fits(facts))?)))
}

/// The counters that one dropped packet raises, or may have raised where the facts leave a choice.
pub fn explaining<'a>(facts: &'a DropFacts<'_>) -> impl Iterator<Item = &'static str> + 'a {
    fitting(facts).map(|(rule, _)| rule.counter)
}

/// A drop-related counter that rose, and how much of it the events explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlated {
    /// Which.
    pub key: CounterKey,
    /// By how much it rose.
    pub delta: u64,
    /// How much of it has a matching event: never more than `delta`. `None` where no event raises it alone.
    pub explained: Option<u64>,
    /// Why events do not explain the rest, as far as that can be told.
    pub gap: Option<Gap>,
}

/// Where an event counts: namespace and device, as far as the counter has them.
type Scope = (Option<NetnsId>, Option<String>);

/// Counts, over a run, the events that each counter has.
#[derive(Clone, Debug, Default)]
pub struct Correlator {
    events: BTreeMap<(Scope, &'static str), u64>,
    /// Events that raised one of several counters: a budget that these share.
    choices: BTreeMap<(Scope, &'static str), u64>,
}

impl Correlator {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in dropped packets of one kind. Count every packet that the hook saw, reported or not: a filter on what is shown
    /// leaves the counters unexplained otherwise.
    pub fn observe(&mut self, facts: &DropFacts<'_>, packets: u64) {
        let mut choices: BTreeSet<(Scope, &'static str)> = BTreeSet::new();
        for (rule, entry) in fitting(facts) {
            let scope = match rule.family {
                Family::Softnet => (None, None),
                Family::Device => (facts.netns, facts.ifname.map(str::to_owned)),
                _ => (facts.netns, None),
            };
            match entry.choice {
                None => *self.events.entry((scope, rule.counter)).or_default() += packets,
                Some(choice) => {
                    choices.insert((scope, choice));
                }
            }
        }
        for choice in choices {
            *self.choices.entry(choice).or_default() += packets;
        }
    }

    /// Sets the events against the counters that rose; those that do not speak of drops are left out. A shared event
    /// goes to the first of its counters that has a rest to explain.
    #[must_use]
    pub fn finish(mut self, deltas: &[Delta]) -> Vec<Correlated> {
        let mut correlated = Vec::new();
        for Delta { key, delta, .. } in deltas {
            let Some(rule) = rule(&key.name) else {
                continue;
            };
            let scope = (key.netns, key.ifname.clone());
            let certain = self
                .events
                .get(&(scope.clone(), rule.counter))
                .copied()
                .unwrap_or(0);
            let mut explained = certain.min(*delta);
            let names: BTreeSet<&'static str> = rule
                .explains
                .iter()
                .filter_map(|entry| entry.choice)
                .collect();
            for name in names {
                if let Some(budget) = self.choices.get_mut(&(scope.clone(), name)) {
                    let share = (*budget).min(delta - explained);
                    *budget -= share;
                    explained += share;
                }
            }
            correlated.push(Correlated {
                key: key.clone(),
                delta: *delta,
                explained: Some(explained),
                gap: None,
            });
        }
        correlated
    }
}

/// The part of [`DropFacts`] that owns its names: one kind of drop, as far as counters can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    reason: Option<String>,
    function: Option<String>,
    netns: Option<NetnsId>,
    ifname: Option<String>,
    ip_version: Option<u8>,
    received: bool,
    malformed: HeaderFault,
    plain_ack: bool,
}

impl Kind {
    fn facts(&self) -> DropFacts<'_> {
        DropFacts {
            reason: self.reason.as_deref(),
            function: self.function.as_deref(),
            netns: self.netns,
            ifname: self.ifname.as_deref(),
            ip_version: self.ip_version,
            received: self.received,
            malformed: self.malformed,
            plain_ack: self.plain_ack,
        }
    }
}

impl From<&DropFacts<'_>> for Kind {
    fn from(facts: &DropFacts<'_>) -> Self {
        Self {
            reason: facts.reason.map(str::to_owned),
            function: facts.function.map(str::to_owned),
            netns: facts.netns,
            ifname: facts.ifname.map(str::to_owned),
            ip_version: facts.ip_version,
            received: facts.received,
            malformed: facts.malformed,
            plain_ack: facts.plain_ack,
        }
    }
}

/// More kinds than this explain nothing: names of devices and namespaces are for strangers to choose, and memory
/// stays bounded.
const MOST_KINDS: usize = 4096;

/// Counts drops by kind, so that the rules are asked once a kind and not once a packet.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    counts: HashMap<Kind, u64>,
    /// The kind of the last drop and how many came in a row: under a flood the next one is of the same kind.
    last: Option<(Kind, u64)>,
}

impl Kinds {
    /// Counts a dropped packet.
    pub fn observe(&mut self, facts: &DropFacts<'_>) {
        if let Some((kind, count)) = &mut self.last
            && kind.facts() == *facts
        {
            *count += 1;
            return;
        }
        if let Some((kind, count)) = self.last.replace((Kind::from(facts), 1))
            && (self.counts.len() < MOST_KINDS || self.counts.contains_key(&kind))
        {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    /// Sets the drops against the counters that rose.
    #[must_use]
    pub fn correlate(self, deltas: &[Delta]) -> Vec<Correlated> {
        let mut correlator = Correlator::new();
        for (kind, count) in self
            .counts
            .iter()
            .chain(self.last.as_ref().map(|(kind, count)| (kind, count)))
        {
            correlator.observe(&kind.facts(), *count);
        }
        correlator.finish(deltas)
    }
}
