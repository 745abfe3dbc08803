//! From events, counters and facts to findings.

use super::{
    Finding, Rule, Tally,
    rule::{Counted, Verdict},
    rules,
    tally::FEW,
    unexplained::Sums,
};
use crate::analysis::{
    counter::Correlated,
    event::Event,
    explain,
    fact::{Facts, Place, Question, questions},
    noise::noise,
};
use std::collections::{BTreeMap, BTreeSet};

/// Findings in the making.
#[derive(Debug, Default)]
pub struct Findings {
    tallies: BTreeMap<&'static str, Tally>,
    unexplained: Sums,
}

impl Findings {
    /// Takes a packet into account, and tells which finding it belongs to. What facts say of that comes later.
    pub fn observe(&mut self, event: &Event<'_>) -> Option<&'static str> {
        let noise = noise(event);
        if noise.is_some_and(|noise| !noise.claimable) {
            return None;
        }
        let Some((rule, confidence)) = surest(event) else {
            if event.is_drop() && noise.is_none() {
                self.unexplained.observe(event);
            }
            return None;
        };
        self.tallies
            .entry(rule.id)
            .or_default()
            .observe(event, confidence);
        Some(rule.id)
    }

    /// What the findings want to know of the host. Only what has claimed drops, or what the counters show, asks.
    #[must_use]
    pub fn questions(&self, counters: &[Correlated]) -> BTreeSet<Question> {
        let mut asked = BTreeSet::new();
        for rule in rules().filter(|rule| !rule.needs.is_empty()) {
            asked.extend(asked_by(rule, self.tallies.get(rule.id), counters));
        }
        asked
    }

    /// The findings, worst and most frequent first and unexplained drops last. `counters` are those that can be compared
    /// with the drops.
    #[must_use]
    pub fn finish(&self, counters: &[Correlated], facts: &Facts) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut unexplained = self.unexplained.clone();
        for rule in rules() {
            let tally = self.tallies.get(rule.id);
            let counted = (rule.counted)(counters, facts);
            if tally.is_none() && counted.is_none() {
                continue;
            }
            // Of what only counters show, nothing is known but where.
            let where_counted = counted.as_ref().map(located).unwrap_or_default();
            let verdict = (rule.verdict)(tally.unwrap_or(&where_counted), facts);
            if verdict.contradicted {
                if let Some(tally) = tally {
                    unexplained.add(&tally.sums);
                }
                continue;
            }
            let asked = asked_by(rule, tally, counters);
            let unread = facts.unread(&asked);
            let mut finding = match (tally, counted) {
                (Some(tally), counted) => {
                    let mut finding = claimed(rule, tally, &verdict, counters);
                    finding
                        .evidence
                        .extend(counted.into_iter().flat_map(|counted| counted.evidence));
                    finding
                }
                (None, Some(counted)) => counted_alone(rule, counted, &verdict),
                (None, None) => continue,
            };
            finding.evidence.extend(unread);
            findings.push(finding);
        }
        findings.extend(unexplained.findings());
        findings.sort_by_key(Finding::rank);
        findings
    }
}

/// The rule that is surest of a packet, among equals the first.
fn surest(event: &Event<'_>) -> Option<(&'static Rule, f32)> {
    let mut best: Option<(&Rule, f32)> = None;
    for rule in rules() {
        let Some(sure) = (rule.claims)(event) else {
            continue;
        };
        if best.is_none_or(|(_, most)| sure > most) {
            best = Some((rule, sure));
        }
        if sure >= 1.0 {
            break;
        }
    }
    best
}

fn asked_by(rule: &Rule, tally: Option<&Tally>, counters: &[Correlated]) -> BTreeSet<Question> {
    if rule.needs.is_empty() {
        return BTreeSet::new();
    }
    match tally {
        Some(tally) => questions(rule.needs, &tally.places),
        None => {
            let counted = (rule.counted)(counters, &Facts::default());
            let places = counted.as_ref().map(located).unwrap_or_default().places;
            questions(rule.needs, &places)
        }
    }
}

/// What is known of what has no event.
fn located(counted: &Counted) -> Tally {
    let places = counted.namespaces.iter().take(FEW).map(|&netns| Place {
        netns,
        ..Place::default()
    });
    Tally {
        namespaces: counted.namespaces.clone(),
        interfaces: counted.interfaces.clone(),
        places: places.collect(),
        ..Tally::default()
    }
}

/// A finding about packets.
fn claimed(rule: &Rule, tally: &Tally, verdict: &Verdict, counters: &[Correlated]) -> Finding {
    let title = format!("{}: {}", tally.subject(), (rule.fault)(tally));
    let mut evidence = Vec::new();
    if !title.contains(&tally.example) {
        evidence.push(format!("for example: {}", tally.example));
    }
    evidence.extend((rule.evidence)(tally));
    if tally.checked > 0 {
        evidence.push(format!(
            "the header check saw the same fault at the function's entry in {} of {}",
            tally.checked, tally.count
        ));
    }
    evidence.extend(verdict.evidence.iter().cloned());
    evidence.extend(
        counters
            .iter()
            .filter_map(|counter| speaks(rule, tally, counter)),
    );
    let mut remedy = verdict.remedy.clone();
    remedy.extend((rule.remedy)(tally));
    Finding {
        id: rule.id,
        severity: rule.severity,
        confidence: hundredths(verdict.confidence.unwrap_or_else(|| tally.mean())),
        count: tally.count,
        title,
        evidence,
        remedy,
        caveat: explain::doubt(rule.id),
        interfaces: tally.interfaces.iter().cloned().collect(),
    }
}

/// A finding about what left no event.
fn counted_alone(rule: &Rule, counted: Counted, verdict: &Verdict) -> Finding {
    let mut evidence = counted.evidence;
    evidence.extend(verdict.evidence.iter().cloned());
    let mut remedy = verdict.remedy.clone();
    remedy.extend(counted.remedy);
    Finding {
        id: rule.id,
        severity: rule.severity,
        confidence: hundredths(verdict.confidence.unwrap_or(counted.confidence)),
        count: counted.count,
        title: format!(
            "{} rose by {} without a drop event: {}",
            counted.name, counted.count, counted.fault
        ),
        evidence,
        remedy,
        caveat: explain::doubt(rule.id),
        interfaces: counted.interfaces.into_iter().collect(),
    }
}

/// Two digits are all that a mean of ratios between 0 and 1 is worth.
fn hundredths(confidence: f64) -> f64 {
    (confidence.clamp(0.0, 1.0) * 100.0).round() / 100.0
}

/// "IpInHdrErrors +57, all explained"
fn speaks(rule: &Rule, tally: &Tally, counter: &Correlated) -> Option<String> {
    if !rule.counters.contains(&counter.key.name.as_str()) {
        return None;
    }
    if counter
        .key
        .netns
        .is_some_and(|netns| !tally.namespaces.contains(&netns))
    {
        return None;
    }
    Some(format!(
        "{} +{}{}",
        counter.key.name,
        counter.delta,
        account(counter)
    ))
}

/// ", all explained"
fn account(counter: &Correlated) -> String {
    match counter.explained {
        None => String::new(),
        Some(explained) if explained == counter.delta => ", all explained".to_owned(),
        Some(explained) => format!(", {explained} of {} explained", counter.delta),
    }
}
