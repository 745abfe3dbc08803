//! Dropped packets.

use crate::IFNAMSIZ;

/// `DropRecord::reason` when the kernel gives no reason (before 5.17).
pub const NO_REASON: u32 = u32::MAX;
/// `DropRecord::network_offset` when the bytes do not reach a network header.
pub const NO_OFFSET: u16 = u16::MAX;
/// `DropRecord::flags`: the bytes start with a link-layer header.
pub const FLAG_LINK_HEADER: u16 = 1 << 0;
/// `DropRecord::flags`: the packet belongs to a socket (`skb->sk`, or `rx_sk` since 6.11).
pub const FLAG_SOCKET: u16 = 1 << 1;
/// `DropRecord::flags`: `skb->dev` was set.
pub const FLAG_DEVICE: u16 = 1 << 2;
/// `DropRecord::flags`: no field of the skb could be read (no BTF): only time, place, reason and protocol are known.
pub const FLAG_NO_SKB: u16 = 1 << 3;

/// `DropRecord::flags`: the packet had a VLAN tag, which the kernel took off; `vlan_tci` has it.
pub const FLAG_VLAN: u16 = 1 << 4;

/// `DropRecord::flags`: the packet came in by a device (`skb->skb_iif`); others were made on this host.
pub const FLAG_RECEIVED: u16 = 1 << 5;

/// `DropRecord::flags`: it was for another host's MAC address. Told where the kernel gives no reason, which says it.
pub const FLAG_OTHERHOST: u16 = 1 << 6;

/// `DropRecord::flags`: a TCP segment of this host that has no IP header yet. The copy starts with the addresses of its
/// socket, the own one and the peer's ([`ADDRESSES_LEN`] bytes, in network byte order, IPv4 in the first four of each
/// 16), and the TCP header follows. `protocol` tells the version, and `network_offset` is [`NO_OFFSET`].
pub const FLAG_ADDRESSES: u16 = 1 << 7;
/// See [`FLAG_ADDRESSES`].
pub const ADDRESSES_LEN: usize = 32;

/// `DropRecord::flags`: the socket was closed, and is nobody's (`SOCK_DEAD`): the kernel finishes what it has begun.
pub const FLAG_ORPHAN: u16 = 1 << 8;

/// `DropRecord::header_check`: what the header check saw at the entry of `ip_rcv_core` or `ip6_rcv_core`.
pub const CHECK_SEEN: u16 = 1 << 0;
/// The version nibble is not that of the function's protocol.
pub const CHECK_VERSION: u16 = 1 << 1;
/// IPv4: the header length field is below five words.
pub const CHECK_IHL: u16 = 1 << 2;
/// The packet is shorter than its fixed header, or than the header length that it claims.
pub const CHECK_SHORT: u16 = 1 << 3;
/// The total length (IPv6: payload length) goes beyond the packet, or IPv4's is below the header length.
pub const CHECK_LENGTH: u16 = 1 << 4;

/// One dropped packet, followed by `caplen` bytes of its linear part.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DropRecord {
    /// Nanoseconds of `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`).
    pub time_ns: u64,
    /// [`KIND_DROP`](super::KIND_DROP).
    pub kind: u16,
    /// `FLAG_*`.
    pub flags: u16,
    /// `enum skb_drop_reason` of the running kernel, subsystem in the upper half; [`NO_REASON`] before 5.17.
    pub reason: u32,
    /// The kernel address that called for the drop.
    pub location: u64,
    /// `sk->sk_cgrp_data.cgroup->kn->id` of the owning socket; 0 without one.
    pub cgroup_id: u64,
    /// Inode number of the owning socket; 0 without one, or when no process holds it.
    pub socket_inode: u64,
    /// `net->ns.inum` of the device, or of the socket when there is no device; 0 when neither is known.
    pub netns: u32,
    /// `dev->ifindex`; without a device `skb->skb_iif`, the one that it came in by; 0 without either.
    pub ifindex: u32,
    /// Bytes from the start of the copy to the end of the packet, paged data included.
    pub len: u32,
    /// Owner of the socket, [`NO_UID`](super::NO_UID) without one.
    pub uid: u32,
    /// The processor that dropped the packet.
    pub cpu: u32,
    /// How many packet bytes follow this header.
    pub caplen: u16,
    /// Where in the copy the network header starts; [`NO_OFFSET`] when it does not.
    pub network_offset: u16,
    /// `dev->type` (`ARPHRD_*`); meaningful with [`FLAG_DEVICE`].
    pub dev_type: u16,
    /// `skb->protocol`: an EtherType, in network byte order; with [`FLAG_ADDRESSES`] the one that it would get.
    pub protocol: u16,
    /// `CHECK_*`.
    pub header_check: u16,
    /// `skb->vlan_tci`: priority and VLAN id; meaningful with [`FLAG_VLAN`].
    pub vlan_tci: u16,
    /// `dev->name`, ended by a zero.
    pub ifname: [u8; IFNAMSIZ],
}

/// The length of a [`DropRecord`] without packet bytes.
pub const DROP_HEADER_LEN: usize = size_of::<DropRecord>();

const _: () = assert!(DROP_HEADER_LEN == 88 && align_of::<DropRecord>() == 8);
const _: () = assert!(core::mem::offset_of!(DropRecord, kind) == super::KIND_OFFSET);

/// How many packet bytes the record classes hold. The ring wants a length that the verifier knows at load time, so a
/// packet takes the smallest class that its copy fits in.
pub const CLASSES: [usize; 5] = [64, 128, 256, 1024, crate::MAX_SNAPLEN];
