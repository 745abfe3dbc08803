//! TCP connections: their states, and what only the calls know that make them.
//!
//! `inet_sock_set_state` is what every change of state goes through. Three of them are sent: a SYN is about to leave
//! (in the caller's context), the handshake is over, the socket is closed. What ended it is in the socket by then; who
//! ended it first follows from the state before. Failures that change no state are in what `connect` returns.

use crate::{
    calls,
    count::Counter,
    field::*,
    filter,
    memory::{Memory, Probed, non_null, pointer},
    register::{first_argument, return_value, second_argument, third_argument},
    ring, socket,
};
use aya_ebpf::{
    EbpfContext, Global,
    helpers::generated::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task,
        bpf_get_current_uid_gid, bpf_ktime_get_ns, bpf_probe_read_user,
    },
    macros::{btf_tracepoint, fentry, fexit, kprobe, kretprobe, raw_tracepoint, tracepoint},
    maps::ring_buf::RingBufEntry,
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RawTracePointContext,
        RetProbeContext, TracePointContext,
    },
};
use netdiag_common::{
    count::{CONN_FILTERED, CONN_LOST, CONN_SEEN},
    field::ABSENT,
    layout::{SOCKET_FIELDS, field},
    record::{
        COMM_LEN, CONN_ACCEPTED, CONN_FLAG_CALLER, CONN_FLAG_WANTED, CONN_QUEUE_FULL,
        CONN_RESET_IN, CONN_RESET_OUT, CONN_RETURNED, CONN_STATE, ConnRecord, FAMILY_IPV4,
        FAMILY_IPV6, KIND_CONN, NO_UID, SOCKET_MAPPED, UNKNOWN, UNKNOWN_BYTE, UNKNOWN_BYTES,
    },
};

/// Where the classic tracepoint `inet_sock_set_state` keeps its fields, by [`field`]; second is the new state.
#[unsafe(no_mangle)]
static STATE_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);
/// The same of `tcp_receive_reset`.
#[unsafe(no_mangle)]
static RESET_IN_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);
/// The same of `tcp_send_reset`; second is the reason.
#[unsafe(no_mangle)]
static RESET_OUT_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);
/// Where the tracepoints of system calls keep the first argument, the second, and what was returned.
#[unsafe(no_mangle)]
static CALL_LAYOUT: Global<[u32; 3]> = Global::new([ABSENT; 3]);

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

/// `int tcp_v4_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len)`: the return value follows.
#[fexit(function = "tcp_v4_connect")]
pub fn connect4_fexit(ctx: FExitContext) -> i32 {
    connected(ctx.arg(0), ctx.arg(1), ctx.arg(3), FAMILY_IPV4)
}

/// The same of IPv6; for a mapped address it calls the other one, which has told then.
#[fexit(function = "tcp_v6_connect")]
pub fn connect6_fexit(ctx: FExitContext) -> i32 {
    connected(ctx.arg(0), ctx.arg(1), ctx.arg(3), FAMILY_IPV6)
}

/// As [`connect4_fexit`], by breakpoint: what it was called with.
#[kprobe(function = "tcp_v4_connect")]
pub fn connect4_kprobe(ctx: ProbeContext) -> i32 {
    connecting(&ctx)
}

/// As [`connect4_fexit`], by breakpoint.
#[kretprobe(function = "tcp_v4_connect")]
pub fn connect4_kretprobe(ctx: RetProbeContext) -> i32 {
    connect_returned(&ctx, FAMILY_IPV4)
}

/// As [`connect6_fexit`], by breakpoint: what it was called with.
#[kprobe(function = "tcp_v6_connect")]
pub fn connect6_kprobe(ctx: ProbeContext) -> i32 {
    connecting(&ctx)
}

/// As [`connect6_fexit`], by breakpoint.
#[kretprobe(function = "tcp_v6_connect")]
pub fn connect6_kretprobe(ctx: RetProbeContext) -> i32 {
    connect_returned(&ctx, FAMILY_IPV6)
}

/// The system call is entered: which socket, and where to.
#[tracepoint(category = "syscalls", name = "sys_enter_connect")]
pub fn connect_enter(ctx: TracePointContext) -> i32 {
    if Counter::open().is_none() {
        return 0;
    }
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let [fd_at, address_at, _] = CALL_LAYOUT.load();
    if fd_at == ABSENT || address_at == ABSENT {
        return 0;
    }
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let fd = Probed::read::<u64>(base, fd_at);
        let address = Probed::read::<u64>(base, address_at);
        let sk = match unconnected(fd) {
            Some(sk) => sk as u64,
            None => 0,
        };
        calls::enter([sk, address, bpf_ktime_get_ns(), 0]);
    }
    0
}

/// It returns.
#[tracepoint(category = "syscalls", name = "sys_exit_connect")]
pub fn connect_exit(ctx: TracePointContext) -> i32 {
    let Some([sk, address, began, _]) = calls::leave() else {
        return 0;
    };
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let [_, _, result_at] = CALL_LAYOUT.load();
    if sk == 0 || result_at == ABSENT {
        return 0;
    }
    // SAFETY: `Probed` reads any address; the offset is the kernel's own.
    let result = unsafe { Probed::read::<i64>(base, result_at) } as i32;
    let mut wanted = [0u8; ADDRESS_LEN];
    // SAFETY: the helper checks the address, which is the caller's.
    unsafe {
        bpf_probe_read_user(
            wanted.as_mut_ptr().cast(),
            ADDRESS_LEN as u32,
            address as *const _,
        )
    };
    told(sk as *const u8, &wanted, result, began)
}

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
        // What is left of a port that was given back. Before a connection it may be an older one's.
        if new == CLOSE && record.socket.local_port == 0 && INET_SPORT.load() != ABSENT {
            record.socket.local_port = u16::from_be(Probed::read::<u16>(sk, INET_SPORT.load()));
        }
        draft.send(&count)
    }
}

#[inline(always)]
fn connecting(ctx: &ProbeContext) -> i32 {
    if Counter::open().is_some() {
        let (sk, address) = (first_argument(ctx), second_argument(ctx));
        // SAFETY: no arguments.
        let now = unsafe { bpf_ktime_get_ns() };
        calls::enter([sk as u64, address as u64, now, 0]);
    }
    0
}

#[inline(always)]
fn connect_returned(ctx: &RetProbeContext, family: u16) -> i32 {
    match calls::leave() {
        Some([sk, address, ..]) => connected(
            sk as *const u8,
            address as *const u8,
            return_value(ctx) as i32,
            family,
        ),
        None => 0,
    }
}

/// `struct sockaddr_in6` up to the end of its address; that of IPv4 is shorter.
const ADDRESS_LEN: usize = 24;

/// `tcp_v4_connect` or `tcp_v6_connect` returned.
#[inline(always)]
fn connected(sk: *const u8, address: *const u8, result: i32, family: u16) -> i32 {
    if result == 0 {
        return 0;
    }
    // SAFETY: `Probed` reads any address. What the function was called with is in kernel memory.
    let wanted = unsafe { Probed::read::<[u8; ADDRESS_LEN]>(address, 0) };
    if family == FAMILY_IPV6 && mapped(&wanted) {
        return 0;
    }
    told(sk, &wanted, result, 0)
}

/// Whether `struct sockaddr_in6` has a mapped address.
#[inline(always)]
fn mapped(address: &[u8; ADDRESS_LEN]) -> bool {
    let word = |at: usize| {
        u32::from_ne_bytes([
            address[at],
            address[at + 1],
            address[at + 2],
            address[at + 3],
        ])
    };
    word(8) == 0 && word(12) == 0 && word(16) == u32::from_ne_bytes([0, 0, 0xff, 0xff])
}

/// Results of `connect` that are no failure: EINTR, EAGAIN, EISCONN, EALREADY, EINPROGRESS, and a restart.
#[inline(always)]
fn goes_on(result: i32) -> bool {
    matches!(result, 0..|-4| -11 | -106 | -114 | -115) || (-516..=-512).contains(&result)
}

/// `connect` returned with an error: `wanted` is what it was called with.
#[inline(always)]
fn told(sk: *const u8, wanted: &[u8; ADDRESS_LEN], result: i32, began: u64) -> i32 {
    if goes_on(result) {
        return 0;
    }
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: the caller holds the socket; `Probed` reads any address.
    let Some(mut draft) = (unsafe { Draft::event(&count, CONN_RETURNED, sk) }) else {
        return 0;
    };
    let record = draft.record();
    record.result = result;
    record.began_ns = began;
    // SAFETY: as above.
    unsafe { identify(sk, record) };
    caller(record);
    let family = u16::from_ne_bytes([wanted[0], wanted[1]]);
    let port = u16::from_be_bytes([wanted[2], wanted[3]]);
    if family == FAMILY_IPV6 {
        record.flags |= CONN_FLAG_WANTED;
        record.socket.remote_port = port;
        if mapped(wanted) {
            record.socket.family = FAMILY_IPV4;
            record.socket.flags |= SOCKET_MAPPED;
            let at: [u8; 4] = [wanted[20], wanted[21], wanted[22], wanted[23]];
            four(&mut record.socket.remote, at);
        } else {
            record.socket.family = FAMILY_IPV6;
            let mut index = 0;
            while index < 16 {
                record.socket.remote[index] = wanted[8 + index];
                index += 1;
            }
        }
    } else if family == FAMILY_IPV4 {
        record.flags |= CONN_FLAG_WANTED;
        record.socket.family = FAMILY_IPV4;
        record.socket.remote_port = port;
        let at: [u8; 4] = [wanted[4], wanted[5], wanted[6], wanted[7]];
        four(&mut record.socket.remote, at);
    }
    draft.send(&count)
}

#[inline(always)]
fn four(address: &mut [u8; 16], value: [u8; 4]) {
    // SAFETY: 16 bytes either way.
    *address =
        unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>([u32::from_ne_bytes(value), 0, 0, 0]) };
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
    }
    caller(record);
    draft.send(&count)
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

#[inline(always)]
unsafe fn number(base: *const u8, offset: u32) -> u32 {
    if offset == ABSENT {
        return UNKNOWN;
    }
    // SAFETY: `Probed` reads any address.
    unsafe { Probed::read(base, offset) }
}

#[inline(always)]
unsafe fn bytes(base: *const u8, offset: u32) -> u64 {
    if offset == ABSENT {
        return UNKNOWN_BYTES;
    }
    // SAFETY: `Probed` reads any address.
    unsafe { Probed::read(base, offset) }
}

/// `SS_UNCONNECTED` of `linux/net.h`.
const UNCONNECTED: u32 = 1;

/// The TCP socket behind a descriptor of the current task, if no connection of it is under way.
#[inline(always)]
unsafe fn unconnected(fd: u64) -> Option<*const u8> {
    // SAFETY: `Probed` reads any address.
    unsafe {
        let socket = socket_of(fd)?;
        if SOCKET_STATE.load() == ABSENT
            || Probed::read::<u32>(socket, SOCKET_STATE.load()) != UNCONNECTED
        {
            return None;
        }
        let sk = pointer::<Probed>(socket, SOCKET_SK.load())?;
        if is_tcp(sk) { Some(sk) } else { None }
    }
}

#[inline(always)]
unsafe fn is_tcp(sk: *const u8) -> bool {
    // SAFETY: `Probed` reads any address.
    unsafe {
        let family = Probed::read::<u16>(sk, SK_FAMILY.load());
        (family == FAMILY_IPV4 || family == FAMILY_IPV6)
            && SK_PROTOCOL.load() != ABSENT
            && Probed::read::<u16>(sk, SK_PROTOCOL.load()) == TCP
    }
}

/// `S_IFMT` and `S_IFSOCK` of `linux/stat.h`.
const FILE_TYPE: u16 = 0o170_000;
/// See [`FILE_TYPE`].
const SOCKET_TYPE: u16 = 0o140_000;

/// The `struct socket` behind a descriptor of the current task.
#[inline(always)]
unsafe fn socket_of(fd: u64) -> Option<*const u8> {
    let lacks = FDT_MAX.load() == ABSENT || INODE_MODE.load() == ABSENT;
    if lacks {
        return None;
    }
    // SAFETY: `Probed` reads any address; another thread may close the descriptor meanwhile, and what is read then is
    // checked.
    unsafe {
        let task = non_null(bpf_get_current_task() as *const u8)?;
        let files = pointer::<Probed>(task, TASK_FILES.load())?;
        let table = pointer::<Probed>(files, FILES_FDT.load())?;
        if fd >= Probed::read::<u32>(table, FDT_MAX.load()) as u64 {
            return None;
        }
        let entries = pointer::<Probed>(table, FDT_FD.load())?;
        let file = non_null(Probed::read::<*const u8>(
            entries.wrapping_add((fd * 8) as usize),
            0,
        ))?;
        let inode = pointer::<Probed>(file, FILE_INODE.load())?;
        if Probed::read::<u16>(inode, INODE_MODE.load()) & FILE_TYPE != SOCKET_TYPE {
            return None;
        }
        pointer::<Probed>(file, FILE_PRIVATE.load())
    }
}

/// Who is at work here.
#[inline(always)]
fn caller(record: &mut ConnRecord) {
    record.flags |= CONN_FLAG_CALLER;
    // SAFETY: no arguments, and 16 bytes to write to.
    unsafe {
        record.task_uid = bpf_get_current_uid_gid() as u32;
        bpf_get_current_comm(record.comm.as_mut_ptr().cast(), COMM_LEN as u32);
    }
}

/// A record in the making, in the ring: it is too large to be made on the stack and copied.
struct Draft(RingBufEntry<ConnRecord>);

impl Draft {
    /// For what is an event, or part of one. `None` where the user does not want it, or there is no room.
    #[inline(always)]
    unsafe fn event(count: &Counter, what: u8, sk: *const u8) -> Option<Self> {
        count.add(CONN_SEEN, 1);
        // SAFETY: the caller's.
        if !unsafe { admits(sk) } {
            count.add(CONN_FILTERED, 1);
            return None;
        }
        Self::reserve(count, what)
    }

    /// For what is no event by itself: what the user does not want is not counted.
    #[inline(always)]
    unsafe fn aside(count: &Counter, what: u8, sk: *const u8) -> Option<Self> {
        // SAFETY: the caller's.
        if !unsafe { admits(sk) } {
            return None;
        }
        count.add(CONN_SEEN, 1);
        Self::reserve(count, what)
    }

    /// Where the kernel shows no types: there is no filter then.
    #[inline(always)]
    fn unread(count: &Counter, what: u8) -> Option<Self> {
        count.add(CONN_SEEN, 1);
        Self::reserve(count, what)
    }

    #[inline(always)]
    fn reserve(count: &Counter, what: u8) -> Option<Self> {
        let Some(mut entry) = ring::RING.reserve::<ConnRecord>(0) else {
            count.add(CONN_LOST, 1);
            return None;
        };
        entry.write(blank(count, what));
        Some(Self(entry))
    }

    #[inline(always)]
    fn record(&mut self) -> &mut ConnRecord {
        // SAFETY: `reserve` has written all of it.
        unsafe { &mut *self.0.as_mut_ptr() }
    }

    #[inline(always)]
    fn send(self, count: &Counter) -> i32 {
        self.0.submit(ring::wake_up(count, CONN_SEEN));
        0
    }
}

/// Whether the user wants to hear of this socket's namespace.
#[inline(always)]
unsafe fn admits(sk: *const u8) -> bool {
    // SAFETY: `Probed` reads any address.
    let netns = match unsafe { pointer::<Probed>(sk, SK_NET.load()) } {
        // SAFETY: as above.
        Some(net) => unsafe { Probed::read::<u32>(net, NET_INUM.load()) },
        None => 0,
    };
    filter::admits_place(netns, &[0; 2])
}

/// A record that knows nothing but when and where.
#[inline(always)]
fn blank(count: &Counter, what: u8) -> ConnRecord {
    ConnRecord {
        // SAFETY: no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        kind: KIND_CONN,
        what,
        flags: 0,
        cpu: count.cpu,
        socket: socket::blank(),
        // SAFETY: no arguments.
        task: unsafe { bpf_get_current_pid_tgid() },
        began_ns: 0,
        bytes_sent: UNKNOWN_BYTES,
        bytes_retrans: UNKNOWN_BYTES,
        bytes_received: UNKNOWN_BYTES,
        sk_flags: UNKNOWN_BYTES,
        result: 0,
        error: UNKNOWN,
        soft_error: UNKNOWN,
        total_retrans: UNKNOWN,
        srtt_8us: UNKNOWN,
        reset_reason: UNKNOWN,
        queued: UNKNOWN,
        limit: UNKNOWN,
        task_uid: NO_UID,
        old_state: 0,
        retransmits: UNKNOWN_BYTE,
        reserved: 0,
        comm: [0; COMM_LEN],
    }
}
