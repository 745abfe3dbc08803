//! Faults that need a knob of the whole machine: for machines that are thrown away. Each knob is put back when the
//! scenario ends, but not when it is killed.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::l3::{self, CLOSED_PORT, Ip, PACKETS, scenario};
use super::nft::{self, Hook, Match, Verdict};
use super::peer::{ACK, PSH, Peer};
use super::tcp::{Service, serve};
use super::udp::{OPEN_PORT, QUEUE4, listening};
use super::{
    Bench, Expectation, LabError, Namespace, Owner, Scenario, Told, frame, l2, link, sysctl, traffic,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "udp-memory",
        "Datagrams arrive when all UDP sockets together have used up their memory",
        "Some program does not read its sockets, and their buffers are large: together they hold as much as udp_mem \
         allows, and everybody's datagrams are dropped.",
        Expectation::finding("udp-memory")
            .counter("UdpMemErrors")
            .at(&["PROTO_MEM"], QUEUE4)
            // The datagram has lost its device by then, and its route.
            .on(None)
            .of(Owner::Receiver)
            .told(Told::WithReceiver)
            .counted_alone("UdpMemErrors")
            .global(),
        udp_memory,
    ),
    scenario(
        "tcp-memory",
        "Segments arrive when all TCP connections together have used up their memory",
        "Programs do not read what their connections receive: together these hold as much as tcp_mem allows. A \
         connection of which nothing waits may still have one segment; the next is dropped.",
        Expectation::finding("tcp-memory")
            .counter("TcpExtTCPRcvQDrop")
            .at(&["PROTO_MEM"], &["tcp_data_queue", "tcp_rcv_established"])
            .on(None)
            .of(Owner::Receiver)
            .told(Told::WithReceiver)
            .counted_alone("TcpExtTCPRcvQDrop")
            .global(),
        tcp_memory,
    ),
    scenario(
        "neighbour-table-full",
        "A program sends to more hosts on the same network than the neighbour table holds",
        "A network is so large, or a scanner so busy, that the table of neighbours is full (gc_thresh3): packets for \
         hosts that are not in it are dropped.",
        Expectation::finding("neighbour-table-full")
            .at(&["NEIGH_CREATEFAIL"], &["ip_finish_output2", "ip_finish_output"])
            .on(Some(l2::DEVICE))
            .of(Owner::Process)
            .global(),
        neighbours,
    ),
    scenario(
        "conntrack-table-full",
        "Connections arrive that the connection tracking table has no room for",
        "There are as many connections as nf_conntrack_max allows: every packet of a new one is dropped.",
        Expectation::finding("conntrack-table-full")
            .at(&["NETFILTER_DROP"], &["nf_hook_slow", "nf_conntrack_in", "ipv4_conntrack_in"])
            .needs(&["nft", "conntrack"])
            .global(),
        connections,
    ),
    scenario(
        "cpu-backlog",
        "Packets arrive faster than a CPU takes them",
        "A burst goes to one CPU, whose backlog holds netdev_max_backlog packets: the rest is dropped before any \
         protocol sees it.",
        Expectation::finding("cpu-backlog")
            .at(&["CPU_BACKLOG"], &["enqueue_to_backlog", "netif_rx_internal", "__netif_rx"])
            .on(None)
            // Of the copies of a frame, the last is the sender's own.
            .of(Owner::Unsaid)
            .needs(&["bridge"])
            .global(),
        backlog,
    ),
];

/// A setting of the whole machine, which is put back when this is dropped.
#[derive(Debug)]
struct Knob {
    path: PathBuf,
    before: String,
}

impl Knob {
    /// Turns the knob `name` below `/proc/sys/net`. Threads inside the lab do not see it.
    fn turn(name: &str, value: &str) -> Result<Self, LabError> {
        let path = PathBuf::from("/proc/sys/net").join(name);
        let refused = |source| LabError::Sysctl {
            path: path.display().to_string(),
            value: value.to_owned(),
            source,
        };
        let before = fs::read_to_string(&path).map_err(refused)?;
        fs::write(&path, value).map_err(refused)?;
        Ok(Self { path, before })
    }
}

impl Drop for Knob {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = fs::write(&self.path, &self.before);
    }
}

fn udp_memory() -> Result<Bench, LabError> {
    /// Pages, and more datagrams than they hold; each CPU counts a mebibyte for itself before it tells.
    const PAGES: &str = "16 16 16";
    const FILL: u16 = 4000;
    const LEFT: u16 = 20;
    let (namespace, tun) = l3::device(false)?;
    let socket = listening(Ip::V4, &namespace)?;
    traffic::grow_receive_buffer(&socket)?;
    let knob = Knob::turn("ipv4/udp_mem", PAGES)?;
    let (src, dst) = (Ip::V4.remote(), Ip::V4.here());
    let large = frame::udp(src, dst, 40_000, OPEN_PORT, &[0; 1400]);
    let large = Ip::V4.packet(frame::PROTO_UDP, &large);
    for _ in 0..FILL {
        tun.write(frame::ETHERTYPE_IPV4, &large)?;
    }
    // What is left of the last page is room for some small ones.
    for seq in 1..=LEFT {
        tun.write(frame::ETHERTYPE_IPV4, &Ip::V4.datagram(seq, OPEN_PORT))?;
    }
    let packets = l3::repeat(frame::ETHERTYPE_IPV4, |seq| Ip::V4.datagram(seq, OPEN_PORT));
    Ok(Bench::writing(namespace, tun, packets).keeping((socket, knob)))
}

fn tcp_memory() -> Result<Bench, LabError> {
    /// Pages, and what takes more: each CPU counts a mebibyte for itself before it tells.
    const PAGES: &str = "1 1 1";
    const CONNECTIONS: u16 = 24;
    const SEGMENTS: u32 = 40;
    const SIZE: usize = 1400;
    let payload = [0; SIZE];
    let length = u32::try_from(SIZE).unwrap_or(u32::MAX);
    let service = serve(Ip::V4)?;
    let connect = |number: u16| {
        let mut peer = Peer::new(&service.tun, Ip::V4, 40_000 + number, OPEN_PORT);
        peer.connect()?;
        Ok((peer, service.accept()?))
    };
    let mut held = Vec::new();
    // One drop each: the kernel closes the window of who has no memory (`tcp_select_window`).
    let mut victims = Vec::new();
    for number in 1..=PACKETS {
        let (mut victim, stream) = connect(number)?;
        victim.send(ACK | PSH, &payload)?;
        victim.seq = victim.seq.wrapping_add(length);
        victims.push(victim);
        held.push(stream);
    }
    for number in 1..=CONNECTIONS {
        let (mut peer, stream) = connect(PACKETS + number)?;
        for _ in 0..SEGMENTS {
            peer.send(ACK | PSH, &payload)?;
            peer.seq = peer.seq.wrapping_add(length);
        }
        held.push(stream);
    }
    let knob = Knob::turn("ipv4/tcp_mem", PAGES)?;
    let bench = Bench::each(service.namespace, PACKETS, move |seq| {
        let victim = victims.get(usize::from(seq - 1));
        victim.map_or(Ok(()), |victim| victim.send(ACK | PSH, &payload))
    });
    Ok(bench.keeping((held, service.listener, knob)))
}

fn neighbours() -> Result<Bench, LabError> {
    let (namespace, tap) = l2::device(false)?;
    let knob = Knob::turn("ipv4/neigh/default/gc_thresh3", "0")?;
    let to = |seq: u16| {
        let [a, b, c, _] = l3::DEVICE_IP.octets();
        let host = u8::try_from(100 + seq).unwrap_or(u8::MAX);
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, host)), CLOSED_PORT)
    };
    let first = to(0);
    let socket = namespace.run(move || traffic::udp_socket(first))?;
    let bench = Bench::each(namespace, PACKETS, move |seq| {
        let _ = socket.send_to(b"netdiag", to(seq));
        Ok(())
    });
    Ok(bench.keeping((tap, knob)))
}

fn connections() -> Result<Bench, LabError> {
    let Service {
        namespace,
        tun,
        listener,
    } = serve(Ip::V4)?;
    // A rule that asks for the state of connections makes the kernel track them.
    namespace.run(|| nft::add(Hook::Input, Match::Invalid, Verdict::Accept))?;
    let knob = Knob::turn("netfilter/nf_conntrack_max", "1").map_err(|error| error.lacking("conntrack"))?;
    // The one that is there is established, and not given up for another.
    Peer::new(&tun, Ip::V4, 40_000, OPEN_PORT).connect()?;
    let device = Arc::clone(&tun);
    let bench = Bench::each(namespace, PACKETS, move |seq| {
        device.write(frame::ETHERTYPE_IPV4, &Ip::V4.datagram(seq, CLOSED_PORT))
    });
    Ok(bench.keeping((tun, listener, knob)))
}

/// A bridge floods one frame out of many ports at once, and all of it arrives on one CPU. One is let through.
fn backlog() -> Result<Bench, LabError> {
    const BRIDGE: &str = "br0";
    let (here, there) = (Namespace::new()?, Namespace::new()?);
    here.run(sysctl::disable_ipv6)?;
    there.run(sysctl::disable_ipv6)?;
    there.run(|| {
        link::create_bridge(BRIDGE)?;
        link::set_up(BRIDGE)
    })?;
    for number in 0..=PACKETS {
        let (port, end) = (format!("port{number}"), format!("veth{number}"));
        let other = here.open()?;
        let device = end.clone();
        there.run(move || {
            link::create_veth(&port, &device, other.as_fd())?;
            link::set_bridge(&port, BRIDGE)?;
            link::set_up(&port)
        })?;
        let address = Ipv4Addr::new(10, 97, 0, 10 + u8::try_from(number).unwrap_or_default());
        here.run(move || {
            link::add_address(&end, address.into(), 24)?;
            link::set_up(&end)
        })?;
    }
    there.run(|| {
        link::add_address(BRIDGE, IpAddr::V4(Ipv4Addr::new(10, 97, 0, 1)), 24)
    })?;
    super::queue::await_carrier(&there, BRIDGE, true)?;
    let knob = Knob::turn("core/netdev_max_backlog", "0")?;
    let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 97, 0, 255)), OPEN_PORT);
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), OPEN_PORT);
    let reader = here.run(move || traffic::bind_udp(any))?;
    let socket = there.run(move || traffic::udp_socket(to))?;
    traffic::allow_broadcast(&socket)?;
    let bench = Bench::each(here, 1, move |_| traffic::send(&socket, to));
    Ok(bench.keeping((there, reader, knob)))
}
