//! What netdiag knows of every drop reason, counter, finding and place: what it means, when it is ordinary, what causes
//! it, and how to look further.
//!
//! The one source of `netdiag explain`, of the pages `docs/{reasons,counters,findings,places}.md`, and of the remedies
//! that the rules print. `tests/explain.rs` fails when a kernel of the matrix has a reason that is missing here.

mod counter;
mod fill;
mod finding;
mod finding_conn;
mod finding_device;
mod finding_filter;
mod finding_ip;
mod finding_route;
mod finding_tcp;
mod finding_udp;
mod finding_unknown;
pub mod kernels;
mod place;
mod reason;
mod search;

pub use search::{find, nearest, nearest_of};

use super::counter::rule;
use fill::fill;
use serde::Serialize;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Why the kernel dropped a packet: `enum skb_drop_reason`, and those of subsystems.
    Reason,
    /// A counter of the kernel.
    Counter,
    /// What netdiag concludes.
    Finding,
    /// A function of the kernel that drops.
    Place,
}

impl Kind {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 4] = [Self::Reason, Self::Counter, Self::Finding, Self::Place];

    /// The word for one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Counter => "counter",
            Self::Finding => "finding",
            Self::Place => "place",
        }
    }
}

/// What is known of one name. Texts are plain, without markup.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name as netdiag prints it.
    pub name: &'static str,
    /// What it stands for.
    pub kind: Kind,
    /// Of a counter that a rule speaks of, the rule says it.
    summary: &'static str,
    /// What happened, and which function says so.
    pub meaning: &'static str,
    /// When it is ordinary and no fault.
    pub normal: Option<&'static str>,
    /// What else the same evidence may mean.
    pub doubt: Option<&'static str>,
    /// What brings it about, with what to change.
    pub causes: &'static [&'static str],
    /// What a finding advises; words in capitals stand for what is only known then (see [`remedy`]).
    pub remedy: &'static [&'static str],
    /// How to look further; what a command tells stands behind it, after two blanks and a `#`.
    pub commands: &'static [&'static str],
    /// Names that belong to it.
    pub see: &'static [&'static str],
    /// The tested kernels that name this reason, oldest first; empty for what is no reason.
    pub kernels: &'static [&'static str],
}

impl Entry {
    /// What it means, in a line.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self.kind {
            Kind::Counter if self.summary.is_empty() => {
                rule(self.name).map_or("", |rule| rule.meaning)
            }
            _ => self.summary,
        }
    }

    const fn new(kind: Kind, name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            kind,
            summary,
            meaning: "",
            normal: None,
            doubt: None,
            causes: &[],
            remedy: &[],
            commands: &[],
            see: &[],
            kernels: &[],
        }
    }

    const fn meaning(mut self, meaning: &'static str) -> Self {
        self.meaning = meaning;
        self
    }

    const fn normal(mut self, normal: &'static str) -> Self {
        self.normal = Some(normal);
        self
    }

    const fn doubt(mut self, doubt: &'static str) -> Self {
        self.doubt = Some(doubt);
        self
    }

    const fn causes(mut self, causes: &'static [&'static str]) -> Self {
        self.causes = causes;
        self
    }

    const fn remedy(mut self, remedy: &'static [&'static str]) -> Self {
        self.remedy = remedy;
        self
    }

    const fn commands(mut self, commands: &'static [&'static str]) -> Self {
        self.commands = commands;
        self
    }

    const fn see(mut self, see: &'static [&'static str]) -> Self {
        self.see = see;
        self
    }
}

const fn reason(
    name: &'static str,
    kernels: &'static [&'static str],
    summary: &'static str,
    meaning: &'static str,
) -> Entry {
    let mut entry = Entry::new(Kind::Reason, name, summary).meaning(meaning);
    entry.kernels = kernels;
    entry
}

/// A counter that [`rules`](super::counter::rules) has a line for.
const fn counter(name: &'static str, meaning: &'static str) -> Entry {
    Entry::new(Kind::Counter, name, "").meaning(meaning)
}

const fn named_counter(name: &'static str, summary: &'static str, meaning: &'static str) -> Entry {
    Entry::new(Kind::Counter, name, summary).meaning(meaning)
}

const fn finding(name: &'static str, summary: &'static str, meaning: &'static str) -> Entry {
    Entry::new(Kind::Finding, name, summary).meaning(meaning)
}

const fn place(name: &'static str, summary: &'static str, meaning: &'static str) -> Entry {
    Entry::new(Kind::Place, name, summary).meaning(meaning)
}

/// Everything, by kind and topic.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    let reasons = reason::ENTRIES.iter().copied().flatten();
    let counters = counter::ENTRIES.iter().copied().flatten();
    reasons
        .chain(counters)
        .chain(findings())
        .chain(place::ENTRIES)
}

/// How the finding of this name could be wrong.
#[must_use]
pub fn doubt(id: &str) -> Option<&'static str> {
    findings().find(|entry| entry.name == id)?.doubt
}

/// The findings, by topic.
fn findings() -> impl Iterator<Item = &'static Entry> {
    [
        finding::ENTRIES,
        finding_conn::ENTRIES,
        finding_ip::ENTRIES,
        finding_route::ENTRIES,
        finding_device::ENTRIES,
        finding_filter::ENTRIES,
        finding_udp::ENTRIES,
        finding_tcp::ENTRIES,
        finding_unknown::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// What a finding advises, with what is known put in place of the words in capitals. A line is left out when it needs
/// something that is not known.
#[must_use]
pub fn remedy(id: &str, known: &[(&str, Option<&str>)]) -> Vec<String> {
    let found = findings().find(|entry| entry.name == id);
    let lines = found.map_or(&[][..], |entry| entry.remedy);
    lines.iter().filter_map(|line| fill(line, known)).collect()
}

#[cfg(test)]
mod tests {
    use super::remedy;

    #[test]
    fn every_finding_says_how_it_could_be_wrong() {
        use crate::analysis::{conn, finding, retrans};
        let ids = finding::ids()
            .chain(retrans::ids())
            .chain(conn::finding::ids());
        // What netdiag says that it does not know is not wrong.
        let claims = ids.filter(|id| ![finding::UNEXPLAINED, "test-rule"].contains(id));
        for id in claims {
            assert!(
                super::doubt(id).is_some_and(|doubt| doubt.ends_with('.')),
                "{id}"
            );
        }
    }

    #[test]
    fn a_remedy_names_what_is_known_and_leaves_out_the_rest() {
        let known = remedy("zero-window-stall", &[("PEER", Some("10.0.0.2"))]);
        assert_eq!(known.len(), 2);
        assert!(known.iter().any(|line| line.contains("dst 10.0.0.2 ")));
        assert_eq!(remedy("zero-window-stall", &[("PEER", None)]).len(), 1);
        assert!(remedy("nothing", &[]).is_empty());
    }
}
