//! Which socket, in the records that are about one.

use crate::IFNAMSIZ;

/// `SocketPart::family`: `AF_INET` and `AF_INET6` of `bits/socket.h`, the same on every Linux.
pub const FAMILY_IPV4: u16 = 2;
/// See [`FAMILY_IPV4`].
pub const FAMILY_IPV6: u16 = 10;

/// A TCP socket, full or of a handshake that is not over yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SocketPart {
    /// Its address: tells sockets apart while they live, and is shown to nobody.
    pub sk: u64,
    /// `sk->sk_cgrp_data.cgroup->kn->id`; 0 where it is not known.
    pub cgroup_id: u64,
    /// Its inode number; 0 when no process holds it.
    pub inode: u64,
    /// The local address as on the wire: IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// The remote address.
    pub remote: [u8; 16],
    /// The local port in host byte order; 0 while the kernel has chosen none.
    pub local_port: u16,
    /// The remote port in host byte order.
    pub remote_port: u16,
    /// [`FAMILY_IPV4`], also for an IPv6 socket with mapped addresses, or [`FAMILY_IPV6`].
    pub family: u16,
    /// `sk->sk_state` (`TCP_*` of `net/tcp_states.h`).
    pub state: u8,
    /// `SOCKET_*`.
    pub flags: u8,
    /// Whose it is; [`NO_UID`](super::NO_UID) where it is not known.
    pub uid: u32,
    /// `net->ns.inum`; 0 where it is not known.
    pub netns: u32,
    /// The device that its route leads to; 0 where it has none.
    pub ifindex: u32,
    /// `dev->type` (`ARPHRD_*`) of it; meaningful with `ifindex`.
    pub dev_type: u16,
    /// Nothing.
    pub reserved: u16,
    /// `dev->name`, ended by a zero.
    pub ifname: [u8; IFNAMSIZ],
}

/// `SocketPart::flags`: only addresses, ports and state are known, because the kernel shows no types (BTF).
pub const SOCKET_UNREAD: u8 = 1 << 0;
/// An IPv6 socket whose addresses are IPv4 ones (`::ffff:0:0/96`).
pub const SOCKET_MAPPED: u8 = 1 << 1;

const _: () = assert!(size_of::<SocketPart>() == 96 && align_of::<SocketPart>() == 8);
