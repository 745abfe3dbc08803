//! Frames that a device receives for others, or cannot send.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::ethernet_on_l3_device::{DEVICE_MAC, REMOTE_MAC};
use super::l2;
use super::l3::{self, CLOSED_PORT, DEVICE_IP, Ip, PACKETS, REMOTE_IP, scenario};
use super::pair::{HERE, Pair, THERE};
use super::queue::{self, QDISC, ROOT};
use super::{Bench, Expectation, LabError, Owner, Scenario, frame, link};

/// A machine that these frames are meant for.
const OTHER_MAC: frame::Mac = [0x02, 0x42, 0x0a, 0x63, 0x00, 0x99];
const OTHER_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 77);
/// For experiments (IEEE 802): nobody handles it.
const UNKNOWN_ETHERTYPE: u16 = 0x88b5;
/// The VLAN that this host has no device for.
const VLAN: u16 = 42;
/// VXLAN's port by IANA, the network that this host is in, and the one that the packets are in.
const VXLAN_PORT: u16 = 4789;
const OUR_VNI: u32 = 42;
const THEIR_VNI: u32 = 4242;
/// How many packets wait for the reader of a TUN device.
const WAITING: u16 = 3;

const OTHERHOST: Expectation = Expectation::finding("foreign-mac")
    .counter("rx_otherhost_dropped")
    .at(&["OTHERHOST"], &["ip_rcv_core", "ip6_rcv_core"])
    .on(Some(l2::DEVICE));
const CORE: &[&str] = &["__netif_receive_skb_core"];

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "foreign-mac",
        "Frames for another machine arrive",
        "A switch floods what is meant for somebody else: this host sees it and drops it, as it should.",
        OTHERHOST,
        || l2::arriving(false, |seq| l2::frame(OTHER_MAC, frame::ETHERTYPE_IPV4, &ping(OTHER_IP, seq))),
    ),
    scenario(
        "foreign-mac-own-address",
        "Frames with this host's IP address and another MAC address arrive",
        "Somebody has a stale ARP entry: after a failover or an exchange of cards the frames carry the IP address of \
         this host and the MAC address of the old one.",
        OTHERHOST,
        || l2::arriving(false, |seq| l2::frame(OTHER_MAC, frame::ETHERTYPE_IPV4, &ping(DEVICE_IP, seq))),
    ),
    scenario(
        "foreign-mac-own-address6",
        "Frames with this host's IPv6 address and another MAC address arrive",
        "As foreign-mac-own-address, with IPv6.",
        OTHERHOST,
        || l2::arriving(true, |seq| l2::frame(OTHER_MAC, frame::ETHERTYPE_IPV6, &l3::echo6(seq))),
    ),
    scenario(
        "vlan-device-missing",
        "Frames of a VLAN arrive that this host has no device for",
        "The switch port is a trunk, and nobody made a device for VLAN 42 here. The frames carry this host's MAC \
         address and are dropped all the same.",
        Expectation::finding("vlan-device-missing")
            .counter("rx_otherhost_dropped")
            .at(&["UNHANDLED_PROTO", "OTHERHOST"], &["ip_rcv_core", "__netif_receive_skb_core"])
            .on(Some(l2::DEVICE)),
        || {
            l2::arriving(false, |seq| {
                let tagged = frame::vlan(VLAN, frame::ETHERTYPE_IPV4, &l3::echo(seq));
                l2::frame(DEVICE_MAC, frame::ETHERTYPE_VLAN, &tagged)
            })
        },
    ),
    scenario(
        "ip-on-ethernet-device",
        "Bare IPv4 packets arrive on a device for Ethernet frames",
        "A program redirects packets from a tunnel to an Ethernet device and puts no MAC header before them: the kernel \
         takes the source address for an EtherType, which nobody handles.",
        Expectation::finding("ip-on-ethernet-device")
            .counter("rx_dropped")
            .at(&["UNHANDLED_PROTO"], CORE)
            .on(Some(l2::DEVICE)),
        || l2::arriving(false, l3::echo),
    ),
    scenario(
        "unknown-ethertype",
        "Frames of a protocol that nobody handles",
        "A device on the network speaks a protocol of its own, EtherType 0x88b5. This host drops it, as it should.",
        Expectation::finding("unhandled-ethertype")
            .counter("rx_dropped")
            .at(&["UNHANDLED_PROTO"], CORE)
            .on(Some(l2::DEVICE)),
        || l2::arriving(false, |_| l2::frame(DEVICE_MAC, UNKNOWN_ETHERTYPE, &[0; 46])),
    ),
    scenario(
        "link-down",
        "A program sends over a device without a carrier",
        "The cable is out, or the other end of a veth pair is down: the device is up, has its address and routes, and \
         whatever is sent is dropped before it leaves.",
        Expectation::finding("link-down")
            .at(QDISC, ROOT)
            .on(Some(HERE.device))
            .of(Owner::Process),
        || unplugged(THERE.ipv4.into()),
    ),
    scenario(
        "link-down6",
        "A program sends over IPv6 over a device without a carrier",
        "As link-down, with IPv6.",
        Expectation::finding("link-down")
            .at(QDISC, ROOT)
            .on(Some(HERE.device))
            .of(Owner::Process),
        || unplugged(THERE.ipv6.into()),
    ),
    scenario(
        "link-down-tun",
        "A program sends over a TUN device whose tunnel is not up",
        "The VPN program has made the device and says that its tunnel has no connection (no carrier).",
        Expectation::finding("link-down")
            .at(QDISC, ROOT)
            .of(Owner::Process),
        || {
            let (namespace, tun) = l3::device(false)?;
            tun.pull_cable()?;
            queue::await_carrier(&namespace, l3::DEVICE, false)?;
            let to = SocketAddr::new(REMOTE_IP.into(), CLOSED_PORT);
            Ok(l3::sending(namespace, to, PACKETS)?.keeping(tun))
        },
    ),
    scenario(
        "tun-queue-full",
        "The program behind a TUN device does not read what is sent over it",
        "A VPN or a virtual machine is too slow, or hangs: the queue of its TUN device is full.",
        Expectation::finding("tun-queue-full")
            .counter("tx_dropped")
            .at(&["FULL_RING", "NOT_SPECIFIED"], &["tun_net_xmit"]),
        || {
            let (namespace, tun) = l3::device(false)?;
            namespace.run(|| link::set_queue_length(l3::DEVICE, u32::from(WAITING)))?;
            let to = SocketAddr::new(REMOTE_IP.into(), CLOSED_PORT);
            Ok(l3::sending(namespace, to, WAITING + PACKETS)?.keeping(tun))
        },
    ),
    scenario(
        "vxlan-unknown-vni",
        "VXLAN packets of a network arrive that this host is not in",
        "This host has a VXLAN device for network 42, and the far end sends packets of network 4242: one of the two \
         is configured wrongly.",
        Expectation::finding("tunnel-id-unknown")
            .at(&["VXLAN_VNI_NOT_FOUND", "NOT_SPECIFIED"], &["vxlan_rcv"])
            .needs(&["vxlan"]),
        || {
            let setup = || {
                link::create_vxlan("vxlan0", OUR_VNI, VXLAN_PORT)?;
                link::set_up("vxlan0")
            };
            l3::arriving(Ip::V4, setup, |seq| {
                let inner = frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_IPV4, &l3::echo(seq));
                let vxlan = frame::vxlan(THEIR_VNI, &inner);
                let datagram = frame::udp4(REMOTE_IP, DEVICE_IP, 50_000 + seq, VXLAN_PORT, &vxlan);
                Ip::V4.packet(frame::PROTO_UDP, &datagram)
            })
        },
    ),
];

fn ping(dst: Ipv4Addr, seq: u16) -> Vec<u8> {
    Ip::V4.ping(dst.into(), seq, 56, 64)
}

/// Sends over a veth device whose other end is down.
fn unplugged(to: IpAddr) -> Result<Bench, LabError> {
    let Pair { here, there } = Pair::new()?;
    there.run(|| link::set_down(THERE.device))?;
    queue::await_carrier(&here, HERE.device, false)?;
    let there = Arc::new(there);
    Ok(l3::sending(here, SocketAddr::new(to, CLOSED_PORT), PACKETS)?.keeping(there))
}
