//! Link types: what the bytes of a packet in a file start with, and how netdiag's own packets become such bytes.

use crate::decode::{Frame, Link};
use std::borrow::Cow;

/// `LINKTYPE_*` numbers (<https://www.tcpdump.org/linktypes.html>).
pub mod linktype {
    /// BSD loopback: an address family in the capturing host's byte order.
    pub const NULL: u16 = 0;
    /// Ethernet.
    pub const ETHERNET: u16 = 1;
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: u16 = 14;
    /// Raw IP, as other systems' headers number it.
    pub const RAW_DLT: u16 = 12;
    /// Raw IP: the version nibble tells which.
    pub const RAW: u16 = 101;
    /// OpenBSD loopback: an address family in network byte order.
    pub const LOOP: u16 = 108;
    /// Linux cooked capture.
    pub const LINUX_SLL: u16 = 113;
    /// Raw IPv4.
    pub const IPV4: u16 = 228;
    /// Raw IPv6.
    pub const IPV6: u16 = 229;
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: u16 = 276;
}

use linktype as lt;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const ARPHRD_NONE: u16 = 65534;
const ETHERNET_LEN: usize = 14;
const SLL_LEN: usize = 16;
/// Length of the header of [`lt::LINUX_SLL2`] in bytes.
pub const SLL2_LEN: usize = 20;
/// `LINUX_SLL_P_802_2`: what a cooked header says before LLC.
const LLC: u16 = 0x0004;
/// Below this a protocol field holds something else than an EtherType.
const ETHERTYPE_MIN: u16 = 0x0600;

/// How netdiag's packets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkStyle {
    /// Each with its true link type: Ethernet where there is a link-layer header, raw IP where there is none.
    #[default]
    Native,
    /// All with a Linux cooked header, so that tools of one link type a file can read them.
    Sll2,
}

/// Who a cooked packet was for (`sll2_pkttype`, as `PACKET_*` of `linux/if_packet.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It came in for this host.
    In,
    /// It came in for another host.
    OtherHost,
    /// It was made on this host.
    Out,
}

impl Direction {
    fn packet_type(self) -> u8 {
        match self {
            Self::In => 0,
            Self::OtherHost => 3,
            Self::Out => 4,
        }
    }
}

/// A captured packet as a frame, by the link type of its file.
#[must_use]
pub fn frame(link_type: u16, data: &[u8], len: usize) -> Frame<'_> {
    let frame = Frame {
        bytes: data,
        link: Link::Unknown,
        network_offset: None,
        len: len.max(data.len()),
        ethertype: None,
    };
    let ip = |ethertype| Frame {
        link: Link::Ip,
        ethertype,
        ..frame
    };
    let cooked = |header: usize, protocol_at: usize| {
        let protocol = u16_at(data, protocol_at).filter(|&protocol| protocol >= ETHERTYPE_MIN);
        Frame {
            network_offset: Some(header),
            ethertype: protocol,
            ..frame
        }
    };
    match link_type {
        lt::ETHERNET => Frame {
            link: Link::Ethernet,
            ..frame
        },
        lt::RAW | lt::RAW_DLT | lt::RAW_OPENBSD => ip(None),
        lt::IPV4 => ip(Some(IPV4)),
        lt::IPV6 => ip(Some(IPV6)),
        lt::NULL | lt::LOOP => Frame {
            network_offset: Some(4),
            ethertype: family(data),
            ..frame
        },
        lt::LINUX_SLL => cooked(SLL_LEN, 14),
        lt::LINUX_SLL2 => cooked(SLL2_LEN, 0),
        _ => frame,
    }
}

fn u16_at(data: &[u8], offset: usize) -> Option<u16> {
    let bytes = data.get(offset..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}

/// The protocol of an address family; the number is in either byte order, and IPv6's differs from system to system.
fn family(data: &[u8]) -> Option<u16> {
    let bytes = *data.first_chunk::<4>()?;
    let known = |family| match family {
        2 => Some(IPV4),
        10 | 24 | 28 | 30 => Some(IPV6),
        _ => None,
    };
    known(u32::from_le_bytes(bytes)).or_else(|| known(u32::from_be_bytes(bytes)))
}

/// A packet as it goes into a file: the link type, the bytes, its original length by them, and what of the captured
/// bytes stands before these and would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed<'a> {
    /// `LINKTYPE_*`.
    pub link_type: u16,
    /// The bytes of the packet block.
    pub data: Cow<'a, [u8]>,
    /// The original length.
    pub len: usize,
    /// Captured bytes that are not in `data`.
    pub head: &'a [u8],
}

/// Says how a packet of another capture goes into a file: as it is, or with a cooked header, where it can have one.
#[must_use]
pub fn repack<'a>(
    link_type: u16,
    frame: &Frame<'a>,
    style: LinkStyle,
    received: Option<bool>,
) -> Packed<'a> {
    let whole = Packed {
        link_type,
        data: Cow::Borrowed(frame.bytes),
        len: frame.len,
        head: &[],
    };
    let direction = match received {
        Some(false) => Direction::Out,
        _ => Direction::In,
    };
    match (style, link_type) {
        (LinkStyle::Native, _) | (LinkStyle::Sll2, lt::LINUX_SLL2) => whole,
        (LinkStyle::Sll2, lt::LINUX_SLL) => match from_sll(frame.bytes) {
            Some(data) => Packed {
                link_type: lt::LINUX_SLL2,
                len: frame.len - SLL_LEN + SLL2_LEN,
                data: Cow::Owned(data),
                head: &[],
            },
            None => whole,
        },
        (LinkStyle::Sll2, lt::ETHERNET) => pack(frame, style, 0, ARPHRD_ETHER, direction),
        (LinkStyle::Sll2, lt::NULL | lt::LOOP) => pack(frame, style, 0, ARPHRD_LOOPBACK, direction),
        (LinkStyle::Sll2, _) if frame.link == Link::Ip => {
            pack(frame, style, 0, ARPHRD_NONE, direction)
        }
        // Nobody knows where its network header is.
        (LinkStyle::Sll2, _) => whole,
    }
}

/// A packet with a cooked header of version 1 as one of version 2, which has the same facts in another order.
fn from_sll(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, payload) = bytes.split_at_checked(SLL_LEN)?;
    let packet_type = u8::try_from(u16_at(header, 0)?).ok()?;
    let address_len = u8::try_from(u16_at(header, 4)?.min(8)).ok()?;
    let mut data = Vec::with_capacity(SLL2_LEN + payload.len());
    data.extend_from_slice(header.get(14..16)?);
    // Reserved; and the interface, which version 1 does not tell.
    data.extend_from_slice(&[0; 6]);
    data.extend_from_slice(header.get(2..4)?);
    data.extend_from_slice(&[packet_type, address_len]);
    data.extend_from_slice(header.get(6..14)?);
    data.extend_from_slice(payload);
    Some(data)
}

/// Says how a frame goes into a file.
#[must_use]
pub fn pack<'a>(
    frame: &Frame<'a>,
    style: LinkStyle,
    ifindex: u32,
    dev_type: u16,
    direction: Direction,
) -> Packed<'a> {
    let whole = |link_type| Packed {
        link_type,
        data: Cow::Borrowed(frame.bytes),
        len: frame.len,
        head: &[],
    };
    let network = frame.network_offset.unwrap_or(0).min(frame.bytes.len());
    let link = match (frame.link, frame.network_offset, frame.ethertype) {
        // The link-layer header has been stripped, as `decode` sees it, too.
        (Link::Ethernet, Some(0), Some(IPV4 | IPV6)) => Link::Ip,
        (Link::Ethernet, Some(0), Some(_)) => Link::Unknown,
        (link, ..) => link,
    };
    match (style, link) {
        (LinkStyle::Native, Link::Ethernet) => return whole(lt::ETHERNET),
        (LinkStyle::Native, Link::Ip) if network == 0 => return whole(lt::RAW),
        (LinkStyle::Native, Link::Ip) => {
            let (head, data) = frame.bytes.split_at_checked(network).unwrap_or_default();
            return Packed {
                link_type: lt::RAW,
                data: Cow::Borrowed(data),
                len: frame.len - head.len(),
                head,
            };
        }
        (LinkStyle::Native, Link::Unknown) | (LinkStyle::Sll2, _) => {}
    }
    let (head_len, protocol) = match link {
        // The bytes say themselves what follows their header, VLAN tags included.
        Link::Ethernet if frame.bytes.len() >= ETHERNET_LEN => {
            let protocol = u16_at(frame.bytes, 12);
            // 802.3 has a length there, and LLC behind it.
            let protocol = protocol.map(|field| if field < ETHERTYPE_MIN { LLC } else { field });
            (ETHERNET_LEN, protocol)
        }
        Link::Ethernet => (0, None),
        Link::Ip => (
            network,
            frame.ethertype.or_else(|| by_version(frame.bytes, network)),
        ),
        Link::Unknown => (network, frame.ethertype),
    };
    let (head, payload) = frame.bytes.split_at_checked(head_len).unwrap_or_default();
    let sender = match link {
        Link::Ethernet => head.get(6..12).unwrap_or_default(),
        Link::Ip | Link::Unknown => &[],
    };
    let header = sll2(protocol.unwrap_or(0), ifindex, dev_type, direction, sender);
    Packed {
        link_type: lt::LINUX_SLL2,
        data: Cow::Owned([&header[..], payload].concat()),
        len: frame.len - head.len() + SLL2_LEN,
        head,
    }
}

fn by_version(bytes: &[u8], network: usize) -> Option<u16> {
    match bytes.get(network)? >> 4 {
        4 => Some(IPV4),
        6 => Some(IPV6),
        _ => None,
    }
}

/// The header of `LINKTYPE_LINUX_SLL2`.
fn sll2(
    protocol: u16,
    ifindex: u32,
    dev_type: u16,
    direction: Direction,
    sender: &[u8],
) -> [u8; SLL2_LEN] {
    let [kind, kind_low] = protocol.to_be_bytes();
    let [i0, i1, i2, i3] = ifindex.to_be_bytes();
    let [device, device_low] = dev_type.to_be_bytes();
    let length = u8::try_from(sender.len()).unwrap_or(0);
    let mut address = [0; 8];
    for (to, from) in address.iter_mut().zip(sender) {
        *to = *from;
    }
    let [a0, a1, a2, a3, a4, a5, a6, a7] = address;
    let packet = direction.packet_type();
    [
        kind, kind_low, 0, 0, i0, i1, i2, i3, device, device_low, packet, length, a0, a1, a2, a3,
        a4, a5, a6, a7,
    ]
}

/// The frame of a netdiag packet again: the bytes of the block, with what stood before them.
///
/// `None` when the bytes are too short for the header that the link type promises.
#[must_use]
pub fn unpack<'a>(
    link_type: u16,
    data: &'a [u8],
    len: usize,
    head: &'a [u8],
) -> Option<(Cow<'a, [u8]>, usize)> {
    let (data, len) = if link_type == lt::LINUX_SLL2 {
        (data.get(SLL2_LEN..)?, len.checked_sub(SLL2_LEN)?)
    } else {
        (data, len)
    };
    let bytes = if head.is_empty() {
        Cow::Borrowed(data)
    } else {
        Cow::Owned([head, data].concat())
    };
    Some((bytes, len.saturating_add(head.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(frame: Frame<'_>, style: LinkStyle, link_type: u16) {
        let packed = pack(&frame, style, 3, 1, Direction::In);
        assert_eq!(packed.link_type, link_type);
        let head = packed.head.to_vec();
        let (bytes, len) = unpack(link_type, &packed.data, packed.len, &head).unwrap();
        assert_eq!(
            (&*bytes, len),
            (frame.bytes, frame.len),
            "{frame:?} {style:?}"
        );
    }

    #[test]
    fn every_frame_comes_back() {
        let bytes: Vec<u8> = (0..60).collect();
        for link in [Link::Ethernet, Link::Ip, Link::Unknown] {
            for network_offset in [None, Some(0), Some(14), Some(60), Some(1000)] {
                for captured in [0, 5, 13, 14, 60] {
                    let frame = Frame {
                        bytes: &bytes[..captured],
                        link,
                        network_offset,
                        len: 1500,
                        ethertype: Some(0x0806),
                    };
                    let native = match (link, network_offset) {
                        (Link::Ethernet, Some(0)) | (Link::Unknown, _) => lt::LINUX_SLL2,
                        (Link::Ethernet, _) => lt::ETHERNET,
                        (Link::Ip, _) => lt::RAW,
                    };
                    round_trip(frame, LinkStyle::Native, native);
                    round_trip(frame, LinkStyle::Sll2, lt::LINUX_SLL2);
                }
            }
        }
    }

    #[test]
    fn a_cooked_header_says_what_the_ethernet_header_said() {
        let bytes = [&[1; 6][..], &[2; 6], &[0x86, 0xdd], &[0x60; 4]].concat();
        let frame = frame(lt::ETHERNET, &bytes, 18);
        let packed = pack(&frame, LinkStyle::Sll2, 0x0102_0304, 772, Direction::Out);
        let expected = [
            0x86, 0xdd, 0, 0, 1, 2, 3, 4, 0x03, 0x04, 4, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0x60, 0x60,
            0x60, 0x60,
        ];
        assert_eq!((&*packed.data, packed.len), (&expected[..], 24));
    }

    #[test]
    fn the_length_of_802_3_is_no_protocol() {
        let bytes = [&[1; 12][..], &[0, 38], &[0x42; 38]].concat();
        let frame = frame(lt::ETHERNET, &bytes, bytes.len());
        let packed = pack(&frame, LinkStyle::Sll2, 1, 1, Direction::In);
        assert_eq!(packed.data.get(..2), Some(&[0, 4][..]));
        round_trip(frame, LinkStyle::Sll2, lt::LINUX_SLL2);
    }

    #[test]
    fn cooked_headers_keep_what_they_say() {
        let sll = [
            0, 4, 0x03, 0x04, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0x00, 0x45, 0x46,
        ];
        let packed = |link_type, bytes: &[u8], style| {
            let frame = frame(link_type, bytes, 100);
            let packed = repack(link_type, &frame, style, None);
            (packed.link_type, packed.data.to_vec(), packed.len)
        };
        let cooked = [
            0x08, 0x00, 0, 0, 0, 0, 0, 0, 0x03, 0x04, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x45, 0x46,
        ];
        let sll2 = LinkStyle::Sll2;
        assert_eq!(
            packed(lt::LINUX_SLL, &sll, sll2),
            (lt::LINUX_SLL2, cooked.to_vec(), 104)
        );
        assert_eq!(
            packed(lt::LINUX_SLL2, &cooked, sll2),
            (lt::LINUX_SLL2, cooked.to_vec(), 100)
        );
        // Radio frames have no cooked form.
        assert_eq!(packed(105, &sll, sll2), (105, sll.to_vec(), 100));
        assert_eq!(packed(lt::RAW, &[0x45], sll2).0, lt::LINUX_SLL2);
        assert_eq!(
            packed(lt::RAW, &[0x45], LinkStyle::Native),
            (lt::RAW, vec![0x45], 100)
        );
    }

    #[test]
    fn foreign_link_types() {
        let sll: Vec<u8> = [&[0; 14][..], &[0x08, 0x00], &[0x45; 20]].concat();
        let cooked = frame(lt::LINUX_SLL, &sll, 36);
        assert_eq!(
            (cooked.network_offset, cooked.ethertype),
            (Some(16), Some(IPV4))
        );
        let null = frame(lt::NULL, &[0, 0, 0, 30, 0x60], 5);
        assert_eq!((null.network_offset, null.ethertype), (Some(4), Some(IPV6)));
        assert_eq!(frame(lt::IPV6, &[], 0).ethertype, Some(IPV6));
        assert_eq!(frame(147, &[1], 0).link, Link::Unknown);
        assert_eq!(frame(lt::NULL, &[1], 1).ethertype, None);
    }
}
