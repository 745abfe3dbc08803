//! The link layer: Ethernet, 802.1Q and QinQ tags, and ARP.

use std::fmt;
use std::net::Ipv4Addr;

use etherparse::{ArpPacketSlice, Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::packet::{Packet, Protocol};
use super::view::View;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_ARP: u16 = 0x0806;
pub(super) const ETHERTYPE_TEB: u16 = 0x6558;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(super) const ETHERTYPE_QINQ: u16 = 0x88a8;

pub(super) const ETHERNET_LEN: usize = 14;
pub(super) const VLAN_LEN: usize = 4;

/// A MAC address; displays as `02:42:0a:63:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Whether it names a group: such an address never is a source.
    #[must_use]
    pub fn is_multicast(self) -> bool {
        let [first, ..] = self.0;
        first & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An Ethernet II header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Source.
    pub source: MacAddr,
    /// Destination.
    pub destination: MacAddr,
    /// EtherType after VLAN tags.
    pub ethertype: u16,
}

/// Up to two VLAN ids, outermost first. More tags than that are not looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vlans {
    outer: Option<u16>,
    inner: Option<u16>,
}

impl Vlans {
    /// The ids, outermost first.
    pub fn ids(self) -> impl Iterator<Item = u16> {
        self.outer.into_iter().chain(self.inner)
    }

    /// Puts back the tag that the kernel took off: it was the outermost. A third one is dropped.
    pub fn push_outer(&mut self, id: u16) {
        self.inner = self.outer.replace(id).or(self.inner);
    }
}

/// ARP for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// Who speaks.
    pub sender_mac: MacAddr,
    /// Who speaks.
    pub sender_ip: Ipv4Addr,
    /// Who is meant; zero in a request.
    pub target_mac: MacAddr,
    /// Who is meant.
    pub target_ip: Ipv4Addr,
}

/// Reads Ethernet and VLAN headers into `packet`; gives the EtherType and what follows, as far as captured.
pub(super) fn header<'a>(view: View<'a>, packet: &mut Packet) -> Option<(u16, View<'a>)> {
    let header = Ethernet2HeaderSlice::from_slice(view.bytes).ok()?;
    let mut ethertype = header.ether_type().0;
    let mut payload = view.skip(ETHERNET_LEN);
    for vlan in [&mut packet.vlans.outer, &mut packet.vlans.inner] {
        if !matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) {
            break;
        }
        let Ok(tag) = SingleVlanHeaderSlice::from_slice(payload.bytes) else {
            break;
        };
        *vlan = Some(tag.vlan_identifier().value());
        ethertype = tag.ether_type().0;
        payload = payload.skip(VLAN_LEN);
    }
    packet.link = Some(EthernetHeader {
        source: MacAddr(header.source()),
        destination: MacAddr(header.destination()),
        ethertype,
    });
    Some((ethertype, payload))
}

/// Reads ARP into `packet`.
pub(super) fn arp(view: View<'_>, packet: &mut Packet) {
    packet.protocol = Protocol::Arp;
    let Ok(arp) = ArpPacketSlice::from_slice(view.bytes) else {
        return;
    };
    let mac = |bytes: &[u8]| Some(MacAddr(*bytes.first_chunk::<6>()?));
    let ip = |bytes: &[u8]| Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?));
    let addresses = || {
        Some(Arp {
            operation: arp.operation().0,
            sender_mac: mac(arp.sender_hw_addr())?,
            sender_ip: ip(arp.sender_protocol_addr())?,
            target_mac: mac(arp.target_hw_addr())?,
            target_ip: ip(arp.target_protocol_addr())?,
        })
    };
    if is_ipv4_over_ethernet(view) {
        packet.arp = addresses();
    }
}

/// Whether the fixed part of an ARP header is that of IPv4 over Ethernet.
pub(super) fn is_ipv4_over_ethernet(view: View<'_>) -> bool {
    view.bytes.starts_with(&[0, 1, 8, 0, 6, 4])
}
