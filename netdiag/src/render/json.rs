//! JSON lines: the contract with scripts, dashboards and tests.

use super::{
    Output, Progress, Report, Start, View,
    conn::{ConnLine, Shown},
    retrans::RetransLine,
    summary::Clock,
};
use crate::{
    analysis::{
        census::Kind,
        counter::Gap,
        event::Event,
        finding::Finding,
        icmp::{Arrival, Echoes},
        ledger::Ledger,
        retrans::RetransEvent,
    },
    decode::{Packet, device_type_name},
};
use serde::{Serialize, Serializer};
use std::{borrow::Cow, fmt, io, net::IpAddr};

/// One object a line, flushed when nothing waits.
pub(super) struct JsonView {
    output: Output,
    hex: bool,
    clock: Clock,
}

impl JsonView {
    pub(super) fn new(output: Output, hex: bool) -> Self {
        Self {
            output,
            hex,
            clock: Clock::default(),
        }
    }
}

impl View for JsonView {
    fn introduce(&mut self, _name: &str, _story: &str) -> io::Result<()> {
        Ok(())
    }

    fn not_live(&mut self, why: &str, origin: &str) -> io::Result<()> {
        self.output.json(&NotLive {
            kind: "not_live",
            why,
            origin,
        })
    }

    fn start(&mut self, start: &Start) -> io::Result<()> {
        let probes = start.probes.iter();
        self.output.json(&StartLine {
            kind: "start",
            version: &start.version,
            kernel: start.kernel.as_deref(),
            command: &start.command,
            probes: probes
                .map(|probe| ProbeLine {
                    name: &probe.name,
                    hook: &probe.hook,
                    state: &probe.state,
                })
                .collect(),
        })?;
        self.output.flush()
    }

    fn waiting(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn event(&mut self, event: &Event<'_>, finding: Option<&'static str>) -> io::Result<()> {
        let time = event.time_ns.map(|time_ns| self.clock.rfc3339(time_ns));
        let packet = PacketLine::new(event, self.hex);
        // The classic tracepoint alone has no packet, and does not tell its length.
        let len = Some(event.packet.len).filter(|&len| len > 0);
        let Some(probe) = event.probe else {
            return self.output.json(&CapturedLine {
                kind: "packet",
                number: event.source.map(|source| source.number),
                time,
                ifname: event.ifname,
                link_type: event.source.map(|source| source.link_type),
                direction: event
                    .received
                    .map(|received| if received { "in" } else { "out" }),
                len,
                packet,
                finding,
            });
        };
        self.output.json(&DropLine {
            kind: "drop",
            time,
            reason: event.reason.as_deref(),
            location: event.location,
            probe,
            netns: event.netns.map(|netns| netns.0),
            ifindex: event.ifindex,
            ifname: event.ifname,
            dev_type: event.dev_type.map(device_type_name),
            cpu: event.cpu,
            pid: event.owner.map(|(pid, _)| pid),
            comm: event.owner.map(|(_, comm)| comm),
            cgroup: event.cgroup,
            cgroup_id: event.cgroup_id,
            uid: event.uid,
            len,
            packet,
            header_check: event.header_check.names().collect(),
            finding,
        })
    }

    fn conn(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        let time = self.clock.rfc3339(shown.time_ns);
        self.output.json(&ConnLine::new(shown, time))
    }

    fn retrans(&mut self, event: &RetransEvent<'_>) -> io::Result<()> {
        let time = event.time_ns.map(|time_ns| self.clock.rfc3339(time_ns));
        self.output.json(&RetransLine::new(event, time))
    }

    fn progress(&mut self, _progress: &Progress) -> io::Result<()> {
        self.output.flush()
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        for finding in &report.findings {
            self.output.json(&FindingLine {
                kind: "finding",
                finding,
                lost: Some(report.ledger.lost).filter(|&lost| lost > 0),
            })?;
        }
        let counters = report.counters.iter();
        let checks = report.header_checks.iter();
        self.output.json(&SummaryLine {
            kind: "summary",
            duration_us: u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX),
            ledger: report.ledger,
            counters: counters
                .map(|counter| CounterLine {
                    name: &counter.key.name,
                    ifname: counter.key.ifname.as_deref(),
                    netns: counter.key.netns.map(|netns| netns.0),
                    delta: counter.delta,
                    explained: counter.explained.filter(|_| report.compared),
                    unexplained_because: counter.gap.map(Gap::words),
                })
                .collect(),
            icmp: EchoLine::new(&report.echoes[0]),
            icmp6: EchoLine::new(&report.echoes[1]),
            header_checks: checks
                .map(|check| CheckLine {
                    name: &check.probe,
                    calls: check.calls,
                    refused: check.refused,
                    malformed: check.malformed,
                    accepted: check.accepted,
                })
                .collect(),
            header_check_ns: report.check_ns,
            remark: report.remark.as_deref(),
            evidence_lost: Some(report.evidence_lost).filter(|&lost| lost > 0),
            packets: report
                .census
                .sorted()
                .into_iter()
                .map(KindLine::new)
                .collect(),
        })?;
        self.output.flush()
    }

    fn injected(&mut self, _packets: u64, _reported: u64) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct NotLive<'a> {
    kind: &'static str,
    why: &'a str,
    origin: &'a str,
}

#[derive(Serialize)]
struct StartLine<'a> {
    kind: &'static str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<&'a str>,
    command: &'a str,
    probes: Vec<ProbeLine<'a>>,
}

#[derive(Serialize)]
struct ProbeLine<'a> {
    name: &'a str,
    hook: &'a str,
    state: &'a str,
}

#[derive(Serialize)]
struct DropLine<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    location: &'a str,
    probe: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifindex: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_type: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<usize>,
    packet: PacketLine<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    header_check: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'static str>,
}

/// A packet of somebody's capture.
#[derive(Serialize)]
struct CapturedLine<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_type: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<usize>,
    packet: PacketLine<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'static str>,
}

/// The packet as what it probably is; `malformed` says how it is not.
#[derive(Serialize)]
struct PacketLine<'a> {
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_proto: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_flags: Option<AsText<crate::decode::TcpFlags>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eth_src: Option<MacText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eth_dst: Option<MacText>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vlans: Vec<u16>,
    caplen: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    malformed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<Hex<'a>>,
}

impl<'a> PacketLine<'a> {
    fn new(event: &Event<'a>, hex: bool) -> Self {
        let whole: &Packet = event.packet;
        let packet = whole.probable();
        Self {
            protocol: packet.protocol.name(),
            src: packet.src(),
            dst: packet.dst(),
            ip_proto: packet.ip_proto().map(crate::decode::IpProto::name),
            sport: packet.sport(),
            dport: packet.dport(),
            tcp_flags: packet.tcp_flags().map(AsText),
            icmp_type: packet.icmp_type(),
            eth_src: packet.link.map(|link| MacText(link.source.0)),
            eth_dst: packet.link.map(|link| MacText(link.destination.0)),
            vlans: packet.vlans.ids().collect(),
            caplen: whole.caplen,
            malformed: whole.faults().map(|fault| fault.kind.name()).collect(),
            hex: hex.then_some(Hex(event.frame.bytes)),
        }
    }
}

#[derive(Serialize)]
struct FindingLine<'a> {
    kind: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
    /// Events that the run lost: the count may be too low.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    kind: &'static str,
    duration_us: u64,
    ledger: Ledger,
    counters: Vec<CounterLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp: Option<EchoLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp6: Option<EchoLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    header_checks: Vec<CheckLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_check_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_lost: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packets: Vec<KindLine<'a>>,
}

/// Captured packets of one kind.
#[derive(Serialize)]
struct KindLine<'a> {
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<&'static str>,
    count: u64,
    bytes: u64,
    first: u64,
    example: &'a str,
}

impl<'a> KindLine<'a> {
    fn new(kind: &'a Kind) -> Self {
        Self {
            what: &kind.name,
            malformed: kind.fault.map(crate::decode::MalformedKind::name),
            count: kind.count,
            bytes: kind.bytes,
            first: kind.number,
            example: &kind.example,
        }
    }
}

#[derive(Serialize)]
struct CounterLine<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    delta: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unexplained_because: Option<&'static str>,
}

#[derive(Serialize)]
struct EchoLine {
    requests_dropped: u64,
    requests_received: u64,
    received_by: &'static str,
    replies_sent: u64,
}

impl EchoLine {
    fn new(echoes: &Echoes) -> Option<Self> {
        echoes.any().then(|| Self {
            requests_dropped: echoes.dropped,
            requests_received: echoes.received.count(),
            received_by: match echoes.received {
                Arrival::Hooked(_) => "hook",
                Arrival::Counted(_) => "counter",
            },
            replies_sent: echoes.replied,
        })
    }
}

#[derive(Serialize)]
struct CheckLine<'a> {
    name: &'a str,
    calls: u64,
    refused: u64,
    malformed: u64,
    accepted: u64,
}

/// A value that is text in JSON.
struct AsText<T>(T);

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A MAC address. Written digit by digit: there are two on every line, and a formatter takes a quarter of its time.
struct MacText([u8; 6]);

impl Serialize for MacText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        let mut text = String::with_capacity(17);
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(':');
            }
            text.push(digit(byte >> 4));
            text.push(digit(byte & 0x0f));
        }
        serializer.serialize_str(&text)
    }
}

/// Bytes as two digits each.
struct Hex<'a>(&'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
