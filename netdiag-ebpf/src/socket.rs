//! Which socket, and whose.

use crate::{
    field::*,
    filter,
    memory::{Memory, Probed, pointer},
};
use netdiag_common::{
    IFNAMSIZ,
    field::ABSENT,
    layout::{SOCKET_FIELDS, field},
    record::{FAMILY_IPV4, FAMILY_IPV6, NO_UID, SOCKET_MAPPED, SOCKET_UNREAD, SocketPart},
};

/// `TCP_TIME_WAIT` and `TCP_NEW_SYN_RECV` of `net/tcp_states.h`: small sockets that end before `sk_uid`.
pub const TIME_WAIT: u8 = 6;
/// See [`TIME_WAIT`].
pub const NEW_SYN_RECV: u8 = 12;

/// A part that knows nothing.
#[inline(always)]
pub fn blank() -> SocketPart {
    SocketPart {
        sk: 0,
        cgroup_id: 0,
        inode: 0,
        local: [0; 16],
        remote: [0; 16],
        local_port: 0,
        remote_port: 0,
        family: 0,
        state: 0,
        flags: 0,
        uid: NO_UID,
        netns: 0,
        ifindex: 0,
        dev_type: 0,
        reserved: 0,
        ifname: [0; IFNAMSIZ],
    }
}

/// Addresses, ports, state and namespace: what every socket has, those of a handshake and of TIME_WAIT included
/// (`struct sock_common`).
#[inline(always)]
pub unsafe fn identify<M: Memory>(sk: *const u8, part: &mut SocketPart) {
    // SAFETY: as `Memory::read`.
    unsafe {
        part.sk = sk as u64;
        part.state = M::read(sk, SK_STATE.load());
        part.local_port = M::read(sk, SK_NUM.load());
        part.remote_port = u16::from_be(M::read(sk, SK_DPORT.load()));
        if let Some(net) = pointer::<M>(sk, SK_NET.load()) {
            part.netns = M::read(net, NET_INUM.load());
        }
        part.family = M::read::<u16>(sk, SK_FAMILY.load());
        if part.family == FAMILY_IPV6 && is_mapped::<M>(sk) {
            part.flags |= SOCKET_MAPPED;
            part.family = FAMILY_IPV4;
        }
        addresses::<M>(sk, part.family, &mut part.local, &mut part.remote);
    }
}

/// Whether a socket of IPv6 speaks IPv4 (`ipv6_addr_v4mapped`), or the kernel has IPv4 alone.
#[inline(always)]
pub unsafe fn is_mapped<M: Memory>(sk: *const u8) -> bool {
    let remote = SK_V6_REMOTE.load();
    // SAFETY: as `Memory::read`. Before a connection there is only the other one to look at.
    SK_V6_LOCAL.load() == ABSENT
        || unsafe {
            M::read::<u64>(sk, remote) == 0 && M::read::<u64>(sk, remote + 8) as u32 == MAPPED
        }
}

/// Both addresses, of the version that the socket speaks.
#[inline(always)]
pub unsafe fn addresses<M: Memory>(
    sk: *const u8,
    family: u16,
    own: &mut [u8; 16],
    peer: &mut [u8; 16],
) {
    // SAFETY: as `Memory::read`.
    unsafe {
        if family == FAMILY_IPV6 {
            let (local, remote) = (SK_V6_LOCAL.load(), SK_V6_REMOTE.load());
            set(own, M::read(sk, local), M::read(sk, local + 8));
            set(peer, M::read(sk, remote), M::read(sk, remote + 8));
            return;
        }
        set(own, M::read::<u32>(sk, SK_LOCAL.load()) as u64, 0);
        set(peer, M::read::<u32>(sk, SK_REMOTE.load()) as u64, 0);
    }
}

/// The middle of a mapped address, `00 00 ff ff` in memory.
const MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

#[inline(always)]
fn set(address: &mut [u8; 16], high: u64, low: u64) {
    // SAFETY: 16 bytes either way.
    *address = unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>([high, low]) };
}

/// What a classic tracepoint's own record says of a socket.
#[inline(always)]
pub unsafe fn from_tracepoint(
    base: *const u8,
    layout: &[u32; SOCKET_FIELDS],
    part: &mut SocketPart,
) {
    part.flags |= SOCKET_UNREAD;
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let number = |at: usize| match layout[at] {
            ABSENT => 0,
            offset => Probed::read::<u16>(base, offset),
        };
        part.sk = match layout[field::SK] {
            ABSENT => 0,
            offset => Probed::read(base, offset),
        };
        // In host byte order: the tracepoints store `ntohs`.
        part.local_port = number(field::SPORT);
        part.remote_port = number(field::DPORT);
        part.family = match layout[field::FAMILY] {
            ABSENT => family(base, layout[field::SADDR6]),
            offset => Probed::read(base, offset),
        };
        part.state = number(field::STATE) as u8;
        let six = part.family == FAMILY_IPV6;
        let (local, remote) = if six {
            (layout[field::SADDR6], layout[field::DADDR6])
        } else {
            (layout[field::SADDR], layout[field::DADDR])
        };
        for (address, offset) in [(&mut part.local, local), (&mut part.remote, remote)] {
            if offset == ABSENT {
                continue;
            }
            if six {
                set(
                    address,
                    Probed::read(base, offset),
                    Probed::read(base, offset + 8),
                );
            } else {
                set(address, Probed::read::<u32>(base, offset) as u64, 0);
            }
        }
    }
}

/// The family of a tracepoint that does not tell it: those of 5.10 about retransmissions have an IPv4 address in both
/// places (`TP_STORE_V4MAPPED`).
#[inline(always)]
unsafe fn family(base: *const u8, address: u32) -> u16 {
    if address == ABSENT {
        return FAMILY_IPV4;
    }
    // SAFETY: `Probed` reads any address.
    unsafe {
        let (high, low) = (
            Probed::read::<u64>(base, address),
            Probed::read::<u32>(base, address + 8),
        );
        if high == 0 && low == MAPPED {
            FAMILY_IPV4
        } else {
            FAMILY_IPV6
        }
    }
}

/// Whose a full socket is.
#[inline(always)]
pub unsafe fn own(sk: *const u8, part: &mut SocketPart) {
    // SAFETY: `Probed` reads any address; the pointers may be stale and then read as zeros.
    unsafe {
        if SK_UID.load() != ABSENT {
            part.uid = Probed::read(sk, SK_UID.load());
        }
        part.cgroup_id = cgroup_id(sk).unwrap_or(0);
        part.inode = inode(sk).unwrap_or(0);
    }
}

/// The device that a full socket's route leads to.
#[inline(always)]
pub unsafe fn route(sk: *const u8, part: &mut SocketPart) {
    // SAFETY: `Probed` reads any address; a route may be released meanwhile, and what is there then is checked.
    unsafe {
        let Some(dst) = pointer::<Probed>(sk, SK_DST.load()) else {
            return;
        };
        let Some(dev) = filter::device_at::<Probed>(dst, DST_DEV.load()) else {
            return;
        };
        part.ifindex = dev.ifindex;
        part.dev_type = Probed::read(dev.at, DEV_TYPE.load());
        let name = filter::device_name::<Probed>(dev.at);
        part.ifname = core::mem::transmute::<filter::IfName, [u8; IFNAMSIZ]>(name);
    }
}

/// Whether the user wants what happens to this socket, whatever its device.
#[inline(always)]
pub fn admits_netns(part: &SocketPart) -> bool {
    filter::admits_netns(part.netns)
}

/// Whether the user wants what happens to this socket.
#[inline(always)]
pub fn admits(part: &SocketPart) -> bool {
    // SAFETY: 16 bytes either way.
    let name = unsafe { core::mem::transmute::<[u8; IFNAMSIZ], filter::IfName>(part.ifname) };
    filter::admits_place(part.netns, &name)
}

/// `sk->sk_cgrp_data`'s cgroup, by its id.
#[inline(always)]
pub unsafe fn cgroup_id(sk: *const u8) -> Option<u64> {
    // SAFETY: `Probed` reads any address.
    unsafe {
        let cgroup = if SK_CGROUP.load() != ABSENT {
            pointer::<Probed>(sk, SK_CGROUP.load())?
        } else if SK_CGROUP_TAGGED.load() != ABSENT {
            // Bit 0: a class id instead of a pointer; bit 1: no reference held (`sock_cgroup_ptr`, 5.10).
            let tagged = Probed::read::<u64>(sk, SK_CGROUP_TAGGED.load());
            if tagged & 1 == 1 {
                return None;
            }
            (tagged & !3) as *const u8
        } else {
            return None;
        };
        let kn = pointer::<Probed>(cgroup, CGROUP_KN.load())?;
        if KERNFS_ID.load() == ABSENT {
            return None;
        }
        Some(Probed::read(kn, KERNFS_ID.load()))
    }
}

/// The inode number by which `/proc/PID/fd` names the socket. `None` where its file is no socket: that of a TUN device
/// is `/dev/net/tun` (`tun_chr_open`), whose number counts files of another file system, and may be any socket's.
#[inline(always)]
pub unsafe fn inode(sk: *const u8) -> Option<u64> {
    // SAFETY: `Probed` reads any address.
    unsafe {
        let socket = pointer::<Probed>(sk, SK_SOCKET.load())?;
        let file = pointer::<Probed>(socket, SOCKET_FILE.load())?;
        let inode = pointer::<Probed>(file, FILE_INODE.load())?;
        if INODE_INO.load() == ABSENT || !is_socket(inode) {
            return None;
        }
        Some(Probed::read(inode, INODE_INO.load()))
    }
}

/// `S_IFMT` and `S_IFSOCK` of `linux/stat.h`.
const FILE_TYPE: u16 = 0o170_000;
/// See [`FILE_TYPE`].
const SOCKET_TYPE: u16 = 0o140_000;

/// Whether an inode is of sockfs, as `sock_alloc` makes it.
#[inline(always)]
pub unsafe fn is_socket(inode: *const u8) -> bool {
    // SAFETY: `Probed` reads any address.
    INODE_MODE.load() != ABSENT
        && unsafe { Probed::read::<u16>(inode, INODE_MODE.load()) } & FILE_TYPE == SOCKET_TYPE
}
