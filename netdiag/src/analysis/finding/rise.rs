//! What counters say to rules: whether those that a rule has counted its drops.

use super::{Rule, Tally};
use crate::analysis::{counter::Correlated, fact::Facts};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// How sure a rule is of drops that its own counters have all counted.
pub(super) const COUNTED: f64 = 0.92;

/// By how much the counters rose that rules have, and what is left of that for further groups.
pub(super) struct Rises<'a> {
    counters: &'a [Correlated],
    facts: &'a Facts,
    spent: BTreeMap<(&'static str, NetnsId), u64>,
}

impl<'a> Rises<'a> {
    pub(super) fn new(counters: &'a [Correlated], facts: &'a Facts) -> Self {
        Self {
            counters,
            facts,
            spent: BTreeMap::new(),
        }
    }

    /// Where the rule's counters decide: drops in one namespace whose counters were read, of a kernel without reasons,
    /// which tell more.
    fn place(&self, rule: &Rule, tally: &Tally) -> Option<NetnsId> {
        let mut namespaces = tally.namespaces.iter();
        let netns = *namespaces.next()?;
        let decides = rule.always_counted
            && !tally.has_reasons()
            && tally.drops == tally.count
            && namespaces.next().is_none()
            && self.facts.counters_read(netns);
        decides.then_some(netns)
    }

    /// Which part of the drops the rule's counters have counted, from 0 to 1.
    pub(super) fn part(&self, rule: &Rule, tally: &Tally) -> Option<f64> {
        let netns = self.place(rule, tally)?;
        let counters = self.counters.iter().filter(|counter| {
            let of_rule = rule.counters.contains(&counter.key.name.as_str());
            of_rule && counter.key.netns == Some(netns)
        });
        let rose = counters.fold(0u64, |sum, counter| sum.saturating_add(counter.delta));
        let spent = self.spent.get(&(rule.id, netns)).copied().unwrap_or(0);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of packets far below 2^52"
        )]
        let part = rose.saturating_sub(spent) as f64 / tally.drops.max(1) as f64;
        Some(part.min(1.0))
    }

    /// The group is the rule's: what its drops raised is no other group's.
    pub(super) fn spend(&mut self, rule: &Rule, tally: &Tally) {
        if let Some(netns) = self.place(rule, tally) {
            let spent = self.spent.entry((rule.id, netns)).or_default();
            *spent = spent.saturating_add(tally.drops);
        }
    }
}
