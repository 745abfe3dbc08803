//! Packets with a wrong IP header, each wrong in one way, and one that is right, for the tests' sake.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::ethernet_on_l3_device::{DEVICE_MAC, REMOTE_MAC};
use super::{Bench, Expectation, LabError, Layer, Namespace, PacketInfo, Scenario, Tun};
use super::{frame, link, sysctl};

/// The TUN device of these scenarios.
const DEVICE: &str = "tun0";
/// Its address, in a /24.
pub(super) const DEVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Who the packets claim to come from.
pub(super) const REMOTE_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Address of the device where a scenario needs IPv6, in a /64.
const DEVICE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1);
/// Who those packets claim to come from.
const REMOTE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 2);
/// The discard service, which nobody listens for in a fresh namespace.
const CLOSED_PORT: u16 = 9;

const PACKETS: u16 = 5;
const INTERVAL: Duration = Duration::from_millis(200);

/// What all entries below share.
const fn scenario(
    name: &'static str,
    summary: &'static str,
    story: &'static str,
    finding: Option<&'static str>,
    counter: &'static str,
    build: fn() -> Result<Bench, LabError>,
) -> Scenario {
    let expect = Expectation { finding, drops: PACKETS as u64, counter: Some(counter) };
    Scenario { name, summary, story, expect, interval: INTERVAL, build }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "vlan-on-l3-device",
        "VLAN-tagged Ethernet frames arrive on a TUN device",
        "As ethernet-on-l3-device, but the frames carry an 802.1Q tag: they come from a trunk port.",
        Some("ethernet-on-l3-device"),
        "IpInHdrErrors",
        || {
            l3_repeat(frame::ETHERTYPE_IPV4, |seq| {
                let tagged = frame::vlan(42, frame::ETHERTYPE_IPV4, &echo(seq));
                frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_VLAN, &tagged)
            })
        },
    ),
    scenario(
        "arp-on-l3-device",
        "ARP requests in Ethernet frames arrive on a TUN device",
        "As ethernet-on-l3-device, but the sender still asks who has the address. A TUN device has no MAC address \
         and answers no ARP, so the sender never gets to send IP.",
        Some("ethernet-on-l3-device"),
        "IpInHdrErrors",
        || {
            l3_repeat(frame::ETHERTYPE_IPV4, |_| {
                let arp = frame::arp_request(REMOTE_MAC, REMOTE_IP, DEVICE_IP);
                frame::ethernet([0xff; 6], REMOTE_MAC, frame::ETHERTYPE_ARP, &arp)
            })
        },
    ),
    scenario(
        "ipv6-ethernet-on-l3-device",
        "Ethernet frames with IPv6 inside arrive on a TUN device as IPv4",
        "As ethernet-on-l3-device, but the frames carry IPv6, while the writer claims IPv4 for all it writes.",
        Some("ethernet-on-l3-device"),
        "IpInHdrErrors",
        || {
            l3_repeat(frame::ETHERTYPE_IPV4, |seq| {
                let packet = echo6(seq);
                frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_IPV6, &packet)
            })
        },
    ),
    scenario(
        "truncated-ipv4-header",
        "IPv4 packets end in the middle of their header",
        "Something on the way cuts packets after 12 bytes, less than the 20 bytes of the smallest IPv4 header.",
        Some("ip-header-truncated"),
        "IpInHdrErrors",
        || l3_repeat(frame::ETHERTYPE_IPV4, |seq| echo(seq).into_iter().take(12).collect()),
    ),
    scenario(
        "bad-ipv4-checksum",
        "IPv4 packets have a wrong header checksum",
        "Something on the way changes the header and does not correct its checksum, or memory flips bits.",
        Some("ip-header-checksum"),
        "IpExtInCsumErrors",
        || {
            l3_repeat(frame::ETHERTYPE_IPV4, |seq| {
                patched(echo(seq), CHECKSUM_AT, |byte| byte ^ 0x55)
            })
        },
    ),
    scenario(
        "ipv6-wrong-version",
        "Packets announced as IPv6 have version 5 in their header",
        "The EtherType says IPv6, but the first four bits of the packet say 5: they are not those of an IPv6 packet.",
        Some("ip-header-version"),
        "Ip6InHdrErrors",
        || {
            let packet = |seq| patched(echo6(seq), 0, |byte| byte & 0x0f | 0x50);
            let (namespace, tun) = l3_device(true)?;
            Ok(Bench::writing(namespace, tun, repeat(frame::ETHERTYPE_IPV6, packet)))
        },
    ),
    scenario(
        "total-length-beyond",
        "IPv4 packets claim to be longer than what arrived",
        "The header's total length is 256 bytes more than the packet has: its end was lost on the way, or a tunnel \
         fills the field wrongly.",
        Some("ip-length-beyond-packet"),
        "IpExtInTruncatedPkts",
        || {
            l3_repeat(frame::ETHERTYPE_IPV4, |seq| {
                let mut packet = patched(echo(seq), TOTAL_LENGTH_AT, |byte| byte.wrapping_add(1));
                // The length is the only thing wrong: one more in that word is one less in the checksum's.
                packet = patched(packet, CHECKSUM_AT, |byte| byte.wrapping_sub(1));
                packet
            })
        },
    ),
    scenario(
        "udp-closed-port",
        "Correct UDP datagrams arrive for a port that nobody listens on",
        "The packets are right in every byte; the service is not running. The kernel answers that the port is \
         unreachable.",
        None,
        "UdpNoPorts",
        || {
            l3_repeat(frame::ETHERTYPE_IPV4, |seq| {
                let datagram =
                    frame::udp4(REMOTE_IP, DEVICE_IP, 40_000 + seq, CLOSED_PORT, b"netdiag");
                frame::ipv4(frame::PROTO_UDP, REMOTE_IP, DEVICE_IP, &datagram, 64)
            })
        },
    ),
];

/// Where the upper byte of the total length is in an IPv4 header.
const TOTAL_LENGTH_AT: usize = 2;
/// Where the upper byte of the checksum is in an IPv4 header.
const CHECKSUM_AT: usize = 10;

/// An ordinary ping of the device.
fn echo(seq: u16) -> Vec<u8> {
    let echo = frame::icmp_echo_request(0x6e64, seq, &[0; 56]);
    frame::ipv4(frame::PROTO_ICMP, REMOTE_IP, DEVICE_IP, &echo, 64)
}

/// The same over IPv6.
fn echo6(seq: u16) -> Vec<u8> {
    let echo = frame::icmpv6_echo_request(REMOTE_IP6, DEVICE_IP6, 0x6e64, seq, &[0; 56]);
    frame::ipv6(frame::PROTO_ICMPV6, REMOTE_IP6, DEVICE_IP6, &echo, 64)
}

/// `bytes` with one of them changed.
fn patched(mut bytes: Vec<u8>, at: usize, change: impl FnOnce(u8) -> u8) -> Vec<u8> {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
    bytes
}

/// A handful of packets that are announced as `protocol`.
fn repeat(protocol: u16, packet: impl Fn(u16) -> Vec<u8>) -> Vec<(u16, Vec<u8>)> {
    (1..=PACKETS).map(|seq| (protocol, packet(seq))).collect()
}

fn l3_repeat(protocol: u16, packet: impl Fn(u16) -> Vec<u8>) -> Result<Bench, LabError> {
    l3_bench(repeat(protocol, packet))
}

/// A bench that writes `packets` to a TUN device of a namespace without IPv6.
pub(super) fn l3_bench(packets: Vec<(u16, Vec<u8>)>) -> Result<Bench, LabError> {
    let (namespace, tun) = l3_device(false)?;
    Ok(Bench::writing(namespace, tun, packets))
}

/// A namespace with a TUN device that is up, has an address and believes its packet information.
fn l3_device(ipv6: bool) -> Result<(Namespace, Tun), LabError> {
    let namespace = Namespace::new()?;
    if !ipv6 {
        namespace.run(sysctl::disable_ipv6)?;
    }
    let tun = Tun::create(&namespace, DEVICE, Layer::Ip, PacketInfo::Present)?;
    namespace.run(move || {
        if ipv6 {
            // No link-local address, so no router solicitation from it.
            sysctl::write(&format!("ipv6/conf/{DEVICE}/addr_gen_mode"), "1")?;
        }
        link::add_address(DEVICE, DEVICE_IP.into(), 24)?;
        link::set_up(DEVICE)?;
        if ipv6 {
            link::add_address(DEVICE, DEVICE_IP6.into(), 64)?;
        }
        Ok(())
    })?;
    Ok((namespace, tun))
}
