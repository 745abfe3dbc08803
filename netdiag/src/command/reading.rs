//! What a file says, made into the same events and the same report as those of a live run.

use super::{ends::Ends, sinks::Sinks};
use crate::{
    analysis::{
        event::Event,
        filter::PacketFilter,
        ledger::Ledger,
        tally::{Outcome, Tally},
    },
    capture::{
        Captured, Item,
        link::unpack,
        note::{DropNote, RunNote},
    },
    decode::{self, Frame, HeaderCheck, Packet},
    render::{Diagnostics, Probe, Progress, Report, Start, Subject},
};
use netdiag_common::NetnsId;
use std::{
    io,
    time::{Duration, Instant},
};

/// What the user wants to see of a file; empty ones admit all.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) packets: PacketFilter,
    pub(super) reasons: Vec<String>,
    pub(super) ifname: Option<String>,
    pub(super) netns: Option<NetnsId>,
    pub(super) malformed: bool,
}

impl Wanted {
    fn admits(&self, event: &Event<'_>) -> bool {
        let reason = event.reason.as_deref();
        let named = |wanted: &String| Some(wanted.as_str()) == reason;
        (self.reasons.is_empty() || self.reasons.iter().any(named))
            && (self.ifname.is_none() || self.ifname.as_deref() == event.ifname)
            && (self.netns.is_none() || self.netns == event.netns)
            && (!self.malformed || event.packet.faults().next().is_some())
            && self.packets.admits(event.packet)
    }
}

/// Files on their way through the analysis.
pub(super) struct Reading<'a> {
    sinks: &'a mut Sinks,
    wanted: Wanted,
    count: Option<u64>,
    tally: Tally,
    started: Option<Subject>,
    began: Instant,
    /// Packets of nobody's run.
    captured: u64,
    /// Drops since a run's end was last told.
    pending: u64,
    /// Drops that no end of a run has told of.
    untold: u64,
    /// Drops that an end told of, and the file does not have.
    missing: u64,
    ends: Ends,
    /// The first and the last moment.
    span: Option<(i128, i128)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(sinks: &'a mut Sinks, wanted: Wanted, count: Option<u64>) -> Self {
        Self {
            sinks,
            wanted,
            count,
            tally: Tally::default(),
            started: None,
            began: Instant::now(),
            captured: 0,
            pending: 0,
            untold: 0,
            missing: 0,
            ends: Ends::default(),
            span: None,
        }
    }

    /// Whether as many packets were reported as the user wanted.
    pub(super) fn full(&self) -> bool {
        self.count.is_some_and(|count| self.tally.reported >= count)
    }

    /// Whether the dump has failed.
    pub(super) fn broken(&self) -> bool {
        self.sinks.broken()
    }

    /// Nothing waits at the moment.
    pub(super) fn idle(&mut self) -> io::Result<()> {
        self.sinks.progress(&Progress {
            elapsed: self.began.elapsed(),
            reported: self.tally.reported,
            lost: 0,
        })
    }

    /// Takes what a file has next.
    pub(super) fn take(&mut self, item: Item<'_>) -> io::Result<()> {
        match item {
            Item::Start(run) => self.start(*run),
            Item::Packet(packet) => self.packet(&packet),
            Item::End(end) => {
                let [_, reported, ..] = end.ledger;
                self.untold += self.pending.saturating_sub(reported);
                self.missing = self
                    .missing
                    .saturating_add(reported.saturating_sub(self.pending));
                self.pending = 0;
                self.ends.add(*end);
                Ok(())
            }
        }
    }

    fn start(&mut self, run: RunNote) -> io::Result<()> {
        // The next file of a run that rotates is no new run.
        if run.part > 1 && self.started.is_some() {
            return Ok(());
        }
        self.started = Some(Subject::Drops);
        self.sinks.start(&Start {
            version: run.version,
            command: run.command,
            kernel: Some(run.kernel),
            probes: run
                .probes
                .into_iter()
                .map(|probe| Probe {
                    name: probe.name,
                    hook: probe.hook,
                    state: probe.state,
                })
                .collect(),
            subject: Subject::Drops,
        })
    }

    fn packet(&mut self, captured: &Captured<'_>) -> io::Result<()> {
        if let Some(time) = captured.time_ns {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
        if let Some(note) = captured.drop_note()
            && let Some((bytes, len)) = unpack(
                captured.interface.link_type,
                captured.data,
                captured.len,
                &note.head,
            )
        {
            let frame = Frame {
                bytes: &bytes,
                link: note.link,
                network_offset: note.network_offset,
                len: len.max(bytes.len()),
                ethertype: note.ethertype,
            };
            self.pending += 1;
            let packet = decode::packet(&frame, note.vlan, note.unread);
            return self.event(&drop(captured, &note, frame, &packet));
        }
        self.captured += 1;
        let frame = captured.frame();
        let packet = decode::decode(&frame);
        let comments: Vec<_> = captured.comments.iter().map(|text| &**text).collect();
        self.event(&plain(captured, frame, &packet, &comments))
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        if self.started.is_none() {
            let subject = if event.is_drop() {
                Subject::Drops
            } else {
                Subject::Packets
            };
            self.foreign(subject)?;
        }
        let wanted = self.wanted.admits(event);
        match self.tally.observe(event, wanted) {
            Outcome::Filtered => Ok(()),
            Outcome::Reported { finding } => self.sinks.event(event, finding),
        }
    }

    /// A file that no run of netdiag has written.
    fn foreign(&mut self, subject: Subject) -> io::Result<()> {
        self.started = Some(subject);
        self.sinks.start(&Start {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: "read".to_owned(),
            kernel: None,
            probes: Vec::new(),
            subject,
        })
    }

    /// Sums up.
    pub(super) fn finish(
        mut self,
        interrupted: bool,
        diagnostics: &Diagnostics,
    ) -> io::Result<Report> {
        if self.started.is_none() {
            self.foreign(Subject::Packets)?;
        }
        let cut = interrupted || self.full();
        if !cut {
            self.warn(diagnostics);
        }
        let sinks = self.sinks;
        let report = Books {
            tally: self.tally,
            captured: self.captured,
            untold: self.untold + self.pending,
            missing: self.missing,
            ends: self.ends,
            span: self.span,
            interrupted,
        }
        .settle();
        if !report.ledger.balances() {
            diagnostics.warn("the ledger that the file has does not add up: it was changed");
        }
        sinks.end(&report)?;
        Ok(report)
    }

    fn warn(&self, diagnostics: &Diagnostics) {
        if self.pending > 0 && self.ends.is_empty() {
            diagnostics.warn(
                "the file ends before its run does: counters, and what was filtered or lost, are not known",
            );
        }
        if self.missing > 0 {
            diagnostics.warn(&format!(
                "{} packets that the run reported are not in the file: they count as filtered",
                self.missing
            ));
        }
        if self.ends.left_out() > 0 {
            diagnostics.warn(&format!(
                "the file tells of more counters, checks and namespaces than any run has: {} are left out",
                self.ends.left_out()
            ));
        }
    }
}

/// A drop, as a dump has kept it.
fn drop<'a>(
    captured: &'a Captured<'_>,
    note: &'a DropNote<'_>,
    frame: Frame<'a>,
    packet: &'a Packet,
) -> Event<'a> {
    Event {
        time_ns: captured.time_ns,
        probe: Some(&note.probe),
        reason: note.reason.as_deref().map(Into::into),
        location: &note.location,
        function: function(&note.location),
        netns: note.netns,
        ifindex: note.ifindex,
        ifname: captured.interface.name.as_deref(),
        dev_type: note.dev_type,
        cpu: note.cpu,
        owner: note.owner.as_ref().map(|(pid, comm)| (*pid, &**comm)),
        cgroup_id: note.cgroup_id,
        cgroup: note.cgroup.as_deref(),
        uid: note.uid,
        other_host: note.other_host,
        received: captured.received,
        header_check: note.header_check,
        vlan: note.vlan,
        unread: note.unread,
        frame,
        link_type: None,
        comments: &[],
        packet,
    }
}

/// The function of `function+0xoffset [module]`; a kernel that hides its addresses leaves a bare number.
fn function(location: &str) -> Option<&str> {
    let (name, _) = location.split_once('+')?;
    Some(name).filter(|name| !name.starts_with("0x"))
}

/// A packet of somebody's capture.
fn plain<'a>(
    captured: &'a Captured<'_>,
    frame: Frame<'a>,
    packet: &'a Packet,
    comments: &'a [&'a str],
) -> Event<'a> {
    Event {
        time_ns: captured.time_ns,
        probe: None,
        reason: None,
        location: "",
        function: None,
        netns: None,
        ifindex: None,
        ifname: captured.interface.name.as_deref(),
        dev_type: None,
        cpu: None,
        owner: None,
        cgroup_id: None,
        cgroup: None,
        uid: None,
        other_host: false,
        received: captured.received,
        header_check: HeaderCheck::default(),
        vlan: None,
        unread: false,
        frame,
        link_type: Some(captured.interface.link_type),
        comments,
        packet,
    }
}

/// Everything that the report is made of.
struct Books {
    tally: Tally,
    captured: u64,
    untold: u64,
    missing: u64,
    ends: Ends,
    span: Option<(i128, i128)>,
    interrupted: bool,
}

impl Books {
    fn settle(self) -> Report {
        let [seen, _, filtered, sampled_out, lost] = self.ends.ledger();
        let subject = if self.captured > 0
            || self.tally.reported + self.tally.filtered == 0 && self.ends.is_empty()
        {
            Subject::Packets
        } else {
            Subject::Drops
        };
        let ledger = Ledger {
            seen: seen
                .saturating_add(self.untold)
                .saturating_add(self.captured),
            reported: self.tally.reported,
            filtered: filtered
                .saturating_add(self.missing)
                .saturating_add(self.tally.filtered),
            sampled_out,
            lost,
        };
        let compared = self.ends.compared();
        let duration = match self.span {
            Some((first, last)) if self.ends.is_empty() => u64::try_from(last - first).unwrap_or(0),
            _ => self.ends.duration_ns(),
        };
        let echoes = self.ends.echoes(self.tally.echoes.dropped());
        let interrupted = self.interrupted || self.ends.interrupted();
        let (checks_missed, check_ns) = (self.ends.checks_missed(), self.ends.check_ns());
        let (counters, header_checks, namespaces) = self.ends.into_lists();
        Report {
            duration: Duration::from_nanos(duration),
            interrupted,
            subject,
            ledger,
            findings: self
                .tally
                .findings
                .finish(if compared { &counters } else { &[] }),
            compared,
            groups: self.tally.groups,
            census: self.tally.census,
            echoes,
            header_checks,
            checks_missed,
            check_ns,
            counters,
            namespaces,
        }
    }
}
