//! What a run or a file comes to: every event passes here once, live and offline alike.

use super::{
    census::Census, counter::Kinds, event::Event, finding::Findings, group::Groups, icmp::EchoTally,
};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user did not ask for it.
    Filtered,
    /// It is to be shown.
    Reported {
        /// The finding that it belongs to.
        finding: Option<&'static str>,
    },
}

/// Everything that is counted over the events.
#[derive(Debug, Default)]
pub struct Tally {
    /// What is wrong.
    pub findings: Findings,
    /// Drops that are the same.
    pub groups: Groups,
    /// What a capture holds.
    pub census: Census,
    /// Which drops explain which counters.
    pub kinds: Kinds,
    /// Echo requests in dropped packets.
    pub echoes: EchoTally,
    /// Events that were to be shown.
    pub reported: u64,
    /// Events that the user did not ask for.
    pub filtered: u64,
}

impl Tally {
    /// Takes an event into account; `wanted` says whether the user asked for it.
    pub fn observe(&mut self, event: &Event<'_>, wanted: bool) -> Outcome {
        if event.is_drop() {
            // The counters rise for every drop, whatever the user wants to see of them.
            self.kinds.observe(&event.facts());
        }
        if !wanted {
            self.filtered += 1;
            return Outcome::Filtered;
        }
        self.reported += 1;
        let finding = self.findings.observe(event);
        if event.is_drop() {
            self.echoes.observe(event.packet);
            self.groups.observe(event);
        } else {
            self.census.observe(event);
        }
        Outcome::Reported { finding }
    }
}
