//! pcapng: every packet with what was found out about it, for Wireshark and for `netdiag read`.

use super::{Report, Start, retrans};
use crate::{
    analysis::{event::Event, icmp::Arrival, retrans::RetransEvent},
    capture::{
        DumpError, InterfaceKey, LinkStyle, Outgoing, Saved, Writer,
        link::{Direction, linktype, pack, repack},
        note::{
            CheckNote, CounterNote, DropNote, DroppedNote, EchoNote, EndNote, ProbeNote,
            RetransNote, RunNote,
        },
    },
    decode::{Frame, Link, device_type_name},
};
use netdiag_common::NetnsId;
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
    unaddressed: u64,
}

/// Where a packet belongs.
struct Place<'a> {
    identity: (u32, u32),
    name: Option<&'a str>,
    netns: Option<NetnsId>,
    dev_type: Option<u16>,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

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
            unaddressed: 0,
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

    /// Retransmissions without addresses, of which there is no packet to save.
    pub fn unaddressed(&self) -> u64 {
        self.unaddressed
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
        let identity = match event.source {
            Some(source) => (u32::MAX, source.interface),
            None => (
                event.netns.map_or(0, |netns| netns.0),
                event.ifindex.unwrap_or(0),
            ),
        };
        let place = Place {
            identity,
            name: event.ifname,
            netns: event.netns,
            dev_type: event.dev_type,
        };
        self.set_interface(&place, packed.link_type);
        self.writer.packet(&Outgoing {
            time_ns: event.time_ns,
            interface: &self.interface,
            data: &packed.data,
            len: packed.len,
            received: event.received,
            comments: &comments,
        })
    }

    /// A retransmitted segment: its headers are made of what the socket says.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn retrans(&mut self, event: &RetransEvent<'_>) -> Result<(), DumpError> {
        let socket = &event.retrans.socket;
        let Some((bytes, len)) = retrans::packet(event.retrans) else {
            self.unaddressed += 1;
            return Ok(());
        };
        let frame = Frame {
            bytes: &bytes,
            link: Link::Ip,
            network_offset: Some(0),
            len,
            ethertype: Some(if socket.local.is_some_and(|local| local.is_ipv4()) {
                IPV4
            } else {
                IPV6
            }),
        };
        if std::mem::take(&mut self.ended) {
            self.open = true;
            self.writer.section(None)?;
        }
        let (ifindex, dev_type) = (socket.ifindex.unwrap_or(0), socket.dev_type.unwrap_or(0));
        let packed = pack(&frame, self.style, ifindex, dev_type, Direction::Out);
        let comments: Vec<Cow<'_, str>> = retrans_note(event)
            .comments()
            .into_iter()
            .map(Cow::Owned)
            .collect();
        let identity = (socket.netns.map_or(0, |netns| netns.0), ifindex);
        let place = Place {
            identity,
            name: socket.ifname.as_deref(),
            netns: socket.netns,
            dev_type: socket.dev_type,
        };
        self.set_interface(&place, packed.link_type);
        self.writer.packet(&Outgoing {
            time_ns: event.time_ns,
            interface: &self.interface,
            data: &packed.data,
            len: packed.len,
            received: Some(false),
            comments: &comments,
        })
    }

    fn set_interface(&mut self, place: &Place<'_>, link_type: u16) {
        let last = &self.interface;
        if last.identity == place.identity
            && last.link_type == link_type
            && last.name.as_deref() == place.name
        {
            return;
        }
        let netns = place
            .netns
            .map(|netns| format!("network namespace {}", netns.0));
        let device = place
            .dev_type
            .map(|dev_type| format!("device type {}", device_type_name(dev_type)));
        let words: Vec<_> = netns.into_iter().chain(device).collect();
        self.interface = InterfaceKey {
            name: place.name.map(str::to_owned),
            description: Some(words.join(", ")).filter(|words| !words.is_empty()),
            identity: place.identity,
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
        orphan: event.orphan,
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

fn retrans_note<'a>(event: &'a RetransEvent<'_>) -> RetransNote<'a> {
    RetransNote {
        probe: Cow::Borrowed(event.probe),
        retrans: Cow::Borrowed(event.retrans),
        owner: event.owner.map(|(pid, comm)| (pid, Cow::Borrowed(comm))),
        cgroup: event.cgroup.map(Cow::Borrowed),
        dropped: event.dropped.map(|dropped| DroppedNote {
            reason: dropped.reason.as_deref().map(Cow::Borrowed),
            location: Cow::Borrowed(&dropped.location),
            ifname: dropped.ifname.as_deref().map(Cow::Borrowed),
            netns: dropped.netns,
        }),
        finding: event.finding(),
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
                because: counter.gap.map(|gap| gap.name().to_owned()),
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
        remark: report.remark.clone(),
        evidence_lost: report.evidence_lost,
        facts: report.facts.lines(),
    }
}
