//! Packets that IP itself refuses on their way in.

use std::net::{IpAddr, Ipv4Addr};

use super::l3::{self, CLOSED_PORT, DEVICE_IP, Ip, REMOTE_IP, arriving, as_it_is, scenario};
use super::route::{self, Target};
use super::{Bench, Expectation, LabError, Scenario, frame, sysctl};

/// Where IPv4 decides what becomes of a packet that arrived.
pub(super) const FINISH: &[&str] = &["ip_rcv_finish", "ip_list_rcv_finish", "ip_sublist_rcv"];
/// Where it refuses to route one.
pub(super) const IP_ERROR: &[&str] = &["ip_error"];
const DELIVER: &[&str] = &["ip_protocol_deliver_rcu", "ip_local_deliver_finish"];
const DELIVER6: &[&str] = &["ip6_protocol_deliver_rcu", "ip6_input", "icmpv6_param_prob"];

/// A host that another device leads to.
pub(super) const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// Its network.
pub(super) const ELSEWHERE_NET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 0);

/// For experiments (RFC 3692): nobody handles it.
const UNKNOWN_PROTOCOL: u8 = 253;

pub(super) const REVERSE_PATH: Expectation = Expectation::finding("reverse-path-filter")
    .counter("TcpExtIPReversePathFilter")
    .at(&["IP_RPFILTER"], FINISH);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "rp-filter",
        "Packets arrive on a device that their answers would not leave by",
        "Routing is asymmetric: packets from 192.0.2.7 arrive on tun0, and the route back to it leads out of tun1. The \
         strict reverse path filter takes them for spoofed and drops them.",
        REVERSE_PATH,
        asymmetric,
    ),
    scenario(
        "martian-source",
        "Packets arrive that have this host's own address as their source",
        "Two hosts have the same address, or a bridge sends packets in a circle: what arrives claims to come from \
         this very host.",
        Expectation::finding("martian-source").at(&["IP_LOCAL_SOURCE", "NOT_SPECIFIED"], FINISH),
        || from(DEVICE_IP),
    ),
    scenario(
        "loopback-on-wire",
        "Packets with a loopback address arrive from the network",
        "Somebody sends with 127.0.0.1 as the source, often because address translation is missing. Such packets must \
         never be on a wire.",
        Expectation::finding("loopback-on-wire")
            .at(&["IP_LOCALNET", "IP_INVALID_SOURCE", "NOT_SPECIFIED"], FINISH),
        || from(Ipv4Addr::LOCALHOST),
    ),
    scenario(
        "forwarding-off",
        "IPv4 packets for somebody else arrive on a host that does not forward",
        "Somebody uses this host as a router, and ip_forward is 0.",
        Expectation::finding("forwarding-off")
            .counter("IpInAddrErrors")
            .at(&["IP_INADDRERRORS"], IP_ERROR),
        || not_forwarding(Ip::V4),
    ),
    scenario(
        "forwarding-off6",
        "IPv6 packets for somebody else arrive on a host that does not forward",
        "As forwarding-off, with IPv6.",
        Expectation::finding("forwarding-off")
            .counter("Ip6InAddrErrors")
            .at(&["IP_INADDRERRORS", "NOT_SPECIFIED"], &["ip6_forward"]),
        || not_forwarding(Ip::V6),
    ),
    scenario(
        "unknown-protocol",
        "IPv4 packets of a protocol that nobody handles",
        "A peer speaks IP protocol 253, and no module for it is loaded. The kernel answers that the protocol is \
         unreachable.",
        Expectation::finding("unknown-ip-protocol")
            .counter("IpInUnknownProtos")
            .at(&["IP_NOPROTO"], DELIVER),
        || arriving(Ip::V4, as_it_is, |_| Ip::V4.packet(UNKNOWN_PROTOCOL, &[0; 32])),
    ),
    scenario(
        "unknown-protocol6",
        "IPv6 packets of a protocol that nobody handles",
        "As unknown-protocol, with IPv6.",
        Expectation::finding("unknown-ip-protocol")
            .counter("Ip6InUnknownProtos")
            .at(&["IP_NOPROTO"], DELIVER6),
        || arriving(Ip::V6, as_it_is, |_| Ip::V6.packet(UNKNOWN_PROTOCOL, &[0; 32])),
    ),
    scenario(
        "ipv6-disabled",
        "IPv6 packets arrive on a device where IPv6 is off",
        "Somebody turned IPv6 off (disable_ipv6), and a neighbour still uses the address that this host had.",
        Expectation::finding("ipv6-disabled")
            .counter("Ip6InDiscards")
            .at(&["IPV6DISABLED"], &["ip6_rcv_core", "ipv6_rcv"]),
        || {
            let off = || sysctl::write("ipv6/conf/tun0/disable_ipv6", "1");
            arriving(Ip::V6, off, l3::echo6)
        },
    ),
    scenario(
        "ip-option",
        "IPv4 packets carry a source route, which this host refuses",
        "A packet names the routers that it wants to pass (loose source routing). Nobody wants that any more, and \
         accept_source_route is 0.",
        Expectation::finding("ip-option-refused")
            .at(&["NOT_SPECIFIED", "IP_INHDR"], FINISH),
        || arriving(Ip::V4, as_it_is, |seq| source_routed(l3::echo(seq))),
    ),
];

fn asymmetric() -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(false)?;
    let other = l3::add_device(&namespace, "tun1", Ipv4Addr::new(10, 99, 1, 1), None)?;
    namespace.run(|| {
        sysctl::write("ipv4/conf/tun0/rp_filter", "1")?;
        route::add(ELSEWHERE_NET.into(), 24, Target::Device("tun1"))
    })?;
    let packets = l3::repeat(frame::ETHERTYPE_IPV4, elsewhere);
    Ok(Bench::writing(namespace, tun, packets).keeping(other))
}

/// A packet whose answer would leave elsewhere.
pub(super) fn elsewhere(seq: u16) -> Vec<u8> {
    let echo = frame::icmp_echo_request(0x6e64, seq, &[0; 56]);
    frame::ipv4(frame::PROTO_ICMP, ELSEWHERE, DEVICE_IP, &echo, 64)
}

/// Datagrams from that source.
fn from(source: Ipv4Addr) -> Result<Bench, LabError> {
    arriving(Ip::V4, as_it_is, |seq| {
        let datagram = frame::udp4(source, DEVICE_IP, 40_000 + seq, CLOSED_PORT, b"netdiag");
        frame::ipv4(frame::PROTO_UDP, source, DEVICE_IP, &datagram, 64)
    })
}

fn not_forwarding(ip: Ip) -> Result<Bench, LabError> {
    let far: IpAddr = ip.far();
    // The far end is known, so that forwarding is all that is missing.
    let setup = move || route::add(far, ip.host_prefix(), Target::Device(l3::DEVICE));
    arriving(ip, setup, |seq| ip.ping(far, seq, 56, 64))
}

/// The same packet with a loose source route.
fn source_routed(packet: Vec<u8>) -> Vec<u8> {
    // Loose source route: kind, length, pointer, one address; end of options.
    let [a, b, c, d] = REMOTE_IP.octets();
    let option = [131, 7, 4, a, b, c, d, 0];
    frame::with_ipv4_options(&packet, &option)
}
