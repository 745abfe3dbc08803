//! What a malformed packet really is: an Ethernet frame on a device without a link layer, a packet-info header left
//! on, an IP packet where a frame should be.
//!
//! Every reading is scored by what cannot be there by chance: an EtherType at its place, and behind it a header whose
//! version, lengths and checksum agree. A MAC address that starts with the nibble 4 or 6 looks like an IP version, so
//! versions alone count for little. A header in good order is never questioned.

use super::ip::{IPV4_LEN, IPV6_LEN, checksum};
use super::link::{
    ETHERNET_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_QINQ, ETHERTYPE_VLAN,
    MacAddr, VLAN_LEN, is_ipv4_over_ethernet,
};
use super::malformed::{Malformation, MalformedKind};
use super::packet::{Depth, Packet, Protocol, ethernet, network_layer};
use super::view::View;

/// From here on a reading is taken for what the packet is.
pub(super) const BELIEVED: f32 = 0.5;
/// From here on a reading stands even against an IP header without a fault.
const PROVEN: f32 = 0.97;
/// How much better than IP another reading must be while neither is proven.
const MARGIN: f32 = 0.15;
/// What no reading goes above: the bytes may still be chance.
const SURE: f32 = 0.99;
/// The packet-info header of a tun device: flags and EtherType (`struct tun_pi`).
const PACKET_INFO_LEN: usize = 4;

const INSIDE: Depth = Depth {
    tunnel: true,
    disguise: false,
};

/// What a packet is instead of what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Disguise {
    /// What sits where the header should be.
    pub kind: DisguiseKind,
    /// Where the packet in disguise starts in the frame; for [`DisguiseKind::PacketInfo`], after that header.
    pub offset: usize,
    /// How sure that is, from 0 to 1.
    pub confidence: f32,
    /// The packet, decoded as what it probably is.
    pub packet: Box<Packet>,
}

/// The kinds of [`Disguise`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisguiseKind {
    /// An Ethernet frame where an IP header should be.
    EthernetFrame,
    /// A packet-info header before the IP header.
    PacketInfo,
    /// An IP header where an Ethernet header should be.
    BareIp,
    /// An IPv4 packet announced as IPv6, or the other way round.
    OtherVersion,
}

impl DisguiseKind {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EthernetFrame => "ethernet-frame",
            Self::PacketInfo => "packet-info",
            Self::BareIp => "bare-ip",
            Self::OtherVersion => "other-version",
        }
    }
}

/// Looks for what stands where `packet` should have its IP header.
pub(super) fn instead_of_ip(view: View<'_>, packet: &mut Packet) {
    let as_ip = ip_likelihood(view);
    let shifted = view.skip(PACKET_INFO_LEN);
    let best = [
        (DisguiseKind::EthernetFrame, ethernet_likelihood(view), view),
        (
            DisguiseKind::PacketInfo,
            packet_info_likelihood(view),
            shifted,
        ),
        (DisguiseKind::OtherVersion, as_ip, view),
    ]
    .into_iter()
    .max_by(|a, b| a.1.total_cmp(&b.1));
    // Against a header without a fault only proof counts.
    let needed = match packet.faults().any(Malformation::doubts_ip) {
        true => BELIEVED,
        false => PROVEN,
    };
    let Some((kind, confidence, real)) = best.filter(|best| best.1 >= needed) else {
        return;
    };
    let wins = confidence >= as_ip + MARGIN || (confidence >= PROVEN && confidence > as_ip);
    match kind {
        DisguiseKind::EthernetFrame if wins => {
            packet.reveal(kind, confidence, real.offset, ethernet(real, INSIDE));
            packet.protocol = Protocol::Ethernet;
        }
        DisguiseKind::PacketInfo if wins => {
            let inside = network_layer(real, view.u16_at(2), INSIDE);
            packet.reveal(kind, confidence, real.offset, inside);
            packet.protocol = Protocol::Unknown;
        }
        DisguiseKind::OtherVersion if packet.ip.is_none() => {
            packet.reveal(
                kind,
                confidence,
                real.offset,
                network_layer(real, None, INSIDE),
            );
        }
        _ => {}
    }
}

/// Looks for an IP header where `packet` should have its Ethernet header.
#[cold]
pub(super) fn instead_of_ethernet(view: View<'_>, packet: &mut Packet) {
    let confidence = ip_likelihood(view);
    if confidence > BELIEVED {
        let inside = network_layer(view, None, INSIDE);
        packet.malformed.clear();
        packet.link = None;
        packet.vlans = <_>::default();
        packet.arp = None;
        packet.reveal(DisguiseKind::BareIp, confidence, view.offset, inside);
        packet.protocol = Protocol::Unknown;
    }
}

impl Packet {
    /// Takes back what was read from bytes that are something else, and says what they are.
    fn reveal(&mut self, kind: DisguiseKind, confidence: f32, offset: usize, packet: Packet) {
        self.ip = None;
        self.transport = None;
        self.tunnel = None;
        self.inner = None;
        self.malformed.retain(Malformation::doubts_ip);
        let name = match kind {
            DisguiseKind::EthernetFrame => Some(MalformedKind::EthernetFrame),
            DisguiseKind::PacketInfo => Some(MalformedKind::PacketInfo),
            DisguiseKind::BareIp => Some(MalformedKind::IpNotEthernet),
            // `ip-version` says it already.
            DisguiseKind::OtherVersion => None,
        };
        if let Some(name) = name {
            let fault = Malformation::certain(name, offset, 0).with_confidence(confidence);
            self.malformed.push(fault);
        }
        self.disguise = Some(Disguise {
            kind,
            offset,
            confidence,
            packet: Box::new(packet),
        });
    }
}

/// How much the bytes look like an IP packet, by its own version.
pub(super) fn ip_likelihood(view: View<'_>) -> f32 {
    match view.version() {
        Some(4) => ipv4_likelihood(view),
        Some(6) => ipv6_likelihood(view),
        _ => 0.0,
    }
}

fn ipv4_likelihood(view: View<'_>) -> f32 {
    let Some(&first) = view.bytes.first() else {
        return 0.4;
    };
    let header_len = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header_len < IPV4_LEN || header_len > view.len {
        return 0.0;
    }
    let length_fits = view
        .u16_at(2)
        .is_none_or(|total| (header_len..=view.len).contains(&usize::from(total)));
    match (view.bytes.get(..header_len), length_fits) {
        (Some(header), true) if checksum(header) == 0 => SURE,
        (Some(header), false) if checksum(header) == 0 => 0.9,
        (Some(_), true) => 0.4,
        (Some(_), false) => 0.0,
        (None, true) => 0.45,
        (None, false) => 0.0,
    }
}

fn ipv6_likelihood(view: View<'_>) -> f32 {
    let Some(first) = view.version() else {
        return 0.4;
    };
    if first != 6 || view.len < IPV6_LEN {
        return 0.0;
    }
    let Some(payload_len) = view.u16_at(4).map(usize::from) else {
        return 0.4;
    };
    let there = view.len - IPV6_LEN;
    // A source address is never multicast (RFC 4291).
    let source_fits = view.bytes.get(8).is_none_or(|&byte| byte != 0xff);
    match (payload_len == there, source_fits) {
        // A MAC address can be as much of a header, if the capture ends there.
        (true, true) if view.bytes.len() < IPV6_LEN => 0.45,
        (true, true) => 0.95,
        (true, false) => 0.3,
        // Ethernet padding, or a frame check sequence left on.
        (false, true) if payload_len < there && padded(there - payload_len, view.len) => 0.45,
        (false, _) => 0.0,
    }
}

/// Whether bytes after an IP packet can be Ethernet's: what fills a frame up to 60 bytes, and a check sequence of 4.
fn padded(extra: usize, len: usize) -> bool {
    extra <= 4 || len <= 64 - ETHERNET_LEN
}

/// How much the bytes look like an Ethernet frame with something known inside.
pub(super) fn ethernet_likelihood(view: View<'_>) -> f32 {
    let Some(source) = view.bytes.get(6..).and_then(|tail| tail.first_chunk()) else {
        return 0.0;
    };
    if MacAddr(*source).is_multicast() {
        return 0.0;
    }
    let mut ethertype = view.u16_at(12);
    let mut payload = view.skip(ETHERNET_LEN);
    let mut tagged = false;
    for _ in 0..2 {
        if matches!(ethertype, Some(ETHERTYPE_VLAN | ETHERTYPE_QINQ)) {
            tagged = true;
            ethertype = payload.u16_at(2);
            payload = payload.skip(VLAN_LEN);
        }
    }
    let inside = match ethertype {
        Some(ETHERTYPE_IPV4) => ipv4_likelihood(payload),
        Some(ETHERTYPE_IPV6) => ipv6_likelihood(payload),
        Some(ETHERTYPE_ARP) if is_ipv4_over_ethernet(payload) => SURE,
        Some(ETHERTYPE_ARP) if payload.bytes.len() < 6 => 0.4,
        // Behind a tag anything may follow, and the tag itself speaks for Ethernet.
        _ if tagged => 0.3,
        _ => 0.0,
    };
    // The EtherType at its place is worth as much as a header that cannot be checked.
    if inside > 0.0 {
        (inside + 0.2).min(SURE)
    } else {
        0.0
    }
}

/// How much the bytes look like a packet-info header with an IP packet behind it.
fn packet_info_likelihood(view: View<'_>) -> f32 {
    let inside = view.skip(PACKET_INFO_LEN);
    // Flags: none, or TUN_PKT_STRIP in the byte order of the machine.
    if !matches!(view.u16_at(0), Some(0 | 0x0001 | 0x0100)) {
        return 0.0;
    }
    let inside = match view.u16_at(2) {
        Some(ETHERTYPE_IPV4) => ipv4_likelihood(inside),
        Some(ETHERTYPE_IPV6) => ipv6_likelihood(inside),
        _ => 0.0,
    };
    if inside > 0.0 {
        (inside + 0.2).min(SURE)
    } else {
        0.0
    }
}
