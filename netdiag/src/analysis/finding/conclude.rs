//! From events, counters and facts to findings.

use super::{
    Finding, Rule, Severity, Tally,
    claim::{Asked, Claims},
    group::{Groups, Upheld},
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
use std::collections::BTreeSet;

/// Findings in the making.
#[derive(Debug, Default)]
pub struct Findings {
    asked: Asked,
    groups: Groups,
    unexplained: Sums,
}

impl Findings {
    /// Takes a packet into account, and tells which finding it belongs to. What facts say of that comes later.
    pub fn observe(&mut self, event: &Event<'_>) -> Option<&'static str> {
        let noise = noise(event);
        if noise.is_some_and(|noise| !noise.claimable) {
            return None;
        }
        let claims = Claims::of(event, noise.is_some(), self.asked.about(event));
        if claims.is_empty() {
            if event.is_drop() && noise.is_none() {
                self.unexplained.observe(event);
            }
            return None;
        }
        self.groups.observe(event, claims);
        Some(claims.surest()?.id)
    }

    /// What the findings want to know of the host. Only what has claimed drops, or what the counters show, asks.
    #[must_use]
    pub fn questions(&self, counters: &[Correlated]) -> BTreeSet<Question> {
        let mut asked = BTreeSet::new();
        for (claims, tally) in self.groups.each() {
            for rule in claims.rules() {
                asked.extend(questions(rule.needs, &tally.places));
                if rule.always_counted {
                    let counters = tally.namespaces.iter().take(FEW);
                    asked.extend(counters.map(|netns| Question::Counters { netns: netns.0 }));
                }
            }
        }
        for rule in rules() {
            asked.extend(asked_for_counters(rule, counters));
        }
        asked
    }

    /// The findings, worst and most frequent first and unexplained drops last. `counters` are those that can be compared
    /// with the drops.
    #[must_use]
    pub fn finish(&self, counters: &[Correlated], facts: &Facts) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut unexplained = self.unexplained.clone();
        let mut upheld = self
            .groups
            .judge(counters, facts, |tally| unexplained.add(&tally.sums));
        for rule in rules() {
            let counted = (rule.counted)(counters, facts);
            let (mut finding, asked) = match (upheld.remove(rule.id), counted) {
                (Some(upheld), counted) => {
                    let mut finding = claimed(rule, &upheld, counters);
                    finding
                        .evidence
                        .extend(counted.into_iter().flat_map(|counted| counted.evidence));
                    (finding, questions(rule.needs, &upheld.tally.places))
                }
                (None, Some(counted)) => {
                    // Of what only counters show, nothing is known but where.
                    let verdict = (rule.verdict)(&located(&counted), facts);
                    if verdict.contradicted {
                        continue;
                    }
                    let asked = asked_for_counters(rule, counters);
                    (counted_alone(rule, counted, &verdict), asked)
                }
                (None, None) => continue,
            };
            finding.evidence.extend(facts.unread(&asked));
            findings.push(finding);
        }
        findings.extend(unexplained.findings());
        findings.sort_by_key(Finding::rank);
        findings
    }
}

/// What a rule that counters alone may show wants to know.
fn asked_for_counters(rule: &Rule, counters: &[Correlated]) -> BTreeSet<Question> {
    if rule.needs.is_empty() {
        return BTreeSet::new();
    }
    let counted = (rule.counted)(counters, &Facts::default());
    let places = counted.as_ref().map(located).unwrap_or_default().places;
    questions(rule.needs, &places)
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
fn claimed(rule: &Rule, upheld: &Upheld, counters: &[Correlated]) -> Finding {
    let Upheld { tally, verdict, .. } = upheld;
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
        severity: match upheld.harmful {
            true => rule.severity,
            false => Severity::Info,
        },
        confidence: hundredths(tally.mean()),
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
    let mut confidence = verdict.confidence.unwrap_or(counted.confidence);
    if counted.lost {
        evidence.push("events were lost, and some of these may have had one".to_owned());
        confidence *= 0.5;
    }
    evidence.extend(verdict.evidence.iter().cloned());
    let mut remedy = verdict.remedy.clone();
    remedy.extend(counted.remedy);
    Finding {
        id: rule.id,
        severity: counted.severity.unwrap_or(rule.severity),
        confidence: hundredths(confidence),
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
