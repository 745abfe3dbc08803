//! TCP segments that this host sends and that are dropped before they have an IP header: what is known of their way, their
//! socket tells.

use crate::{
    count::Counter,
    drops::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, TCP},
    field::*,
    memory::{Memory, Probed, is_kernel_address, pointer},
    ring::{RING, wake_up},
    socket,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use netdiag_common::{
    count::{DROPS_LOST, DROPS_SEEN},
    field::ABSENT,
    record::{ADDRESSES_LEN, CLASSES, DropRecord, FAMILY_IPV4, FAMILY_IPV6, FLAG_ADDRESSES},
};

/// A TCP segment on its way out, before it has an IP header: `__ip_queue_xmit` and `inet6_csk_xmit` drop it there when
/// they find no route.
pub struct Segment {
    sk: *const u8,
    start: *const u8,
    /// All of it, and the part that can be copied.
    len: u32,
    linear: u32,
    family: u16,
}

/// The shortest TCP header.
const TCP_HEADER: u32 = 20;

/// The segment that an skb without a protocol is, if it is one.
#[inline(always)]
pub unsafe fn find<M: Memory>(skb: *const u8) -> Option<Segment> {
    if SK_PROTOCOL.load() == ABSENT || INET_SPORT.load() == ABSENT {
        return None;
    }
    // SAFETY: as `Memory::read`; `Probed` reads any address.
    unsafe {
        let sk = pointer::<M>(skb, SKB_SK.load())?;
        if !is_kernel_address(sk) || Probed::read::<u8>(sk, SK_PROTOCOL.load()) != TCP {
            return None;
        }
        let mut family = Probed::read::<u16>(sk, SK_FAMILY.load());
        if family == FAMILY_IPV6 && socket::is_mapped::<Probed>(sk) {
            family = FAMILY_IPV4;
        }
        if family != FAMILY_IPV4 && family != FAMILY_IPV6 {
            return None;
        }
        let head = M::read::<u64>(skb, SKB_HEAD.load());
        let data = M::read::<u64>(skb, SKB_DATA.load());
        let linear =
            M::read::<u32>(skb, SKB_TAIL.load()).wrapping_sub(data.wrapping_sub(head) as u32);
        let start = data as *const u8;
        // What has no header yet, or is another protocol's, does not start with the socket's ports. A socket that is
        // being closed has `skc_num` no more (`__inet_put_port`).
        let ports = Probed::read::<u16>(sk, INET_SPORT.load()) == Probed::read::<u16>(start, 0)
            && Probed::read::<u16>(sk, SK_DPORT.load()) == Probed::read::<u16>(start, 2);
        if linear < TCP_HEADER || linear > i32::MAX as u32 || !ports {
            return None;
        }
        Some(Segment {
            sk,
            start,
            len: M::read(skb, SKB_LEN.load()),
            linear,
            family,
        })
    }
}

/// Of a segment goes out as much as the smallest class holds: the TCP header with its usual options.
const SEGMENT: usize = CLASSES[0] - ADDRESSES_LEN;
const _: () = assert!(SEGMENT.is_power_of_two());

/// A record with addresses and the start of a segment.
#[repr(C)]
struct SegmentSlot {
    header: DropRecord,
    local: [u8; 16],
    remote: [u8; 16],
    bytes: [u8; SEGMENT],
}

/// Sends a record of a segment.
#[inline(always)]
pub fn emit(count: &Counter, record: &mut DropRecord, segment: &Segment) {
    let copied = if segment.linear as usize > SEGMENT {
        SEGMENT as u32
    } else {
        segment.linear
    };
    record.flags |= FLAG_ADDRESSES;
    record.protocol = match segment.family {
        FAMILY_IPV6 => ETHERTYPE_IPV6.to_be(),
        _ => ETHERTYPE_IPV4.to_be(),
    };
    record.len = segment.len.wrapping_add(ADDRESSES_LEN as u32);
    record.caplen = ADDRESSES_LEN as u16 + copied as u16;
    let Some(mut entry) = RING.reserve::<SegmentSlot>(0) else {
        count.add(DROPS_LOST, 1);
        return;
    };
    let slot = entry.as_mut_ptr();
    // At most `SEGMENT`, a power of two, as in `send`.
    let length = (core::hint::black_box(copied as u64).wrapping_sub(1) & (SEGMENT as u64 - 1)) + 1;
    // SAFETY: the slot is ours until it is submitted; the copy is at most `SEGMENT` bytes.
    unsafe {
        (&raw mut (*slot).header).write(*record);
        socket::addresses::<Probed>(
            segment.sk,
            segment.family,
            &mut (*slot).local,
            &mut (*slot).remote,
        );
        let failed = bpf_probe_read_kernel(
            (&raw mut (*slot).bytes).cast(),
            length as u32,
            segment.start.cast(),
        ) != 0;
        if failed {
            (*slot).header.caplen = ADDRESSES_LEN as u16;
        }
    }
    entry.submit(wake_up(count, DROPS_SEEN));
}
