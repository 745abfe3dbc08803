//! Packets with a wrong IP header, each wrong in one way.

use super::ethernet_on_l3_device::{DEVICE_MAC, REMOTE_MAC};
use super::l3::{self, DEVICE_IP, REMOTE_IP, echo, echo6, repeating, scenario};
use super::{Bench, Expectation, Scenario, frame};

const IP: &[&str] = &["ip_rcv_core"];

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "vlan-on-l3-device",
        "VLAN-tagged Ethernet frames arrive on a TUN device",
        "As ethernet-on-l3-device, but the frames carry an 802.1Q tag: they come from a trunk port.",
        Expectation::finding("ethernet-on-l3-device")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |seq| {
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
        Expectation::finding("ethernet-on-l3-device")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |_| {
                let arp = frame::arp_request(REMOTE_MAC, REMOTE_IP, DEVICE_IP);
                frame::ethernet([0xff; 6], REMOTE_MAC, frame::ETHERTYPE_ARP, &arp)
            })
        },
    ),
    scenario(
        "ipv6-ethernet-on-l3-device",
        "Ethernet frames with IPv6 inside arrive on a TUN device as IPv4",
        "As ethernet-on-l3-device, but the frames carry IPv6, while the writer claims IPv4 for all it writes.",
        Expectation::finding("ethernet-on-l3-device")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |seq| {
                let packet = echo6(seq);
                frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_IPV6, &packet)
            })
        },
    ),
    scenario(
        "truncated-ipv4-header",
        "IPv4 packets end in the middle of their header",
        "Something on the way cuts packets after 12 bytes, less than the 20 bytes of the smallest IPv4 header.",
        Expectation::finding("ip-header-truncated")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], IP),
        || repeating(frame::ETHERTYPE_IPV4, |seq| echo(seq).into_iter().take(12).collect()),
    ),
    scenario(
        "bad-ipv4-checksum",
        "IPv4 packets have a wrong header checksum",
        "Something on the way changes the header and does not correct its checksum, or memory flips bits.",
        Expectation::finding("ip-header-checksum")
            .counter("IpExtInCsumErrors")
            .at(&["IP_CSUM"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |seq| {
                patched(echo(seq), CHECKSUM_AT, |byte| byte ^ 0x55)
            })
        },
    ),
    scenario(
        "ipv6-wrong-version",
        "Packets announced as IPv6 have version 5 in their header",
        "The EtherType says IPv6, but the first four bits of the packet say 5: they are not those of an IPv6 packet.",
        Expectation::finding("ip-header-version")
            .counter("Ip6InHdrErrors")
            // Since 6.1 the reason that the function starts with, which this branch does not set.
            .at(&["UNHANDLED_PROTO", "IP_INHDR"], &["ip6_rcv_core"]),
        || {
            let packet = |seq| patched(echo6(seq), 0, |byte| byte & 0x0f | 0x50);
            let (namespace, tun) = l3::device(true)?;
            Ok(Bench::writing(namespace, tun, l3::repeat(frame::ETHERTYPE_IPV6, packet)))
        },
    ),
    scenario(
        "ipv4-header-length",
        "IPv4 packets say that their header is shorter than any",
        "The length field of the header says 16 bytes, and the shortest header has 20: whoever built it made a mistake.",
        Expectation::finding("ip-header-length")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |seq| {
                patched(echo(seq), 0, |byte| byte & 0xf0 | 4)
            })
        },
    ),
    scenario(
        "packet-info-left-on",
        "IPv4 packets arrive on a TUN device behind four bytes that are none of theirs",
        "A program reads packets with packet info (flags and EtherType) and writes them with it to a device that expects \
         them without: the kernel takes these bytes for the start of the IP header.",
        Expectation::finding("packet-info-left-on")
            .counter("IpInHdrErrors")
            .at(&["IP_INHDR"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |seq| {
                [&[0, 0, 8, 0][..], &echo(seq)].concat()
            })
        },
    ),
    scenario(
        "total-length-beyond",
        "IPv4 packets claim to be longer than what arrived",
        "The header's total length is 256 bytes more than the packet has: its end was lost on the way, or a tunnel \
         fills the field wrongly.",
        Expectation::finding("ip-length-beyond-packet")
            .counter("IpExtInTruncatedPkts")
            .at(&["PKT_TOO_SMALL"], IP),
        || {
            repeating(frame::ETHERTYPE_IPV4, |seq| {
                let mut packet = patched(echo(seq), TOTAL_LENGTH_AT, |byte| byte.wrapping_add(1));
                // The length is the only thing wrong: one more in that word is one less in the checksum's.
                packet = patched(packet, CHECKSUM_AT, |byte| byte.wrapping_sub(1));
                packet
            })
        },
    ),
];

/// Where the upper byte of the total length is in an IPv4 header.
const TOTAL_LENGTH_AT: usize = 2;
/// Where the upper byte of the checksum is in an IPv4 header.
const CHECKSUM_AT: usize = 10;

/// `bytes` with one of them changed.
fn patched(mut bytes: Vec<u8>, at: usize, change: impl FnOnce(u8) -> u8) -> Vec<u8> {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
    bytes
}
