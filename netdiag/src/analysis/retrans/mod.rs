//! TCP retransmissions: which connections, why, and what came of it.

mod counter;
mod dropped;
mod event;
mod finding;
mod flow;

pub use counter::{Reconciled, names as counter_names};
pub use dropped::{LocalDrop, LocalDrops, Verdict};
pub use event::{RetransEvent, RetransFilter};
pub use finding::{findings, ids};
pub use flow::{Flow, FlowKey, Flows, endpoint};

/// What a run comes to: every retransmission passes here once, live and offline alike.
#[derive(Debug, Default)]
pub struct RetransTally {
    /// The connections.
    pub flows: Flows,
    /// What the counters are held against.
    pub reconciled: Reconciled,
    /// Retransmissions that were to be shown.
    pub reported: u64,
    /// Retransmissions that the user did not ask for.
    pub filtered: u64,
}

impl RetransTally {
    /// Takes a retransmission into account; `wanted` says whether the user asked for it. Tells whether to show it.
    pub fn observe(&mut self, event: &RetransEvent<'_>, wanted: bool) -> bool {
        // The counters rise for every one, whatever the user wants to see.
        self.reconciled.observe(event.retrans);
        if wanted {
            self.reported += 1;
            self.flows.observe(event);
        } else {
            self.filtered += 1;
        }
        wanted
    }
}
