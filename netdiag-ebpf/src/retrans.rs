//! TCP retransmissions.
//!
//! `__tcp_retransmit_skb` is what all of them go through: timers and acknowledgments by way of `tcp_retransmit_skb`, loss
//! probes directly. Its tracepoint fires at its end; before 6.18 only when there was no error,
//! while `TcpRetransSegs` rises all the same. SYN-ACKs have a function of their own, and no segment in a queue.

use crate::{
    calls::{self, Call},
    count::Counter,
    field::*,
    memory::{Memory, Probed, byte, is_kernel_address, number, pointer},
    register::{first_argument, return_value, second_argument},
    ring, socket,
};
use aya_ebpf::{
    EbpfContext, Global,
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, fentry, fexit, kprobe, kretprobe, map, raw_tracepoint, tracepoint},
    maps::PerCpuArray,
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RawTracePointContext,
        RetProbeContext, TracePointContext,
    },
};
use netdiag_common::{
    count::{RETRANS_FILTERED, RETRANS_LOST, RETRANS_SEEN},
    field::ABSENT,
    layout::{SOCKET_FIELDS, field},
    record::{
        KIND_RETRANS, RETRANS_PROBE, RETRANS_RESULT, RETRANS_SEGMENT, RETRANS_SYNACK,
        RetransRecord, UNKNOWN, UNKNOWN_BYTE,
    },
};

/// Where the classic tracepoint `tcp_retransmit_skb` keeps its fields, by [`field`].
#[unsafe(no_mangle)]
static RETRANS_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);
/// The same of `tcp_retransmit_synack`.
#[unsafe(no_mangle)]
static SYNACK_LAYOUT: Global<[u32; SOCKET_FIELDS]> = Global::new([ABSENT; SOCKET_FIELDS]);

/// The socket that `tcp_send_loss_probe` is at work for on this processor, or 0.
#[map]
static PROBING: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// `int __tcp_retransmit_skb(struct sock *sk, struct sk_buff *skb, int segs)`
#[fentry(function = "__tcp_retransmit_skb")]
pub fn retrans_fentry(ctx: FEntryContext) -> i32 {
    called(ctx.arg(0), ctx.arg(1))
}

/// The return value follows the three arguments.
#[fexit(function = "__tcp_retransmit_skb")]
pub fn retrans_fexit(ctx: FExitContext) -> i32 {
    returned(ctx.arg(3))
}

/// As [`retrans_fentry`], by breakpoint.
#[kprobe(function = "__tcp_retransmit_skb")]
pub fn retrans_kprobe(ctx: ProbeContext) -> i32 {
    called(first_argument(&ctx), second_argument(&ctx))
}

/// As [`retrans_fexit`], by breakpoint.
#[kretprobe(function = "__tcp_retransmit_skb")]
pub fn retrans_kretprobe(ctx: RetProbeContext) -> i32 {
    returned(return_value(&ctx) as i32)
}

/// `int tcp_retransmit_skb(struct sock *sk, struct sk_buff *skb, int segs)`, which calls the function above. The compiler may
/// have put that into this one (Debian's 6.1): then only this one is hooked where it is called by timers and
/// acknowledgments.
#[fentry(function = "tcp_retransmit_skb")]
pub fn retrans_outer_fentry(ctx: FEntryContext) -> i32 {
    called(ctx.arg(0), ctx.arg(1))
}

/// The return value follows the three arguments.
#[fexit(function = "tcp_retransmit_skb")]
pub fn retrans_outer_fexit(ctx: FExitContext) -> i32 {
    outer_returned(ctx.arg(3))
}

/// As [`retrans_outer_fentry`], by breakpoint.
#[kprobe(function = "tcp_retransmit_skb")]
pub fn retrans_outer_kprobe(ctx: ProbeContext) -> i32 {
    called(first_argument(&ctx), second_argument(&ctx))
}

/// As [`retrans_outer_fexit`], by breakpoint.
#[kretprobe(function = "tcp_retransmit_skb")]
pub fn retrans_outer_kretprobe(ctx: RetProbeContext) -> i32 {
    outer_returned(return_value(&ctx) as i32)
}

/// `tcp_retransmit_skb(sk, skb)`: only what was sent, before 6.18.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn retrans_btf_2(ctx: BtfTracePointContext) -> i32 {
    traced(ctx.arg(0), ctx.arg(1), Some(0))
}

/// `tcp_retransmit_skb(sk, skb, err)`: since 6.18.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn retrans_btf_3(ctx: BtfTracePointContext) -> i32 {
    traced(ctx.arg(0), ctx.arg(1), Some(ctx.arg(2)))
}

/// As [`retrans_btf_2`], without types.
#[raw_tracepoint(tracepoint = "tcp_retransmit_skb")]
pub fn retrans_raw_2(ctx: RawTracePointContext) -> i32 {
    traced(ctx.arg(0), ctx.arg(1), Some(0))
}

/// As [`retrans_btf_3`], without types.
#[raw_tracepoint(tracepoint = "tcp_retransmit_skb")]
pub fn retrans_raw_3(ctx: RawTracePointContext) -> i32 {
    traced(ctx.arg(0), ctx.arg(1), Some(ctx.arg(2)))
}

/// The classic tracepoint: works without BTF, then with addresses, ports and state alone.
#[tracepoint(category = "tcp", name = "tcp_retransmit_skb")]
pub fn retrans_classic(ctx: TracePointContext) -> i32 {
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let layout = RETRANS_LAYOUT.load();
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let result = match layout[field::ERROR] {
            ABSENT => 0,
            offset => Probed::read::<i32>(base, offset),
        };
        let sk = pointer::<Probed>(base, layout[field::SK]);
        let skb = pointer::<Probed>(base, layout[field::SECOND]);
        match (sk, skb) {
            (Some(sk), Some(skb)) if SK_STATE.load() != ABSENT => traced(sk, skb, Some(result)),
            _ => unread(base, &layout, 0, result),
        }
    }
}

/// `int tcp_rtx_synack(const struct sock *sk, struct request_sock *req)`: the return value follows.
#[fexit(function = "tcp_rtx_synack")]
pub fn synack_fexit(ctx: FExitContext) -> i32 {
    answered(ctx.arg(0), ctx.arg(1), Some(ctx.arg(2)))
}

/// As [`synack_fexit`], by breakpoint: what it was called with.
#[kprobe(function = "tcp_rtx_synack")]
pub fn synack_kprobe(ctx: ProbeContext) -> i32 {
    if let Some(count) = Counter::open() {
        let (sk, req) = (first_argument(&ctx), second_argument(&ctx));
        enter(&count, [sk as u64, req as u64, 0, 0]);
    }
    0
}

/// As [`synack_fexit`], by breakpoint.
#[kretprobe(function = "tcp_rtx_synack")]
pub fn synack_kretprobe(ctx: RetProbeContext) -> i32 {
    match calls::leave() {
        Some([sk, req, ..]) => answered(
            sk as *const u8,
            req as *const u8,
            Some(return_value(&ctx) as i32),
        ),
        None => 0,
    }
}

/// `tcp_retransmit_synack(sk, req)`: only what was sent.
#[btf_tracepoint(function = "tcp_retransmit_synack")]
pub fn synack_btf(ctx: BtfTracePointContext) -> i32 {
    answered(ctx.arg(0), ctx.arg(1), Some(0))
}

/// As [`synack_btf`], without types.
#[raw_tracepoint(tracepoint = "tcp_retransmit_synack")]
pub fn synack_raw(ctx: RawTracePointContext) -> i32 {
    answered(ctx.arg(0), ctx.arg(1), Some(0))
}

/// The classic tracepoint: works without BTF.
#[tracepoint(category = "tcp", name = "tcp_retransmit_synack")]
pub fn synack_classic(ctx: TracePointContext) -> i32 {
    let base = ctx.as_ptr().cast::<u8>().cast_const();
    let layout = SYNACK_LAYOUT.load();
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe {
        let sk = pointer::<Probed>(base, layout[field::SK]);
        let req = pointer::<Probed>(base, layout[field::SECOND]);
        match (sk, req) {
            (Some(sk), Some(req)) if SK_STATE.load() != ABSENT => answered(sk, req, Some(0)),
            _ => unread(base, &layout, RETRANS_SYNACK, 0),
        }
    }
}

/// `void tcp_send_loss_probe(struct sock *sk)`
#[fentry(function = "tcp_send_loss_probe")]
pub fn probe_fentry(ctx: FEntryContext) -> i32 {
    probing(ctx.arg(0))
}

/// It is over.
#[fexit(function = "tcp_send_loss_probe")]
pub fn probe_fexit(_ctx: FExitContext) -> i32 {
    probing(core::ptr::null())
}

/// As [`probe_fentry`], by breakpoint.
#[kprobe(function = "tcp_send_loss_probe")]
pub fn probe_kprobe(ctx: ProbeContext) -> i32 {
    probing(first_argument(&ctx))
}

/// As [`probe_fexit`], by breakpoint.
#[kretprobe(function = "tcp_send_loss_probe")]
pub fn probe_kretprobe(_ctx: RetProbeContext) -> i32 {
    probing(core::ptr::null())
}

/// The timer that sends probes runs with bottom halves disabled: nothing comes in between on this processor. Where
/// the socket was locked, its owner does the timer's work later, and may move: then the timer's number tells.
#[inline(always)]
fn probing(sk: *const u8) -> i32 {
    if let Some(slot) = PROBING.get_ptr_mut(0) {
        // SAFETY: the entry of this processor.
        unsafe { *slot = sk as u64 };
    }
    0
}

/// The call is on its way: what only its beginning knows.
#[inline(always)]
fn called(sk: *const u8, skb: *const u8) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    // SAFETY: `Probed` reads any address.
    let (total, pending) = unsafe {
        (
            number(sk, TCP_TOTAL_RETRANS.load()),
            byte(sk, ICSK_PENDING.load()),
        )
    };
    enter(
        &count,
        [sk as u64, skb as u64, total as u64, pending as u64],
    );
    0
}

/// Keeps a call until it returns; one for which there is no room is lost.
#[inline(always)]
fn enter(count: &Counter, call: Call) {
    if !calls::enter(call) {
        count.add(RETRANS_SEEN, 1);
        count.add(RETRANS_LOST, 1);
    }
}

/// The call returns.
#[inline(always)]
fn returned(result: i32) -> i32 {
    let Some(call) = calls::leave() else {
        return 0;
    };
    let Some(count) = Counter::open() else {
        return 0;
    };
    let [sk, skb, ..] = call;
    calls::mark(sk, TOLD);
    segment(
        &count,
        sk as *const u8,
        skb as *const u8,
        Some(result),
        Some(call),
    )
}

/// Of a call: what it is about was told already. Beside the number of the timer, which is a byte.
const TOLD: u64 = 1 << 32;

/// The outer call returns: what the inner one has not told, it tells.
#[inline(always)]
fn outer_returned(result: i32) -> i32 {
    let Some(call) = calls::leave() else {
        return 0;
    };
    let Some(count) = Counter::open() else {
        return 0;
    };
    let [sk, skb, _, marks] = call;
    if marks & TOLD != 0 {
        return 0;
    }
    segment(
        &count,
        sk as *const u8,
        skb as *const u8,
        Some(result),
        Some(call),
    )
}

/// The tracepoint at its end.
#[inline(always)]
fn traced(sk: *const u8, skb: *const u8, result: Option<i32>) -> i32 {
    match Counter::open() {
        Some(count) => segment(&count, sk, skb, result, None),
        None => 0,
    }
}

/// One call that retransmits segments of a socket.
#[inline(always)]
fn segment(
    count: &Counter,
    sk: *const u8,
    skb: *const u8,
    result: Option<i32>,
    call: Option<Call>,
) -> i32 {
    count.add(RETRANS_SEEN, 1);
    let mut record = blank(count, result);
    // SAFETY: socket and segment are alive while the hooked function is at work for them; `Probed` reads any address.
    unsafe {
        socket::identify::<Probed>(sk, &mut record.socket);
        socket::route(sk, &mut record.socket);
        if !socket::admits(&record.socket) {
            count.add(RETRANS_FILTERED, 1);
            return 0;
        }
        socket::own(sk, &mut record.socket);
        state(sk, &mut record);
        if SKB_CB.load() != ABSENT && CB_SEQ.load() != ABSENT {
            let cb = SKB_CB.load();
            record.flags |= RETRANS_SEGMENT;
            record.seq = Probed::read(skb, cb + CB_SEQ.load());
            record.end_seq = Probed::read(skb, cb + CB_END_SEQ.load());
            // Little-endian: the first byte of what are 16 bits since 6.18.
            record.tcp_flags = Probed::read(skb, cb + CB_TCP_FLAGS.load());
            record.pcount = Probed::read::<u16>(skb, cb + CB_GSO_SEGS.load()) as u32;
        }
        if let Some([_, _, before, pending]) = call {
            record.pending = pending as u8;
            if before as u32 != UNKNOWN && record.total_retrans != UNKNOWN {
                record.segs = record.total_retrans.wrapping_sub(before as u32);
            }
        }
        if let Some(slot) = PROBING.get_ptr(0)
            && *slot == sk as u64
        {
            record.flags |= RETRANS_PROBE;
        }
    }
    emit(count, record)
}

/// One SYN-ACK: `req` has the connection, `sk` is the listener, or with Fast Open the connection's socket.
#[inline(always)]
fn answered(sk: *const u8, req: *const u8, result: Option<i32>) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    count.add(RETRANS_SEEN, 1);
    let mut record = blank(&count, result);
    record.flags |= RETRANS_SYNACK;
    // SAFETY: both are alive while the hooked function is at work for them; `Probed` reads any address.
    unsafe {
        socket::identify::<Probed>(req, &mut record.socket);
        // A handshake has no route yet: a device that the user asks for may be its, and a filter hides no fault.
        if !socket::admits_netns(&record.socket) {
            count.add(RETRANS_FILTERED, 1);
            return 0;
        }
        if is_kernel_address(sk) {
            socket::own(sk, &mut record.socket);
        }
        record.seq = number(req, REQ_SNT_ISN.load());
        record.ack = number(req, REQ_RCV_ISN.load()).wrapping_add(1);
        if record.seq != UNKNOWN {
            record.flags |= RETRANS_SEGMENT;
            record.end_seq = record.seq.wrapping_add(1);
        }
        record.tcp_flags = SYN_ACK;
        record.retransmits = byte(req, REQ_NUM_RETRANS.load());
        record.segs = if result == Some(0) { 1 } else { 0 };
        record.pcount = 1;
    }
    emit(&count, record)
}

/// One call of which the classic tracepoint's own record is all that is known.
#[inline(always)]
unsafe fn unread(base: *const u8, layout: &[u32; SOCKET_FIELDS], flags: u16, result: i32) -> i32 {
    let Some(count) = Counter::open() else {
        return 0;
    };
    count.add(RETRANS_SEEN, 1);
    let mut record = blank(&count, Some(result));
    record.flags |= flags;
    // SAFETY: `Probed` reads any address; the offsets are the kernel's own.
    unsafe { socket::from_tracepoint(base, layout, &mut record.socket) };
    if !socket::admits(&record.socket) {
        count.add(RETRANS_FILTERED, 1);
        return 0;
    }
    emit(&count, record)
}

/// `TCPHDR_SYN | TCPHDR_ACK` of `net/tcp.h`, as in the header.
const SYN_ACK: u8 = 0x12;

/// What the socket knows of its connection.
#[inline(always)]
unsafe fn state(sk: *const u8, record: &mut RetransRecord) {
    // SAFETY: `Probed` reads any address.
    unsafe {
        record.ack = number(sk, TCP_RCV_NXT.load());
        record.snd_una = number(sk, TCP_SND_UNA.load());
        record.total_retrans = number(sk, TCP_TOTAL_RETRANS.load());
        record.rto_jiffies = number(sk, ICSK_RTO.load());
        record.srtt_8us = number(sk, TCP_SRTT.load());
        record.cwnd = number(sk, TCP_SND_CWND.load());
        record.ssthresh = number(sk, TCP_SND_SSTHRESH.load());
        record.packets_out = number(sk, TCP_PACKETS_OUT.load());
        record.sacked_out = number(sk, TCP_SACKED_OUT.load());
        record.lost_out = number(sk, TCP_LOST_OUT.load());
        record.retrans_out = number(sk, TCP_RETRANS_OUT.load());
        record.snd_wnd = number(sk, TCP_SND_WND.load());
        record.rcv_wnd = number(sk, TCP_RCV_WND.load());
        record.mss = number(sk, TCP_MSS_CACHE.load());
        record.segs_out = number(sk, TCP_SEGS_OUT.load());
        record.data_segs_out = number(sk, TCP_DATA_SEGS_OUT.load());
        record.dsack_dups = number(sk, TCP_DSACK_DUPS.load());
        // Five bits, the lowest of their byte.
        let ca_state = byte(sk, ICSK_CA_STATE.load());
        if ca_state != UNKNOWN_BYTE {
            record.ca_state = ca_state & 0x1f;
        }
        record.retransmits = byte(sk, ICSK_RETRANSMITS.load());
        record.pending = byte(sk, ICSK_PENDING.load());
    }
}

#[inline(always)]
fn emit(count: &Counter, record: RetransRecord) -> i32 {
    if !ring::send(count, RETRANS_SEEN, record) {
        count.add(RETRANS_LOST, 1);
    }
    0
}

/// A record that knows nothing but the time and the result.
#[inline(always)]
fn blank(count: &Counter, result: Option<i32>) -> RetransRecord {
    RetransRecord {
        // SAFETY: no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        kind: KIND_RETRANS,
        flags: if result.is_some() { RETRANS_RESULT } else { 0 },
        cpu: count.cpu,
        socket: socket::blank(),
        seq: UNKNOWN,
        end_seq: UNKNOWN,
        ack: UNKNOWN,
        snd_una: UNKNOWN,
        segs: UNKNOWN,
        pcount: UNKNOWN,
        total_retrans: UNKNOWN,
        result: result.unwrap_or(0),
        rto_jiffies: UNKNOWN,
        srtt_8us: UNKNOWN,
        cwnd: UNKNOWN,
        ssthresh: UNKNOWN,
        packets_out: UNKNOWN,
        sacked_out: UNKNOWN,
        lost_out: UNKNOWN,
        retrans_out: UNKNOWN,
        snd_wnd: UNKNOWN,
        rcv_wnd: UNKNOWN,
        mss: UNKNOWN,
        segs_out: UNKNOWN,
        data_segs_out: UNKNOWN,
        dsack_dups: UNKNOWN,
        tcp_flags: 0,
        ca_state: UNKNOWN_BYTE,
        retransmits: UNKNOWN_BYTE,
        pending: UNKNOWN_BYTE,
        reserved: 0,
    }
}
