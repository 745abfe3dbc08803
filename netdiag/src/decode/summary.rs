//! A packet in one readable line, for tables, verbose output and the comments in pcapng files.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::disguise::{Disguise, DisguiseKind};
use super::ip::IpHeader;
use super::link::Arp;
use super::packet::{Packet, Protocol};
use super::transport::Transport;
use super::tunnel::Tunnel;

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(disguise) = &self.disguise {
            return in_disguise(f, disguise);
        }
        if self.len == 0 && self.caplen == 0 {
            // The classic tracepoint without types, or an empty skb: what it was is all that there is to say.
            return write!(f, "{} (not seen)", self.protocol.name());
        }
        match (self.protocol, &self.ip, &self.arp) {
            (_, Some(ip), _) => self.ip_line(f, ip)?,
            (_, _, Some(arp)) => arp_line(f, arp)?,
            (Protocol::Ipv4, ..) => write!(f, "IPv4, {} bytes", self.len)?,
            (Protocol::Ipv6, ..) => write!(f, "IPv6, {} bytes", self.len)?,
            (Protocol::Arp, ..) => write!(f, "ARP, {} bytes", self.len)?,
            (Protocol::Ethernet | Protocol::Unknown, ..) => match &self.link {
                Some(link) => write!(
                    f,
                    "Ethernet {:#06x} {} → {}",
                    link.ethertype, link.source, link.destination
                )?,
                None => write!(f, "unknown, {} bytes", self.len)?,
            },
        }
        malformed(f, self)
    }
}

impl Packet {
    fn ip_line(&self, f: &mut fmt::Formatter<'_>, ip: &IpHeader) -> fmt::Result {
        f.write_str(if ip.source.is_ipv4() {
            "IPv4 "
        } else {
            "IPv6 "
        })?;
        match self.transport {
            Some(Transport::Icmp { kind, code, .. }) => {
                icmp(f, "ICMP", icmp_name(kind), kind, code)?;
            }
            Some(Transport::Icmpv6 { kind, code, .. }) => {
                icmp(f, "ICMPv6", icmpv6_name(kind), kind, code)?;
            }
            Some(Transport::Tcp { .. }) => f.write_str("TCP")?,
            Some(Transport::Udp { .. }) => f.write_str("UDP")?,
            None if ip.protocol.0 == 58 => f.write_str("ICMPv6")?,
            None => f.write_str(&ip.protocol.name().to_uppercase())?,
        }
        match self.transport.and_then(Transport::ports) {
            Some((source, destination)) => {
                f.write_str(" ")?;
                address(f, ip.source, Some(source))?;
                f.write_str(" → ")?;
                address(f, ip.destination, Some(destination))?;
            }
            None => {
                f.write_str(" ")?;
                address(f, ip.source, None)?;
                f.write_str(" → ")?;
                address(f, ip.destination, None)?;
            }
        }
        if let Some(flags) = self.tcp_flags() {
            write!(f, " {flags}")?;
        }
        if let Some(fragment) = ip.fragment {
            write!(f, " (fragment at {})", fragment.offset_bytes)?;
        }
        match (self.tunnel, &self.inner) {
            (Some(Tunnel::Vxlan { vni }), Some(inner)) => {
                write!(f, " (VXLAN {vni}, {inner} inside)")
            }
            (_, Some(inner)) => write!(f, " ({inner} inside)"),
            _ => Ok(()),
        }
    }
}

fn address(f: &mut fmt::Formatter<'_>, address: IpAddr, port: Option<u16>) -> fmt::Result {
    match (address, port) {
        (IpAddr::V4(address), port) => Ipv4Text::new(address, port).write(f),
        (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
        (IpAddr::V6(address), None) => write!(f, "{address}"),
    }
}

/// `10.99.0.2:53`, put together digit by digit: two of them stand in every line of a capture with millions, and the
/// formatter takes a third of the whole time for them.
struct Ipv4Text {
    bytes: [u8; 21],
    len: usize,
}

impl Ipv4Text {
    fn new(address: Ipv4Addr, port: Option<u16>) -> Self {
        let mut text = Self {
            bytes: [0; 21],
            len: 0,
        };
        for (index, octet) in address.octets().into_iter().enumerate() {
            if index > 0 {
                text.push(b'.');
            }
            text.number(octet.into());
        }
        if let Some(port) = port {
            text.push(b':');
            text.number(port);
        }
        text
    }

    fn number(&mut self, number: u16) {
        let mut unit = 10_000;
        while unit > 1 && number < unit {
            unit /= 10;
        }
        while unit > 0 {
            // One digit.
            self.push(b'0' + u8::try_from(number / unit % 10).unwrap_or(0));
            unit /= 10;
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        f.write_str(std::str::from_utf8(bytes).unwrap_or_default())
    }
}

fn icmp(
    f: &mut fmt::Formatter<'_>,
    protocol: &str,
    name: Option<&str>,
    kind: u8,
    code: u8,
) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{protocol} {name}"),
        None => write!(f, "{protocol} type {kind} code {code}"),
    }
}

fn icmp_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "echo reply",
        3 => "destination unreachable",
        4 => "source quench",
        5 => "redirect",
        8 => "echo request",
        11 => "time exceeded",
        12 => "parameter problem",
        _ => return None,
    })
}

fn icmpv6_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        143 => "multicast listener report",
        _ => return None,
    })
}

fn arp_line(f: &mut fmt::Formatter<'_>, arp: &Arp) -> fmt::Result {
    let Arp {
        operation,
        sender_mac,
        sender_ip,
        target_ip,
        ..
    } = arp;
    match operation {
        1 => write!(f, "ARP who-has {target_ip} tell {sender_ip}"),
        2 => write!(f, "ARP {sender_ip} is-at {sender_mac}"),
        _ => write!(f, "ARP operation {operation} {sender_ip} → {target_ip}"),
    }
}

fn in_disguise(f: &mut fmt::Formatter<'_>, disguise: &Disguise) -> fmt::Result {
    let packet = &disguise.packet;
    match disguise.kind {
        DisguiseKind::EthernetFrame => {
            f.write_str("Ethernet frame (")?;
            if let Some(link) = &packet.link {
                write!(f, "{} → {}, ", link.source, link.destination)?;
            }
            for id in packet.vlans.ids() {
                write!(f, "VLAN {id}, ")?;
            }
            write!(f, "{packet} inside)")
        }
        DisguiseKind::PacketInfo => write!(f, "packet-info header ({packet} behind it)"),
        DisguiseKind::BareIp => write!(f, "IP packet without Ethernet header ({packet})"),
        DisguiseKind::OtherVersion => write!(f, "packet of the other IP version ({packet})"),
    }
}

fn malformed(f: &mut fmt::Formatter<'_>, packet: &Packet) -> fmt::Result {
    let mut separator = " (malformed: ";
    for fault in packet.faults() {
        write!(f, "{separator}{}", fault.kind)?;
        separator = ", ";
    }
    if separator == ", " {
        f.write_str(")")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Ipv4Text;
    use std::net::Ipv4Addr;

    #[test]
    fn addresses_are_written_as_the_formatter_does() {
        let numbers = [0, 1, 9, 10, 99, 100, 255];
        for (index, octet) in numbers.into_iter().enumerate() {
            let address = Ipv4Addr::new(octet, numbers[6 - index], 0, octet);
            for port in [
                None,
                Some(0),
                Some(7),
                Some(53),
                Some(999),
                Some(1000),
                Some(65535),
            ] {
                let text = Ipv4Text::new(address, port);
                let expected = match port {
                    Some(port) => format!("{address}:{port}"),
                    None => address.to_string(),
                };
                assert_eq!(text.bytes[..text.len], *expected.as_bytes());
            }
        }
    }
}
