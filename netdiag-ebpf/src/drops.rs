//! Dropped packets: the `kfree_skb` tracepoint.
//!
//! Its arguments grew: `reason` in 5.17 (commit c504e5c2f964), `rx_sk` in 6.11 (commit c53795d48ee8). Reading one
//! that is not there is refused, so there is a program for each signature and user space loads the one that fits.

use crate::{
    count::Counter,
    field::*,
    filter, header_check,
    memory::{Memory, Probed, Typed, is_kernel_address, pointer},
    ring::{RING, wake_up},
    segment,
    socket::{self, NEW_SYN_RECV, TIME_WAIT},
};
use aya_ebpf::{
    EbpfContext, Global,
    helpers::generated::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use netdiag_common::{
    IFNAMSIZ, MAX_SNAPLEN,
    count::{DROPS_FILTERED, DROPS_LOST, DROPS_SEEN},
    field::ABSENT,
    record::{
        CLASSES, DropRecord, FLAG_DEVICE, FLAG_LINK_HEADER, FLAG_NO_SKB, FLAG_ORPHAN,
        FLAG_OTHERHOST, FLAG_RECEIVED, FLAG_SOCKET, FLAG_VLAN, KIND_DROP, NO_OFFSET, NO_REASON,
        NO_UID,
    },
};

/// The longest packet copy that the user asked for, in bytes.
#[unsafe(no_mangle)]
static SNAPLEN: Global<u32> = Global::new(0);
/// 1 when drops are looked at only for what they say about TCP connections: all others are left out and not counted.
#[unsafe(no_mangle)]
static FILTER_TCP: Global<u32> = Global::new(0);

/// Where the classic tracepoint keeps its fields, from its `format` file.
#[unsafe(no_mangle)]
static TRACEPOINT_SKBADDR: Global<u32> = Global::new(ABSENT);
/// See [`TRACEPOINT_SKBADDR`].
#[unsafe(no_mangle)]
static TRACEPOINT_LOCATION: Global<u32> = Global::new(ABSENT);
/// See [`TRACEPOINT_SKBADDR`].
#[unsafe(no_mangle)]
static TRACEPOINT_PROTOCOL: Global<u32> = Global::new(ABSENT);
/// See [`TRACEPOINT_SKBADDR`].
#[unsafe(no_mangle)]
static TRACEPOINT_REASON: Global<u32> = Global::new(ABSENT);
/// See [`TRACEPOINT_SKBADDR`].
#[unsafe(no_mangle)]
static TRACEPOINT_RX_SK: Global<u32> = Global::new(ABSENT);

const NULL: *const u8 = core::ptr::null();

/// `kfree_skb(skb, location)`: Linux 5.5 to 5.16.
#[btf_tracepoint(function = "kfree_skb")]
pub fn drops_btf_2(ctx: BtfTracePointContext) -> i32 {
    dropped::<Typed>(ctx.arg(0), ctx.arg(1), NO_REASON, NULL)
}

/// `kfree_skb(skb, location, reason)`: Linux 5.17 to 6.10.
#[btf_tracepoint(function = "kfree_skb")]
pub fn drops_btf_3(ctx: BtfTracePointContext) -> i32 {
    dropped::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), NULL)
}

/// `kfree_skb(skb, location, reason, rx_sk)`: since Linux 6.11.
#[btf_tracepoint(function = "kfree_skb")]
pub fn drops_btf_4(ctx: BtfTracePointContext) -> i32 {
    dropped::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3))
}

/// As [`drops_btf_2`], without types.
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub fn drops_raw_2(ctx: RawTracePointContext) -> i32 {
    dropped::<Probed>(ctx.arg(0), ctx.arg(1), NO_REASON, NULL)
}

/// As [`drops_btf_3`], without types.
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub fn drops_raw_3(ctx: RawTracePointContext) -> i32 {
    dropped::<Probed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), NULL)
}

/// As [`drops_btf_4`], without types.
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub fn drops_raw_4(ctx: RawTracePointContext) -> i32 {
    dropped::<Probed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3))
}

/// The classic tracepoint: works without BTF, then without the packet.
#[tracepoint(category = "skb", name = "kfree_skb")]
pub fn drops_classic(ctx: TracePointContext) -> i32 {
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let reason = TRACEPOINT_REASON.load();
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let location = match TRACEPOINT_LOCATION.load() {
            ABSENT => 0,
            offset => Probed::read::<u64>(base, offset),
        };
        let reason = if reason == ABSENT {
            NO_REASON
        } else {
            Probed::read::<u32>(base, reason)
        };
        if SKB_HEAD.load() == ABSENT {
            let protocol = match TRACEPOINT_PROTOCOL.load() {
                ABSENT => 0,
                offset => Probed::read::<u16>(base, offset),
            };
            return dropped_unseen(location, reason, protocol);
        }
        let Some(skb) = pointer::<Probed>(base, TRACEPOINT_SKBADDR.load()) else {
            return 0;
        };
        let rx_sk = pointer::<Probed>(base, TRACEPOINT_RX_SK.load()).unwrap_or(NULL);
        dropped::<Probed>(skb, location, reason, rx_sk)
    }
}

/// One dropped packet: filter, count, copy.
#[inline(always)]
fn dropped<M: Memory>(skb: *const u8, location: u64, reason: u32, rx_sk: *const u8) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: the skb is alive in `kfree_skb`.
    if FILTER_TCP.load() != 0 && !unsafe { is_tcp::<M>(skb) } {
        return 0;
    }
    count.add(DROPS_SEEN, 1);
    let mut record = blank(&count, location, reason);

    // SAFETY: the skb is alive in `kfree_skb`, and all that hangs off it is read with checks.
    let start = unsafe {
        let came_in = M::read::<u32>(skb, SKB_IIF.load());
        if came_in != 0 {
            record.flags |= FLAG_RECEIVED;
        }
        match filter::device::<M>(skb) {
            Some(dev) => {
                record.flags |= FLAG_DEVICE;
                record.netns = dev.netns;
                record.ifindex = dev.ifindex;
                record.dev_type = M::read(dev.at, DEV_TYPE.load());
                let name = filter::device_name::<M>(dev.at);
                record.ifname = core::mem::transmute::<filter::IfName, [u8; IFNAMSIZ]>(name);
            }
            None => record.ifindex = came_in,
        }
        let sk = if rx_sk.is_null() {
            pointer::<M>(skb, SKB_SK.load())
        } else {
            Some(rx_sk)
        };
        match sk {
            Some(sk) if is_kernel_address(sk) => owner(sk, &mut record),
            _ => {}
        }
        if record.netns == 0 {
            record.netns = filter::netns_of_route::<M>(skb).unwrap_or(0);
        }
        let name = core::mem::transmute::<[u8; IFNAMSIZ], filter::IfName>(record.ifname);
        // A drop that is evidence may be in any namespace, and on any device of the segment's way.
        let asked = FILTER_TCP.load() != 0
            || filter::admits_reason(reason) && filter::admits_place(record.netns, &name);
        if !asked {
            count.add(DROPS_FILTERED, 1);
            return 0;
        }
        if reason == NO_REASON && header_check::is_for_another_host(skb) {
            record.flags |= FLAG_OTHERHOST;
        }
        record.protocol = M::read(skb, SKB_PROTOCOL.load());
        if has_vlan_tag::<M>(skb) {
            record.flags |= FLAG_VLAN;
            record.vlan_tci = M::read(skb, SKB_VLAN_TCI.load());
        }
        record.header_check = header_check::verdict(skb);
        if came_in == 0
            && record.protocol == 0
            && let Some(segment) = segment::find::<M>(skb)
        {
            segment::emit(&count, &mut record, &segment);
            return 0;
        }
        extent::<M>(skb, &mut record)
    };
    emit(&count, &record, start);
    0
}

/// One dropped packet of which the skb cannot be read.
#[inline(always)]
fn dropped_unseen(location: u64, reason: u32, protocol: u16) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    count.add(DROPS_SEEN, 1);
    if !filter::admits_reason(reason) || !filter::admits_place(0, &[0; 2]) {
        count.add(DROPS_FILTERED, 1);
        return 0;
    }
    let mut record = blank(&count, location, reason);
    record.flags = FLAG_NO_SKB;
    // The classic tracepoint stores `ntohs(skb->protocol)`.
    record.protocol = protocol.to_be();
    emit(&count, &record, NULL);
    0
}

/// A record of which only time, place and reason are known.
#[inline(always)]
fn blank(count: &Counter, location: u64, reason: u32) -> DropRecord {
    DropRecord {
        // SAFETY: no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        kind: KIND_DROP,
        flags: 0,
        reason,
        location,
        cgroup_id: 0,
        socket_inode: 0,
        netns: 0,
        ifindex: 0,
        len: 0,
        uid: NO_UID,
        cpu: count.cpu,
        caplen: 0,
        network_offset: NO_OFFSET,
        dev_type: 0,
        protocol: 0,
        header_check: 0,
        vlan_tci: 0,
        ifname: [0; IFNAMSIZ],
    }
}

/// `ETH_P_IP`, `ETH_P_IPV6` and `IPPROTO_TCP`.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// See [`ETHERTYPE_IPV4`].
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// See [`ETHERTYPE_IPV4`].
pub const TCP: u8 = 6;

/// Whether it is TCP right behind an IP header.
#[inline(always)]
unsafe fn is_tcp<M: Memory>(skb: *const u8) -> bool {
    // SAFETY: as `Memory::read`; the header is read with checks.
    unsafe {
        let at = match u16::from_be(M::read(skb, SKB_PROTOCOL.load())) {
            ETHERTYPE_IPV4 => 9,
            ETHERTYPE_IPV6 => 6,
            _ => return false,
        };
        let network = M::read::<u16>(skb, SKB_NETWORK_HEADER.load()) as u64;
        let header = (M::read::<u64>(skb, SKB_HEAD.load()) + network) as *const u8;
        Probed::read::<u8>(header, at) == TCP
    }
}

/// Whether the kernel took a VLAN tag off the packet (`skb_vlan_tag_present`).
#[inline(always)]
unsafe fn has_vlan_tag<M: Memory>(skb: *const u8) -> bool {
    // SAFETY: as `Memory::read`. A bit field is no typed load.
    unsafe {
        if SKB_VLAN_ALL.load() != ABSENT {
            return M::read::<u32>(skb, SKB_VLAN_ALL.load()) != 0;
        }
        // `PKT_VLAN_PRESENT_BIT` is the lowest bit on little-endian machines.
        SKB_VLAN_PRESENT.load() != ABSENT
            && Probed::read::<u8>(skb, SKB_VLAN_PRESENT.load()) & 1 == 1
    }
}

/// `enum sock_flags` of `net/sock.h`, its first: `sock_orphan` sets it.
const SOCK_DEAD: u64 = 1 << 0;

/// Whose socket it is.
#[inline(always)]
unsafe fn owner(sk: *const u8, record: &mut DropRecord) {
    // SAFETY: `Probed` reads any address; the pointers may be stale and then read as zeros.
    unsafe {
        record.flags |= FLAG_SOCKET;
        if record.netns == 0
            && let Some(net) = pointer::<Probed>(sk, SK_NET.load())
        {
            record.netns = Probed::read(net, NET_INUM.load());
        }
        let state = Probed::read::<u8>(sk, SK_STATE.load());
        if state == TIME_WAIT || state == NEW_SYN_RECV {
            return;
        }
        if SK_FLAGS.load() != ABSENT && Probed::read::<u64>(sk, SK_FLAGS.load()) & SOCK_DEAD != 0 {
            record.flags |= FLAG_ORPHAN;
        }
        if SK_UID.load() != ABSENT {
            record.uid = Probed::read(sk, SK_UID.load());
        }
        record.cgroup_id = socket::cgroup_id(sk).unwrap_or(0);
        record.socket_inode = socket::inode(sk).unwrap_or(0);
    }
}

/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK` of `linux/if_arp.h`: devices whose frames start with an Ethernet header.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
/// Shortest and longest distance from an Ethernet header to the network header: two VLAN tags in between.
const ETHERNET_HEADER: u32 = 14;
const ETHERNET_QINQ_HEADER: u32 = 22;
/// `skb->mac_header` when it is not set.
const UNSET: u16 = u16::MAX;

/// Finds what of the packet is there: sets `len`, `caplen` and `network_offset`, and returns where it starts.
#[inline(always)]
unsafe fn extent<M: Memory>(skb: *const u8, record: &mut DropRecord) -> *const u8 {
    // SAFETY: as `Memory::read`.
    let (head, data, mac, network, tail, len) = unsafe {
        (
            M::read::<u64>(skb, SKB_HEAD.load()),
            M::read::<u64>(skb, SKB_DATA.load()),
            M::read::<u16>(skb, SKB_MAC_HEADER.load()),
            M::read::<u16>(skb, SKB_NETWORK_HEADER.load()) as u32,
            M::read::<u32>(skb, SKB_TAIL.load()),
            M::read::<u32>(skb, SKB_LEN.load()),
        )
    };
    // All as offsets from `head`, like `sk_buff_data_t` is on 64-bit kernels.
    let data = data.wrapping_sub(head) as u32;
    let network = if network == 0 || network > tail {
        data
    } else {
        network
    };
    let link = mac as u32;
    let gap = network.wrapping_sub(link);
    let ethernet = record.flags & FLAG_DEVICE == 0
        || record.dev_type == ARPHRD_ETHER
        || record.dev_type == ARPHRD_LOOPBACK;
    let start = if mac != UNSET && ethernet && gap >= ETHERNET_HEADER && gap <= ETHERNET_QINQ_HEADER
    {
        record.flags |= FLAG_LINK_HEADER;
        link
    } else {
        network
    };
    if start > tail {
        return NULL;
    }
    record.network_offset = (network - start) as u16;
    record.len = len.wrapping_add(data).wrapping_sub(start);
    let linear = tail - start;
    let wanted = if linear > SNAPLEN.load() {
        SNAPLEN.load()
    } else {
        linear
    };
    record.caplen = if wanted > MAX_SNAPLEN as u32 {
        MAX_SNAPLEN as u16
    } else {
        wanted as u16
    };
    (head + start as u64) as *const u8
}

/// A record with room for `N` packet bytes.
#[repr(C)]
struct Slot<const N: usize> {
    header: DropRecord,
    bytes: [u8; N],
}

/// Sends a record in the smallest class that its packet bytes fit in.
#[inline(always)]
fn emit(count: &Counter, record: &DropRecord, start: *const u8) {
    let caplen = record.caplen as usize;
    let sent = if caplen <= CLASSES[0] {
        send::<{ CLASSES[0] }>(count, record, start)
    } else if caplen <= CLASSES[1] {
        send::<{ CLASSES[1] }>(count, record, start)
    } else if caplen <= CLASSES[2] {
        send::<{ CLASSES[2] }>(count, record, start)
    } else if caplen <= CLASSES[3] {
        send::<{ CLASSES[3] }>(count, record, start)
    } else {
        send::<{ CLASSES[4] }>(count, record, start)
    };
    if !sent {
        count.add(DROPS_LOST, 1);
    }
}

#[inline(always)]
fn send<const N: usize>(count: &Counter, record: &DropRecord, start: *const u8) -> bool {
    let Some(mut entry) = RING.reserve::<Slot<N>>(0) else {
        return false;
    };
    let slot = entry.as_mut_ptr();
    // At most `N`, a power of two. The compiler knows, and would leave out the mask by which the verifier sees it.
    let length = (core::hint::black_box(record.caplen as u64).wrapping_sub(1) & (N as u64 - 1)) + 1;
    // SAFETY: the slot is ours until it is submitted; the copy is at most `N` bytes.
    unsafe {
        (&raw mut (*slot).header).write(*record);
        if record.caplen > 0 && !start.is_null() {
            let failed =
                bpf_probe_read_kernel((&raw mut (*slot).bytes).cast(), length as u32, start.cast())
                    != 0;
            if failed {
                (*slot).header.caplen = 0;
            }
        }
    }
    entry.submit(wake_up(count, DROPS_SEEN));
    true
}
