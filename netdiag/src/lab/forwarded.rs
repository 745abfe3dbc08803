//! Packets that this host would have to pass on, and cannot.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ip::IP_ERROR;
use super::l3::{self, Ip, scenario};
use super::route::{self, Target};
use super::{Bench, Expectation, LabError, Scenario, frame, link, sysctl};

/// The TUN device by which the packets would leave.
pub(super) const NEXT_DEVICE: &str = "tun1";
/// Its addresses, in a /24 and a /64.
const NEXT_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);
const NEXT_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 1, 0, 0, 0, 1);
/// Where the packets want to go.
const BEYOND_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 2);
const BEYOND_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 1, 0, 0, 0, 2);

/// A router takes one off, and nothing is left.
const LAST_HOP: u8 = 1;
/// What the next device carries where packets are too large for it: the least that IPv6 allows.
const SMALL_MTU: u32 = 1280;

/// Where IPv6 drops what its routes refuse.
const DISCARD6: &[&str] = &[
    "ip6_pkt_drop",
    "ip6_pkt_discard",
    "ip6_pkt_prohibit",
    "dst_discard",
];

const DISCARDED: Expectation = Expectation::finding("route-discards").at(&["NOT_SPECIFIED"], IP_ERROR);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "ttl-expired",
        "IPv4 packets to forward arrive with a TTL of 1",
        "This host is a router, and for these packets one too many: two routers send them to each other in a loop \
         until their time to live is used up, or somebody runs traceroute. The kernel answers that the time is \
         exceeded.",
        Expectation::finding("ttl-expired")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], &["ip_forward"]),
        || forwarding(Ip::V4, |seq| Ip::V4.ping(BEYOND_IP.into(), seq, 56, LAST_HOP)),
    ),
    scenario(
        "hop-limit-expired",
        "IPv6 packets to forward arrive with a hop limit of 1",
        "As ttl-expired, with IPv6.",
        Expectation::finding("ttl-expired")
            .counter("Ip6InHdrErrors")
            .at(&["IP_INHDR"], &["ip6_forward"]),
        || forwarding(Ip::V6, |seq| Ip::V6.ping(BEYOND_IP6.into(), seq, 56, LAST_HOP)),
    ),
    scenario(
        "no-route-forward",
        "IPv4 packets to forward, and no route leads to where they want to go",
        "This host is a router without a route to 203.0.113.9, not even a default route. The kernel answers that the \
         network is unreachable.",
        Expectation::finding("no-route")
            .counter("IpExtInNoRoutes")
            .at(&["IP_INNOROUTES"], IP_ERROR),
        || far(Ip::V4, None),
    ),
    scenario(
        "no-route-forward6",
        "IPv6 packets to forward, and no route leads to where they want to go",
        "As no-route-forward, with IPv6.",
        Expectation::finding("no-route")
            .counter("Ip6InNoRoutes")
            .at(&["IP_INNOROUTES"], DISCARD6),
        || far(Ip::V6, None),
    ),
    scenario(
        "route-blackhole",
        "IPv4 packets to forward, and their route is a black hole",
        "Somebody routed 203.0.113.0/24 to nowhere, often against an attack, and it was forgotten. Nobody is told.",
        DISCARDED,
        || far(Ip::V4, Some(Target::Blackhole)),
    ),
    scenario(
        "route-unreachable",
        "IPv4 packets to forward, and their route says that the host is unreachable",
        "As route-blackhole, but the sender is told that the host is unreachable.",
        DISCARDED,
        || far(Ip::V4, Some(Target::Unreachable)),
    ),
    scenario(
        "route-prohibit",
        "IPv4 packets to forward, and their route says that it is forbidden",
        "As route-blackhole, but the sender is told that it is forbidden.",
        DISCARDED,
        || far(Ip::V4, Some(Target::Prohibit)),
    ),
    scenario(
        "route-blackhole6",
        "IPv6 packets to forward, and their route is a black hole",
        "As route-blackhole, with IPv6.",
        DISCARDED.at(&["NOT_SPECIFIED"], DISCARD6),
        || far(Ip::V6, Some(Target::Blackhole)),
    ),
    scenario(
        "route-prohibit6",
        "IPv6 packets to forward, and their route says that it is forbidden",
        "As route-prohibit, with IPv6.",
        DISCARDED
            .counter("Ip6InNoRoutes")
            .at(&["NOT_SPECIFIED", "IP_INNOROUTES"], DISCARD6),
        || far(Ip::V6, Some(Target::Prohibit)),
    ),
    scenario(
        "packet-too-big",
        "IPv4 packets to forward are larger than the next link, and may not be fragmented",
        "The next link carries 1280 bytes, the packets have 1400 and the flag Don't Fragment. The kernel tells their \
         sender, and where a firewall eats that message, large packets vanish and small ones pass.",
        Expectation::finding("packet-too-big")
            .counter("IpFragFails")
            .at(&["PKT_TOO_BIG"], &["ip_forward"]),
        || too_big(Ip::V4),
    ),
    scenario(
        "packet-too-big6",
        "IPv6 packets to forward are larger than the next link",
        "As packet-too-big, with IPv6, whose routers never fragment.",
        Expectation::finding("packet-too-big")
            .counter("Ip6InTooBigErrors")
            .on(Some(NEXT_DEVICE))
            .at(&["PKT_TOO_BIG"], &["ip6_forward"]),
        || too_big(Ip::V6),
    ),
];

/// Packets for somebody far away, to whom a route of this kind leads.
fn far(ip: Ip, target: Option<Target>) -> Result<Bench, LabError> {
    let bench = forwarding(ip, |seq| ip.ping(ip.far(), seq, 56, 64))?;
    bench.namespace().run(move || {
        target.map_or(Ok(()), |target| {
            route::add(ip.far_net(), ip.far_prefix(), target)
        })
    })?;
    Ok(bench)
}

fn too_big(ip: Ip) -> Result<Bench, LabError> {
    let bench = forwarding(ip, |seq| {
        let packet = ip.ping(beyond(ip), seq, 1372, 64);
        match ip {
            Ip::V4 => frame::dont_fragment(packet),
            Ip::V6 => packet,
        }
    })?;
    bench
        .namespace()
        .run(|| link::set_mtu(NEXT_DEVICE, SMALL_MTU))?;
    Ok(bench)
}

/// A namespace that forwards between two TUN devices; the packets arrive on the first.
pub(super) fn forwarding(ip: Ip, packet: impl Fn(u16) -> Vec<u8>) -> Result<Bench, LabError> {
    let ipv6 = ip == Ip::V6;
    let (namespace, tun) = l3::device(ipv6)?;
    let next = l3::add_device(&namespace, NEXT_DEVICE, NEXT_IP, ipv6.then_some(NEXT_IP6))?;
    let setting = if ipv6 {
        "ipv6/conf/all/forwarding"
    } else {
        "ipv4/ip_forward"
    };
    namespace.run(move || sysctl::write(setting, "1"))?;
    let packets = l3::repeat(ip.ethertype(), packet);
    Ok(Bench::writing(namespace, tun, packets).keeping(next))
}

/// Somebody behind the second device.
pub(super) fn beyond(ip: Ip) -> IpAddr {
    match ip {
        Ip::V4 => BEYOND_IP.into(),
        Ip::V6 => BEYOND_IP6.into(),
    }
}
