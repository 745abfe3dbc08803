//! Packets of which the same rules are equally sure, kept together until facts tell which rule is right.

use super::{
    Rule, Tally,
    claim::{Claims, SUSPICION},
    rise::{COUNTED, Rises},
    rule::Verdict,
};
use crate::analysis::{counter::Correlated, event::Event, fact::Facts};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// More groups than this are not told apart by place.
const MOST: usize = 512;

/// Facts are of a namespace and a device.
type Place = Option<(Option<NetnsId>, Option<String>)>;

/// All packets that rules claim.
#[derive(Debug, Default)]
pub(super) struct Groups {
    places: BTreeMap<(Claims, Place), usize>,
    tallies: Vec<Tally>,
    /// Where the last one went: packets come in rows.
    last: Option<(Claims, Place, usize)>,
}

/// What one rule is left with.
#[derive(Debug, Default)]
pub(super) struct Upheld {
    pub(super) tally: Tally,
    pub(super) verdict: Verdict,
    /// Whether some of it is a fault.
    pub(super) harmful: bool,
}

impl Groups {
    pub(super) fn observe(&mut self, event: &Event<'_>, claims: Claims) {
        let asks = claims
            .rules()
            .any(|rule| rule.always_counted || !rule.needs.is_empty());
        let at = match &self.last {
            Some((last, place, at)) if *last == claims && is_same(place, asks, event) => *at,
            _ => {
                let place = (asks && self.tallies.len() < MOST)
                    .then(|| (event.netns, event.ifname.map(str::to_owned)));
                let next = self.tallies.len();
                let at = *self.places.entry((claims, place.clone())).or_insert(next);
                if at == next {
                    self.tallies.push(Tally::default());
                }
                self.last = Some((claims, place, at));
                at
            }
        };
        if let Some(tally) = self.tallies.get_mut(at) {
            tally.observe(event);
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&Claims, &Tally)> {
        self.places
            .iter()
            .filter_map(|((claims, _), at)| Some((claims, self.tallies.get(*at)?)))
    }

    /// Gives each group to the rule that is surest of it when counters and facts are known, by the rule's name; what
    /// these leave to none goes to `rest`.
    pub(super) fn judge(
        &self,
        counters: &[Correlated],
        facts: &Facts,
        mut rest: impl FnMut(&Tally),
    ) -> BTreeMap<&'static str, Upheld> {
        let mut upheld: BTreeMap<&'static str, Upheld> = BTreeMap::new();
        let mut rises = Rises::new(counters, facts);
        for (claims, tally) in self.each() {
            let mut best: Option<(&Rule, f64, Verdict)> = None;
            for (_, rule, sure) in claims.each() {
                let counted = rises.part(rule, tally);
                if counted == Some(0.0) {
                    continue;
                }
                let verdict = (rule.verdict)(tally, facts);
                let known = verdict.confidence;
                let known = known.or_else(|| counted.map(|part| part * COUNTED));
                let sure = known.unwrap_or(f64::from(sure));
                let first = best.as_ref().is_none_or(|(_, most, _)| sure > *most);
                if !verdict.contradicted && sure > f64::from(SUSPICION) && first {
                    best = Some((rule, sure, verdict));
                }
            }
            match best {
                None if claims.noise => {}
                None => rest(tally),
                Some((rule, sure, verdict)) => {
                    rises.spend(rule, tally);
                    let there = upheld.entry(rule.id).or_default();
                    there.tally.merge(tally, sure);
                    there.harmful |= !verdict.harmless;
                    there.verdict.merge(verdict);
                }
            }
        }
        upheld
    }
}

/// Whether the packet is at the place.
fn is_same(place: &Place, asks: bool, event: &Event<'_>) -> bool {
    match place {
        None => !asks,
        Some((netns, device)) => asks && *netns == event.netns && device.as_deref() == event.ifname,
    }
}
