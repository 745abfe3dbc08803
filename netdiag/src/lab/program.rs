//! Packets that a BPF program drops: XDP, traffic control, cgroups and filters of sockets.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::l3::{self, CLOSED_PORT, DEVICE, Ip, PACKETS, arriving, scenario};
use super::pair::{HERE, Pair};
use super::qdisc::{self, Side};
use super::udp::{OPEN_PORT, QUEUE4, QUEUE6, listening};
use super::{
    Bench, Cgroup, Expectation, LabError, Owner, Scenario, bpf, frame, link, sockopt, traffic,
};

/// A cgroup that single threads join, and programs for it.
pub(super) const CGROUP: [&str; 3] = ["cgroup2", "cgroup2 for single threads", "cgroup programs"];

const SOCKET_FILTER: Expectation = Expectation::finding("socket-filter-drop").of(Owner::Receiver);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "tc-ingress",
        "A BPF classifier drops what a device receives",
        "Somebody attached a BPF program to the device (tc, clsact), such as a container network does, and it drops \
         what arrives.",
        Expectation::finding("tc-drop-ingress")
            .at(&["TC_INGRESS"], &["__netif_receive_skb_core"])
            .needs(&["clsact", "cls_bpf"]),
        || {
            let setup = || classify(Side::Ingress);
            arriving(Ip::V4, setup, |seq| Ip::V4.datagram(seq, CLOSED_PORT))
        },
    ),
    scenario(
        "tcx-ingress",
        "A BPF classifier drops what a device receives, attached without tc",
        "As tc-ingress, by the newer way (TCX) that tc does not show: container networks use it since Linux 6.6.",
        Expectation::finding("tc-drop-ingress")
            .at(&["TC_INGRESS"], &["__netif_receive_skb_core"])
            .needs(&["tcx"]),
        || {
            let (namespace, tun) = l3::device(false)?;
            let link = namespace.run(|| {
                let program = bpf::load(bpf::Kind::Classifier, bpf::TC_DROP)?;
                let index = link::index(DEVICE, "attach a program to")?;
                bpf::link_tcx(index, program.as_fd())
            })?;
            let packets = l3::repeat(Ip::V4.ethertype(), |seq| Ip::V4.datagram(seq, CLOSED_PORT));
            Ok(Bench::writing(namespace, tun, packets).keeping(link))
        },
    ),
    scenario(
        "tc-egress",
        "A BPF classifier drops what a program sends",
        "As tc-ingress, for what the device would send.",
        Expectation::finding("tc-drop-egress")
            .at(&["TC_EGRESS"], &["__dev_queue_xmit"])
            .of(Owner::Process)
            .needs(&["clsact", "cls_bpf"]),
        || {
            let (namespace, tun) = l3::device(false)?;
            namespace.run(|| classify(Side::Egress))?;
            let to = SocketAddr::new(Ip::V4.remote(), CLOSED_PORT);
            Ok(l3::sending(namespace, to, PACKETS)?.keeping(tun))
        },
    ),
    scenario(
        "xdp-generic",
        "An XDP program drops what a device receives, in the kernel's generic way",
        "Somebody attached an XDP program to a device whose driver has no way of its own for it.",
        Expectation::finding("xdp-drop")
            .at(&["XDP", "NOT_SPECIFIED"], &["do_xdp_generic", "netif_receive_generic_xdp"]),
        || {
            let setup = || xdp(DEVICE, true);
            arriving(Ip::V4, setup, |seq| Ip::V4.datagram(seq, CLOSED_PORT))
        },
    ),
    scenario(
        "xdp-native",
        "An XDP program drops what a veth device receives, in the driver's own way",
        "A load balancer or an agent attached an XDP program to the device. The counters of IP do not see the packets.",
        Expectation::finding("xdp-drop")
            .at(&["XDP", "NOT_SPECIFIED"], &["veth_xdp_rcv_skb", "veth_poll", "veth_xdp_rcv"])
            .on(Some(HERE.device)),
        || {
            let Pair { here, there } = Pair::new()?;
            here.run(|| xdp(HERE.device, false))?;
            let to = SocketAddr::new(HERE.ipv4.into(), CLOSED_PORT);
            let socket = there.run(move || traffic::udp_socket(to))?;
            let there = Arc::new(there);
            let send = move |_| {
                let _ = socket.send_to(b"netdiag", to);
                Ok(())
            };
            Ok(Bench::each(here, PACKETS, send).keeping(there))
        },
    ),
    scenario(
        "cgroup-ingress",
        "A BPF program of a cgroup drops what its sockets would receive",
        "systemd (IPAddressDeny) or a container runtime attached a program to the cgroup of the service: its sockets \
         get nothing.",
        // A socket's own filter has the same function and reason (sk_filter_trim_cap).
        // Without the socket nobody knows its cgroup: the finding names both, and the programs that there are.
        Expectation::finding("cgroup-program-drop")
            .unowned("socket-filter-drop")
            .at(&["SOCKET_FILTER", "BPF_CGROUP_INGRESS"], QUEUE4)
            .of(Owner::Receiver)
            .needs(&CGROUP),
        || {
            let (namespace, tun) = l3::device(false)?;
            let cgroup = Arc::new(cgroup(false, bpf::NOTHING)?);
            let inside = Arc::clone(&cgroup);
            let address = SocketAddr::new(Ip::V4.here(), OPEN_PORT);
            let socket = namespace.run(move || inside.run(|| traffic::bind_udp(address)))?;
            let packets = l3::repeat(frame::ETHERTYPE_IPV4, |seq| Ip::V4.datagram(seq, OPEN_PORT));
            Ok(Bench::writing(namespace, tun, packets).keeping((socket, cgroup)))
        },
    ),
    scenario(
        "cgroup-egress",
        "A BPF program of a cgroup drops what its sockets send",
        "As cgroup-ingress, for what the service sends: it is told that this is not permitted (EPERM).",
        Expectation::finding("cgroup-program-drop")
            .at(&["BPF_CGROUP_EGRESS"], &["ip_finish_output", "ip_output", "ip_mc_finish_output"])
            .of(Owner::Process)
            .needs(&CGROUP),
        || {
            let (namespace, tun) = l3::device(false)?;
            let cgroup = Arc::new(cgroup(true, bpf::NOTHING)?);
            let inside = Arc::clone(&cgroup);
            let to = SocketAddr::new(Ip::V4.remote(), CLOSED_PORT);
            let socket = namespace.run(move || inside.run(|| traffic::udp_socket(to)))?;
            let send = move |_| {
                let _ = socket.send_to(b"netdiag", to);
                Ok(())
            };
            Ok(Bench::each(namespace, PACKETS, send).keeping((tun, cgroup)))
        },
    ),
    scenario(
        "socket-filter",
        "A program's own filter drops what its socket would receive",
        "A program gave its socket a filter (SO_ATTACH_FILTER) that lets nothing pass.",
        SOCKET_FILTER
            .counter("UdpInErrors")
            .at(&["SOCKET_FILTER"], QUEUE4),
        || filtered(Ip::V4, |socket| sockopt::filter_everything(socket)),
    ),
    scenario(
        "socket-filter6",
        "A program's own BPF program drops what its IPv6 socket would receive",
        "As socket-filter, with IPv6 and a BPF program (SO_ATTACH_BPF).",
        SOCKET_FILTER
            .counter("Udp6InErrors")
            .at(&["SOCKET_FILTER"], QUEUE6),
        || {
            filtered(Ip::V6, |socket| {
                let program = bpf::load(bpf::Kind::SocketFilter, bpf::NOTHING)?;
                sockopt::filter_by(socket, program.as_fd())
            })
        },
    ),
];

/// Attaches a program that drops everything to the TUN device. The device keeps the program.
fn classify(side: Side) -> Result<(), LabError> {
    let program = bpf::load(bpf::Kind::Classifier, bpf::TC_DROP)?;
    qdisc::classify(DEVICE, side, program.as_fd())
}

fn xdp(device: &str, generic: bool) -> Result<(), LabError> {
    let program = bpf::load(bpf::Kind::Xdp, bpf::XDP_DROP)?;
    link::set_xdp(device, program.as_fd(), generic)
}

/// A cgroup with a program that answers so about all that its sockets receive, or send.
pub(super) fn cgroup(egress: bool, answer: i32) -> Result<Cgroup, LabError> {
    let cgroup = Cgroup::new()?;
    let program = bpf::load(bpf::Kind::Cgroup, answer)?;
    bpf::attach_cgroup(cgroup.as_fd(), program.as_fd(), egress)?;
    Ok(cgroup)
}

fn filtered(
    ip: Ip,
    filter: impl FnOnce(&UdpSocket) -> Result<(), LabError>,
) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let socket = listening(ip, &namespace)?;
    filter(&socket)?;
    let packets = l3::repeat(ip.ethertype(), |seq| ip.datagram(seq, OPEN_PORT));
    Ok(Bench::writing(namespace, tun, packets).keeping(socket))
}
