//! A record of a connection in the making.

use crate::{
    count::Counter,
    field::*,
    filter,
    memory::{Memory, Probed, pointer},
    ring, socket,
};
use aya_ebpf::{
    helpers::generated::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid, bpf_ktime_get_ns,
    },
    maps::ring_buf::RingBufEntry,
};
use netdiag_common::{
    count::{CONN_FILTERED, CONN_LOST, CONN_SEEN},
    field::ABSENT,
    record::{
        COMM_LEN, CONN_FLAG_CALLER, ConnRecord, KIND_CONN, NO_UID, UNKNOWN, UNKNOWN_BYTE,
        UNKNOWN_BYTES,
    },
};

/// Who is at work here.
#[inline(always)]
pub(super) fn caller(record: &mut ConnRecord) {
    record.flags |= CONN_FLAG_CALLER;
    // SAFETY: no arguments, and 16 bytes to write to.
    unsafe {
        record.task_uid = bpf_get_current_uid_gid() as u32;
        bpf_get_current_comm(record.comm.as_mut_ptr().cast(), COMM_LEN as u32);
    }
}

/// A record in the making, in the ring: it is too large to be made on the stack and copied.
pub(super) struct Draft(RingBufEntry<ConnRecord>);

impl Draft {
    /// For what is an event, or part of one. `None` where the user does not want it, or there is no room.
    #[inline(always)]
    pub(super) unsafe fn event(count: &Counter, what: u8, sk: *const u8) -> Option<Self> {
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
    pub(super) unsafe fn aside(count: &Counter, what: u8, sk: *const u8) -> Option<Self> {
        // SAFETY: the caller's.
        if !unsafe { admits(sk) } {
            return None;
        }
        count.add(CONN_SEEN, 1);
        Self::reserve(count, what)
    }

    /// Where the kernel shows no types: there is no filter then.
    #[inline(always)]
    pub(super) fn unread(count: &Counter, what: u8) -> Option<Self> {
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
    pub(super) fn record(&mut self) -> &mut ConnRecord {
        // SAFETY: `reserve` has written all of it.
        unsafe { &mut *self.0.as_mut_ptr() }
    }

    #[inline(always)]
    pub(super) fn send(self, count: &Counter) -> i32 {
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

#[inline(always)]
pub(super) unsafe fn bytes(base: *const u8, offset: u32) -> u64 {
    if offset == ABSENT {
        return UNKNOWN_BYTES;
    }
    // SAFETY: `Probed` reads any address.
    unsafe { Probed::read(base, offset) }
}
