//! What `connect` returns, and who called it.

use super::descriptor::{CALL_LAYOUT, unconnected};
use super::draft::{Draft, caller};
use super::identify;
use crate::{
    calls,
    count::Counter,
    memory::{Memory, Probed},
    register::{first_argument, return_value, second_argument},
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_ns, bpf_probe_read_user},
    macros::{fexit, kprobe, kretprobe, tracepoint},
    programs::{FExitContext, ProbeContext, RetProbeContext, TracePointContext},
};
use netdiag_common::{
    field::ABSENT,
    record::{CONN_FLAG_WANTED, CONN_RETURNED, FAMILY_IPV4, FAMILY_IPV6, SOCKET_MAPPED},
};

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
