//! Accept queues that are full: what refuses a SYN there leaves no other trace.

use super::draft::Draft;
use super::identify;
use crate::{
    count::Counter,
    field::*,
    memory::{Memory, Probed, non_null},
    register::third_argument,
};
use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use netdiag_common::{field::ABSENT, record::CONN_QUEUE_FULL};

/// `int tcp_conn_request(rsk_ops, af_ops, struct sock *sk, struct sk_buff *skb)`: a SYN for a listener.
#[fentry(function = "tcp_conn_request")]
pub fn queue_fentry(ctx: FEntryContext) -> i32 {
    requested(ctx.arg(2))
}

/// As [`queue_fentry`], by breakpoint.
#[kprobe(function = "tcp_conn_request")]
pub fn queue_kprobe(ctx: ProbeContext) -> i32 {
    requested(third_argument(&ctx))
}

/// A SYN that asks a listener for a connection.
#[inline(always)]
fn requested(sk: *const u8) -> i32 {
    let Some(sk) = non_null(sk) else {
        return 0;
    };
    if SK_ACK_BACKLOG.load() == ABSENT || SK_MAX_ACK_BACKLOG.load() == ABSENT {
        return 0;
    }
    // SAFETY: the listener is alive meanwhile; `Probed` reads any address.
    let (queued, limit) = unsafe {
        (
            Probed::read::<u32>(sk, SK_ACK_BACKLOG.load()),
            Probed::read::<u32>(sk, SK_MAX_ACK_BACKLOG.load()),
        )
    };
    // `sk_acceptq_is_full`.
    if queued <= limit {
        return 0;
    }
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: as above.
    unsafe {
        let Some(mut draft) = Draft::aside(&count, CONN_QUEUE_FULL, sk) else {
            return 0;
        };
        let record = draft.record();
        record.queued = queued;
        record.limit = limit;
        identify(sk, record);
        draft.send(&count)
    }
}
