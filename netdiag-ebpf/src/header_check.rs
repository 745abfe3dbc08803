//! The IP header, looked at where the kernel looks at it: `ip_rcv_core` and `ip6_rcv_core`.
//!
//! At entry the skb is alive and its header untouched: the check repeats the kernel's own conditions and leaves its
//! verdict, keyed by the skb, for the `kfree_skb` program that runs next on this processor. That one copies the
//! bytes, so a malformed packet is one record and its bytes are copied once. On return the skb may be freed: the
//! exit programs count and never touch it. Both functions run with bottom halves disabled, so a call is not
//! interleaved with another on the same processor (but for PREEMPT_RT, where a verdict may get lost); every entry
//! writes the slot anew, so that none outlives a call whose return was missed.

use crate::{
    count::Counter,
    field::*,
    filter,
    memory::{Memory, Probed, Typed},
    register::{first_argument, return_value},
};
use aya_ebpf::{
    Global,
    helpers::generated::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{fentry, fexit, kprobe, kretprobe, map},
    maps::PerCpuArray,
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use netdiag_common::{
    count::{
        CHECK_ENTRIES, CHECK_NS, CHECK_SAMPLE, CHECK_TIMED, IP4_CALLS, IP4_MALFORMED,
        IP4_MALFORMED_ACCEPTED, IP4_NULL, IP6_CALLS, IP6_MALFORMED, IP6_MALFORMED_ACCEPTED,
        IP6_NULL,
    },
    field::ABSENT,
    record::{CHECK_IHL, CHECK_LENGTH, CHECK_SEEN, CHECK_SHORT, CHECK_VERSION},
};

/// 1 when the programs of this file are attached; else the code that asks for verdicts is dead.
#[unsafe(no_mangle)]
static HEADER_CHECK: Global<u32> = Global::new(0);

/// The packet between entry and exit.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pending {
    /// 0 for a packet that the user does not want.
    skb: u64,
    /// `CHECK_*`; 0 for a header in good order.
    verdict: u64,
}

#[map]
static PENDING: PerCpuArray<Pending> = PerCpuArray::with_max_entries(1, 0);

/// `struct sk_buff *ip_rcv_core(struct sk_buff *skb, struct net *net)`
#[fentry(function = "ip_rcv_core")]
pub fn ip4_fentry(ctx: FEntryContext) -> i32 {
    enter::<Ip4, Typed>(ctx.arg(0))
}

/// The return value follows the two arguments; `bpf_get_func_ret` came only with 5.17.
#[fexit(function = "ip_rcv_core")]
pub fn ip4_fexit(ctx: FExitContext) -> i32 {
    leave::<Ip4>(ctx.arg(2))
}

/// `struct sk_buff *ip6_rcv_core(struct sk_buff *skb, struct net_device *dev, struct net *net)`
#[fentry(function = "ip6_rcv_core")]
pub fn ip6_fentry(ctx: FEntryContext) -> i32 {
    enter::<Ip6, Typed>(ctx.arg(0))
}

/// The return value follows the three arguments.
#[fexit(function = "ip6_rcv_core")]
pub fn ip6_fexit(ctx: FExitContext) -> i32 {
    leave::<Ip6>(ctx.arg(3))
}

/// As [`ip4_fentry`], by breakpoint.
#[kprobe(function = "ip_rcv_core")]
pub fn ip4_kprobe(ctx: ProbeContext) -> i32 {
    enter::<Ip4, Probed>(first_argument(&ctx))
}

/// As [`ip4_fexit`], by breakpoint.
#[kretprobe(function = "ip_rcv_core")]
pub fn ip4_kretprobe(ctx: RetProbeContext) -> i32 {
    leave::<Ip4>(return_value(&ctx))
}

/// As [`ip6_fentry`], by breakpoint.
#[kprobe(function = "ip6_rcv_core")]
pub fn ip6_kprobe(ctx: ProbeContext) -> i32 {
    enter::<Ip6, Probed>(first_argument(&ctx))
}

/// As [`ip6_fexit`], by breakpoint.
#[kretprobe(function = "ip6_rcv_core")]
pub fn ip6_kretprobe(ctx: RetProbeContext) -> i32 {
    leave::<Ip6>(return_value(&ctx))
}

/// The verdict on this skb, or 0 when the check did not see it.
#[inline(always)]
pub fn verdict(skb: *const u8) -> u16 {
    if HEADER_CHECK.load() == 0 {
        return 0;
    }
    match PENDING.get_ptr(0) {
        // SAFETY: the entry of this processor.
        Some(pending) => unsafe {
            if (*pending).skb == skb as u64 {
                (*pending).verdict as u16
            } else {
                0
            }
        },
        None => 0,
    }
}

/// What differs between the two versions of IP.
trait Version {
    const CALLS: usize;
    const NULL: usize;
    const MALFORMED: usize;
    const ACCEPTED: usize;
    /// The fixed header, in bytes.
    const HEADER: u32;
    /// Checks a header of which [`Self::HEADER`] bytes are there, in a packet of `len` bytes.
    fn check(header: &[u8; 40], len: u32) -> u16;
}

struct Ip4;

impl Version for Ip4 {
    const CALLS: usize = IP4_CALLS;
    const NULL: usize = IP4_NULL;
    const MALFORMED: usize = IP4_MALFORMED;
    const ACCEPTED: usize = IP4_MALFORMED_ACCEPTED;
    const HEADER: u32 = 20;

    /// The conditions of `ip_rcv_core`, without the checksum: its price is the kernel's to pay once.
    #[inline(always)]
    fn check(header: &[u8; 40], len: u32) -> u16 {
        let words = (header[0] & 0x0f) as u32;
        let total = u16::from_be_bytes([header[2], header[3]]) as u32;
        if header[0] >> 4 != 4 {
            CHECK_VERSION
        } else if words < 5 {
            CHECK_IHL
        } else if words * 4 > len {
            CHECK_SHORT
        } else if total == 0 && len > u16::MAX as u32 {
            // BIG TCP (6.3): the length is the skb's (`iph_totlen`).
            0
        } else if total > len || total < words * 4 {
            CHECK_LENGTH
        } else {
            0
        }
    }
}

struct Ip6;

impl Version for Ip6 {
    const CALLS: usize = IP6_CALLS;
    const NULL: usize = IP6_NULL;
    const MALFORMED: usize = IP6_MALFORMED;
    const ACCEPTED: usize = IP6_MALFORMED_ACCEPTED;
    const HEADER: u32 = 40;

    /// The conditions of `ip6_rcv_core`: a payload length of 0 may be a jumbogram's.
    #[inline(always)]
    fn check(header: &[u8; 40], len: u32) -> u16 {
        let payload = u16::from_be_bytes([header[4], header[5]]) as u32;
        if header[0] >> 4 != 6 {
            CHECK_VERSION
        } else if payload > 0 && payload + Self::HEADER > len {
            CHECK_LENGTH
        } else {
            0
        }
    }
}

#[inline(always)]
fn enter<V: Version, M: Memory>(skb: *const u8) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    count.add(CHECK_ENTRIES, 1);
    let timed = count.value(CHECK_ENTRIES) & (CHECK_SAMPLE - 1) == 1;
    // SAFETY: no arguments.
    let begin = if timed {
        unsafe { bpf_ktime_get_ns() }
    } else {
        0
    };
    let Some(pending) = PENDING.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the skb is alive at the entry of both functions; the slot is this processor's.
    unsafe {
        *pending = Pending { skb: 0, verdict: 0 };
        if !skb.is_null() && filter::admits_skb::<M>(skb) {
            let mut verdict = inspect::<V, M>(skb);
            if verdict != 0 {
                count.add(V::MALFORMED, 1);
                verdict |= CHECK_SEEN;
            }
            *pending = Pending {
                skb: skb as u64,
                verdict: verdict as u64,
            };
        }
    }
    if timed {
        // SAFETY: no arguments.
        count.add(CHECK_NS, unsafe { bpf_ktime_get_ns() } - begin);
        count.add(CHECK_TIMED, 1);
    }
    0
}

/// `PKT_TYPE_MAX` of `linux/skbuff.h`, in the lowest bits on little-endian machines.
const PKT_TYPE_MASK: u8 = 7;
/// Of `linux/if_packet.h`.
const PACKET_OTHERHOST: u8 = 3;

/// Whether the packet is for another host's MAC address.
#[inline(always)]
pub unsafe fn is_for_another_host(skb: *const u8) -> bool {
    // SAFETY: `Probed` reads any address. A bit field is no typed load.
    SKB_PKT_TYPE.load() != ABSENT
        && unsafe { Probed::read::<u8>(skb, SKB_PKT_TYPE.load()) } & PKT_TYPE_MASK
            == PACKET_OTHERHOST
}

/// Checks the header at `skb->data`, where both functions find it.
#[inline(always)]
unsafe fn inspect<V: Version, M: Memory>(skb: *const u8) -> u16 {
    // SAFETY: as `Memory::read`; the header is copied by the checked helper.
    unsafe {
        // Both functions drop what is for another host before they look at any header byte.
        if is_for_another_host(skb) {
            return 0;
        }
        let len = M::read::<u32>(skb, SKB_LEN.load());
        if len < V::HEADER {
            return CHECK_SHORT;
        }
        let head = M::read::<u64>(skb, SKB_HEAD.load());
        let data = M::read::<u64>(skb, SKB_DATA.load());
        let tail = M::read::<u32>(skb, SKB_TAIL.load());
        if tail.wrapping_sub(data.wrapping_sub(head) as u32) < V::HEADER {
            // The header is in pages; the kernel pulls it in, this check does not.
            return 0;
        }
        let mut header = [0u8; 40];
        if bpf_probe_read_kernel(header.as_mut_ptr().cast(), V::HEADER, data as *const _) != 0 {
            return 0;
        }
        V::check(&header, len)
    }
}

/// Counts a return. `result` is compared, never followed.
#[inline(always)]
fn leave<V: Version>(result: *const u8) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    let Some(pending) = PENDING.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the entry of this processor.
    let entered = unsafe { *pending };
    if entered.skb == 0 {
        return 0;
    }
    // SAFETY: as above.
    unsafe { (*pending).skb = 0 };
    count.add(V::CALLS, 1);
    if result.is_null() {
        count.add(V::NULL, 1);
    } else if entered.verdict != 0 {
        count.add(V::ACCEPTED, 1);
    }
    0
}
