//! The packet decoder on built packets, on damaged ones, on ones in the wrong place, and on noise.
//!
//! Long, because every format and every way to be wrong stands here once, with its bytes.

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Ipv4Header, PacketBuilder, ip_number,
};

use super::*;

const SRC: [u8; 4] = [10, 99, 0, 2];
const DST: [u8; 4] = [10, 99, 0, 1];
const SRC6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DST6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const MAC_A: [u8; 6] = [2, 0x42, 0xa, 0x63, 0, 2];
const MAC_B: [u8; 6] = [2, 0x42, 0xa, 0x63, 0, 1];

macro_rules! build {
    ($builder:expr, $payload:expr) => {{
        let mut bytes = Vec::new();
        $builder.write(&mut bytes, $payload).unwrap();
        bytes
    }};
}

fn udp() -> Vec<u8> {
    build!(PacketBuilder::ipv4(SRC, DST, 64).udp(4242, 53), &[7; 40])
}

fn ping() -> Vec<u8> {
    build!(
        PacketBuilder::ipv4(SRC, DST, 64).icmpv4_echo_request(7, 9),
        &[1; 56]
    )
}

fn tcp6() -> Vec<u8> {
    let tcp = PacketBuilder::ipv6(SRC6, DST6, 64).tcp(443, 5555, 1, 500);
    build!(tcp.syn().ack(2), &[1; 10])
}

fn ping6() -> Vec<u8> {
    build!(
        PacketBuilder::ipv6(SRC6, DST6, 64).icmpv6_echo_request(7, 9),
        &[1; 20]
    )
}

fn arp() -> Vec<u8> {
    let arp = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        &MAC_A,
        &SRC,
        &[0; 6],
        &DST,
    );
    arp.unwrap().to_bytes().to_vec()
}

fn ethernet(destination: [u8; 6], ethertype: &[u16], payload: &[u8]) -> Vec<u8> {
    let mut bytes = [destination, MAC_A].concat();
    for ethertype in ethertype {
        bytes.extend(ethertype.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let header = Ipv4Header::new(length, 64, protocol.into(), SRC, DST).unwrap();
    let mut bytes = Vec::new();
    header.write(&mut bytes).unwrap();
    bytes.extend(payload);
    bytes
}

fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend([next_header, 64]);
    bytes.extend([SRC6, DST6].concat());
    bytes.extend(payload);
    bytes
}

fn frame(bytes: &[u8], link: Link) -> Frame<'_> {
    Frame {
        bytes,
        link,
        network_offset: None,
        len: bytes.len(),
        ethertype: None,
    }
}

fn ip(bytes: &[u8]) -> Packet {
    decode(&frame(bytes, Link::Ip))
}

fn kinds(packet: &Packet) -> Vec<&'static str> {
    packet.malformed.iter().map(|m| m.kind.name()).collect()
}

/// Decodes bytes that are in order, and checks that nobody says otherwise.
fn sound(bytes: &[u8], link: Link) -> Packet {
    let packet = decode(&frame(bytes, link));
    assert_eq!(kinds(&packet), [""; 0], "{packet}");
    assert_eq!(packet.disguise, None);
    packet
}

/// Sets the checksum of an IPv4 header right again.
fn resum(bytes: &mut [u8]) {
    let length = usize::from(bytes[0] & 0xf) * 4;
    bytes[10..12].fill(0);
    let sum = ip::checksum(&bytes[..length]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn sound_packets_in_a_line() {
    for (bytes, line) in [
        (udp(), "IPv4 UDP 10.99.0.2:4242 → 10.99.0.1:53"),
        (ping(), "IPv4 ICMP echo request 10.99.0.2 → 10.99.0.1"),
        (
            tcp6(),
            "IPv6 TCP [2001:db8::1]:443 → [2001:db8::2]:5555 SYN|ACK",
        ),
        (
            ping6(),
            "IPv6 ICMPv6 echo request 2001:db8::1 → 2001:db8::2",
        ),
        (ipv4(132, &[0; 20]), "IPv4 SCTP 10.99.0.2 → 10.99.0.1"),
        (ipv4(253, &[]), "IPv4 253 10.99.0.2 → 10.99.0.1"),
    ] {
        assert_eq!(sound(&bytes, Link::Ip).to_string(), line);
        assert_eq!(sound(&bytes, Link::Unknown).to_string(), line);
        let ethertype = if bytes[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
        let mut frame = ethernet(MAC_B, &[ethertype], &bytes);
        assert_eq!(sound(&frame, Link::Ethernet).to_string(), line);
        frame.resize(frame.len().max(60), 0);
        assert_eq!(sound(&frame, Link::Ethernet).to_string(), line);
        assert_eq!(sound(&frame, Link::Unknown).to_string(), line);
    }
}

#[test]
fn accessors() {
    let packet = sound(&tcp6(), Link::Ip);
    assert_eq!((packet.sport(), packet.dport()), (Some(443), Some(5555)));
    assert_eq!(packet.tcp_flags(), Some(TcpFlags(0x12)));
    assert_eq!(packet.src(), Some(SRC6.into()));
    assert_eq!(packet.dst(), Some(DST6.into()));
    assert_eq!(packet.ip_proto().unwrap().name(), "tcp");
    assert_eq!(packet.icmp_type(), None);
    let packet = sound(&ping(), Link::Ip);
    assert_eq!((packet.icmp_type(), packet.sport()), (Some(8), None));
    let echo = Some(Echo { id: 7, sequence: 9 });
    let expected = Transport::Icmp {
        kind: 8,
        code: 0,
        echo,
    };
    assert_eq!(packet.transport, Some(expected));
    assert_eq!(packet.probable(), &packet);
}

#[test]
fn tags_and_arp() {
    let packet = sound(
        &ethernet(MAC_B, &[0x88a8, 100, 0x8100, 7, 0x0800], &udp()),
        Link::Ethernet,
    );
    assert_eq!(packet.vlans.ids().collect::<Vec<_>>(), [100, 7]);
    assert_eq!(packet.dport(), Some(53));
    assert_eq!(packet.link.unwrap().ethertype, 0x0800);
    let packet = sound(&ethernet([0xff; 6], &[0x0806], &arp()), Link::Ethernet);
    assert_eq!(packet.to_string(), "ARP who-has 10.99.0.1 tell 10.99.0.2");
    assert_eq!(packet.src(), Some(SRC.into()));
    let packet = sound(&ethernet(MAC_B, &[0x88cc], &[0; 50]), Link::Ethernet);
    assert_eq!(packet.protocol.name(), "ethernet");
}

#[test]
fn options_and_extension_headers() {
    let mut bytes = udp();
    bytes[0] = 0x46;
    bytes.splice(20..20, [1, 1, 1, 0]);
    bytes[3] += 4;
    resum(&mut bytes);
    assert_eq!(sound(&bytes, Link::Ip).dport(), Some(53));

    let udp = [0x10, 0x92, 0, 53, 0, 8, 0, 0];
    let ah = [
        60, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9,
    ];
    let mut chain = vec![43, 0, 1, 4, 0, 0, 0, 0]; // hop-by-hop
    chain.extend([44, 0, 0, 0, 0, 0, 0, 0]); // routing
    chain.extend([51, 0, 0, 0, 0, 0, 0, 1]); // atomic fragment
    chain.extend(ah);
    chain.extend([17, 0, 1, 4, 0, 0, 0, 0]); // destination options
    chain.extend(udp);
    let packet = sound(&ipv6(0, &chain), Link::Ip);
    assert_eq!(
        (packet.dport(), packet.ip.unwrap().fragment),
        (Some(53), None)
    );
    assert_eq!(packet.ip_proto().unwrap().name(), "udp");

    let short = ip(&ipv6(0, &chain[..4]));
    assert_eq!(kinds(&short), ["ip-truncated"]);
}

#[test]
fn fragments() {
    let mut first = ipv4(17, &udp()[20..36]);
    first[6] = 0x20;
    resum(&mut first);
    let packet = sound(&first, Link::Ip);
    assert_eq!(
        packet.dport(),
        Some(53),
        "a UDP length beyond the first fragment is right"
    );
    assert_eq!(
        packet.ip.unwrap().fragment,
        Some(Fragment {
            offset_bytes: 0,
            more: true
        })
    );

    let mut later = ipv4(17, &[0; 16]);
    later[7] = 185;
    resum(&mut later);
    let packet = sound(&later, Link::Ip);
    assert_eq!(packet.transport, None);
    assert_eq!(
        packet.to_string(),
        "IPv4 UDP 10.99.0.2 → 10.99.0.1 (fragment at 1480)"
    );

    let packet = sound(
        &ipv6(44, &[17, 0, 0x05, 0xc8, 0, 0, 0, 1, 0, 0, 0, 0]),
        Link::Ip,
    );
    assert_eq!(
        packet.ip.unwrap().fragment,
        Some(Fragment {
            offset_bytes: 1480,
            more: false
        })
    );
    assert_eq!(
        (packet.transport, packet.ip_proto()),
        (None, Some(IpProto(17)))
    );
}

#[test]
fn tunnels() {
    let inside = |bytes: &[u8], tunnel| {
        let packet = sound(bytes, Link::Ip);
        assert_eq!(packet.tunnel, Some(tunnel));
        let inner = packet.inner.unwrap();
        assert_eq!(kinds(&inner), [""; 0]);
        *inner
    };
    assert_eq!(inside(&ipv4(4, &udp()), Tunnel::Ipip).dport(), Some(53));
    assert_eq!(inside(&ipv4(41, &tcp6()), Tunnel::Ipip).dport(), Some(5555));
    assert_eq!(inside(&ipv6(4, &udp()), Tunnel::Ipip).dport(), Some(53));

    let plain = Tunnel::Gre {
        protocol: 0x0800,
        key: None,
    };
    assert_eq!(
        inside(&ipv4(47, &[&[0, 0, 8, 0], &udp()[..]].concat()), plain).dport(),
        Some(53)
    );
    let options = [
        &[0xb0, 0, 0x65, 0x58, 1, 1, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1],
        &ethernet(MAC_B, &[0x0800], &udp())[..],
    ]
    .concat();
    let keyed = Tunnel::Gre {
        protocol: 0x6558,
        key: Some(42),
    };
    let inner = inside(&ipv4(47, &options), keyed);
    assert_eq!(
        (inner.dport(), inner.link.unwrap().source),
        (Some(53), MacAddr(MAC_A))
    );

    let vxlan = [
        &[8, 0, 0, 0, 0, 0x12, 0x34, 0][..],
        &ethernet(MAC_B, &[0x0800], &ping()),
    ]
    .concat();
    let outer = build!(PacketBuilder::ipv4(SRC, DST, 64).udp(1, 4789), &vxlan);
    assert_eq!(
        inside(&outer, Tunnel::Vxlan { vni: 0x1234 }).icmp_type(),
        Some(8)
    );
    assert!(
        ip(&ipv4(4, &ipv4(4, &udp())))
            .inner
            .unwrap()
            .inner
            .is_none()
    );
}

#[test]
fn padding_inside_a_tunnel() {
    let mut inner = ethernet(MAC_B, &[0x0800], &ipv4(17, &udp()[20..36]));
    inner.resize(60, 0);
    let vxlan = [&[8, 0, 0, 0, 0, 0, 1, 0][..], &inner].concat();
    let outer = build!(PacketBuilder::ipv4(SRC, DST, 64).udp(1, 4789), &vxlan);
    assert!(!kinds(&sound(&outer, Link::Ip).inner.unwrap()).contains(&"ip-trailing"));
}

#[test]
fn each_fault_by_its_name() {
    let damaged = |change: fn(&mut Vec<u8>), sum: bool| {
        let mut bytes = udp();
        change(&mut bytes);
        if sum {
            resum(&mut bytes);
        }
        let packet = ip(&bytes);
        assert_eq!(packet.disguise, None, "{packet}");
        (kinds(&packet), packet)
    };
    assert_eq!(damaged(|b| b[0] = 0x55, false).0, ["ip-version"]);
    assert_eq!(damaged(|b| b[0] = 0x44, false).0, ["ip-ihl"]);
    assert_eq!(damaged(|b| b.truncate(19), false).0, ["ip-truncated"]);
    assert_eq!(
        damaged(
            |b| {
                b.truncate(20);
                b[0] = 0x46;
            },
            false
        )
        .0,
        ["ip-truncated"]
    );
    assert_eq!(damaged(|b| b[2] = 5, true).0, ["ip-length-beyond"]);
    assert_eq!(damaged(|b| b[3] = 19, true).0, ["ip-length-short"]);
    assert_eq!(damaged(|b| b[25] = 200, true).0, ["udp-length"]);
    let (names, packet) = damaged(|b| b.extend([0; 50]), true);
    assert_eq!(names, ["ip-trailing"]);
    assert_eq!((packet.faults().count(), packet.dport()), (0, Some(53)));
    let (names, packet) = damaged(|b| b[11] ^= 1, false);
    assert_eq!(names, ["ip-checksum"]);
    let fault = packet.malformed[0];
    let right = u16::from_be_bytes([udp()[10], udp()[11]]);
    assert_eq!(
        (fault.expected, fault.found),
        (right.into(), u32::from(right ^ 1))
    );
    assert!(
        packet.to_string().ends_with("(malformed: ip-checksum)"),
        "{packet}"
    );

    let mut bytes = tcp6();
    bytes[40 + 12] = 0x40;
    assert_eq!(kinds(&ip(&bytes)), ["tcp-offset"]);
    bytes[40 + 12] = 0xf0;
    assert_eq!(kinds(&ip(&bytes)), ["tcp-offset"]);
    bytes = tcp6();
    bytes[4] = 1;
    assert_eq!(kinds(&ip(&bytes)), ["ip-length-beyond"]);
}

#[test]
fn frames_on_a_device_without_link_layer() {
    let starts = [2, 0x45, 0x46, 0x60, 0x6e, 0xfe];
    for start in starts {
        for ethertype in [None, Some(0x0800), Some(0x86dd)] {
            for last in [0, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0xff] {
                let mac = [start, 0, 0, 0x54, 0, last];
                for (bytes, dport, vlans, name) in [
                    (ethernet(mac, &[0x0800], &udp()), Some(53), 0, "ipv4"),
                    (ethernet(mac, &[0x86dd], &tcp6()), Some(5555), 0, "ipv6"),
                    (
                        ethernet(mac, &[0x8100, 10, 0x0800], &udp()),
                        Some(53),
                        1,
                        "ipv4",
                    ),
                    (
                        ethernet(mac, &[0x88a8, 5, 0x8100, 10, 0x86dd], &tcp6()),
                        Some(5555),
                        2,
                        "ipv6",
                    ),
                    (ethernet(mac, &[0x0806], &arp()), None, 0, "arp"),
                ] {
                    let frame = Frame {
                        ethertype,
                        ..frame(&bytes, Link::Ip)
                    };
                    let packet = decode(&frame);
                    let disguise = packet.disguise.as_ref().expect("a disguise");
                    assert_eq!(disguise.kind, DisguiseKind::EthernetFrame);
                    assert!(disguise.confidence > 0.9 && disguise.offset == 0);
                    assert!(kinds(&packet).contains(&"ethernet-frame"));
                    assert_eq!((packet.src(), packet.transport), (None, None));
                    let probable = packet.probable();
                    assert_eq!((probable.dport(), probable.protocol.name()), (dport, name));
                    assert_eq!(probable.vlans.ids().count(), vlans);
                    assert_eq!(kinds(probable), [""; 0]);
                }
            }
        }
    }
}

#[test]
fn a_frame_in_disguise_in_a_line() {
    let packet = ip(&ethernet(MAC_B, &[0x8100, 10, 0x0800], &ping()));
    let line = "Ethernet frame (02:42:0a:63:00:02 → 02:42:0a:63:00:01, VLAN 10, \
                IPv4 ICMP echo request 10.99.0.2 → 10.99.0.1 inside)";
    assert_eq!(packet.to_string(), line);
}

#[test]
fn packet_info_left_on() {
    for (bytes, port) in [
        ([&[0, 0, 8, 0], &udp()[..]].concat(), 53),
        ([&[0, 0, 0x86, 0xdd], &tcp6()[..]].concat(), 5555),
    ] {
        let packet = ip(&bytes);
        let disguise = packet.disguise.as_ref().unwrap();
        assert_eq!(
            (disguise.kind, disguise.offset),
            (DisguiseKind::PacketInfo, 4)
        );
        assert_eq!(kinds(&packet), ["ip-version", "packet-info"]);
        assert_eq!(packet.probable().dport(), Some(port));
    }
}

#[test]
fn ip_where_a_frame_should_be() {
    for (bytes, port) in [(udp(), 53), (tcp6(), 5555)] {
        let packet = decode(&frame(&bytes, Link::Ethernet));
        assert_eq!(kinds(&packet), ["ip-not-ethernet"]);
        assert_eq!(packet.disguise.as_ref().unwrap().kind, DisguiseKind::BareIp);
        assert_eq!((packet.probable().dport(), packet.link), (Some(port), None));
    }
}

#[test]
fn the_other_version_than_announced() {
    for (bytes, ethertype, port) in [(udp(), 0x86dd, 53), (tcp6(), 0x0800, 5555)] {
        let announced = Frame {
            ethertype: Some(ethertype),
            ..frame(&bytes, Link::Ip)
        };
        let packet = decode(&announced);
        assert_eq!(kinds(&packet), ["ip-version"]);
        assert_eq!(packet.probable().dport(), Some(port));
    }
}

#[test]
fn the_network_offset_is_followed() {
    let bytes = udp();
    let stripped = Frame {
        network_offset: Some(0),
        ethertype: Some(0x0800),
        ..frame(&bytes, Link::Ethernet)
    };
    assert_eq!(decode(&stripped).dport(), Some(53));
    let outer = [&[0; 24], &bytes[..]].concat();
    let tunnel = Frame {
        network_offset: Some(24),
        ..frame(&outer, Link::Ip)
    };
    assert_eq!(decode(&tunnel).dport(), Some(53));
    let beyond = Frame {
        network_offset: Some(4000),
        ..tunnel
    };
    assert_eq!(decode(&beyond).ip, None);
}

#[test]
fn a_snapped_capture_is_never_malformed() {
    let gre = ipv4(ip_number::GRE.0, &[&[0, 0, 8, 0], &udp()[..]].concat());
    for packet in [
        udp(),
        ping(),
        tcp6(),
        ping6(),
        gre,
        ipv4(41, &tcp6()),
        ipv6(0, &[17, 0, 1, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0]),
    ] {
        let ethertype = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
        let tagged = ethernet(MAC_B, &[0x8100, 3, ethertype], &packet);
        for (bytes, link) in [
            (&packet, Link::Ip),
            (&tagged, Link::Ethernet),
            (&tagged, Link::Unknown),
            (&packet, Link::Unknown),
        ] {
            for caplen in 0..=bytes.len() {
                let snapped = Frame {
                    bytes: &bytes[..caplen],
                    ..frame(bytes, link)
                };
                let decoded = decode(&snapped);
                assert_eq!(kinds(&decoded), [""; 0], "{caplen} {decoded}");
                assert_eq!(decoded.snapped, caplen < bytes.len());
                assert_eq!(decoded.disguise, None);
                if let Some(inner) = &decoded.inner {
                    assert_eq!(kinds(inner), [""; 0]);
                }
            }
        }
    }
}

#[test]
fn a_cut_frame_whose_address_reads_like_ipv6() {
    let bytes = udp();
    let length = u8::try_from(14 + bytes.len() - 40).unwrap();
    let whole = ethernet([0x60, 0x45, 0xcb, 0, 0, length], &[0x0800], &bytes);
    for caplen in 0..whole.len() {
        let cut = Frame {
            bytes: &whole[..caplen],
            len: whole.len(),
            ..frame(&whole, Link::Ethernet)
        };
        assert_eq!(kinds(&decode(&cut)), [""; 0], "{caplen}");
    }
}

#[test]
fn noise_is_survived() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    let seeds = [
        udp(),
        tcp6(),
        ipv6(0, &[44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 0]),
        ethernet(MAC_B, &[0x8100, 3, 0x0806], &arp()),
        ipv4(
            47,
            &[0xb0, 0, 0x65, 0x58, 1, 1, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1],
        ),
    ];
    for round in 0..200_000 {
        let mut bytes = seeds[next() % seeds.len()].clone();
        if round % 2 == 0 {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = next().to_le_bytes()[0]);
        }
        bytes.truncate(next() % (bytes.len() + 1));
        for _ in 0..next() % 4 {
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(next() % length) {
                *byte = next().to_le_bytes()[0];
            }
        }
        for link in [Link::Ethernet, Link::Ip, Link::Unknown] {
            let noise = Frame {
                len: (bytes.len() + next() % 100).saturating_sub(50),
                network_offset: (next() % 2 == 0).then(|| next() % 60),
                ethertype: [None, Some(0x0800), Some(0x86dd), Some(0x0806)][next() % 4],
                ..frame(&bytes, link)
            };
            let packet = decode(&noise);
            assert!(
                packet
                    .malformed
                    .iter()
                    .all(|m| (0.0..=1.0).contains(&m.confidence))
            );
            assert!(!packet.to_string().is_empty());
        }
    }
}

#[test]
fn a_sound_header_is_never_questioned() {
    // Source 8.0.69.0 reads as EtherType IPv4 and a version, wherever an Ethernet header would have them.
    for source in [
        [8, 0, 0x45, 0],
        [0x86, 0xdd, 0x60, 0],
        [8, 6, 0, 1],
        [0x81, 0, 0, 1],
    ] {
        let bytes = build!(PacketBuilder::ipv4(source, DST, 64).udp(1, 2), &udp());
        assert_eq!(sound(&bytes, Link::Ip).src(), Some(source.into()));
        let trailing = [&bytes[..], &[0; 30]].concat();
        let packet = ip(&trailing);
        assert_eq!(
            (kinds(&packet), packet.disguise),
            (vec!["ip-trailing"], None)
        );
        let mut damaged = bytes;
        damaged[8] ^= 1;
        let packet = ip(&damaged);
        assert_eq!(
            (kinds(&packet), packet.disguise),
            (vec!["ip-checksum"], None)
        );
    }
    let mut source = SRC6;
    source[4..8].copy_from_slice(&[8, 0, 0x45, 0]);
    let bytes = build!(PacketBuilder::ipv6(source, DST6, 64).udp(1, 2), &udp());
    assert_eq!(sound(&bytes, Link::Ip).dport(), Some(2));
}

#[test]
fn what_nobody_saw_has_no_fault() {
    for (ethertype, protocol) in [
        (Some(0x0800), Protocol::Ipv4),
        (Some(0x86dd), Protocol::Ipv6),
        (Some(0x0806), Protocol::Arp),
        (Some(0x88cc), Protocol::Unknown),
        (None, Protocol::Unknown),
    ] {
        let packet = unseen(ethertype);
        assert_eq!(packet.protocol, protocol);
        assert_eq!((packet.caplen, packet.faults().count()), (0, 0));
    }
}
