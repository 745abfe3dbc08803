//! What a rule is.

use super::{Severity, Tally, seen};
use crate::analysis::{
    counter::{Correlated, Gap},
    event::Event,
    fact::{Facts, Need},
};
use netdiag_common::NetnsId;
use std::{collections::BTreeSet, fmt};

/// One way in which things go wrong. What a rule has no use for, it takes from [`DEFAULT`](Self::DEFAULT).
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// Only a drop with one of these reasons, or in one of these functions, is asked about: lists of names. Where both
    /// are empty, every packet is.
    pub(super) reasons: &'static [&'static [&'static str]],
    /// See [`reasons`](Self::reasons).
    pub(super) functions: &'static [&'static [&'static str]],
    /// How sure the rule is of this drop; `None` when it is none of its business. The surest of all rules has it.
    pub(super) claims: fn(&Event<'_>) -> Option<f32>,
    /// Counters that speak for the finding.
    pub(super) counters: &'static [&'static str],
    /// Each such drop raises one of these counters. Where a kernel gives no reasons and they stood still, it was
    /// something else.
    pub(super) always_counted: bool,
    /// What is wrong, after "57 packets dropped in ip_rcv_core ...".
    pub(super) fault: fn(&Tally) -> String,
    /// What more there is to say for it.
    pub(super) evidence: fn(&Tally) -> Vec<String>,
    /// What to do.
    pub(super) remedy: fn(&Tally) -> Vec<String>,
    /// Facts that the verdict rests on.
    pub(super) needs: &'static [Need],
    /// What the facts say to it. Where counters alone show it, the tally has places and no packets.
    pub(super) verdict: fn(&Tally, &Facts) -> Verdict,
    /// Whether the counters alone show it, where no drop has an event.
    pub(super) counted: fn(&[Correlated], &Facts) -> Option<Counted>,
}

impl Rule {
    /// One that claims nothing.
    pub(super) const DEFAULT: Self = Self {
        id: "",
        severity: Severity::Warning,
        reasons: &[],
        functions: &[],
        claims: |_| None,
        counters: &[],
        always_counted: false,
        fault: |_| String::new(),
        evidence: seen::evidence,
        remedy: |_| Vec::new(),
        needs: &[],
        verdict: |_, _| Verdict::stands(),
        counted: |_, _| None,
    };

    /// Whether it may have a say in drops for a reason, or in a function.
    pub(super) fn is_about(&self, reason: Option<&str>, function: Option<&str>) -> bool {
        let has = |lists: &[&[&str]], name: Option<&str>| {
            name.is_some_and(|name| lists.iter().any(|list| list.contains(&name)))
        };
        self.reasons.is_empty() && self.functions.is_empty()
            || has(self.reasons, reason)
            || has(self.functions, function)
    }
    /// The same, where something is broken.
    pub(super) const ERROR: Self = Self {
        severity: Severity::Error,
        ..Self::DEFAULT
    };
    /// The same, where it is only worth knowing.
    pub(super) const INFO: Self = Self {
        severity: Severity::Info,
        ..Self::DEFAULT
    };
}

/// Facts in many places fill no more lines than this.
const MOST: usize = 8;

fn add(lines: &mut Vec<String>, line: String) {
    if lines.len() < MOST && !lines.contains(&line) {
        lines.push(line);
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// What the facts say to a finding.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// It is not so: its drops are unexplained.
    pub(super) contradicted: bool,
    /// It is so, and no fault: the finding is for information only.
    pub(super) harmless: bool,
    /// How sure it is, knowing the facts.
    pub(super) confidence: Option<f64>,
    /// What the facts say, with their figures.
    pub(super) evidence: Vec<String>,
    /// What to do, knowing the facts; it stands before the rest.
    pub(super) remedy: Vec<String>,
}

impl Verdict {
    /// The facts add nothing.
    pub(super) const fn stands() -> Self {
        Self {
            contradicted: false,
            harmless: false,
            confidence: None,
            evidence: Vec::new(),
            remedy: Vec::new(),
        }
    }

    /// What the facts say in several places.
    pub(super) fn merge(&mut self, other: Self) {
        for line in other.evidence {
            add(&mut self.evidence, line);
        }
        for line in other.remedy {
            add(&mut self.remedy, line);
        }
    }

    /// The facts say that it is not so.
    pub(super) fn contradicted() -> Self {
        Self {
            contradicted: true,
            ..Self::stands()
        }
    }

    /// A fact that speaks for it, told once.
    pub(super) fn with(mut self, evidence: impl Into<String>) -> Self {
        add(&mut self.evidence, evidence.into());
        self
    }

    /// The same, of several.
    pub(super) fn with_all(self, evidence: impl IntoIterator<Item = String>) -> Self {
        evidence.into_iter().fold(self, Self::with)
    }

    /// It is no fault.
    pub(super) const fn harmless(mut self) -> Self {
        self.harmless = true;
        self
    }

    /// How sure it is now.
    pub(super) const fn sure(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

/// A fault that counters alone show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counted {
    /// By how much they rose without an event.
    pub(super) count: u64,
    pub(super) confidence: f64,
    /// Whether the run lost events, so that some of it may have had one.
    pub(super) lost: bool,
    /// Where it is less bad than what the rule says of packets.
    pub(super) severity: Option<Severity>,
    /// "TcpExtListenOverflows"
    pub(super) name: &'static str,
    pub(super) namespaces: BTreeSet<NetnsId>,
    pub(super) interfaces: BTreeSet<String>,
    /// What is wrong, after "TcpExtListenOverflows rose by 3 without a drop event: ".
    pub(super) fault: String,
    pub(super) evidence: Vec<String>,
    pub(super) remedy: Vec<String>,
}

impl Counted {
    /// What a counter rose by without an event, in all namespaces; `None` when every rise has its event.
    pub(super) fn rest(counters: &[Correlated], name: &'static str) -> Option<Self> {
        Self::of(counters.iter(), name)
    }

    /// What a counter rose by, whether events that may have raised it are there or not.
    pub(super) fn risen(counters: &[Correlated], name: &'static str) -> Option<Self> {
        let alone: Vec<_> = counters
            .iter()
            .map(|counter| Correlated {
                explained: None,
                ..counter.clone()
            })
            .collect();
        Self::of(alone.iter(), name)
    }

    /// The same, on kernels alone that do not tell of such drops.
    pub(super) fn untold(counters: &[Correlated], name: &'static str) -> Option<Self> {
        let silent =
            |counter: &&Correlated| matches!(counter.gap, Some(Gap::Reasonless | Gap::Unplaced));
        Self::of(counters.iter().filter(silent), name)
    }

    fn of<'a>(counters: impl Iterator<Item = &'a Correlated>, name: &'static str) -> Option<Self> {
        let mut counted = Self {
            confidence: 1.0,
            name,
            ..Self::default()
        };
        for counter in counters.filter(|counter| counter.key.name == name) {
            let rest = counter
                .delta
                .saturating_sub(counter.explained.unwrap_or_default());
            if rest > 0 {
                counted.count = counted.count.saturating_add(rest);
                counted.lost |= counter.gap == Some(Gap::Lost);
                counted.namespaces.extend(counter.key.netns);
                counted.interfaces.extend(counter.key.ifname.clone());
            }
        }
        (counted.count > 0).then_some(counted)
    }
}
