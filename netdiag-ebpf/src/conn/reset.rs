//! Resets, received and sent.

use super::draft::Draft;
use super::{LISTEN, identify};
use crate::{
    count::Counter,
    field::*,
    memory::{Memory, Probed, non_null, pointer},
    socket,
};
use aya_ebpf::{
    EbpfContext as _, Global,
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use netdiag_common::{
    field::ABSENT,
    layout::{SOCKET_FIELDS, field},
    record::{CONN_RESET_IN, CONN_RESET_OUT, UNKNOWN},
};

/// The same of `tcp_receive_reset`.
#[unsafe(no_mangle)]
static RESET_IN_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);
/// The same of `tcp_send_reset`; second is the reason.
#[unsafe(no_mangle)]
static RESET_OUT_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);

/// `tcp_receive_reset(sk)`: before the state changes.
#[btf_tracepoint(function = "tcp_receive_reset")]
pub fn reset_in_btf(ctx: BtfTracePointContext) -> i32 {
    reset(ctx.arg(0), CONN_RESET_IN, UNKNOWN)
}

/// As [`reset_in_btf`], without types.
#[raw_tracepoint(tracepoint = "tcp_receive_reset")]
pub fn reset_in_raw(ctx: RawTracePointContext) -> i32 {
    reset(ctx.arg(0), CONN_RESET_IN, UNKNOWN)
}

/// The classic tracepoint: works without BTF.
#[tracepoint(category = "tcp", name = "tcp_receive_reset")]
pub fn reset_in_classic(ctx: TracePointContext) -> i32 {
    reset_traced(&ctx, &RESET_IN_LAYOUT.load(), CONN_RESET_IN)
}

/// `tcp_send_reset(sk, skb)`: until 6.9. Where a process ends the connection, after the state changed.
#[btf_tracepoint(function = "tcp_send_reset")]
pub fn reset_out_btf_2(ctx: BtfTracePointContext) -> i32 {
    reset(ctx.arg(0), CONN_RESET_OUT, UNKNOWN)
}

/// `tcp_send_reset(sk, skb, reason)`: since 6.10; `sk` may be null.
#[btf_tracepoint(function = "tcp_send_reset")]
pub fn reset_out_btf_3(ctx: BtfTracePointContext) -> i32 {
    reset(ctx.arg(0), CONN_RESET_OUT, ctx.arg(2))
}

/// As [`reset_out_btf_2`], without types.
#[raw_tracepoint(tracepoint = "tcp_send_reset")]
pub fn reset_out_raw_2(ctx: RawTracePointContext) -> i32 {
    reset(ctx.arg(0), CONN_RESET_OUT, UNKNOWN)
}

/// As [`reset_out_btf_3`], without types.
#[raw_tracepoint(tracepoint = "tcp_send_reset")]
pub fn reset_out_raw_3(ctx: RawTracePointContext) -> i32 {
    reset(ctx.arg(0), CONN_RESET_OUT, ctx.arg(2))
}

/// The classic tracepoint: works without BTF.
#[tracepoint(category = "tcp", name = "tcp_send_reset")]
pub fn reset_out_classic(ctx: TracePointContext) -> i32 {
    reset_traced(&ctx, &RESET_OUT_LAYOUT.load(), CONN_RESET_OUT)
}

#[inline(always)]
fn reset_traced(ctx: &TracePointContext, layout: &[u32; SOCKET_FIELDS], what: u8) -> i32 {
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let reason = match layout[field::SECOND] {
            ABSENT => UNKNOWN,
            offset => Probed::read::<u32>(base, offset),
        };
        match pointer::<Probed>(base, layout[field::SK]) {
            Some(sk) if SK_STATE.load() != ABSENT => reset(sk, what, reason),
            // Which socket is all that matters; the rest of it was told before.
            Some(sk) => {
                let Some(count) = Counter::open() else {
                    return 0;
                };
                let Some(mut draft) = Draft::unread(&count, what) else {
                    return 0;
                };
                let record = draft.record();
                record.socket.sk = sk as u64;
                record.reset_reason = reason;
                draft.send(&count)
            }
            None => 0,
        }
    }
}

/// A reset that has to do with a socket of its own.
#[inline(always)]
fn reset(sk: *const u8, what: u8, reason: u32) -> i32 {
    let Some(sk) = non_null(sk) else {
        return 0;
    };
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: the socket is alive meanwhile; `Probed` reads any address.
    unsafe {
        let state = Probed::read::<u8>(sk, SK_STATE.load());
        // Those of a listener, a handshake or TIME_WAIT end no connection of its own.
        if state == LISTEN || state == socket::TIME_WAIT || state == socket::NEW_SYN_RECV {
            return 0;
        }
        let Some(mut draft) = Draft::aside(&count, what, sk) else {
            return 0;
        };
        let record = draft.record();
        record.reset_reason = reason;
        identify(sk, record);
        draft.send(&count)
    }
}
