//! The decoded packet and the way from a [`Frame`] to it.
//!
//! Plain values, nothing borrowed: a packet outlives the ring buffer slot that it came from. A well-formed packet
//! without a tunnel costs no allocation.

use std::net::IpAddr;

use super::disguise::{self, Disguise};
use super::frame::{Frame, Link};
use super::ip::{self, IpHeader, IpProto};
use super::link::{
    self, Arp, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader, Vlans,
};
use super::malformed::{Malformation, MalformedKind};
use super::transport::{TcpFlags, Transport};
use super::tunnel::Tunnel;
use super::view::View;

/// How far a packet could be understood below the transport layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ARP.
    Arp,
    /// An Ethernet header, and an EtherType that netdiag does not decode.
    Ethernet,
    /// Nothing.
    #[default]
    Unknown,
}

impl Protocol {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Arp => "arp",
            Self::Ethernet => "ethernet",
            Self::Unknown => "unknown",
        }
    }
}

/// A packet, as far as it could be decoded. What it does not have, or the capture does not reach, is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packet {
    /// What it is.
    pub protocol: Protocol,
    /// The link-layer header.
    pub link: Option<EthernetHeader>,
    /// VLAN ids, outermost first.
    pub vlans: Vlans,
    /// ARP for IPv4 over Ethernet.
    pub arp: Option<Arp>,
    /// The IP header.
    pub ip: Option<IpHeader>,
    /// The transport header; not in fragments after the first.
    pub transport: Option<Transport>,
    /// How `inner` is carried.
    pub tunnel: Option<Tunnel>,
    /// The packet inside a tunnel, one level deep.
    pub inner: Option<Box<Packet>>,
    /// How many bytes were captured.
    pub caplen: usize,
    /// How many bytes there were.
    pub len: usize,
    /// Whether the capture ends before the packet does.
    pub snapped: bool,
    /// What is wrong with it, in the order that the kernel checks.
    pub malformed: Vec<Malformation>,
    /// What it is instead of what it should be.
    pub disguise: Option<Disguise>,
}

/// What a decoder may still do: limits the recursion to one tunnel and one disguise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    /// Look into tunnels.
    pub(super) tunnel: bool,
    /// Look for what a malformed packet really is.
    pub(super) disguise: bool,
}

/// Decodes a captured packet. Any bytes will do.
#[must_use]
pub fn decode(frame: &Frame<'_>) -> Packet {
    const FULL: Depth = Depth {
        tunnel: true,
        disguise: true,
    };
    let view = View::new(frame.bytes, frame.len);
    let ethertype = frame.ethertype.filter(|&ethertype| ethertype != 0);
    let network = view.skip(frame.network_offset.unwrap_or(0));
    match frame.link {
        // No device has link-layer headers of length 0 and calls itself Ethernet: the header has been stripped.
        Link::Ethernet if frame.network_offset == Some(0) && ethertype.is_some() => {
            network_layer(network, ethertype, FULL)
        }
        Link::Ethernet => ethernet(view, FULL),
        Link::Ip => network_layer(network, ethertype, FULL),
        Link::Unknown if ethertype.is_some() => network_layer(network, ethertype, FULL),
        Link::Unknown => unknown(view, FULL),
    }
}

/// A dropped packet: decoded, where it could be read, and with the VLAN tag that the kernel had taken off.
#[must_use]
pub fn packet(frame: &Frame<'_>, vlan: Option<u16>, unread: bool) -> Packet {
    let mut packet = if unread {
        unseen(frame.ethertype)
    } else {
        decode(frame)
    };
    if let Some(id) = vlan {
        packet.vlans.push_outer(id);
    }
    packet
}

/// A packet of which nothing was captured but what the driver claimed it is: nobody can say what is wrong with it.
#[must_use]
pub fn unseen(ethertype: Option<u16>) -> Packet {
    let protocol = match ethertype {
        Some(ETHERTYPE_IPV4) => Protocol::Ipv4,
        Some(ETHERTYPE_IPV6) => Protocol::Ipv6,
        Some(ETHERTYPE_ARP) => Protocol::Arp,
        _ => Protocol::Unknown,
    };
    Packet {
        protocol,
        ..Packet::default()
    }
}

/// Decodes a view that starts with an Ethernet header.
pub(super) fn ethernet(view: View<'_>, depth: Depth) -> Packet {
    let mut packet = Packet::of(view);
    if let Some((ethertype, payload)) = link::header(view, &mut packet) {
        packet.protocol = Protocol::Ethernet;
        network_into(payload, Some(ethertype), depth, &mut packet);
    }
    if depth.disguise && !packet.is_sound() && packet.disguise.is_none() {
        disguise::instead_of_ethernet(view, &mut packet);
    }
    packet
}

/// Decodes a view that starts with a network header.
pub(super) fn network_layer(view: View<'_>, ethertype: Option<u16>, depth: Depth) -> Packet {
    let mut packet = Packet::of(view);
    network_into(view, ethertype, depth, &mut packet);
    packet
}

fn network_into(view: View<'_>, ethertype: Option<u16>, depth: Depth, packet: &mut Packet) {
    match ethertype {
        Some(ETHERTYPE_IPV4) => ip::v4(view, depth, packet),
        Some(ETHERTYPE_IPV6) => ip::v6(view, depth, packet),
        Some(ETHERTYPE_ARP) => link::arp(view, packet),
        Some(_) => {}
        None => match view.version() {
            Some(6) => ip::v6(view, depth, packet),
            Some(_) => ip::v4(view, depth, packet),
            None => {}
        },
    }
    // IPv6 has no checksum: a MAC address can pass for the start of its header, length and all.
    let doubtful =
        packet.protocol == Protocol::Ipv6 || packet.malformed.iter().any(Malformation::doubts_ip);
    if depth.disguise && doubtful {
        disguise::instead_of_ip(view, packet);
    }
}

/// Decodes a view that nobody knows the start of: as IP or Ethernet if it reads well as one, else not at all.
fn unknown(view: View<'_>, depth: Depth) -> Packet {
    if disguise::ip_likelihood(view) >= disguise::BELIEVED {
        return network_layer(view, None, depth);
    }
    if disguise::ethernet_likelihood(view) >= disguise::BELIEVED {
        return ethernet(view, depth);
    }
    Packet::of(view)
}

impl Packet {
    fn of(view: View<'_>) -> Self {
        Self {
            caplen: view.bytes.len(),
            len: view.len,
            snapped: view.bytes.len() < view.len,
            ..Self::default()
        }
    }

    /// Whether it was understood up to the network layer and nothing speaks against that.
    fn is_sound(&self) -> bool {
        !matches!(self.protocol, Protocol::Unknown | Protocol::Ethernet)
            && !self.malformed.iter().any(Malformation::doubts_ip)
    }

    pub(super) fn fault(&mut self, kind: MalformedKind, found: usize, expected: usize) {
        self.malformed
            .push(Malformation::certain(kind, found, expected));
    }

    /// What is wrong with it, without observations that are no faults by themselves.
    pub fn faults(&self) -> impl Iterator<Item = &Malformation> {
        self.malformed
            .iter()
            .filter(|fault| fault.confidence >= disguise::BELIEVED)
    }

    /// What the packet probably is: what its disguise hides if it has one, else itself.
    #[must_use]
    pub fn probable(&self) -> &Self {
        self.disguise
            .as_ref()
            .map_or(self, |disguise| disguise.packet.as_ref())
    }

    /// The source address of IP, or the sender's of ARP.
    #[must_use]
    pub fn src(&self) -> Option<IpAddr> {
        let arp = || self.arp.map(|arp| arp.sender_ip.into());
        self.ip.map(|ip| ip.source).or_else(arp)
    }

    /// The destination address of IP, or the target's of ARP.
    #[must_use]
    pub fn dst(&self) -> Option<IpAddr> {
        let arp = || self.arp.map(|arp| arp.target_ip.into());
        self.ip.map(|ip| ip.destination).or_else(arp)
    }

    /// The upper-layer protocol, after extension headers.
    #[must_use]
    pub fn ip_proto(&self) -> Option<IpProto> {
        self.ip.map(|ip| ip.protocol)
    }

    /// The source port of TCP or UDP.
    #[must_use]
    pub fn sport(&self) -> Option<u16> {
        Some(self.transport?.ports()?.0)
    }

    /// The destination port of TCP or UDP.
    #[must_use]
    pub fn dport(&self) -> Option<u16> {
        Some(self.transport?.ports()?.1)
    }

    /// The flags of TCP.
    #[must_use]
    pub fn tcp_flags(&self) -> Option<TcpFlags> {
        match self.transport? {
            Transport::Tcp { flags, .. } => Some(flags),
            _ => None,
        }
    }

    /// The type of ICMP or ICMPv6.
    #[must_use]
    pub fn icmp_type(&self) -> Option<u8> {
        match self.transport? {
            Transport::Icmp { kind, .. } | Transport::Icmpv6 { kind, .. } => Some(kind),
            _ => None,
        }
    }
}
