//! ICMP messages that reached their handler, so that "received, never answered" is told from "never received".

use crate::{
    count::Counter,
    field::SKB_DATA,
    filter,
    memory::{Memory, Probed, Typed},
    register::first_argument,
};
use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use netdiag_common::count::{
    ICMP_ECHO_REQUESTS, ICMP_RECEIVED, ICMP6_ECHO_REQUESTS, ICMP6_RECEIVED,
};

/// `ICMP_ECHO` of `linux/icmp.h`.
const ECHO: u8 = 8;
/// `ICMPV6_ECHO_REQUEST` of `linux/icmpv6.h`.
const ECHO6: u8 = 128;

/// `int icmp_rcv(struct sk_buff *skb)`
#[fentry(function = "icmp_rcv")]
pub fn icmp4_fentry(ctx: FEntryContext) -> i32 {
    received::<Typed>(ctx.arg(0), ICMP_RECEIVED, ICMP_ECHO_REQUESTS, ECHO)
}

/// `int icmpv6_rcv(struct sk_buff *skb)`
#[fentry(function = "icmpv6_rcv")]
pub fn icmp6_fentry(ctx: FEntryContext) -> i32 {
    received::<Typed>(ctx.arg(0), ICMP6_RECEIVED, ICMP6_ECHO_REQUESTS, ECHO6)
}

/// As [`icmp4_fentry`], by breakpoint.
#[kprobe(function = "icmp_rcv")]
pub fn icmp4_kprobe(ctx: ProbeContext) -> i32 {
    received::<Probed>(
        first_argument(&ctx),
        ICMP_RECEIVED,
        ICMP_ECHO_REQUESTS,
        ECHO,
    )
}

/// As [`icmp6_fentry`], by breakpoint.
#[kprobe(function = "icmpv6_rcv")]
pub fn icmp6_kprobe(ctx: ProbeContext) -> i32 {
    received::<Probed>(
        first_argument(&ctx),
        ICMP6_RECEIVED,
        ICMP6_ECHO_REQUESTS,
        ECHO6,
    )
}

/// Both handlers find the ICMP header at `skb->data`.
#[inline(always)]
fn received<M: Memory>(skb: *const u8, all: usize, echo_requests: usize, echo: u8) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: the skb is alive at the entry of both handlers; the message is read by the checked helper.
    unsafe {
        if skb.is_null() || !filter::admits_skb::<M>(skb) {
            return 0;
        }
        count.add(all, 1);
        let message = M::read::<u64>(skb, SKB_DATA.load()) as *const u8;
        if Probed::read::<u8>(message, 0) == echo {
            count.add(echo_requests, 1);
        }
    }
    0
}
