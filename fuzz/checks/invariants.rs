//! What holds of every decoded packet, whatever bytes it was made from.

use std::collections::HashSet;

use netdiag::decode::{DisguiseKind, Malformation, MalformedKind, Packet, Protocol, Transport};

/// Panics where a packet contradicts itself.
pub(crate) fn hold(packet: &Packet) {
    assert!(packet.caplen <= packet.len);
    assert_eq!(packet.snapped, packet.caplen < packet.len);
    readable(&packet.to_string());
    faults(packet);
    headers(packet);
    disguise(packet);
    if let Some(inner) = &packet.inner {
        assert!(packet.tunnel.is_some());
        assert!(inner.inner.is_none() && inner.tunnel.is_none(), "one level");
        assert_eq!(inner.disguise, None, "no guesses inside a tunnel");
        assert!(inner.len < packet.len);
        hold(inner);
    }
}

/// A line for a terminal: not empty, and nothing in it that a packet could command the terminal with.
fn readable(line: &str) {
    assert!(!line.is_empty());
    assert!(!line.chars().any(char::is_control), "{line:?}");
}

fn faults(packet: &Packet) {
    let mut kinds = HashSet::new();
    for fault in &packet.malformed {
        assert!((0.0..=1.0).contains(&fault.confidence), "{fault:?}");
        assert!(kinds.insert(fault.kind), "twice: {fault:?}");
        readable(fault.kind.name());
        readable(&fault.to_string());
        numbers(fault);
    }
    let believed = packet
        .malformed
        .iter()
        .filter(|fault| fault.confidence >= 0.5);
    assert!(packet.faults().eq(believed));
    // The line of an empty packet says no more than that.
    let said = packet.len > 0 && packet.disguise.is_none();
    if said && packet.faults().next().is_some() {
        assert!(packet.to_string().contains("(malformed: "), "{packet}");
    }
}

/// The numbers of a fault show it.
fn numbers(fault: &Malformation) {
    let Malformation {
        found, expected, ..
    } = *fault;
    let shown = match fault.kind {
        MalformedKind::IpVersion => found <= 15 && matches!(expected, 4 | 6) && found != expected,
        MalformedKind::IpIhl => found < 5,
        MalformedKind::IpTruncated | MalformedKind::IpLengthShort => found < expected,
        MalformedKind::IpLengthBeyond | MalformedKind::IpTrailing => found > expected,
        MalformedKind::IpChecksum | MalformedKind::UdpLength | MalformedKind::TcpOffset => {
            found != expected
        }
        // Where the real header starts, in any frame.
        MalformedKind::EthernetFrame | MalformedKind::PacketInfo | MalformedKind::IpNotEthernet => {
            true
        }
    };
    assert!(shown, "{fault:?}");
}

fn headers(packet: &Packet) {
    if let Some(ip) = &packet.ip {
        let v4 = packet.protocol == Protocol::Ipv4;
        assert!(v4 || packet.protocol == Protocol::Ipv6);
        assert_eq!((ip.source.is_ipv4(), ip.destination.is_ipv4()), (v4, v4));
        if let Some(fragment) = ip.fragment {
            assert_eq!(fragment.offset_bytes % 8, 0);
            assert!(fragment.more || fragment.offset_bytes > 0);
            let later = fragment.offset_bytes > 0;
            assert!(!later || packet.transport.is_none(), "no ports in there");
        }
        assert!(!ip.protocol.name().is_empty());
    } else {
        assert!(packet.transport.is_none() && packet.tunnel.is_none());
    }
    if packet.arp.is_some() {
        assert_eq!(packet.protocol, Protocol::Arp);
        assert_eq!(packet.ip, None);
    }
    assert_eq!(packet.src().is_some(), packet.dst().is_some());
    assert_eq!(packet.sport().is_some(), packet.dport().is_some());
    assert_eq!(packet.ip_proto().is_some(), packet.ip.is_some());
    let (flags, kind) = match packet.transport {
        Some(Transport::Tcp { flags, .. }) => (Some(flags), None),
        Some(Transport::Icmp { kind, .. } | Transport::Icmpv6 { kind, .. }) => (None, Some(kind)),
        Some(Transport::Udp { .. }) | None => (None, None),
    };
    assert_eq!((packet.tcp_flags(), packet.icmp_type()), (flags, kind));
    if let Some(flags) = flags {
        readable(&flags.to_string());
    }
    let ids: Vec<u16> = packet.vlans.ids().collect();
    assert!(ids.len() <= 2 && ids.iter().all(|&id| id < 4096));
    assert!(ids.is_empty() || packet.link.is_some());
    if packet.protocol == Protocol::Ethernet && packet.disguise.is_none() {
        assert!(packet.link.is_some());
    }
}

fn disguise(packet: &Packet) {
    let Some(disguise) = &packet.disguise else {
        assert!(std::ptr::eq(packet.probable(), packet));
        return;
    };
    assert!(std::ptr::eq(packet.probable(), disguise.packet.as_ref()));
    assert!(
        (0.5..1.0).contains(&disguise.confidence),
        "{}",
        disguise.confidence
    );
    let nothing = packet.ip.is_none() && packet.transport.is_none() && packet.inner.is_none();
    assert!(nothing, "what was read from the wrong bytes is taken back");
    assert_eq!(disguise.packet.disguise, None);
    assert!(!disguise.kind.name().is_empty());
    let named = match disguise.kind {
        DisguiseKind::EthernetFrame => MalformedKind::EthernetFrame,
        DisguiseKind::PacketInfo => MalformedKind::PacketInfo,
        DisguiseKind::BareIp => MalformedKind::IpNotEthernet,
        DisguiseKind::OtherVersion => MalformedKind::IpVersion,
    };
    assert!(
        packet.faults().any(|fault| fault.kind == named),
        "a disguise is a fault: {packet:?}"
    );
    hold(&disguise.packet);
}
