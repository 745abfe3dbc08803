//! Packets inside packets: IPIP, GRE and VXLAN, one level in.
//!
//! A dropped tunnel packet is nearly always about the packet inside, so that one is decoded too.

use super::link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_TEB};
use super::packet::{Depth, Packet, ethernet, network_layer};
use super::view::View;

/// The UDP port of VXLAN (RFC 7348).
pub(super) const VXLAN_PORT: u16 = 4789;

/// What may be done inside a tunnel: no second one, and no guesses.
const INSIDE: Depth = Depth {
    tunnel: false,
    disguise: false,
};

/// How a packet is carried inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// IP directly in IP.
    Ipip,
    /// GRE.
    Gre {
        /// EtherType of the packet inside; 0x6558 is Ethernet.
        protocol: u16,
        /// The key, if the header has one.
        key: Option<u32>,
    },
    /// VXLAN.
    Vxlan {
        /// The network identifier.
        vni: u32,
    },
}

impl Tunnel {
    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gre { .. } => "gre",
            Self::Vxlan { .. } => "vxlan",
        }
    }
}

/// Reads what follows protocol 4 (`ETHERTYPE_IPV4`) or 41 (`ETHERTYPE_IPV6`).
pub(super) fn ipip(view: View<'_>, ethertype: u16, packet: &mut Packet) {
    packet.tunnel = Some(Tunnel::Ipip);
    carry(packet, view, ethertype);
}

/// Reads GRE (RFC 2784, RFC 2890).
pub(super) fn gre(view: View<'_>, packet: &mut Packet) {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 0x0007;

    let (Some(flags), Some(protocol)) = (view.u16_at(0), view.u16_at(2)) else {
        return;
    };
    // Version 1 is PPTP; source routes (RFC 1701) have no fixed length.
    if flags & VERSION != 0 || flags & ROUTING != 0 {
        return;
    }
    let word = |flag| if flags & flag == 0 { 0 } else { 4 };
    let key_offset = 4 + word(CHECKSUM);
    let key = (flags & KEY != 0)
        .then(|| view.u32_at(key_offset))
        .flatten();
    packet.tunnel = Some(Tunnel::Gre { protocol, key });
    let payload = view.skip(key_offset + word(KEY) + word(SEQUENCE));
    carry(packet, payload, protocol);
}

/// Reads VXLAN, after the UDP header.
pub(super) fn vxlan(view: View<'_>, packet: &mut Packet) {
    const VNI_VALID: u32 = 0x0800_0000;
    let (Some(flags), Some(vni)) = (view.u32_at(0), view.u32_at(4)) else {
        return;
    };
    if flags & VNI_VALID == 0 {
        return;
    }
    packet.tunnel = Some(Tunnel::Vxlan { vni: vni >> 8 });
    carry(packet, view.skip(8), ETHERTYPE_TEB);
}

fn carry(packet: &mut Packet, view: View<'_>, ethertype: u16) {
    if view.bytes.is_empty() {
        return;
    }
    let inner = match ethertype {
        ETHERTYPE_TEB => ethernet(view, INSIDE),
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => network_layer(view, Some(ethertype), INSIDE),
        _ => return,
    };
    packet.inner = Some(Box::new(inner));
}
