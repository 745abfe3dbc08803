//! "I don't know" is an answer: drops that no rule claims, by reason and place.

use super::{
    Finding, Severity,
    tally::{list, packets, remember},
};
use crate::analysis::{
    event::Event,
    explain::{Entry, Kind, find, remedy},
};
use std::collections::{BTreeMap, BTreeSet};

/// The name of such a finding.
pub const UNEXPLAINED: &str = "unexplained-drop";

/// More kinds than this are summed up together.
const MOST: usize = 64;

/// Drops of one reason in one function.
#[derive(Clone, Debug, Default)]
struct Sum {
    count: u64,
    example: String,
    interfaces: BTreeSet<String>,
}

impl Sum {
    fn add(&mut self, event: &Event<'_>) {
        self.count += 1;
        remember(&mut self.interfaces, event.ifname);
    }
}

/// Drops by reason and function; both empty where the kernel tells none.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    sums: BTreeMap<(String, String), Sum>,
    overflow: u64,
}

impl Sums {
    pub(super) fn observe(&mut self, event: &Event<'_>) {
        let reason = event.reason.as_deref().unwrap_or_default();
        // Without the function, a bare address.
        let place = event.bare_function().unwrap_or(event.location);
        let known = |(name, at): &(String, String)| name == reason && at == place;
        let full = self.sums.len() >= MOST;
        if let Some((_, sum)) = self.sums.iter_mut().find(|(key, _)| known(key)) {
            sum.add(event);
        } else if full {
            self.overflow += 1;
        } else {
            let key = (reason.to_owned(), place.to_owned());
            let sum = self.sums.entry(key).or_default();
            sum.example = event.packet.to_string();
            sum.add(event);
        }
    }

    /// Takes in those of a finding that facts contradict.
    pub(super) fn add(&mut self, others: &Self) {
        self.overflow += others.overflow;
        for (key, other) in &others.sums {
            if self.sums.len() >= MOST && !self.sums.contains_key(key) {
                self.overflow += other.count;
                continue;
            }
            let sum = self.sums.entry(key.clone()).or_default();
            if sum.count == 0 {
                sum.example.clone_from(&other.example);
            }
            sum.count += other.count;
            for name in &other.interfaces {
                remember(&mut sum.interfaces, Some(name));
            }
        }
    }

    /// One finding a reason and place, most frequent first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<_> = self
            .sums
            .iter()
            .map(|((reason, place), sum)| describe(reason, place, sum))
            .collect();
        findings.sort_by_key(Finding::rank);
        if self.overflow > 0 {
            findings.push(Finding {
                count: self.overflow,
                title: format!("{} dropped for still other reasons", packets(self.overflow)),
                ..blank()
            });
        }
        findings
    }
}

fn blank() -> Finding {
    Finding {
        id: UNEXPLAINED,
        severity: Severity::Info,
        confidence: 0.0,
        count: 0,
        title: String::new(),
        evidence: Vec::new(),
        remedy: Vec::new(),
        caveat: None,
        interfaces: Vec::new(),
    }
}

fn describe(reason: &str, place: &str, sum: &Sum) -> Finding {
    let mut title = format!("{} dropped", packets(sum.count));
    if !place.is_empty() {
        title += &format!(" in {place}");
    }
    if !reason.is_empty() {
        title += &format!(", reason {reason}");
    }
    if !sum.interfaces.is_empty() {
        title += &format!(", on {}", list(&sum.interfaces));
    }
    let entry = meaning(reason, place);
    let mut evidence: Vec<_> = entry
        .map(|entry| format!("{} means: {}", entry.name, entry.summary()))
        .into_iter()
        .collect();
    evidence.push(format!("for example: {}", sum.example));
    Finding {
        count: sum.count,
        title: format!("{title}: netdiag does not know why"),
        evidence,
        remedy: remedy(UNEXPLAINED, &[("NAME", entry.map(|entry| entry.name))]),
        interfaces: sum.interfaces.iter().cloned().collect(),
        ..blank()
    }
}

/// What is known of the reason; where that is none, of the function.
fn meaning(reason: &str, place: &str) -> Option<&'static Entry> {
    let of = |name: &str, kind| {
        let mut found = find(name).into_iter();
        found.find(|entry| entry.kind == kind && entry.name == name)
    };
    let place = || of(place, Kind::Place);
    match reason {
        "" => place(),
        "NOT_SPECIFIED" => place().or_else(|| of(reason, Kind::Reason)),
        reason => of(reason, Kind::Reason).or_else(place),
    }
}
