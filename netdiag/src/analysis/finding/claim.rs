//! Which rules claim a packet, and how sure each is.

use super::{RULES, Rule, rules};
use crate::analysis::event::Event;

/// So many rules may dispute a packet; what is less sure than these has no chance.
const RIVALS: usize = 6;

/// A claim that is not surer than this is a suspicion: without a counter or a fact that speaks for it, it is dropped.
pub(super) const SUSPICION: f32 = 0.2;

/// A rule, by its place among all, and how sure it is: the bits of a number between 0 and 1, which are in the order of
/// the number.
type Claim = (usize, u32);

/// Who claims a packet, the surest first, among equals the first rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claims {
    claims: [Option<Claim>; RIVALS],
    /// It may be known noise just as well, and is no riddle where nobody claims it in the end.
    pub(super) noise: bool,
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

    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &'static Rule, f32)> {
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
