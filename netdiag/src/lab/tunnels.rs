//! Packets of tunnels whose near end is not set up.
//!
//! What the kernel says depends on its modules, loaded on behalf of whatever namespace: where something has
//! registered for the IP protocol, that one finds no tunnel and drops without a counter (`tunnel4_rcv`, `gre_rcv`);
//! else nobody knows the protocol (`ip_protocol_deliver_rcu`), and `IpInUnknownProtos` counts. Nothing here makes the
//! kernel load a module.

use std::net::Ipv4Addr;

use super::ethernet_on_l3_device::{DEVICE_MAC, REMOTE_MAC};
use super::l3::{DEVICE_IP, REMOTE_IP, repeating, scenario};
use super::udp::UDP_PORT_CLOSED;
use super::{Bench, Expectation, LabError, Scenario, frame};

/// Who talks inside the tunnel.
const INNER_SRC: Ipv4Addr = Ipv4Addr::new(172, 16, 99, 2);
const INNER_DST: Ipv4Addr = Ipv4Addr::new(172, 16, 99, 1);
/// The tunnel's id on the network, where it has one.
const VNI: u32 = 4242;
/// VXLAN's port, by IANA.
const VXLAN_PORT: u16 = 4789;
/// A service behind the tunnel; no protocol that a dissector would look for.
const INNER_PORT: u16 = 20_007;

/// A packet whose protocol nobody registered for ends in one of two functions; the compiler decides which.
const NOBODY: Expectation = Expectation::finding("unknown-ip-protocol");

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "ipip-no-tunnel",
        "IPv4 packets in IPv4 packets (IPIP) arrive where no tunnel is set up",
        "The far end of an IPIP tunnel sends to an address where the near end was never made, was removed, or has \
         another address. The packets are right, and nobody takes them apart.",
        NOBODY.at(&["IP_NOPROTO", "NOT_SPECIFIED"], &["ip_protocol_deliver_rcu", "ip_local_deliver_finish", "tunnel4_rcv"]),
        || arriving(frame::PROTO_IPIP, inner_udp),
    ),
    scenario(
        "gre-no-tunnel",
        "GRE packets arrive where no tunnel is set up",
        "As ipip-no-tunnel, with GRE.",
        NOBODY.at(&["IP_NOPROTO", "NOT_SPECIFIED"], &["ip_protocol_deliver_rcu", "ip_local_deliver_finish", "gre_rcv"]),
        || {
            arriving(frame::PROTO_GRE, |seq| {
                frame::gre(frame::ETHERTYPE_IPV4, &inner_echo(seq))
            })
        },
    ),
    scenario(
        "vxlan-no-tunnel",
        "VXLAN packets arrive where no VXLAN device is set up",
        "As ipip-no-tunnel, with VXLAN: whole Ethernet frames in UDP datagrams. Without a VXLAN device nobody listens \
         on UDP port 4789, so this host answers that the port is unreachable.",
        UDP_PORT_CLOSED,
        || {
            arriving(frame::PROTO_UDP, |seq| {
                let inner = inner_echo(seq);
                let inner = frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_IPV4, &inner);
                let vxlan = frame::vxlan(VNI, &inner);
                frame::udp4(REMOTE_IP, DEVICE_IP, 50_000 + seq, VXLAN_PORT, &vxlan)
            })
        },
    ),
];

/// Packets of that protocol for this host.
fn arriving(protocol: u8, payload: impl Fn(u16) -> Vec<u8>) -> Result<Bench, LabError> {
    repeating(frame::ETHERTYPE_IPV4, |seq| {
        frame::ipv4(protocol, REMOTE_IP, DEVICE_IP, &payload(seq), 64)
    })
}

fn inner_udp(seq: u16) -> Vec<u8> {
    let datagram = frame::udp4(INNER_SRC, INNER_DST, 30_000 + seq, INNER_PORT, b"netdiag");
    frame::ipv4(frame::PROTO_UDP, INNER_SRC, INNER_DST, &datagram, 64)
}

fn inner_echo(seq: u16) -> Vec<u8> {
    let echo = frame::icmp_echo_request(0x6e64, seq, &[0; 56]);
    frame::ipv4(frame::PROTO_ICMP, INNER_SRC, INNER_DST, &echo, 64)
}
