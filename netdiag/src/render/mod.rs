//! The only place that writes to standard output and standard error; one file a format.

pub mod conn;
pub mod counters;
mod diagnostic;
pub mod doctor;
mod dump;
mod each;
pub mod explain;
mod flows;
mod groups;
mod json;
pub mod lab;
pub mod listener;
mod output;
mod progress;
mod retrans;
mod summary;
mod text;

pub use diagnostic::{Diagnostics, chain, failure, usage};
pub use dump::Dump;
pub use output::Output;
pub use progress::FileProgress;

use crate::analysis::{
    census::Census,
    counter::Correlated,
    event::Event,
    fact::Facts,
    finding::Finding,
    group::Groups,
    icmp::Echoes,
    ledger::Ledger,
    retrans::{Flows, RetransEvent},
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
    /// One line an event of a connection, as they come.
    Conn,
    /// What it comes to, and no packet.
    Summary,
    /// The connections that retransmit most, live.
    Flows,
    /// JSON lines.
    Json {
        /// With the captured bytes.
        hex: bool,
    },
}

/// What a run stands on when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// netdiag's version: another one, where a file of another is read.
    pub version: String,
    /// The subcommand.
    pub command: String,
    /// `uname -r`; `None` for a capture that was not made by netdiag.
    pub kernel: Option<String>,
    /// Every rung that was tried.
    pub probes: Vec<Probe>,
    /// What is to be seen.
    pub subject: Subject,
}

/// What a run or a file is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// Packets that a hook saw dropped.
    #[default]
    Drops,
    /// Packets that somebody captured, dropped or not.
    Packets,
    /// TCP retransmissions.
    Retrans,
    /// TCP connections.
    Conn,
}

impl Subject {
    /// The word for several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Drops => "drops",
            Self::Packets => "packets",
            Self::Retrans => "retransmissions",
            Self::Conn => "connection events",
        }
    }

    /// What happened to them, in a word.
    fn done(self) -> &'static str {
        match self {
            Self::Drops => "dropped",
            Self::Packets => "captured",
            Self::Retrans => "retransmitted",
            Self::Conn => "seen",
        }
    }

    /// What is said of a counter that no event has explained.
    fn unexplained(self) -> &'static str {
        match self {
            Self::Drops | Self::Packets => "not explained by any drop seen",
            Self::Retrans => "not explained by any retransmission seen",
            Self::Conn => "not explained by any event seen",
        }
    }
}

/// A rung.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The kernel's function or tracepoint.
    pub name: String,
    /// The rung.
    pub hook: String,
    /// `attached`, or why not.
    pub state: String,
}

/// A run, while it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is waited for.
    pub subject: Subject,
    /// Since the start.
    pub elapsed: Duration,
    /// Packets shown or counted for groups.
    pub reported: u64,
    /// Packets that were lost.
    pub lost: u64,
}

/// What the header check of one function counted.
#[derive(Clone, Debug, Default)]
pub struct HeaderChecks {
    /// The function.
    pub probe: String,
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
#[derive(Debug, Default)]
pub struct Report {
    /// How long it was.
    pub duration: Duration,
    /// Whether a signal ended it.
    pub interrupted: bool,
    /// What it was about.
    pub subject: Subject,
    /// Whether it was a run, and not files that were read.
    pub live: bool,
    /// The books.
    pub ledger: Ledger,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The drops, sorted out.
    pub groups: Groups,
    /// Captured packets, sorted out.
    pub census: Census,
    /// Connections that retransmitted.
    pub flows: Flows,
    /// What is to be said about the counters, where they rose by more than was seen.
    pub remark: Option<String>,
    /// Drop-related counters that rose.
    pub counters: Vec<Correlated>,
    /// Whether they could be compared with the drops: not where the kernel side left some out.
    pub compared: bool,
    /// Events of connections, by their kinds ([`ConnKind::ALL`](crate::analysis::conn::ConnKind::ALL)).
    pub conns: Option<[u64; 6]>,
    /// Drops that might have said something of a connection, and were lost.
    pub evidence_lost: u64,
    /// What was asked about the host.
    pub facts: Facts,
    /// Names of the namespaces that occur.
    pub namespaces: Vec<(NetnsId, String)>,
    /// Echo requests of IPv4 and IPv6.
    pub echoes: [Echoes; 2],
    /// What the header checks counted, where they are attached.
    pub header_checks: Vec<HeaderChecks>,
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
    /// From now on packets may come, and they may take their time.
    ///
    /// # Errors
    /// Standard output's.
    fn waiting(&mut self) -> io::Result<()>;
    /// A packet was dropped, or is next in a capture.
    ///
    /// # Errors
    /// Standard output's.
    fn event(&mut self, event: &Event<'_>, finding: Option<&'static str>) -> io::Result<()>;
    /// Something became of a connection.
    ///
    /// # Errors
    /// Standard output's.
    fn conn(&mut self, _shown: &conn::Shown<'_>) -> io::Result<()> {
        Ok(())
    }
    /// TCP sent something once more.
    ///
    /// # Errors
    /// Standard output's.
    fn retrans(&mut self, event: &RetransEvent<'_>) -> io::Result<()>;
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
        Style::Groups => Box::new(groups::GroupsView::new(output, diagnostics, true)),
        Style::Summary => Box::new(groups::GroupsView::new(output, diagnostics, false)),
        Style::Conn => Box::new(conn::ConnView::new(output, diagnostics)),
        Style::Flows => Box::new(flows::FlowsView::new(output, diagnostics)),
        Style::Each => Box::new(each::EachView::new(output, diagnostics)),
        Style::Json { hex } => Box::new(json::JsonView::new(output, hex)),
    }
}
