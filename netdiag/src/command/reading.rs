//! What a file says, made into the same events and the same report as those of a live run.

use super::{
    account::{Books, settle},
    ended::Ended,
    sinks::Sinks,
};
use crate::{
    analysis::{
        event::{Event, Source},
        filter::PacketFilter,
        retrans::{LocalDrop, RetransEvent, RetransFilter, RetransTally},
        tally::{Outcome, Tally},
    },
    capture::{
        Captured, Item,
        link::unpack,
        note::{DropNote, EndNote, RetransNote, RunNote},
    },
    decode::{self, Frame, HeaderCheck, Packet, Retrans},
    render::{Diagnostics, Probe, Progress, Start, Subject},
};
use netdiag_common::NetnsId;
use std::{borrow::Cow, collections::BTreeSet, time::Instant};

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

    /// A retransmission has neither reason nor malformed header.
    fn admits_retrans(&self, retrans: &Retrans) -> bool {
        let filter = RetransFilter {
            hosts: self.packets.hosts.clone(),
            ports: self.packets.ports.clone(),
            ifname: self.ifname.clone(),
            netns: self.netns,
            ..RetransFilter::default()
        };
        self.reasons.is_empty() && !self.malformed && filter.admits(retrans)
    }
}

/// How many reasons are named to a user who asked for another.
const MOST_REASONS: usize = 64;

/// Files on their way through the analysis.
pub(super) struct Reading<'a> {
    sinks: &'a mut Sinks,
    wanted: Wanted,
    count: Option<u64>,
    tally: Tally,
    retransmissions: RetransTally,
    /// What the view was told to expect.
    started: Option<Subject>,
    began: Instant,
    /// Reasons that the files have, where the user asks for some; no more than a message takes.
    reasons: BTreeSet<String>,
    /// Packets of nobody's run, and those of them without a device.
    captured: u64,
    nameless: u64,
    /// Drops since a run's end was last told, and those of them that were reported.
    pending: u64,
    kept: u64,
    /// Drops that no end of a run has told of.
    untold: u64,
    /// Drops that an end told of, and the file does not have.
    missing: u64,
    /// Runs whose end is not there.
    endless: u64,
    /// Which file of a run was started last.
    part: u32,
    disordered: bool,
    ended: Ended,
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
            retransmissions: RetransTally::default(),
            started: None,
            began: Instant::now(),
            reasons: BTreeSet::new(),
            captured: 0,
            nameless: 0,
            pending: 0,
            kept: 0,
            untold: 0,
            missing: 0,
            endless: 0,
            part: 0,
            disordered: false,
            ended: Ended::default(),
            span: None,
        }
    }

    /// Whether there is no reason to read on: as many packets were reported as the user wanted, or nobody takes more.
    pub(super) fn over(&self) -> bool {
        self.sinks.broken() || self.count.is_some_and(|count| self.reported() >= count)
    }

    fn reported(&self) -> u64 {
        self.tally.reported + self.retransmissions.reported
    }

    /// Nothing waits at the moment.
    pub(super) fn idle(&mut self) {
        self.sinks.progress(&Progress {
            subject: self.started.unwrap_or_default(),
            elapsed: self.began.elapsed(),
            reported: self.reported(),
            lost: 0,
        });
    }

    /// Takes what a file has next.
    pub(super) fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Start(run) => self.start(*run),
            Item::Packet(packet) => self.packet(&packet),
            Item::End(end) => self.end(*end),
        }
    }

    fn end(&mut self, end: EndNote) {
        let [seen, reported, _, sampled_out, lost] = end.ledger;
        let surplus = self.pending.saturating_sub(reported);
        let missing = reported.saturating_sub(self.pending);
        self.untold += surplus;
        self.missing = self.missing.saturating_add(missing);
        self.pending = 0;
        self.part = 0;
        // In a dump the run is what is kept of it.
        let seen = seen.saturating_add(surplus);
        let kept = std::mem::take(&mut self.kept);
        let others = kept.saturating_add(sampled_out).saturating_add(lost);
        self.sinks.run_end(&EndNote {
            ledger: [seen, kept, seen.saturating_sub(others), sampled_out, lost],
            ..end.clone()
        });
        self.ended.add(end);
    }

    /// What is pending belongs to a run that has no end here.
    fn leave_run(&mut self) {
        if self.pending > 0 {
            self.untold += self.pending;
            self.pending = 0;
            self.endless += 1;
        }
        self.kept = 0;
    }

    fn start(&mut self, run: RunNote) {
        // The next file of a run that rotates is no new run.
        if run.part > 1 && self.started.is_some() {
            self.disordered |= run.part != self.part.saturating_add(1);
            self.part = run.part;
            return;
        }
        self.leave_run();
        self.part = run.part;
        let subject = match run.command.as_str() {
            "retrans" => Subject::Retrans,
            _ => Subject::Drops,
        };
        self.started = Some(subject);
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
            subject,
        });
    }

    fn packet(&mut self, captured: &Captured<'_>) {
        if let Some(time) = captured.time_ns {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
        if let Some(note) = captured.retrans_note() {
            self.pending += 1;
            self.retrans(captured, note);
            return;
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
            self.event(&drop(captured, &note, frame, &packet));
            return;
        }
        self.captured += 1;
        self.nameless += u64::from(captured.interface.name.is_none());
        let frame = captured.frame();
        let packet = decode::decode(&frame);
        let comments: Vec<_> = captured.comments.iter().map(|text| &**text).collect();
        self.event(&plain(captured, frame, &packet, &comments));
    }

    fn retrans(&mut self, captured: &Captured<'_>, note: RetransNote<'_>) {
        if self.started.is_none() {
            self.foreign(Subject::Retrans);
        }
        let packet = decode::decode(&captured.frame());
        let mut retrans = note.retrans.into_owned();
        let (local, remote) = (&mut retrans.socket.local, &mut retrans.socket.remote);
        (*local, *remote) = (packet.src(), packet.dst());
        retrans.socket.local_port = packet.sport().filter(|&port| port != 0);
        retrans.socket.remote_port = packet.dport().filter(|&port| port != 0);
        retrans.socket.ifname.clone_from(&captured.interface.name);
        let dropped = note.dropped.map(|dropped| LocalDrop {
            reason: dropped.reason.map(Cow::into_owned),
            location: dropped.location.into_owned(),
            ifname: dropped.ifname.map(Cow::into_owned),
            netns: dropped.netns,
        });
        let event = RetransEvent {
            time_ns: captured.time_ns,
            probe: &note.probe,
            retrans: &retrans,
            owner: note.owner.as_ref().map(|(pid, comm)| (*pid, &**comm)),
            cgroup: note.cgroup.as_deref(),
            dropped: dropped.as_ref(),
        };
        let wanted = self.wanted.admits_retrans(&retrans);
        if self.retransmissions.observe(&event, wanted) {
            self.kept += 1;
            self.sinks.retrans(&event);
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        if self.started.is_none() {
            let subject = if event.is_drop() {
                Subject::Drops
            } else {
                Subject::Packets
            };
            self.foreign(subject);
        }
        if let Some(reason) = event.reason.as_deref()
            && !self.wanted.reasons.is_empty()
            && self.reasons.len() < MOST_REASONS
            && !self.reasons.contains(reason)
        {
            self.reasons.insert(reason.to_owned());
        }
        let wanted = self.wanted.admits(event);
        if let Outcome::Reported { finding } = self.tally.observe(event, wanted) {
            self.kept += u64::from(event.is_drop());
            self.sinks.event(event, finding);
        }
    }

    /// A file that no run of netdiag has written.
    fn foreign(&mut self, subject: Subject) {
        self.started = Some(subject);
        self.sinks.start(&Start {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: "read".to_owned(),
            kernel: None,
            probes: Vec::new(),
            subject,
        });
    }

    /// Sums up. `cut` says that the files were not read to their ends.
    pub(super) fn finish(mut self, cut: bool, interrupted: bool, diagnostics: &Diagnostics) {
        if self.started.is_none() {
            self.foreign(Subject::Packets);
        }
        let cut = cut || self.over();
        self.leave_run();
        if !cut {
            self.warn(diagnostics);
        }
        let report = settle(
            self.tally,
            self.retransmissions,
            Books {
                captured: self.captured,
                untold: self.untold,
                missing: self.missing,
                span: self.span,
                interrupted,
                netns: self.wanted.netns,
                about: self.started,
            },
            self.ended,
        );
        if !report.ledger.balances() {
            diagnostics.warn("the ledger that the file has does not add up: it was changed");
        }
        self.sinks.end(&report);
    }

    fn warn(&self, diagnostics: &Diagnostics) {
        let asked = &self.wanted.reasons;
        if !self.reasons.is_empty() && !asked.iter().any(|name| self.reasons.contains(name)) {
            let there: Vec<_> = self.reasons.iter().map(String::as_str).collect();
            diagnostics.warn(&format!(
                "no drop has the reason {}; there are: {}",
                asked.join(" or "),
                there.join(" ")
            ));
        }
        if self.endless > 0 {
            diagnostics.warn(
                "the file does not have the end of its run, because that was killed or a tool has taken it away: \
                 counters, and what was filtered or lost, are not known",
            );
        }
        if self.missing > 0 {
            diagnostics.warn(&format!(
                "{} packets that the run reported are not in the file: they count as filtered",
                self.missing
            ));
        }
        if self.ended.left_out > 0 {
            diagnostics.warn(&format!(
                "the file tells of more counters, checks and namespaces than any run has: {} were left out",
                self.ended.left_out
            ));
        }
        if self.disordered {
            diagnostics.warn(
                "files of one run are missing, or not in their order: the ledger may be wrong",
            );
        }
        if self.captured == 0 {
            return;
        }
        if !self.wanted.reasons.is_empty() || self.wanted.netns.is_some() {
            diagnostics.warn(
                "what other tools captured has neither reason nor namespace: --reason and --netns leave it out",
            );
        }
        if self.wanted.ifname.is_some() && self.nameless > 0 {
            diagnostics.warn(&format!(
                "{} packets are of a capture without device names, as every pcap file is: --iface leaves them out",
                self.nameless
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
        orphan: note.orphan,
        received: captured.received,
        header_check: note.header_check,
        vlan: note.vlan,
        unread: note.unread,
        frame,
        source: None,
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
        orphan: false,
        received: captured.received,
        header_check: HeaderCheck::default(),
        vlan: None,
        unread: false,
        frame,
        source: Some(Source {
            number: captured.number,
            interface: captured.interface.number,
            link_type: captured.interface.link_type,
            comments,
        }),
        packet,
    }
}
