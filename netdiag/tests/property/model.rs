//! Packets in good order: their bytes, built by pnet_packet and where it has no builder by hand from the RFC, beside
//! what the decoder must make of them.
//!
//! The file is long because one packet may have every layer, and each is a generator with its expectation beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netdiag::decode::{
    Arp, Echo, EthernetHeader, Fragment, IpHeader, IpProto, MacAddr, Protocol, TcpFlags, Transport,
    Tunnel,
};
use pnet_packet::arp::{ArpHardwareType, ArpOperation, MutableArpPacket};
use pnet_packet::ethernet::{EtherType, MutableEthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::MutableIpv4Packet;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::tcp::MutableTcpPacket;
use pnet_packet::udp::MutableUdpPacket;
use pnet_packet::vlan::{ClassOfService, MutableVlanPacket};
use pnet_packet::vxlan::MutableVxlanPacket;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const IPV6: u16 = 0x86dd;
const VXLAN_PORT: u16 = 4789;

/// A packet as it was sent, and what it must be read as.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    pub(crate) protocol: Protocol,
    pub(crate) link: Option<EthernetHeader>,
    pub(crate) vlans: Vec<u16>,
    pub(crate) arp: Option<Arp>,
    pub(crate) ip: Option<IpHeader>,
    pub(crate) transport: Option<Transport>,
    pub(crate) tunnel: Option<Tunnel>,
    pub(crate) inner: Option<Box<Sent>>,
}

impl Sent {
    fn of(protocol: Protocol, bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            protocol,
            link: None,
            vlans: Vec::new(),
            arp: None,
            ip: None,
            transport: None,
            tunnel: None,
            inner: None,
        }
    }

    fn ethertype(&self) -> u16 {
        match self.protocol {
            Protocol::Ipv4 => IPV4,
            Protocol::Ipv6 => IPV6,
            Protocol::Arp => ARP,
            Protocol::Ethernet | Protocol::Unknown => TRANSPARENT_ETHERNET,
        }
    }
}

/// What IP carries.
#[derive(Clone, Debug)]
struct Payload {
    protocol: u8,
    bytes: Vec<u8>,
    transport: Option<Transport>,
    tunnel: Option<Tunnel>,
    inner: Option<Box<Sent>>,
}

impl Payload {
    fn plain(protocol: u8, bytes: Vec<u8>, transport: Option<Transport>) -> Self {
        Self {
            protocol,
            bytes,
            transport,
            tunnel: None,
            inner: None,
        }
    }
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap()
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..64)
}

/// Whole words, as options are.
fn words(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<[u8; 4]>(), 0..=most).prop_map(|words| words.concat())
}

fn udp() -> impl Strategy<Value = Payload> {
    let destination = any::<u16>().prop_filter("carries no VXLAN", |&port| port != VXLAN_PORT);
    (any::<u16>(), destination, data()).prop_map(|(from, to, data)| datagram(from, to, &data))
}

fn datagram(source: u16, destination: u16, data: &[u8]) -> Payload {
    let mut bytes = vec![0; 8 + data.len()];
    let length = length(bytes.len());
    let mut udp = MutableUdpPacket::new(&mut bytes).unwrap();
    udp.set_source(source);
    udp.set_destination(destination);
    udp.set_length(length);
    udp.set_checksum(0xabcd);
    udp.set_payload(data);
    let transport = Transport::Udp {
        source,
        destination,
        length,
    };
    Payload::plain(17, bytes, Some(transport))
}

prop_compose! {
    fn tcp()(
        (source, destination, seq, ack) in any::<(u16, u16, u32, u32)>(),
        flags in any::<u8>(),
        options in words(10),
        data in data(),
    ) -> Payload {
        let mut bytes = vec![0; 20 + options.len() + data.len()];
        let mut tcp = MutableTcpPacket::new(&mut bytes).unwrap();
        tcp.set_source(source);
        tcp.set_destination(destination);
        tcp.set_sequence(seq);
        tcp.set_acknowledgement(ack);
        tcp.set_data_offset(5 + u8::try_from(options.len() / 4).unwrap());
        tcp.set_flags(flags);
        tcp.set_window(500);
        tcp.set_checksum(0xabcd);
        put(&mut bytes, 20, &[&options[..], &data].concat());
        let transport = Transport::Tcp { source, destination, seq, ack, flags: TcpFlags(flags) };
        Payload::plain(6, bytes, Some(transport))
    }
}

/// ICMP (protocol 1) and ICMPv6 (58), whose headers start alike.
fn icmp() -> impl Strategy<Value = Payload> {
    let echo = (any::<u16>(), any::<u16>(), data());
    (any::<bool>(), any::<(u8, u8)>(), 0..8_u8, echo).prop_map(
        |(v6, (kind, code), choice, (id, sequence, data))| {
            let echoes = if v6 { [128, 129] } else { [8, 0] };
            // One in four each, so that both are met.
            let kind = match choice {
                0 | 1 => echoes[0],
                2 | 3 => echoes[1],
                _ => kind,
            };
            let mut bytes = vec![kind, code, 0xab, 0xcd];
            bytes.extend(id.to_be_bytes());
            bytes.extend(sequence.to_be_bytes());
            bytes.extend(data);
            let echo = echoes.contains(&kind).then_some(Echo { id, sequence });
            if v6 {
                Payload::plain(58, bytes, Some(Transport::Icmpv6 { kind, code, echo }))
            } else {
                Payload::plain(1, bytes, Some(Transport::Icmp { kind, code, echo }))
            }
        },
    )
}

/// Protocols that are named and not looked into: IGMP, ESP, OSPF, SCTP, and two that nobody has.
fn other() -> impl Strategy<Value = Payload> {
    let numbers = prop::sample::select(vec![2, 50, 89, 132, 253, 254]);
    (numbers, data()).prop_map(|(number, data)| Payload::plain(number, data, None))
}

/// Boxed here and further on: strategies nest, and on a test's stack there is not room for all that they hold.
fn plain() -> BoxedStrategy<Payload> {
    prop_oneof![udp(), tcp(), icmp(), other()].boxed()
}

fn v4_address() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 4]>().prop_map(Ipv4Addr::from)
}

/// A source: never multicast, by which a header is told from others.
fn v6_address() -> impl Strategy<Value = Ipv6Addr> {
    any::<[u8; 16]>()
        .prop_map(Ipv6Addr::from)
        .prop_filter("a unicast address", |address| !address.is_multicast())
}

/// Cuts a payload into a fragment: the first of several, or a later one. Too short a payload stays whole.
fn fragment(payload: Payload, kind: u8, offset: u16, more: bool) -> (Payload, Option<Fragment>) {
    let Payload {
        protocol,
        bytes,
        transport,
        ..
    } = payload;
    match kind {
        // The first one has the whole transport header.
        0 if bytes.len() > 64 => {
            let bytes = bytes.get(..64).unwrap().to_vec();
            let fragment = Fragment {
                offset_bytes: 0,
                more: true,
            };
            (Payload::plain(protocol, bytes, transport), Some(fragment))
        }
        1 => {
            // 13 bits, in units of 8 bytes.
            let offset_bytes = (offset % 8191 + 1) * 8;
            let fragment = Fragment { offset_bytes, more };
            (Payload::plain(protocol, bytes, None), Some(fragment))
        }
        _ => (Payload::plain(protocol, bytes, transport), None),
    }
}

/// Plain payloads, one in two a fragment.
fn fragments() -> impl Strategy<Value = (Payload, Option<Fragment>)> {
    (plain(), 0..4_u8, any::<u16>(), any::<bool>())
        .prop_map(|(payload, kind, offset, more)| fragment(payload, kind, offset, more))
}

fn whole(
    payloads: impl Strategy<Value = Payload>,
) -> impl Strategy<Value = (Payload, Option<Fragment>)> {
    payloads.prop_map(|payload| (payload, None))
}

fn ipv4(
    payloads: impl Strategy<Value = (Payload, Option<Fragment>)>,
) -> impl Strategy<Value = Sent> {
    let fixed = (
        v4_address(),
        v4_address(),
        any::<u8>(),
        any::<u8>(),
        any::<u16>(),
    );
    (fixed, words(10), payloads).prop_map(
        |((source, destination, ttl, tos, id), options, (payload, fragment))| {
            let header = 20 + options.len();
            let mut bytes = vec![0; header + payload.bytes.len()];
            let total_len = bytes.len();
            let mut packet = MutableIpv4Packet::new(&mut bytes).unwrap();
            packet.set_version(4);
            packet.set_header_length(u8::try_from(header / 4).unwrap());
            packet.set_dscp(tos >> 2);
            packet.set_ecn(tos & 3);
            packet.set_total_length(length(total_len));
            packet.set_identification(id);
            if let Some(fragment) = fragment {
                packet.set_flags(u8::from(fragment.more));
                packet.set_fragment_offset(fragment.offset_bytes / 8);
            }
            packet.set_ttl(ttl);
            packet.set_next_level_protocol(IpNextHeaderProtocol(payload.protocol));
            packet.set_source(source);
            packet.set_destination(destination);
            put(&mut bytes, 20, &[&options[..], &payload.bytes].concat());
            let packet = MutableIpv4Packet::new(&mut bytes).unwrap();
            let checksum = pnet_packet::ipv4::checksum(&packet.to_immutable());
            put(&mut bytes, 10, &checksum.to_be_bytes());
            let ip = IpHeader {
                source: source.into(),
                destination: destination.into(),
                protocol: IpProto(payload.protocol),
                ttl,
                fragment,
                total_len,
            };
            carrying(Protocol::Ipv4, bytes, ip, payload)
        },
    )
}

/// An extension header of IPv6 that is not the fragment header: its number, and what follows the next header field.
fn extension() -> impl Strategy<Value = (u8, Vec<u8>)> {
    // Hop-by-hop, routing, destination, mobility, HIP, shim6: length in 8 bytes, without the first 8.
    let numbers = prop::sample::select(vec![0, 43, 60, 135, 139, 140]);
    let ordinary = (numbers, 0..3_u8, vec(any::<u8>(), 30)).prop_map(|(number, more, body)| {
        let length = 8 * (usize::from(more) + 1) - 2;
        let body = body.get(..length).unwrap();
        (number, [&[more], body].concat())
    });
    // Authentication: length in 4 bytes, without two of them (RFC 4302).
    let authentication = vec(any::<u8>(), 22).prop_map(|body| (51, [&[4], &body[..]].concat()));
    prop_oneof![3 => ordinary, 1 => authentication]
}

fn ipv6(
    payloads: impl Strategy<Value = (Payload, Option<Fragment>)>,
) -> impl Strategy<Value = Sent> {
    let fixed = (
        v6_address(),
        any::<[u8; 16]>(),
        any::<u8>(),
        any::<u8>(),
        0..1_u32 << 20,
    );
    let extensions = (vec(extension(), 0..4), any::<bool>(), any::<u32>());
    (fixed, extensions, payloads).prop_map(
        |((source, to, ttl, class, flow), (mut extensions, atomic, id), (payload, fragment))| {
            let destination = Ipv6Addr::from(to);
            if fragment.is_some() || atomic {
                // RFC 8200, and RFC 6946 for one that is the whole packet.
                let Fragment { offset_bytes, more } = fragment.unwrap_or(Fragment {
                    offset_bytes: 0,
                    more: false,
                });
                let mut body = vec![0];
                body.extend((offset_bytes | u16::from(more)).to_be_bytes());
                body.extend(id.to_be_bytes());
                extensions.push((44, body));
            }
            let mut next = payload.protocol;
            let mut chain = payload.bytes.clone();
            for (number, body) in extensions.into_iter().rev() {
                chain = [&[next], &body[..], &chain].concat();
                next = number;
            }
            let mut bytes = vec![0; 40 + chain.len()];
            let total_len = bytes.len();
            let mut packet = MutableIpv6Packet::new(&mut bytes).unwrap();
            packet.set_version(6);
            packet.set_traffic_class(class);
            packet.set_flow_label(flow);
            packet.set_payload_length(length(chain.len()));
            packet.set_next_header(IpNextHeaderProtocol(next));
            packet.set_hop_limit(ttl);
            packet.set_source(source);
            packet.set_destination(destination);
            packet.set_payload(&chain);
            let ip = IpHeader {
                source: IpAddr::V6(source),
                destination: IpAddr::V6(destination),
                protocol: IpProto(payload.protocol),
                ttl,
                fragment,
                total_len,
            };
            carrying(Protocol::Ipv6, bytes, ip, payload)
        },
    )
}

fn carrying(protocol: Protocol, bytes: Vec<u8>, ip: IpHeader, payload: Payload) -> Sent {
    Sent {
        ip: Some(ip),
        transport: payload.transport,
        tunnel: payload.tunnel,
        inner: payload.inner,
        ..Sent::of(protocol, bytes)
    }
}

/// IP without a tunnel, whole or a fragment.
fn simple_ip() -> BoxedStrategy<Sent> {
    prop_oneof![ipv4(fragments()).boxed(), ipv6(fragments()).boxed()].boxed()
}

/// Packets in packets, one level deep.
fn tunnel() -> BoxedStrategy<Payload> {
    let ipip = simple_ip().prop_map(|inner| {
        let protocol = if inner.protocol == Protocol::Ipv4 {
            4
        } else {
            41
        };
        carried(protocol, Vec::new(), None, Tunnel::Ipip, inner)
    });
    let options = (any::<bool>(), option::of(any::<u32>()), any::<bool>());
    let in_gre = prop_oneof![simple_ip(), ethernet(simple_ip(), mac()).boxed()];
    let gre = (options, in_gre).prop_map(|((checksum, key, sequence), inner)| {
        // RFC 2784 and RFC 2890.
        let flags =
            u16::from(checksum) << 15 | u16::from(key.is_some()) << 13 | u16::from(sequence) << 12;
        let protocol = match inner.link {
            Some(_) => TRANSPARENT_ETHERNET,
            None => inner.ethertype(),
        };
        let mut header = [flags.to_be_bytes(), protocol.to_be_bytes()].concat();
        header.extend([0xab; 4].iter().take(if checksum { 4 } else { 0 }));
        header.extend(key.into_iter().flat_map(u32::to_be_bytes));
        header.extend([0xcd; 4].iter().take(if sequence { 4 } else { 0 }));
        carried(47, header, None, Tunnel::Gre { protocol, key }, inner)
    });
    let inside = ethernet(prop_oneof![simple_ip(), arp()], mac());
    let vxlan = (any::<u16>(), 0..1_u32 << 24, inside).prop_map(|(source, vni, inner)| {
        let mut bytes = vec![0; 8 + inner.bytes.len()];
        let mut vxlan = MutableVxlanPacket::new(&mut bytes).unwrap();
        vxlan.set_flags(8);
        vxlan.set_vni(vni);
        vxlan.set_payload(&inner.bytes);
        let udp = datagram(source, VXLAN_PORT, &bytes);
        Payload {
            tunnel: Some(Tunnel::Vxlan { vni }),
            inner: Some(Box::new(inner)),
            ..udp
        }
    });
    prop_oneof![ipip.boxed(), gre.boxed(), vxlan.boxed()].boxed()
}

fn carried(
    protocol: u8,
    header: Vec<u8>,
    transport: Option<Transport>,
    tunnel: Tunnel,
    inner: Sent,
) -> Payload {
    Payload {
        protocol,
        bytes: [&header[..], &inner.bytes].concat(),
        transport,
        tunnel: Some(tunnel),
        inner: Some(Box::new(inner)),
    }
}

/// IP of every kind.
pub(crate) fn ip_packets() -> BoxedStrategy<Sent> {
    prop_oneof![
        2 => simple_ip(),
        1 => ipv4(whole(tunnel())).boxed(),
        1 => ipv6(whole(tunnel())).boxed(),
    ]
    .boxed()
}

fn mac() -> impl Strategy<Value = [u8; 6]> {
    any::<[u8; 6]>()
}

/// Addresses that read like the start of an IPv6 header, length and all.
fn mac_like_ip() -> impl Strategy<Value = [u8; 6]> {
    any::<[u8; 3]>().prop_map(|[first, b, length]| [0x60 | first & 0xf, b, 0, 0, 0, length])
}

fn arp() -> BoxedStrategy<Sent> {
    (any::<u16>(), mac(), v4_address(), mac(), v4_address())
        .prop_map(
            |(operation, sender_mac, sender_ip, target_mac, target_ip)| {
                let mut bytes = vec![0; 28];
                let mut packet = MutableArpPacket::new(&mut bytes).unwrap();
                packet.set_hardware_type(ArpHardwareType(1));
                packet.set_protocol_type(EtherType(IPV4));
                packet.set_hw_addr_len(6);
                packet.set_proto_addr_len(4);
                packet.set_operation(ArpOperation(operation));
                packet.set_sender_hw_addr(sender_mac.into());
                packet.set_sender_proto_addr(sender_ip);
                packet.set_target_hw_addr(target_mac.into());
                packet.set_target_proto_addr(target_ip);
                let arp = Arp {
                    operation,
                    sender_mac: MacAddr(sender_mac),
                    sender_ip,
                    target_mac: MacAddr(target_mac),
                    target_ip,
                };
                Sent {
                    arp: Some(arp),
                    ..Sent::of(Protocol::Arp, bytes)
                }
            },
        )
        .boxed()
}

/// Puts a packet into a frame with up to two VLAN tags, padded to the least length or not.
fn ethernet(
    packets: impl Strategy<Value = Sent>,
    destinations: impl Strategy<Value = [u8; 6]>,
) -> impl Strategy<Value = Sent> {
    let tags = vec((0..4096_u16, 0..8_u8), 0..=2);
    (packets, destinations, mac(), tags, any::<bool>()).prop_map(
        |(packet, destination, source, tags, padded)| {
            let inner_type = packet.ethertype();
            let mut payload = packet.bytes.clone();
            let mut ethertype = inner_type;
            for (level, (id, priority)) in tags.iter().enumerate().rev() {
                let mut bytes = vec![0; 4 + payload.len()];
                let mut tag = MutableVlanPacket::new(&mut bytes).unwrap();
                tag.set_priority_code_point(ClassOfService(*priority));
                tag.set_vlan_identifier(*id);
                tag.set_ethertype(EtherType(ethertype));
                tag.set_payload(&payload);
                payload = bytes;
                // IEEE 802.1ad: a service tag around a customer tag.
                ethertype = if level == 0 && tags.len() == 2 {
                    0x88a8
                } else {
                    0x8100
                };
            }
            let mut bytes = vec![0; 14 + payload.len()];
            let mut frame = MutableEthernetPacket::new(&mut bytes).unwrap();
            frame.set_destination(destination.into());
            frame.set_source(source.into());
            frame.set_ethertype(EtherType(ethertype));
            frame.set_payload(&payload);
            if padded {
                bytes.resize(bytes.len().max(60), 0);
            }
            Sent {
                bytes,
                link: Some(EthernetHeader {
                    source: MacAddr(source),
                    destination: MacAddr(destination),
                    ethertype: inner_type,
                }),
                vlans: tags.iter().map(|(id, _)| *id).collect(),
                ..packet
            }
        },
    )
}

/// Ethernet frames of every kind.
pub(crate) fn frames() -> BoxedStrategy<Sent> {
    let destinations = prop_oneof![mac(), mac_like_ip()];
    ethernet(prop_oneof![3 => ip_packets(), 1 => arp()], destinations).boxed()
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(offset).zip(value) {
        *byte = *value;
    }
}
