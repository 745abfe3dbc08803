//! pcapng: every packet with what was found out about it, for Wireshark and for `netdiag read`.

use super::{Report, Start};
use crate::{
    analysis::{event::Event, icmp::Arrival},
    capture::{
        DumpError, InterfaceKey, LinkStyle, Outgoing, Saved, Writer,
        link::{Direction, linktype, pack, repack},
        note::{CheckNote, CounterNote, DropNote, EchoNote, EndNote, ProbeNote, RunNote},
    },
    decode::device_type_name,
};
use std::borrow::Cow;

/// Writes a run, or a file that is read.
pub struct Dump {
    writer: Writer,
    style: LinkStyle,
    /// The interface of the last packet: the next one is mostly of the same.
    interface: InterfaceKey,
    /// Whether a section was started, and its end not told yet.
    open: bool,
    /// Whether what comes next needs a section of its own: the run before it has ended.
    ended: bool,
    uncooked: u64,
}

impl Dump {
    /// Over a writer.
    #[must_use]
    pub fn new(writer: Writer, style: LinkStyle) -> Self {
        Self {
            writer,
            style,
            interface: InterfaceKey::default(),
            open: false,
            ended: false,
            uncooked: 0,
        }
    }

    /// What is saved so far.
    pub fn saved(&self) -> Saved {
        self.writer.saved()
    }

    /// Packets that have no cooked form, and were left as they are.
    pub fn uncooked(&self) -> u64 {
        self.uncooked
    }

    /// Whether it will go on to other files.
    pub fn rotates(&self) -> bool {
        self.writer.rotates()
    }

    /// A run starts.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn start(&mut self, start: &Start) -> Result<(), DumpError> {
        if std::mem::replace(&mut self.open, true) {
            self.writer.end_section(None)?;
        }
        self.ended = false;
        // Without a kernel it is no run of netdiag's, and nothing is to be taken for one.
        let run = start.kernel.as_ref().map(|kernel| RunNote {
            version: start.version.clone(),
            kernel: kernel.clone(),
            command: start.command.clone(),
            part: 1,
            probes: start
                .probes
                .iter()
                .map(|probe| ProbeNote {
                    name: probe.name.clone(),
                    hook: probe.hook.clone(),
                    state: probe.state.clone(),
                })
                .collect(),
        });
        self.writer.section(run)
    }

    /// A packet.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn event(
        &mut self,
        event: &Event<'_>,
        finding: Option<&'static str>,
    ) -> Result<(), DumpError> {
        let direction = match (event.received, event.other_host) {
            (_, true) => Direction::OtherHost,
            (Some(false), _) => Direction::Out,
            _ => Direction::In,
        };
        if std::mem::take(&mut self.ended) {
            // Of no run: nothing is to be taken for one.
            self.open = true;
            self.writer.section(None)?;
        }
        let packed = match event.source {
            Some(source) => repack(source.link_type, &event.frame, self.style, event.received),
            None => pack(
                &event.frame,
                self.style,
                event.ifindex.unwrap_or(0),
                event.dev_type.unwrap_or(0),
                direction,
            ),
        };
        let comments: Vec<Cow<'_, str>> = match event.probe {
            Some(probe) => note(event, probe, finding, packed.head)
                .comments()
                .into_iter()
                .map(Cow::Owned)
                .collect(),
            None => event
                .source
                .iter()
                .flat_map(|source| source.comments)
                .map(|&text| Cow::Borrowed(text))
                .collect(),
        };
        if self.style == LinkStyle::Sll2 && packed.link_type != linktype::LINUX_SLL2 {
            self.uncooked += 1;
        }
        self.set_interface(event, packed.link_type);
        self.writer.packet(&Outgoing {
            time_ns: event.time_ns,
            interface: &self.interface,
            data: &packed.data,
            len: packed.len,
            received: event.received,
            comments: &comments,
        })
    }

    fn set_interface(&mut self, event: &Event<'_>, link_type: u16) {
        let identity = match event.source {
            Some(source) => (u32::MAX, source.interface),
            None => (
                event.netns.map_or(0, |netns| netns.0),
                event.ifindex.unwrap_or(0),
            ),
        };
        let last = &self.interface;
        if last.identity == identity
            && last.link_type == link_type
            && last.name.as_deref() == event.ifname
        {
            return;
        }
        let netns = event
            .netns
            .map(|netns| format!("network namespace {}", netns.0));
        let device = event
            .dev_type
            .map(|dev_type| format!("device type {}", device_type_name(dev_type)));
        let words: Vec<_> = netns.into_iter().chain(device).collect();
        self.interface = InterfaceKey {
            name: event.ifname.map(str::to_owned),
            description: Some(words.join(", ")).filter(|words| !words.is_empty()),
            identity,
            link_type,
        };
    }

    /// Nothing waits at the moment.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn flush(&mut self) -> Result<(), DumpError> {
        self.writer.flush()
    }

    /// A run of the files that are read is over: this is what it came to, of what is kept.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn run_end(&mut self, end: &EndNote) -> Result<(), DumpError> {
        self.open = false;
        self.ended = true;
        self.writer.end_section(Some(end))
    }

    /// The run is over.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn end(&mut self, report: &Report) -> Result<(), DumpError> {
        if self.open {
            // Of what is read, each run has told its own end; where it has none, nothing is to be taken for one.
            let end = report.live.then(|| end_note(report));
            self.writer.end_section(end.as_ref())?;
        }
        self.writer.close()
    }
}

fn note<'a>(
    event: &'a Event<'_>,
    probe: &'a str,
    finding: Option<&'a str>,
    head: &'a [u8],
) -> DropNote<'a> {
    let faults: Vec<_> = event
        .packet
        .faults()
        .map(|fault| format!("{} ({fault})", fault.kind.name()))
        .collect();
    DropNote {
        probe: Cow::Borrowed(probe),
        reason: event.reason.as_deref().map(Cow::Borrowed),
        location: Cow::Borrowed(event.location),
        netns: event.netns,
        ifindex: event.ifindex,
        dev_type: event.dev_type,
        cpu: event.cpu,
        owner: event.owner.map(|(pid, comm)| (pid, Cow::Borrowed(comm))),
        cgroup_id: event.cgroup_id,
        cgroup: event.cgroup.map(Cow::Borrowed),
        uid: event.uid,
        other_host: event.other_host,
        header_check: event.header_check,
        vlan: event.vlan,
        unread: event.unread,
        link: event.frame.link,
        network_offset: event.frame.network_offset,
        ethertype: event.frame.ethertype,
        head: Cow::Borrowed(head),
        finding,
        malformed: (!faults.is_empty()).then(|| faults.join("; ")),
    }
}

fn end_note(report: &Report) -> EndNote {
    let ledger = &report.ledger;
    EndNote {
        duration_ns: u64::try_from(report.duration.as_nanos()).unwrap_or(u64::MAX),
        interrupted: report.interrupted,
        ledger: [
            ledger.seen,
            ledger.reported,
            ledger.filtered,
            ledger.sampled_out,
            ledger.lost,
        ],
        counters: report
            .counters
            .iter()
            .map(|counter| CounterNote {
                name: counter.key.name.clone(),
                netns: counter.key.netns,
                ifname: counter.key.ifname.clone(),
                delta: counter.delta,
                explained: counter.explained,
            })
            .collect(),
        compared: report.compared,
        echoes: report.echoes.map(|echoes| EchoNote {
            hooked: matches!(echoes.received, Arrival::Hooked(_)),
            received: echoes.received.count(),
            replied: echoes.replied,
        }),
        checks: report
            .header_checks
            .iter()
            .map(|check| CheckNote {
                name: check.probe.clone(),
                counts: [check.calls, check.refused, check.malformed, check.accepted],
            })
            .collect(),
        checks_missed: report.checks_missed,
        check_ns: report.check_ns,
        namespaces: report.namespaces.clone(),
    }
}
