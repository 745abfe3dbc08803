//! Findings: evidence turned into what is wrong and what to change.
//!
//! A rule is data plus a small predicate, in a file per topic. A drop counts for the rule that is surest of it, among
//! equals for the first. When the run is over, what is known of the host beyond the events ([`fact`](super::fact)) upholds
//! a finding or contradicts it. Drops that no rule claims, and that are no known noise, are told as unexplained.

#[cfg(test)]
mod case;
mod claim;
mod conclude;
mod device;
mod filter;
mod group;
mod header;
mod ip;
mod known;
mod misdelivered;
mod neighbour;
mod qdisc;
mod removed;
mod rise;
mod route;
mod rule;
mod seen;
mod tally;
mod tcp;
mod tcp_segment;
#[cfg(test)]
mod tests;
mod udp;
mod unexplained;

pub use conclude::Findings;
pub use unexplained::UNEXPLAINED;

use super::event::Event;
use rule::Rule;
use serde::Serialize;
use tally::Tally;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Packets are lost; that may be meant.
    Warning,
    /// Something is broken.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What netdiag concludes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule's stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure, from 0 to 1.
    pub confidence: f64,
    /// Packets that it rests on; where counters alone show it, by how much these rose without an event.
    pub count: u64,
    /// What is wrong, in a sentence.
    pub title: String,
    /// What it rests on.
    pub evidence: Vec<String>,
    /// What to do.
    pub remedy: Vec<String>,
    /// How it could be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caveat: Option<&'static str>,
    /// The devices concerned.
    pub interfaces: Vec<String>,
}

impl Finding {
    /// By which findings are ordered: worst and most frequent first, what nobody knows last.
    pub fn rank(&self) -> (u8, u64) {
        let severity = match self.severity {
            _ if self.id == UNEXPLAINED => 3,
            Severity::Error => 0,
            Severity::Warning => 1,
            Severity::Info => 2,
        };
        (severity, u64::MAX - self.count)
    }
}

/// All of them; where two are equally sure of a drop, the first has it.
const RULES: &[&[Rule]] = &[
    misdelivered::RULES,
    header::RULES,
    ip::RULES,
    route::RULES,
    device::RULES,
    neighbour::RULES,
    filter::RULES,
    qdisc::RULES,
    removed::RULES,
    udp::RULES,
    filter::SOCKET,
    tcp::RULES,
    tcp_segment::RULES,
    #[cfg(test)]
    tests::RULES,
];

fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().flatten()
}

/// The names of all findings about packets.
pub fn ids() -> impl Iterator<Item = &'static str> {
    rules().map(|rule| rule.id).chain([UNEXPLAINED])
}
