//! Retransmissions: the JSON line, a line for people, the table of connections, and a packet made of what is known.

use super::{
    Output, Report,
    text::{self, cell},
};
use crate::{
    analysis::retrans::{Flow, RetransEvent, endpoint},
    decode::{CaState, Retrans, RetransKind, TcpFlags, TcpState, ip_header, result_name},
};
use comfy_table::{CellAlignment, Table};
use etherparse::TcpHeader;
use serde::Serialize;
use std::net::IpAddr;

/// A line of JSON.
#[derive(Serialize)]
pub(super) struct RetransLine<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retrans: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_flags: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rto_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    srtt_us: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwnd: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssthresh: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retransmits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_window: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mss: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_retrans: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segs_out: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_segs_out: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    probe: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifindex: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    cpu: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_id: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ipv4_mapped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<DroppedLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'static str>,
}

#[derive(Serialize)]
struct DroppedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
}

impl<'a> RetransLine<'a> {
    pub(super) fn new(event: &RetransEvent<'a>, time: Option<&'a str>) -> Self {
        let retrans = event.retrans;
        let socket = &retrans.socket;
        Self {
            kind: "retrans",
            time,
            src: socket.local,
            sport: socket.local_port,
            dst: socket.remote,
            dport: socket.remote_port,
            retrans: retrans.kind.map(RetransKind::name),
            state: socket.state.map(TcpState::name),
            seq: retrans.seq,
            len: retrans.len,
            tcp_flags: retrans.flags.map(|flags| flags.to_string()),
            segs: retrans.segs,
            rto_us: retrans.rto_us,
            srtt_us: retrans.srtt_us,
            cwnd: retrans.cwnd,
            ssthresh: retrans.ssthresh,
            retransmits: retrans.retransmits,
            in_flight: retrans.in_flight,
            ca_state: retrans.ca_state.map(CaState::name),
            peer_window: retrans.peer_window,
            mss: retrans.mss,
            total_retrans: retrans.total,
            segs_out: retrans.sent,
            data_segs_out: retrans.data_sent,
            result: retrans.result.map(result_name),
            probe: event.probe,
            netns: socket.netns.map(|netns| netns.0),
            ifindex: socket.ifindex,
            ifname: socket.ifname.as_deref(),
            cpu: retrans.cpu,
            pid: event.owner.map(|(pid, _)| pid),
            comm: event.owner.map(|(_, comm)| comm),
            uid: socket.uid,
            cgroup: event.cgroup,
            cgroup_id: socket.cgroup_id,
            ipv4_mapped: socket.mapped,
            dropped: event.dropped.map(|dropped| DroppedLine {
                reason: dropped.reason.as_deref(),
                location: &dropped.location,
                ifname: dropped.ifname.as_deref(),
                netns: dropped.netns.map(|netns| netns.0),
            }),
            finding: event.finding(),
        }
    }
}

/// "10.0.0.1:4711 → 10.0.0.2:80 100 bytes at 4242, SYN_SENT, RTO 1000.0 ms; dropped: NETFILTER_DROP at ..."
pub(super) fn words(event: &RetransEvent<'_>, brief: bool) -> String {
    let retrans = event.retrans;
    let mut text = ends(retrans);
    if let (Some(len), false) = (retrans.len.filter(|&len| len > 0), brief) {
        text += &format!(" {len} bytes");
    }
    if let (Some(seq), false) = (retrans.seq, brief) {
        text += &format!(" at {seq}");
    }
    if let (Some(state), false) = (retrans.socket.state, brief) {
        text += &format!(", {state}");
    }
    if let Some(us) = retrans.rto_us {
        text += &format!(", RTO {}", milliseconds(us));
    }
    if let (Some(us), false) = (retrans.srtt_us, brief) {
        text += &format!(", RTT {}", milliseconds(u64::from(us)));
    }
    if let Some(result) = retrans.result.filter(|&result| result != 0) {
        text += &format!(", failed: {}", result_name(result));
    }
    if let Some(dropped) = event.dropped {
        text += &format!("; dropped here: {}", dropped.words());
    }
    text
}

fn ends(retrans: &Retrans) -> String {
    let socket = &retrans.socket;
    format!(
        "{} → {}",
        endpoint(socket.local, socket.local_port),
        endpoint(socket.remote, socket.remote_port)
    )
}

fn milliseconds(us: u64) -> String {
    format!("{} ms", tenths(us))
}

/// Milliseconds with one digit.
fn tenths(us: u64) -> String {
    format!("{}.{}", us / 1000, us % 1000 / 100)
}

/// The connections of a run, as many as are asked for.
pub(super) fn table(output: &Output, report: &Report, most: usize) -> Option<Table> {
    let flows = report.flows.sorted();
    if flows.is_empty() {
        return None;
    }
    let named = flows.iter().take(most);
    Some(flow_table(output, named.map(|flow| (*flow, None))))
}

/// Connections, each with how many segments a second it retransmits where that is asked for.
pub(super) fn flow_table<'a>(
    output: &Output,
    flows: impl Iterator<Item = (&'a Flow, Option<f64>)>,
) -> Table {
    let mut table = text::table(output);
    let flows: Vec<_> = flows.collect();
    let rates = flows.iter().any(|(_, rate)| rate.is_some());
    let mut header = vec![
        "LOCAL",
        "REMOTE",
        "RETRANS/SENT",
        "KINDS",
        "RTT ms",
        "RTO ms",
        "PROCESS",
    ];
    if rates {
        header.insert(0, "PER S");
    }
    table.set_header(header);
    for (flow, per_second) in flows {
        let right = |text: String| cell(text).set_alignment(CellAlignment::Right);
        let dash = || "-".to_owned();
        let process = flow.owner.as_ref();
        let mut row = vec![
            cell(flow.key.here()),
            cell(flow.key.there()),
            right(share(flow)),
            cell(kinds(flow)),
            right(flow.srtt_us.map_or_else(dash, |us| tenths(u64::from(us)))),
            right(flow.rto_us.map_or_else(dash, tenths)),
            cell(process.map_or_else(dash, |(pid, comm)| format!("{comm} {pid}"))),
        ];
        if let Some(rate) = per_second {
            row.insert(0, right(format!("{rate:.1}")));
        }
        table.add_row(row);
    }
    table
}

/// "3/120 2.5%": retransmitted and sent over the connection's life; in this run only where the life is not known.
fn share(flow: &Flow) -> String {
    let rate = flow
        .rate()
        .map_or_else(String::new, |rate| format!(" {:.1}%", rate * 100.0));
    match flow.sent {
        Some(sent) => {
            let total = flow.total.map_or(flow.segs, u64::from);
            format!("{total}/{sent}{rate}")
        }
        None => format!("{}/?", flow.segs),
    }
}

/// "2 rto, 1 tlp"
fn kinds(flow: &Flow) -> String {
    let kinds: Vec<_> = RetransKind::ALL
        .into_iter()
        .filter(|&kind| flow.count(kind) > 0)
        .map(|kind| format!("{} {}", flow.count(kind), kind.name()))
        .collect();
    if kinds.is_empty() {
        "-".to_owned()
    } else {
        kinds.join(", ")
    }
}

/// IP and TCP header of the segment, with what the socket says, and the length of the whole packet. The kernel puts
/// headers only before a copy of the segment, on its way down: time to live, identification, options and checksum of TCP
/// are not known, and left at nothing that could be taken for a fact (64, 0, none, 0). `None` without addresses.
pub(super) fn packet(retrans: &Retrans) -> Option<(Vec<u8>, usize)> {
    let socket = &retrans.socket;
    let (local, remote) = (socket.local?, socket.remote?);
    let flags = retrans.flags.unwrap_or(TcpFlags(0)).0;
    let mut tcp = TcpHeader::new(
        socket.local_port.unwrap_or(0),
        socket.remote_port.unwrap_or(0),
        retrans.seq.unwrap_or(0),
        u16::try_from(retrans.window.unwrap_or(0)).unwrap_or(u16::MAX),
    );
    let flag = |bit: u8| flags & (1 << bit) != 0;
    tcp.fin = flag(0);
    tcp.syn = flag(1);
    tcp.rst = flag(2);
    tcp.psh = flag(3);
    tcp.ack = flag(4);
    tcp.urg = flag(5);
    tcp.ece = flag(6);
    tcp.cwr = flag(7);
    tcp.acknowledgment_number = retrans.ack.unwrap_or(0);
    let payload = usize::try_from(retrans.len.unwrap_or(0)).ok()?;
    // A buffer of many segments leaves as packets of no more than this.
    let payload = payload.min(usize::from(u16::MAX) - 100);
    let mut bytes = ip_header(local, remote, tcp.header_len() + payload)?;
    tcp.write(&mut bytes).ok()?;
    let length = bytes.len() + payload;
    Some((bytes, length))
}

#[cfg(test)]
mod tests {
    use super::packet;
    use crate::decode::{Frame, Link, Retrans, Socket, TcpFlags, Transport, decode};

    #[test]
    fn the_packet_is_what_the_socket_said() {
        for (local, remote) in [("10.98.0.1", "10.98.0.2"), ("fd98::1", "fd98::2")] {
            let retrans = Retrans {
                socket: Socket {
                    local: Some(local.parse().unwrap()),
                    local_port: Some(40_000),
                    remote: Some(remote.parse().unwrap()),
                    remote_port: Some(80),
                    ..Socket::default()
                },
                seq: Some(0xfedc_ba98),
                ack: Some(7),
                len: Some(1448),
                flags: Some(TcpFlags(0x18)),
                ..Retrans::default()
            };
            let (bytes, len) = packet(&retrans).unwrap();
            assert_eq!(len, bytes.len() + 1448);
            let frame = Frame {
                bytes: &bytes,
                link: Link::Ip,
                network_offset: None,
                len,
                ethertype: None,
            };
            let packet = decode(&frame);
            assert_eq!(packet.faults().count(), 0);
            assert_eq!(
                (packet.src(), packet.dst()),
                (retrans.socket.local, retrans.socket.remote)
            );
            let expected = Transport::Tcp {
                source: 40_000,
                destination: 80,
                seq: 0xfedc_ba98,
                ack: 7,
                flags: TcpFlags(0x18),
            };
            assert_eq!(packet.transport, Some(expected));
        }
        assert_eq!(packet(&Retrans::default()), None);
    }
}
