//! The only place that writes to standard output and standard error; one file a format.

pub mod counters;
mod diagnostic;
pub mod doctor;
mod each;
mod groups;
mod json;
pub mod lab;
mod output;
mod summary;
mod text;

pub use diagnostic::{Diagnostics, chain, failure, usage};
pub use output::Output;

use crate::analysis::{
    counter::Correlated, drops::Drop, finding::Finding, group::Groups, icmp::Echoes, ledger::Ledger,
};
use netdiag_common::NetnsId;
use std::{io, time::Duration};

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Drops that are the same together, at the end.
    Groups,
    /// One line a packet, as they come.
    Each,
    /// JSON lines.
    Json {
        /// With the captured bytes.
        hex: bool,
    },
}

/// What a run stands on when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The subcommand.
    pub command: &'static str,
    /// `uname -r`.
    pub kernel: String,
    /// Every rung that was tried.
    pub probes: Vec<Probe>,
}

/// A rung.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The kernel's function or tracepoint.
    pub name: &'static str,
    /// The rung.
    pub hook: &'static str,
    /// `attached`, or why not.
    pub state: String,
}

/// A run, while it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Packets shown or counted for groups.
    pub reported: u64,
    /// Packets that were lost.
    pub lost: u64,
}

/// What the header check of one function counted.
#[derive(Clone, Copy, Debug)]
pub struct HeaderChecks {
    /// The function.
    pub probe: &'static str,
    /// Calls that returned.
    pub calls: u64,
    /// Of these, the ones that kept the packet from going on.
    pub refused: u64,
    /// Packets whose header failed the check.
    pub malformed: u64,
    /// Of these, the ones that went on all the same.
    pub accepted: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// How long it was.
    pub duration: Duration,
    /// Whether a signal ended it.
    pub interrupted: bool,
    /// The books.
    pub ledger: Ledger,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The drops, sorted out.
    pub groups: Groups,
    /// Drop-related counters that rose.
    pub counters: Vec<Correlated>,
    /// Whether they could be compared with the drops: not where the kernel side left some out.
    pub compared: bool,
    /// Names of the namespaces that occur.
    pub namespaces: Vec<(NetnsId, String)>,
    /// Echo requests of IPv4 and IPv6.
    pub echoes: [Echoes; 2],
    /// What the header checks counted, where they are attached.
    pub header_checks: [Option<HeaderChecks>; 2],
    /// Header checks that the kernel skipped, because a program was running on that processor (told since 5.12).
    pub checks_missed: u64,
    /// Nanoseconds a header check takes on average, sampled.
    pub check_ns: Option<u64>,
}

impl Report {
    /// The name of a namespace.
    fn namespace(&self, id: NetnsId) -> String {
        let found = self.namespaces.iter().find(|(known, _)| *known == id);
        found.map_or_else(|| format!("netns {}", id.0), |(_, name)| name.clone())
    }
}

/// A way to show a run. Every error is that of standard output.
pub trait View {
    /// Before a lab scenario: what is broken.
    ///
    /// # Errors
    /// Standard output's.
    fn introduce(&mut self, name: &str, story: &str) -> io::Result<()>;
    /// What follows is from a capture and not live, for this reason.
    ///
    /// # Errors
    /// Standard output's.
    fn not_live(&mut self, why: &str, origin: &str) -> io::Result<()>;
    /// The probes are attached and the counters read.
    ///
    /// # Errors
    /// Standard output's.
    fn start(&mut self, start: &Start) -> io::Result<()>;
    /// A packet was dropped.
    ///
    /// # Errors
    /// Standard output's.
    fn drop(
        &mut self,
        drop: &Drop<'_>,
        probe: &str,
        finding: Option<&'static str>,
    ) -> io::Result<()>;
    /// Nothing waits at the moment.
    ///
    /// # Errors
    /// Standard output's.
    fn progress(&mut self, progress: &Progress) -> io::Result<()>;
    /// The run is over.
    ///
    /// # Errors
    /// Standard output's.
    fn end(&mut self, report: &Report) -> io::Result<()>;
    /// After a lab scenario: what was sent, beside what was seen.
    ///
    /// # Errors
    /// Standard output's.
    fn injected(&mut self, packets: u64, reported: u64) -> io::Result<()>;
}

/// The view of a style.
pub fn view(style: Style, output: Output, diagnostics: &Diagnostics) -> Box<dyn View> {
    match style {
        Style::Groups => Box::new(groups::GroupsView::new(output, diagnostics)),
        Style::Each => Box::new(each::EachView::new(output, diagnostics)),
        Style::Json { hex } => Box::new(json::JsonView::new(output, hex)),
    }
}
