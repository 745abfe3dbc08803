//! IPv4 and IPv6, with options, extension headers and fragments, and everything that can be wrong with them.
//!
//! The checks follow `ip_rcv_core` and `ip6_rcv_core` and their order, so that the first fault named is the one that
//! the kernel dropped the packet for.

use std::borrow::Cow;
use std::net::IpAddr;

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice, checksum::u32_16bit_word,
};

use super::link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::malformed::{Malformation, MalformedKind};
use super::packet::{Depth, Packet, Protocol};
use super::transport::{self, UDP_LEN};
use super::tunnel::{self, VXLAN_PORT};
use super::view::View;

pub(super) const IPV4_LEN: usize = 20;
pub(super) const IPV6_LEN: usize = 40;

/// More extension headers than any real packet has; the kernel's own limits are lower still.
const MAX_EXTENSIONS: usize = 16;
/// A frame below this (without its checksum) was padded by the sender.
const ETHERNET_MIN: usize = 60;
/// The Ethernet frame check sequence, which some drivers leave on.
const FCS_LEN: usize = 4;

/// What the decoder tells of an IPv4 or IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Source.
    pub source: IpAddr,
    /// Destination.
    pub destination: IpAddr,
    /// The upper-layer protocol, after extension headers as far as they were captured.
    pub protocol: IpProto,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Set in a fragment.
    pub fragment: Option<Fragment>,
    /// Bytes of the packet with this header, as it claims.
    pub total_len: usize,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset in the original payload.
    pub offset_bytes: u16,
    /// Whether more fragments follow.
    pub more: bool,
}

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpProto(pub u8);

impl IpProto {
    /// The name, or the number where it is not a usual one.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self.0 {
            0 => "hopopt",
            1 => "icmp",
            2 => "igmp",
            4 => "ipip",
            6 => "tcp",
            17 => "udp",
            33 => "dccp",
            41 => "ipv6",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            58 => "icmpv6",
            59 => "none",
            89 => "ospf",
            103 => "pim",
            112 => "vrrp",
            115 => "l2tp",
            132 => "sctp",
            136 => "udplite",
            number => return Cow::Owned(number.to_string()),
        })
    }
}

/// The one's complement checksum over a header; 0 when the checksum in it is right.
pub(super) fn checksum(header: &[u8]) -> u16 {
    let mut sum = u32_16bit_word::add_slice(0, header);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // What `add_slice` sums in memory order is a number in memory order.
    u16::try_from(sum).map_or(0, |sum| !u16::from_be(sum))
}

/// Reads IPv4 into `packet`.
pub(super) fn v4(view: View<'_>, depth: Depth, packet: &mut Packet) {
    packet.protocol = Protocol::Ipv4;
    if view.len < IPV4_LEN {
        packet.fault(MalformedKind::IpTruncated, view.len, IPV4_LEN);
    }
    if let Some(version) = view.version().filter(|&version| version != 4) {
        packet.fault(MalformedKind::IpVersion, version.into(), 4);
        return;
    }
    let Some(mut fixed) = view.bytes.first_chunk::<IPV4_LEN>().copied() else {
        return;
    };
    let words = fixed[0] & 0x0f;
    let header_len = usize::from(words) * 4;
    if words < 5 {
        packet.fault(MalformedKind::IpIhl, words.into(), 5);
    } else if header_len > view.len {
        packet.fault(MalformedKind::IpTruncated, view.len, header_len);
    } else if let Some(header) = view.bytes.get(..header_len) {
        check_sum(header, packet);
    }
    // Addresses and protocol stand at fixed places whatever the header length says.
    fixed[0] = 0x45;
    let Ok(header) = Ipv4HeaderSlice::from_slice(&fixed) else {
        return;
    };
    let total_len = usize::from(header.total_len());
    // BIG TCP: a total length of 0 says "as long as the buffer", above 64 KiB (skb_ip_totlen).
    let total_len = if total_len == 0 && view.len > usize::from(u16::MAX) {
        view.len
    } else {
        total_len
    };
    let offset_bytes = header.fragments_offset().value() << 3;
    let more = header.more_fragments();
    packet.ip = Some(IpHeader {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: IpProto(header.protocol().0),
        ttl: header.ttl(),
        fragment: (more || offset_bytes > 0).then_some(Fragment { offset_bytes, more }),
        total_len,
    });
    if words < 5 || header_len > view.len {
        return;
    }
    let trusted = check_length(view, total_len, header_len, packet);
    let end = if trusted { total_len } else { view.len };
    upper_layer(view.limit(end).skip(header_len), trusted, depth, packet);
}

fn check_sum(header: &[u8], packet: &mut Packet) {
    let rest = checksum(header);
    if rest == 0 {
        return;
    }
    let found = View::new(header, header.len()).u16_at(10).unwrap_or(0);
    // One's complement: what would make the sum right.
    let sum = u32::from(rest) + u32::from(found);
    let expected = (sum & 0xffff) + (sum >> 16);
    // A packet that its own host is still building has a checksum of zero.
    let confidence = if found == 0 { 0.6 } else { 1.0 };
    packet.malformed.push(Malformation {
        kind: MalformedKind::IpChecksum,
        confidence,
        found: found.into(),
        expected,
    });
}

/// Reads IPv6 into `packet`.
pub(super) fn v6(view: View<'_>, depth: Depth, packet: &mut Packet) {
    packet.protocol = Protocol::Ipv6;
    if view.len < IPV6_LEN {
        packet.fault(MalformedKind::IpTruncated, view.len, IPV6_LEN);
    }
    if let Some(version) = view.version().filter(|&version| version != 6) {
        packet.fault(MalformedKind::IpVersion, version.into(), 6);
        return;
    }
    let Ok(header) = Ipv6HeaderSlice::from_slice(view.bytes) else {
        return;
    };
    let payload_len = usize::from(header.payload_length());
    // Jumbograms (RFC 2675) and BIG TCP: 0 says "as long as the buffer", above 64 KiB.
    let total_len = if payload_len == 0 && view.len - IPV6_LEN > usize::from(u16::MAX) {
        view.len
    } else {
        payload_len + IPV6_LEN
    };
    packet.ip = Some(IpHeader {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: IpProto(header.next_header().0),
        ttl: header.hop_limit(),
        fragment: None,
        total_len,
    });
    let trusted = check_length(view, total_len, IPV6_LEN, packet);
    let end = if trusted { total_len } else { view.len };
    upper_layer(view.limit(end).skip(IPV6_LEN), trusted, depth, packet);
}

/// Whether the total length fits header and packet.
fn check_length(view: View<'_>, total_len: usize, header_len: usize, packet: &mut Packet) -> bool {
    if total_len > view.len {
        packet.fault(MalformedKind::IpLengthBeyond, total_len, view.len);
        return false;
    }
    if total_len < header_len {
        packet.fault(MalformedKind::IpLengthShort, total_len, header_len);
        return false;
    }
    // The length of its own frame: inside a tunnel it starts further on.
    let padded = packet.link.is_some() && packet.len <= ETHERNET_MIN + FCS_LEN;
    if !padded && view.len - total_len > FCS_LEN {
        let trailing = Malformation::certain(MalformedKind::IpTrailing, view.len, total_len);
        packet.malformed.push(trailing.with_confidence(0.3));
    }
    true
}

/// Walks the extension headers and reads the transport header or the packet inside.
fn upper_layer(mut view: View<'_>, mut whole: bool, depth: Depth, packet: &mut Packet) {
    let is_v6 = packet.protocol == Protocol::Ipv6;
    let Some(ip) = &mut packet.ip else {
        return;
    };
    let mut truncated = None;
    for _ in 0..MAX_EXTENSIONS {
        if ip
            .fragment
            .is_some_and(|fragment| fragment.offset_bytes > 0)
        {
            return;
        }
        whole &= ip.fragment.is_none();
        let (next, length) = match (ip.protocol.0, is_v6) {
            (0 | 43 | 60 | 135 | 139 | 140, true) => {
                match Ipv6RawExtHeaderSlice::from_slice(view.bytes) {
                    Ok(header) => (header.next_header(), header.slice().len()),
                    Err(error) => {
                        truncated = Some(error.required_len);
                        break;
                    }
                }
            }
            (44, true) => match Ipv6FragmentHeaderSlice::from_slice(view.bytes) {
                Ok(header) => {
                    // An atomic fragment (RFC 6946) is a whole packet.
                    if header.is_fragmenting_payload() {
                        ip.fragment = Some(Fragment {
                            offset_bytes: header.fragment_offset().value() << 3,
                            more: header.more_fragments(),
                        });
                    }
                    (header.next_header(), header.slice().len())
                }
                Err(error) => {
                    truncated = Some(error.required_len);
                    break;
                }
            },
            (51, _) => match IpAuthHeaderSlice::from_slice(view.bytes) {
                Ok(header) => (header.next_header(), header.slice().len()),
                Err(_) => return,
            },
            _ => break,
        };
        ip.protocol = IpProto(next.0);
        view = view.skip(length);
    }
    if let Some(needed) = truncated {
        if whole && view.len < needed {
            packet.fault(MalformedKind::IpTruncated, view.len, needed);
        }
        return;
    }
    let protocol = ip.protocol.0;
    match protocol {
        1 => transport::icmp(view, packet),
        4 if depth.tunnel && whole => tunnel::ipip(view, ETHERTYPE_IPV4, packet),
        6 => transport::tcp(view, whole, packet),
        17 => {
            let port = transport::udp(view, whole, packet);
            if port == Some(VXLAN_PORT) && depth.tunnel && whole {
                tunnel::vxlan(view.skip(UDP_LEN), packet);
            }
        }
        41 if depth.tunnel && whole => tunnel::ipip(view, ETHERTYPE_IPV6, packet),
        47 if depth.tunnel && whole => tunnel::gre(view, packet),
        58 => transport::icmpv6(view, packet),
        _ => {}
    }
}
