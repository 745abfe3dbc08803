//! Packets of which the same rules are equally sure, kept together until facts tell which rule is right.

use super::{RULES, Rule, Tally, rule::Verdict, rules};
use crate::analysis::{event::Event, fact::Facts};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// So many rules may dispute a packet; what is less sure than these has no chance.
const RIVALS: usize = 4;

/// More groups than this are not told apart by place.
const MOST: usize = 512;

/// A rule, by its place among all, and how sure it is: the bits of a number between 0 and 1, which are in the order of
/// the number.
type Claim = (usize, u32);

/// Who claims a packet, the surest first, among equals the first rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claims {
    claims: [Option<Claim>; RIVALS],
}

impl Claims {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut found = Self::default();
        for (index, rule) in rules().enumerate() {
            if let Some(sure) = (rule.claims)(event) {
                found.insert((index, sure.clamp(0.0, 1.0).to_bits()));
            }
        }
        found
    }

    fn insert(&mut self, mut claim: Claim) {
        for slot in &mut self.claims {
            match slot {
                Some(there) if there.1 >= claim.1 => {}
                Some(there) => std::mem::swap(there, &mut claim),
                None => {
                    *slot = Some(claim);
                    return;
                }
            }
        }
    }

    fn each(&self) -> impl Iterator<Item = (usize, &'static Rule, f32)> {
        let claims = self.claims.iter().flatten();
        claims.filter_map(|&(index, bits)| Some((index, by_index(index)?, f32::from_bits(bits))))
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.each().map(|(_, rule, _)| rule)
    }

    /// What the packet alone says.
    pub(super) fn surest(&self) -> Option<&'static Rule> {
        self.rules().next()
    }
}

fn by_index(mut index: usize) -> Option<&'static Rule> {
    for topic in RULES {
        match topic.get(index) {
            Some(rule) => return Some(rule),
            None => index -= topic.len(),
        }
    }
    None
}

/// Facts are of a namespace and a device.
type Place = Option<(Option<NetnsId>, Option<String>)>;

/// All packets that rules claim.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<(Claims, Place), Tally>,
}

/// What one rule is left with.
#[derive(Debug, Default)]
pub(super) struct Upheld {
    pub(super) tally: Tally,
    pub(super) verdict: Verdict,
}

impl Groups {
    pub(super) fn observe(&mut self, event: &Event<'_>, claims: Claims) {
        let asks = claims.rules().any(|rule| !rule.needs.is_empty());
        let place = (asks && self.groups.len() < MOST)
            .then(|| (event.netns, event.ifname.map(str::to_owned)));
        let tally = self.groups.entry((claims, place)).or_default();
        tally.observe(event);
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&Claims, &Tally)> {
        self.groups
            .iter()
            .map(|((claims, _), tally)| (claims, tally))
    }

    /// Gives each group to the rule that is surest of it when the facts are known, by the rule's name; what facts leave
    /// to none goes to `rest`.
    pub(super) fn judge(
        &self,
        facts: &Facts,
        mut rest: impl FnMut(&Tally),
    ) -> BTreeMap<&'static str, Upheld> {
        let mut upheld: BTreeMap<&'static str, Upheld> = BTreeMap::new();
        for (claims, tally) in self.each() {
            let mut best: Option<(&Rule, f64, Verdict)> = None;
            for (_, rule, sure) in claims.each() {
                let verdict = (rule.verdict)(tally, facts);
                let sure = verdict.confidence.unwrap_or(f64::from(sure));
                if !verdict.contradicted && best.as_ref().is_none_or(|(_, most, _)| sure > *most) {
                    best = Some((rule, sure, verdict));
                }
            }
            match best {
                None => rest(tally),
                Some((rule, sure, verdict)) => {
                    let there = upheld.entry(rule.id).or_default();
                    there.tally.merge(tally, sure);
                    there.verdict.merge(verdict);
                }
            }
        }
        upheld
    }
}
