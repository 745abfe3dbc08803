//! Building blocks of packets: pure functions from values to bytes, with right lengths and checksums. Scenarios break
//! the bytes afterwards where they want them broken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet_packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet_packet::icmp::{IcmpPacket, IcmpTypes};
use pnet_packet::icmpv6::echo_request::MutableEchoRequestPacket as MutableEchoRequestV6Packet;
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Flags, MutableIpv4Packet};
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::tcp::MutableTcpPacket;
use pnet_packet::udp::MutableUdpPacket;
use pnet_packet::vlan::MutableVlanPacket;
use pnet_packet::{icmp, icmpv6, ipv4 as pnet_ipv4, tcp as pnet_tcp, udp as pnet_udp};

/// A MAC address, first byte first.
pub type Mac = [u8; 6];

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of an 802.1Q tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// IP protocol number of ICMP.
pub const PROTO_ICMP: u8 = 1;
/// IP protocol number of IPv4 inside IP.
pub const PROTO_IPIP: u8 = 4;
/// IP protocol number of TCP.
pub const PROTO_TCP: u8 = 6;
/// IP protocol number of UDP.
pub const PROTO_UDP: u8 = 17;
/// IP protocol number of GRE.
pub const PROTO_GRE: u8 = 47;
/// IP protocol number of ICMPv6.
pub const PROTO_ICMPV6: u8 = 58;

const ETHERNET_LEN: usize = 14;
const VLAN_LEN: usize = 4;
const ARP_LEN: usize = 28;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const ECHO_LEN: usize = 8;
const UDP_LEN: usize = 8;
const TCP_LEN: usize = 20;

/// Why the views below always exist.
const ROOM: &str = "the buffer was made as long as header and payload";

/// An Ethernet frame, without padding and frame check sequence.
#[must_use]
pub fn ethernet(dst: Mac, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET_LEN + payload.len()];
    let mut frame = MutableEthernetPacket::new(&mut bytes).expect(ROOM);
    frame.set_destination(dst.into());
    frame.set_source(src.into());
    frame.set_ethertype(EtherType(ethertype));
    frame.set_payload(payload);
    bytes
}

/// What follows [`ETHERTYPE_VLAN`] in a frame: the tag of VLAN `id`, the inner EtherType and its payload.
#[must_use]
pub fn vlan(id: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; VLAN_LEN + payload.len()];
    let mut tag = MutableVlanPacket::new(&mut bytes).expect(ROOM);
    tag.set_vlan_identifier(id);
    tag.set_ethertype(EtherType(ethertype));
    tag.set_payload(payload);
    bytes
}

/// Who has `target_ip`? Tell `sender_ip` at `sender_mac`.
#[must_use]
pub fn arp_request(sender_mac: Mac, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; ARP_LEN];
    let mut arp = MutableArpPacket::new(&mut bytes).expect(ROOM);
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(sender_mac.into());
    arp.set_sender_proto_addr(sender_ip);
    arp.set_target_proto_addr(target_ip);
    bytes
}

/// An IPv4 packet without options.
#[must_use]
pub fn ipv4(proto: u8, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8], ttl: u8) -> Vec<u8> {
    ipv4_fragment(proto, src, dst, Fragment::default(), payload, ttl)
}

/// The same IPv4 packet, which may not be fragmented.
#[must_use]
pub fn dont_fragment(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(mut packet) = MutableIpv4Packet::new(&mut bytes) {
        packet.set_flags(Ipv4Flags::DontFragment);
    }
    with_ipv4_checksum(bytes)
}

/// The same IPv4 packet with options, which fill whole words.
#[must_use]
pub fn with_ipv4_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    let (header, payload) = packet.split_at(IPV4_LEN.min(packet.len()));
    let mut bytes = [header, options, payload].concat();
    let words = u8::try_from((IPV4_LEN + options.len()) / 4).unwrap_or(u8::MAX);
    let total = length(bytes.len());
    if let Some(mut packet) = MutableIpv4Packet::new(&mut bytes) {
        packet.set_header_length(words);
        packet.set_total_length(total);
    }
    with_ipv4_checksum(bytes)
}

/// The same IPv4 packet with a right header checksum.
fn with_ipv4_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(mut packet) = MutableIpv4Packet::new(&mut bytes) {
        let sum = pnet_ipv4::checksum(&packet.to_immutable());
        packet.set_checksum(sum);
    }
    bytes
}

/// Which part of an IPv4 packet a fragment is. The default is the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// What all fragments of a packet have in common.
    pub id: u16,
    /// Where in the packet's payload the fragment's stands, in bytes: a multiple of 8.
    pub offset: u16,
    /// Whether others follow.
    pub more: bool,
}

/// An IPv4 fragment without options.
#[must_use]
pub fn ipv4_fragment(
    proto: u8,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    fragment: Fragment,
    payload: &[u8],
    ttl: u8,
) -> Vec<u8> {
    let mut bytes = vec![0; IPV4_LEN + payload.len()];
    let total = length(bytes.len());
    let mut packet = MutableIpv4Packet::new(&mut bytes).expect(ROOM);
    packet.set_version(4);
    packet.set_header_length(5);
    packet.set_total_length(total);
    packet.set_identification(fragment.id);
    packet.set_fragment_offset(fragment.offset / 8);
    packet.set_flags(if fragment.more {
        Ipv4Flags::MoreFragments
    } else {
        0
    });
    packet.set_ttl(ttl);
    packet.set_next_level_protocol(IpNextHeaderProtocol(proto));
    packet.set_source(src);
    packet.set_destination(dst);
    packet.set_payload(payload);
    let sum = pnet_ipv4::checksum(&packet.to_immutable());
    packet.set_checksum(sum);
    bytes
}

/// An IPv6 packet without extension headers.
#[must_use]
pub fn ipv6(
    next_header: u8,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    payload: &[u8],
    hop_limit: u8,
) -> Vec<u8> {
    let mut bytes = vec![0; IPV6_LEN + payload.len()];
    let mut packet = MutableIpv6Packet::new(&mut bytes).expect(ROOM);
    packet.set_version(6);
    packet.set_payload_length(length(payload.len()));
    packet.set_next_header(IpNextHeaderProtocol(next_header));
    packet.set_hop_limit(hop_limit);
    packet.set_source(src);
    packet.set_destination(dst);
    packet.set_payload(payload);
    bytes
}

/// An ICMP echo request.
#[must_use]
pub fn icmp_echo_request(id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; ECHO_LEN + payload.len()];
    let mut echo = MutableEchoRequestPacket::new(&mut bytes).expect(ROOM);
    echo.set_icmp_type(IcmpTypes::EchoRequest);
    echo.set_identifier(id);
    echo.set_sequence_number(seq);
    echo.set_payload(payload);
    let sum = icmp::checksum(&IcmpPacket::new(&bytes).expect(ROOM));
    let mut echo = MutableEchoRequestPacket::new(&mut bytes).expect(ROOM);
    echo.set_checksum(sum);
    bytes
}

/// An ICMPv6 echo request; its checksum covers the addresses.
#[must_use]
pub fn icmpv6_echo_request(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    id: u16,
    seq: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; ECHO_LEN + payload.len()];
    let mut echo = MutableEchoRequestV6Packet::new(&mut bytes).expect(ROOM);
    echo.set_icmpv6_type(Icmpv6Types::EchoRequest);
    echo.set_identifier(id);
    echo.set_sequence_number(seq);
    echo.set_payload(payload);
    let sum = icmpv6::checksum(&Icmpv6Packet::new(&bytes).expect(ROOM), &src, &dst);
    let mut echo = MutableEchoRequestV6Packet::new(&mut bytes).expect(ROOM);
    echo.set_checksum(sum);
    bytes
}

/// A UDP datagram for IPv4; its checksum covers the addresses.
#[must_use]
pub fn udp4(src: Ipv4Addr, dst: Ipv4Addr, sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    udp_with(sport, dport, payload, |datagram| {
        pnet_udp::ipv4_checksum(&datagram.to_immutable(), &src, &dst)
    })
}

/// A UDP datagram for IPv6; its checksum covers the addresses.
#[must_use]
pub fn udp6(src: Ipv6Addr, dst: Ipv6Addr, sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    udp_with(sport, dport, payload, |datagram| {
        pnet_udp::ipv6_checksum(&datagram.to_immutable(), &src, &dst)
    })
}

fn udp_with(
    sport: u16,
    dport: u16,
    payload: &[u8],
    checksum: impl FnOnce(&MutableUdpPacket<'_>) -> u16,
) -> Vec<u8> {
    let mut bytes = vec![0; UDP_LEN + payload.len()];
    let total = length(bytes.len());
    let mut datagram = MutableUdpPacket::new(&mut bytes).expect(ROOM);
    datagram.set_source(sport);
    datagram.set_destination(dport);
    datagram.set_length(total);
    datagram.set_payload(payload);
    let sum = match checksum(&datagram) {
        // RFC 768: zero would mean "no checksum".
        0 => u16::MAX,
        sum => sum,
    };
    datagram.set_checksum(sum);
    bytes
}

/// A GRE packet of version 0 without checksum, key and sequence number (RFC 2784).
#[must_use]
pub fn gre(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&ethertype.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// What a VXLAN datagram carries: the header with a 24-bit network identifier, and an Ethernet frame (RFC 7348).
#[must_use]
pub fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    /// The identifier is valid.
    const FLAG_VNI: u8 = 0x08;
    let mut bytes = vec![FLAG_VNI, 0, 0, 0];
    bytes.extend_from_slice(&(vni << 8).to_be_bytes());
    bytes.extend_from_slice(frame);
    bytes
}

/// An IP packet of either version, without options and extension headers. Both addresses are of one version.
#[must_use]
pub fn ip(proto: u8, src: IpAddr, dst: IpAddr, payload: &[u8], ttl: u8) -> Vec<u8> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => ipv4(proto, src, dst, payload, ttl),
        (IpAddr::V6(src), IpAddr::V6(dst)) => ipv6(proto, src, dst, payload, ttl),
        _ => Vec::new(),
    }
}

/// A UDP datagram for either version of IP.
#[must_use]
pub fn udp(src: IpAddr, dst: IpAddr, sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => udp4(src, dst, sport, dport, payload),
        (IpAddr::V6(src), IpAddr::V6(dst)) => udp6(src, dst, sport, dport, payload),
        _ => Vec::new(),
    }
}

/// An ICMP or ICMPv6 echo request.
#[must_use]
pub fn echo_request(src: IpAddr, dst: IpAddr, id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    match (src, dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => icmpv6_echo_request(src, dst, id, seq, payload),
        _ => icmp_echo_request(id, seq, payload),
    }
}

/// The fields of a TCP header that tests choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpHeader {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// `FIN` 1, `SYN` 2, `RST` 4, `PSH` 8, `ACK` 16.
    pub flags: u8,
    /// Receive window, unscaled.
    pub window: u16,
}

/// A TCP segment for IPv4 without options; its checksum covers the addresses.
#[must_use]
pub fn tcp4(src: Ipv4Addr, dst: Ipv4Addr, header: TcpHeader, payload: &[u8]) -> Vec<u8> {
    tcp(src.into(), dst.into(), header, &[], payload)
}

/// A TCP segment for either version of IP, with options that fill whole words.
#[must_use]
pub fn tcp(src: IpAddr, dst: IpAddr, header: TcpHeader, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&[0; TCP_LEN], options, payload].concat();
    let words = u8::try_from((TCP_LEN + options.len()) / 4).unwrap_or(u8::MAX);
    let mut segment = MutableTcpPacket::new(&mut bytes).expect(ROOM);
    segment.set_source(header.sport);
    segment.set_destination(header.dport);
    segment.set_sequence(header.seq);
    segment.set_acknowledgement(header.ack);
    segment.set_data_offset(words);
    segment.set_flags(header.flags);
    segment.set_window(header.window);
    let sum = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            pnet_tcp::ipv4_checksum(&segment.to_immutable(), &src, &dst)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            pnet_tcp::ipv6_checksum(&segment.to_immutable(), &src, &dst)
        }
        _ => 0,
    };
    segment.set_checksum(sum);
    bytes
}

/// A length field; what does not fit in 16 bits becomes the largest value.
fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
