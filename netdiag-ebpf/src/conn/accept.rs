//! Who accepts a connection.

use super::descriptor::{CALL_LAYOUT, is_tcp, socket_of};
use super::draft::{Draft, caller};
use super::{former_port, identify, measure};
use crate::{
    count::Counter,
    field::*,
    memory::{Memory, Probed, non_null, pointer},
    register::return_value,
};
use aya_ebpf::{
    EbpfContext as _,
    macros::{fexit, kretprobe, tracepoint},
    programs::{FExitContext, RetProbeContext, TracePointContext},
};
use netdiag_common::{field::ABSENT, record::CONN_ACCEPTED};

/// `inet_csk_accept` returns the new socket: after two arguments since 6.10 (commit 92ef0fd55ac8).
#[fexit(function = "inet_csk_accept")]
pub fn accept_fexit_2(ctx: FExitContext) -> i32 {
    accepted(ctx.arg(2))
}

/// After four before.
#[fexit(function = "inet_csk_accept")]
pub fn accept_fexit_4(ctx: FExitContext) -> i32 {
    accepted(ctx.arg(4))
}

/// As [`accept_fexit_2`], by breakpoint.
#[kretprobe(function = "inet_csk_accept")]
pub fn accept_kretprobe(ctx: RetProbeContext) -> i32 {
    accepted(return_value(&ctx))
}

/// `accept4` returns a descriptor.
#[tracepoint(category = "syscalls", name = "sys_exit_accept4")]
pub fn accept_exit_4(ctx: TracePointContext) -> i32 {
    accept_returned(&ctx)
}

/// `accept` does, too.
#[tracepoint(category = "syscalls", name = "sys_exit_accept")]
pub fn accept_exit(ctx: TracePointContext) -> i32 {
    accept_returned(&ctx)
}

#[inline(always)]
fn accept_returned(ctx: &TracePointContext) -> i32 {
    if Counter::open().is_none() {
        return 0;
    }
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let [_, _, result_at] = CALL_LAYOUT.load();
    if result_at == ABSENT {
        return 0;
    }
    // SAFETY: `Probed` reads any address; the offset is the kernel's own.
    unsafe {
        let fd = Probed::read::<i64>(base, result_at);
        if fd < 0 {
            return 0;
        }
        match socket_of(fd as u64) {
            Some(socket) => match pointer::<Probed>(socket, SOCKET_SK.load()) {
                Some(sk) if is_tcp(sk) => accepted(sk),
                _ => 0,
            },
            None => 0,
        }
    }
}

#[inline(always)]
fn accepted(sk: *const u8) -> i32 {
    let Some(sk) = non_null(sk) else {
        return 0;
    };
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: the caller holds the socket; `Probed` reads any address.
    let Some(mut draft) = (unsafe { Draft::event(&count, CONN_ACCEPTED, sk) }) else {
        return 0;
    };
    let record = draft.record();
    // SAFETY: as above.
    unsafe {
        identify(sk, record);
        measure(sk, record);
        // It may have ended before it was accepted.
        former_port(sk, record);
    }
    caller(record);
    draft.send(&count)
}
