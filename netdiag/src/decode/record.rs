//! The drop record of the ring buffer, read field by field from bytes whose length is checked first.
//!
//! The kernel side writes sentinels (0, all ones) because a record holds integers only; here they become `None`, so
//! that nothing further on can take a sentinel for a fact.

use std::borrow::Cow;
use std::mem::offset_of;
use std::net::IpAddr;

use netdiag_common::record::{
    ADDRESSES_LEN, CHECK_IHL, CHECK_LENGTH, CHECK_SEEN, CHECK_SHORT, CHECK_VERSION,
    DROP_HEADER_LEN, DropRecord, FLAG_ADDRESSES, FLAG_DEVICE, FLAG_LINK_HEADER, FLAG_NO_SKB,
    FLAG_ORPHAN, FLAG_OTHERHOST, FLAG_RECEIVED, FLAG_SOCKET, FLAG_VLAN, KIND_DROP, NO_OFFSET,
    NO_REASON, NO_UID,
};
use netdiag_common::{IFNAMSIZ, NetnsId};

use super::device::is_layer3;
use super::frame::{Frame, Link};
use super::link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::made::ip_header;

/// One dropped packet, as the kernel side saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropEvent<'a> {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// The kernel address that called for the drop.
    pub location: u64,
    /// Cgroup of the owning socket.
    pub cgroup_id: Option<u64>,
    /// Inode number of the owning socket.
    pub socket_inode: Option<u64>,
    /// The running kernel's drop reason; `None` before 5.17.
    pub reason: Option<u32>,
    /// Network namespace of the device, or of the socket.
    pub netns: Option<NetnsId>,
    /// Index of the device.
    pub ifindex: Option<u32>,
    /// Name of the device; empty without one. Control characters are replaced.
    pub ifname: Cow<'a, str>,
    /// `ARPHRD_*` of the device.
    pub dev_type: Option<u16>,
    /// The processor that dropped the packet.
    pub cpu: u32,
    /// Owner of the socket.
    pub uid: Option<u32>,
    /// What the check at the entry of the IP receive functions saw.
    pub header_check: HeaderCheck,
    /// The id of the VLAN tag that the kernel took off the packet.
    pub vlan: Option<u16>,
    /// Whether it was for another host's MAC address, where the kernel gives no reason to say so.
    pub other_host: bool,
    /// Whether it came in by a device; others were made on this host.
    pub received: bool,
    /// Whether a socket owns the packet.
    pub has_socket: bool,
    /// Whether its socket was closed and is nobody's.
    pub orphan: bool,
    /// Whether the skb could not be read: only time, place, reason and protocol are known.
    pub no_skb: bool,
    /// `skb->protocol` in host byte order; `None` when it was not set.
    pub protocol: Option<u16>,
    /// The packet bytes and how they start; with [`addresses`](Self::addresses), from the TCP header on.
    pub frame: Frame<'a>,
    /// Where a TCP segment of this host's that has no IP header yet comes from and goes to, as its socket says.
    pub addresses: Option<(IpAddr, IpAddr)>,
}

impl DropEvent<'_> {
    /// The packet that the segment would have become, with [the IP header that is known](ip_header): its bytes, and
    /// how long it would be. `None` where the packet speaks for itself.
    #[must_use]
    pub fn completed(&self) -> Option<(Vec<u8>, usize)> {
        let (from, to) = self.addresses?;
        let mut bytes = ip_header(from, to, self.frame.len)?;
        let len = bytes.len() + self.frame.len;
        bytes.extend_from_slice(self.frame.bytes);
        Some((bytes, len))
    }
}

/// What the header check at the entry of `ip_rcv_core` or `ip6_rcv_core` saw (`CHECK_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderCheck(u16);

impl HeaderCheck {
    /// The flags (`CHECK_*`), as a dump keeps them.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// From flags that a dump has kept.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether the packet came by the check at all.
    #[must_use]
    pub fn seen(self) -> bool {
        self.0 & CHECK_SEEN != 0
    }

    /// Whether the check found fault with the header.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        self.names().next().is_some()
    }

    /// What is wrong with the header, in the words of [`MalformedKind::name`](super::MalformedKind::name);
    /// `ip-length` stands for either of the two length faults.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (CHECK_VERSION, "ip-version"),
            (CHECK_IHL, "ip-ihl"),
            (CHECK_SHORT, "ip-truncated"),
            (CHECK_LENGTH, "ip-length"),
        ]
        .into_iter()
        .filter(move |(flag, _)| self.0 & flag != 0)
        .map(|(_, name)| name)
    }
}

/// Why bytes are not a drop record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the record's header does.
    #[error("a drop record of {got} bytes is shorter than its header of {needed}")]
    HeaderShort {
        /// Bytes there are.
        got: usize,
        /// Bytes that the header takes.
        needed: usize,
    },
    /// The record is of another kind.
    #[error("record kind {kind} is not a drop record")]
    Kind {
        /// What the record says.
        kind: u16,
    },
    /// The bytes end before the packet copy does.
    #[error("a drop record claims {claimed} packet bytes and has {got}")]
    PacketShort {
        /// Bytes after the header.
        got: usize,
        /// Bytes that the header announces.
        claimed: usize,
    },
}

/// Reads a record from the ring buffer. Bytes after the packet copy are padding and ignored.
///
/// # Errors
///
/// When the bytes are too short for the header or for the packet that it announces, or are another kind of record.
pub fn drop_record(bytes: &[u8]) -> Result<DropEvent<'_>, RecordError> {
    let short = RecordError::HeaderShort {
        got: bytes.len(),
        needed: DROP_HEADER_LEN,
    };
    let (header, rest) = bytes.split_at_checked(DROP_HEADER_LEN).ok_or(short)?;
    // The offsets come from the struct itself, so `short` cannot happen below; it costs nothing to be total.
    macro_rules! number {
        ($field:ident: $type:ty) => {
            header
                .get(offset_of!(DropRecord, $field)..)
                .and_then(|tail| tail.first_chunk())
                .map(|chunk| <$type>::from_ne_bytes(*chunk))
                .ok_or(short)?
        };
    }

    let kind = number!(kind: u16);
    if kind != KIND_DROP {
        return Err(RecordError::Kind { kind });
    }
    let caplen = usize::from(number!(caplen: u16));
    let packet = rest.get(..caplen).ok_or(RecordError::PacketShort {
        got: rest.len(),
        claimed: caplen,
    })?;

    let flags = number!(flags: u16);
    let dev_type = (flags & FLAG_DEVICE != 0).then_some(number!(dev_type: u16));
    let protocol = nonzero(u16::from_be(number!(protocol: u16)));
    let network_offset = Some(number!(network_offset: u16)).filter(|&offset| offset != NO_OFFSET);
    let (addresses, packet) = match flags & FLAG_ADDRESSES {
        0 => (None, packet),
        _ => addressed(packet, protocol),
    };
    let ifname = header
        .get(offset_of!(DropRecord, ifname)..)
        .and_then(|tail| tail.first_chunk::<IFNAMSIZ>())
        .ok_or(short)?;
    let frame = Frame {
        bytes: packet,
        link: match addresses {
            None => link(flags, dev_type, protocol),
            Some(_) => Link::Unknown,
        },
        network_offset: network_offset.map(usize::from),
        len: packet.len().max(
            usize::try_from(number!(len: u32))
                .unwrap_or(usize::MAX)
                .saturating_sub(caplen - packet.len()),
        ),
        // The bytes are not of it yet.
        ethertype: protocol.filter(|_| addresses.is_none()),
    };
    Ok(DropEvent {
        time_ns: number!(time_ns: u64),
        location: number!(location: u64),
        cgroup_id: nonzero(number!(cgroup_id: u64)),
        socket_inode: nonzero(number!(socket_inode: u64)),
        reason: Some(number!(reason: u32)).filter(|&reason| reason != NO_REASON),
        netns: nonzero(number!(netns: u32)).map(NetnsId),
        ifindex: nonzero(number!(ifindex: u32)),
        ifname: device_name(ifname),
        dev_type,
        cpu: number!(cpu: u32),
        uid: Some(number!(uid: u32)).filter(|&uid| uid != NO_UID),
        header_check: HeaderCheck(number!(header_check: u16)),
        vlan: (flags & FLAG_VLAN != 0).then_some(number!(vlan_tci: u16) & VLAN_ID),
        other_host: flags & FLAG_OTHERHOST != 0,
        received: flags & FLAG_RECEIVED != 0,
        has_socket: flags & FLAG_SOCKET != 0,
        orphan: flags & FLAG_ORPHAN != 0,
        no_skb: flags & FLAG_NO_SKB != 0,
        protocol,
        frame,
        addresses,
    })
}

/// The two addresses before a segment, and the segment.
fn addressed(packet: &[u8], protocol: Option<u16>) -> (Option<(IpAddr, IpAddr)>, &[u8]) {
    let Some((before, segment)) = packet.split_at_checked(ADDRESSES_LEN) else {
        return (None, &[]);
    };
    let address = |bytes: &[u8]| -> Option<IpAddr> {
        Some(match protocol? {
            ETHERTYPE_IPV4 => IpAddr::from(*bytes.first_chunk::<4>()?),
            ETHERTYPE_IPV6 => IpAddr::from(*bytes.first_chunk::<16>()?),
            _ => return None,
        })
    };
    let (own, peer) = before.split_at(ADDRESSES_LEN / 2);
    (address(own).zip(address(peer)), segment)
}

/// What the copy starts with. A device without a link layer keeps tunnel headers where others have theirs (the outer
/// headers, for GRE), so its type decides before the flag does.
fn link(flags: u16, dev_type: Option<u16>, protocol: Option<u16>) -> Link {
    if dev_type.is_some_and(is_layer3) {
        Link::Ip
    } else if flags & FLAG_LINK_HEADER != 0 {
        Link::Ethernet
    } else if matches!(protocol, Some(ETHERTYPE_IPV4 | ETHERTYPE_IPV6)) {
        Link::Ip
    } else {
        Link::Unknown
    }
}

/// `VLAN_VID_MASK` of `linux/if_vlan.h`: the rest of a tag is its priority.
const VLAN_ID: u16 = 0x0fff;

pub(super) fn nonzero<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// A device name up to its zero, fit for a terminal: the kernel only forbids `/`, `:` and white space in one.
pub(super) fn device_name(bytes: &[u8; IFNAMSIZ]) -> Cow<'_, str> {
    let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    if name.chars().any(char::is_control) {
        Cow::Owned(name.replace(char::is_control, "\u{fffd}"))
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{self, TcpFlags, Transport};

    /// The bytes of a record with every field set apart, and `packet` after it.
    fn record(flags: u16, protocol: u16, packet: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(11u64.to_ne_bytes());
        bytes.extend(KIND_DROP.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(55u32.to_ne_bytes());
        for value in [22u64, 33, 44] {
            bytes.extend(value.to_ne_bytes());
        }
        for value in [66u32, 77, 1500, 1000, 3] {
            bytes.extend(value.to_ne_bytes());
        }
        let caplen = u16::try_from(packet.len()).unwrap();
        for value in [caplen, 14, 1] {
            bytes.extend(value.to_ne_bytes());
        }
        bytes.extend(protocol.to_be_bytes());
        bytes.extend((CHECK_SEEN | CHECK_IHL).to_ne_bytes());
        // Priority 5, id 77.
        bytes.extend(0xa04du16.to_ne_bytes());
        bytes.extend(*b"et\x1bh\xff0\0garbage00");
        assert_eq!(bytes.len(), DROP_HEADER_LEN);
        bytes.extend(packet);
        bytes
    }

    #[test]
    fn every_field() {
        let flags = FLAG_LINK_HEADER | FLAG_SOCKET | FLAG_DEVICE | FLAG_VLAN | FLAG_RECEIVED;
        let mut bytes = record(flags, 0x0800, &[1, 2, 3]);
        bytes.extend([9; 5]);
        let event = drop_record(&bytes).unwrap();
        let expected = DropEvent {
            time_ns: 11,
            location: 22,
            cgroup_id: Some(33),
            socket_inode: Some(44),
            reason: Some(55),
            netns: Some(NetnsId(66)),
            ifindex: Some(77),
            ifname: "et\u{fffd}h\u{fffd}0".into(),
            dev_type: Some(1),
            cpu: 3,
            uid: Some(1000),
            header_check: HeaderCheck(CHECK_SEEN | CHECK_IHL),
            vlan: Some(77),
            other_host: false,
            received: true,
            has_socket: true,
            orphan: false,
            no_skb: false,
            protocol: Some(0x0800),
            frame: Frame {
                bytes: &[1, 2, 3],
                link: Link::Ethernet,
                network_offset: Some(14),
                len: 1500,
                ethertype: Some(0x0800),
            },
            addresses: None,
        };
        assert_eq!(event, expected);
        assert!(event.header_check.seen());
        assert_eq!(event.header_check.names().collect::<Vec<_>>(), ["ip-ihl"]);
    }

    #[test]
    fn a_segment_gets_the_header_that_its_socket_knows() {
        // An own reset from port 80 to port 258, with a timestamp option.
        let segment = [
            0, 80, 1, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0x80, 4, 0, 0, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0,
            1, 0, 0, 0, 2,
        ];
        let completed = |protocol: u16, own: IpAddr, peer: IpAddr| {
            let mut packet = Vec::new();
            for address in [own, peer] {
                let bytes = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                packet.extend_from_slice(&bytes);
                packet.resize(packet.len().next_multiple_of(16), 0);
            }
            packet.extend(segment);
            let bytes = record(FLAG_SOCKET | FLAG_ADDRESSES, protocol, &packet);
            let event = drop_record(&bytes).unwrap();
            assert_eq!(event.frame.bytes, segment);
            // The record says 1500 with the addresses.
            assert_eq!((event.frame.len, event.frame.link), (1468, Link::Unknown));
            assert_eq!(event.addresses, Some((own, peer)));
            let (whole, len) = event.completed().unwrap();
            decode::decode(&Frame {
                bytes: &whole,
                link: Link::Ip,
                network_offset: Some(0),
                len,
                ethertype: Some(protocol),
            })
        };
        let ends = [
            (0x0800, ["10.0.0.1", "10.0.0.2"]),
            (0x86dd, ["fd00::1", "fd00::2"]),
        ];
        for (protocol, ends) in ends {
            let [own, peer] = ends.map(|end| end.parse().unwrap());
            let packet = completed(protocol, own, peer);
            let ip = packet.ip.unwrap();
            assert_eq!((ip.source, ip.destination), (own, peer));
            assert_eq!(packet.malformed, []);
            let Some(Transport::Tcp {
                source: 80,
                destination: 258,
                flags,
                ..
            }) = packet.transport
            else {
                panic!("{packet:?}");
            };
            assert_eq!(flags, TcpFlags(4));
        }
        // Addresses that are cut off are none.
        let bytes = record(FLAG_ADDRESSES, 0x0800, &[1; 31]);
        let event = drop_record(&bytes).unwrap();
        assert_eq!((event.addresses, event.frame.bytes), (None, &[][..]));
        assert_eq!(event.completed(), None);
    }

    #[test]
    fn sentinels_are_absent() {
        let mut bytes = vec![0; DROP_HEADER_LEN];
        let mut set = |offset: usize, value: &[u8]| {
            bytes[offset..offset + value.len()].copy_from_slice(value);
        };
        set(offset_of!(DropRecord, kind), &KIND_DROP.to_ne_bytes());
        set(offset_of!(DropRecord, flags), &FLAG_NO_SKB.to_ne_bytes());
        set(offset_of!(DropRecord, reason), &[0xff; 4]);
        set(offset_of!(DropRecord, uid), &[0xff; 4]);
        set(offset_of!(DropRecord, network_offset), &[0xff; 2]);
        let event = drop_record(&bytes).unwrap();
        assert_eq!((event.reason, event.uid, event.netns), (None, None, None));
        assert_eq!((event.cgroup_id, event.socket_inode), (None, None));
        assert_eq!(
            (event.ifindex, event.dev_type, event.protocol),
            (None, None, None)
        );
        assert!(event.no_skb && !event.has_socket && !event.header_check.seen());
        assert_eq!(event.ifname, "");
        assert_eq!(event.frame.network_offset, None);
        assert_eq!(event.frame.link, Link::Unknown);
    }

    #[test]
    fn the_link_comes_from_the_device() {
        assert_eq!(link(FLAG_LINK_HEADER, Some(65534), None), Link::Ip);
        assert_eq!(link(FLAG_LINK_HEADER, None, Some(0x0800)), Link::Ethernet);
        assert_eq!(link(0, Some(1), Some(0x86dd)), Link::Ip);
        assert_eq!(link(0, Some(1), Some(0x0806)), Link::Unknown);
    }

    #[test]
    fn short_records_say_what_is_short() {
        let bytes = record(0, 0x0800, &[0; 10]);
        for length in 0..bytes.len() {
            let expected = if length < DROP_HEADER_LEN {
                RecordError::HeaderShort {
                    got: length,
                    needed: DROP_HEADER_LEN,
                }
            } else {
                RecordError::PacketShort {
                    got: length - DROP_HEADER_LEN,
                    claimed: 10,
                }
            };
            assert_eq!(drop_record(&bytes[..length]), Err(expected));
        }
        let mut other = bytes;
        other[offset_of!(DropRecord, kind)] ^= 0xff;
        other[offset_of!(DropRecord, kind) + 1] ^= 0xff;
        assert!(matches!(drop_record(&other), Err(RecordError::Kind { .. })));
    }
}
