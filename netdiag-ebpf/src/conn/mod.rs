//! TCP connections: their states, and what only the calls know that make them.
//!
//! `inet_sock_set_state` is what every change of state goes through. Three of them are sent: a SYN is about to leave
//! (in the caller's context), the handshake is over, the socket is closed. What ended it is in the socket by then; who
//! ended it first follows from the state before. Failures that change no state are in what `connect` returns.

mod accept;
mod connect;
mod descriptor;
mod draft;
mod queue;
mod reset;

use crate::{
    count::Counter,
    field::*,
    memory::{Memory, Probed, number, pointer},
    socket,
};
use aya_ebpf::{
    EbpfContext as _, Global,
    macros::{btf_tracepoint, raw_tracepoint, tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext, TracePointContext},
};
use draft::{Draft, bytes, caller};
use netdiag_common::{
    field::ABSENT,
    layout::{SOCKET_FIELDS, field},
    record::{CONN_STATE, ConnRecord},
};

/// Where the classic tracepoint `inet_sock_set_state` keeps its fields, by [`field`]; second is the new state.
#[unsafe(no_mangle)]
static STATE_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);

/// `TCP_*` of `net/tcp_states.h`.
const ESTABLISHED: u8 = 1;
/// See [`ESTABLISHED`].
const SYN_SENT: u8 = 2;
/// See [`ESTABLISHED`].
const CLOSE: u8 = 7;
/// See [`ESTABLISHED`].
const LISTEN: u8 = 10;
/// `IPPROTO_TCP`.
const TCP: u16 = 6;

/// `inet_sock_set_state(sk, oldstate, newstate)`: since 4.16.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn conn_btf(ctx: BtfTracePointContext) -> i32 {
    changed(ctx.arg(0), ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8)
}

/// As [`conn_btf`], without types.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn conn_raw(ctx: RawTracePointContext) -> i32 {
    changed(ctx.arg(0), ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8)
}

/// The classic tracepoint: works without BTF, then with addresses, ports and states alone.
#[tracepoint(category = "sock", name = "inet_sock_set_state")]
pub fn conn_classic(ctx: TracePointContext) -> i32 {
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let layout = STATE_LAYOUT.load();
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let (old_at, new_at) = (layout[field::OLD_STATE], layout[field::SECOND]);
        if old_at == ABSENT || new_at == ABSENT {
            return 0;
        }
        let old = Probed::read::<u32>(base, old_at) as u8;
        let new = Probed::read::<u32>(base, new_at) as u8;
        if SK_STATE.load() != ABSENT {
            return match pointer::<Probed>(base, layout[field::SK]) {
                Some(sk) => changed(sk, old, new),
                None => 0,
            };
        }
        let protocol = layout[field::PROTOCOL];
        let other = protocol != ABSENT && Probed::read::<u16>(base, protocol) != TCP;
        if !tells(old, new) || other {
            return 0;
        }
        let Some(count) = Counter::open() else {
            return 0;
        };
        let Some(mut draft) = Draft::unread(&count, CONN_STATE) else {
            return 0;
        };
        let record = draft.record();
        socket::from_tracepoint(base, &layout, &mut record.socket);
        record.socket.state = new;
        record.old_state = old;
        if new == SYN_SENT {
            caller(record);
        }
        draft.send(&count)
    }
}

/// Whether a change of state is a connection's beginning, its success or its end.
#[inline(always)]
fn tells(old: u8, new: u8) -> bool {
    match new {
        SYN_SENT | ESTABLISHED => old != new,
        CLOSE => old != CLOSE && old != LISTEN,
        _ => false,
    }
}

#[inline(always)]
fn changed(sk: *const u8, old: u8, new: u8) -> i32 {
    if !tells(old, new) {
        return 0;
    }
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: the socket is alive while its state changes; `Probed` reads any address.
    unsafe {
        // MPTCP and SCTP have states, too.
        if SK_PROTOCOL.load() != ABSENT && Probed::read::<u16>(sk, SK_PROTOCOL.load()) != TCP {
            return 0;
        }
        let Some(mut draft) = Draft::event(&count, CONN_STATE, sk) else {
            return 0;
        };
        let record = draft.record();
        identify(sk, record);
        record.socket.state = new;
        record.old_state = old;
        if new == SYN_SENT {
            caller(record);
        } else {
            measure(sk, record);
        }
        // Before a connection it may be an older one's.
        if new == CLOSE {
            former_port(sk, record);
        }
        draft.send(&count)
    }
}

/// What is left of a port that was given back.
#[inline(always)]
unsafe fn former_port(sk: *const u8, record: &mut ConnRecord) {
    if record.socket.local_port == 0 && INET_SPORT.load() != ABSENT {
        // SAFETY: `Probed` reads any address.
        record.socket.local_port =
            u16::from_be(unsafe { Probed::read::<u16>(sk, INET_SPORT.load()) });
    }
}

/// Which socket and whose.
#[inline(always)]
unsafe fn identify(sk: *const u8, record: &mut ConnRecord) {
    // SAFETY: `Probed` reads any address.
    unsafe {
        socket::identify::<Probed>(sk, &mut record.socket);
        if record.socket.state != socket::TIME_WAIT && record.socket.state != socket::NEW_SYN_RECV {
            socket::own(sk, &mut record.socket);
        }
    }
}

/// What the socket counted.
#[inline(always)]
unsafe fn measure(sk: *const u8, record: &mut ConnRecord) {
    // SAFETY: `Probed` reads any address.
    unsafe {
        socket::route(sk, &mut record.socket);
        record.bytes_sent = bytes(sk, TCP_BYTES_SENT.load());
        record.bytes_retrans = bytes(sk, TCP_BYTES_RETRANS.load());
        record.bytes_received = bytes(sk, TCP_BYTES_RECEIVED.load());
        record.sk_flags = bytes(sk, SK_FLAGS.load());
        record.error = number(sk, SK_ERR.load());
        record.soft_error = number(sk, SK_ERR_SOFT.load());
        record.total_retrans = number(sk, TCP_TOTAL_RETRANS.load());
        record.srtt_8us = number(sk, TCP_SRTT.load());
        if ICSK_RETRANSMITS.load() != ABSENT {
            record.retransmits = Probed::read(sk, ICSK_RETRANSMITS.load());
        }
    }
}
