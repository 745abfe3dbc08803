//! Packets of which the same rules are equally sure, kept together until facts tell which rule is right.

use super::{RULES, Rule, Tally, rule::Verdict, rules};
use crate::analysis::{counter::Correlated, event::Event, fact::Facts};
use netdiag_common::NetnsId;
use std::collections::BTreeMap;

/// So many rules may dispute a packet; what is less sure than these has no chance.
const RIVALS: usize = 6;

/// More groups than this are not told apart by place.
const MOST: usize = 512;

/// A claim that is not surer than this is a suspicion: without a counter or a fact that speaks for it, it is dropped.
pub(super) const SUSPICION: f32 = 0.2;

/// How sure a rule is of drops that its own counters have all counted.
const COUNTED: f64 = 0.92;

/// A rule, by its place among all, and how sure it is: the bits of a number between 0 and 1, which are in the order of
/// the number.
type Claim = (usize, u32);

/// Who claims a packet, the surest first, among equals the first rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claims {
    claims: [Option<Claim>; RIVALS],
    /// It may be known noise just as well, and is no riddle where nobody claims it in the end.
    noise: bool,
}

impl Claims {
    /// What those rules say that may have a say.
    pub(super) fn of(event: &Event<'_>, noise: bool, asked: &[Indexed]) -> Self {
        let mut found = Self {
            noise,
            ..Self::default()
        };
        for (index, rule) in asked {
            if let Some(sure) = (rule.claims)(event) {
                found.insert((*index, sure.clamp(0.0, 1.0).to_bits()));
            }
        }
        debug_assert!(
            rules().enumerate().all(|(index, rule)| {
                asked.iter().any(|(other, _)| *other == index) || (rule.claims)(event).is_none()
            }),
            "a rule claims what it is not about"
        );
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

    /// Nobody claims it.
    pub(super) fn is_empty(&self) -> bool {
        self.claims == [None; RIVALS]
    }

    /// What the packet alone says, if anything.
    pub(super) fn surest(&self) -> Option<&'static Rule> {
        let (_, rule, sure) = self.each().next()?;
        (sure > SUSPICION).then_some(rule)
    }
}

/// A rule and its place among all.
pub(super) type Indexed = (usize, &'static Rule);

/// Which rules may have a say, by a drop's reason and function: of these there are few, and of drops many.
#[derive(Debug, Default)]
pub(super) struct Asked {
    known: Vec<(Option<String>, Option<String>, Vec<Indexed>)>,
    /// Where the last one was found: drops come in rows.
    last: usize,
}

/// More pairs of reason and function than this are not remembered.
const MOST_PAIRS: usize = 512;

impl Asked {
    /// The rules to ask.
    pub(super) fn about(&mut self, event: &Event<'_>) -> &[Indexed] {
        let (reason, function) = (event.reason.as_deref(), event.bare_function());
        let is_it = |known: &(Option<String>, Option<String>, Vec<Indexed>)| {
            known.0.as_deref() == reason && known.1.as_deref() == function
        };
        if !self.known.get(self.last).is_some_and(is_it) {
            self.last = self.known.iter().position(is_it).unwrap_or_else(|| {
                self.known.truncate(MOST_PAIRS);
                let rules = rules().enumerate();
                let asked = rules.filter(|(_, rule)| rule.is_about(reason, function));
                let (reason, function) = (reason.map(str::to_owned), function.map(str::to_owned));
                self.known.push((reason, function, asked.collect()));
                self.known.len() - 1
            });
        }
        self.known
            .get(self.last)
            .map_or(&[], |(_, _, asked)| asked.as_slice())
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

/// By how much the counters rose that rules have, and what is left of that for further groups.
struct Rises<'a> {
    counters: &'a [Correlated],
    facts: &'a Facts,
    spent: BTreeMap<(&'static str, NetnsId), u64>,
}

impl<'a> Rises<'a> {
    fn new(counters: &'a [Correlated], facts: &'a Facts) -> Self {
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
    fn part(&self, rule: &Rule, tally: &Tally) -> Option<f64> {
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
    fn spend(&mut self, rule: &Rule, tally: &Tally) {
        if let Some(netns) = self.place(rule, tally) {
            let spent = self.spent.entry((rule.id, netns)).or_default();
            *spent = spent.saturating_add(tally.drops);
        }
    }
}
