//! TCP connections.

use super::socket::SocketPart;

/// How long a process's name is, with its terminating zero (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;

/// One thing that happened to a TCP connection. Several may be one event of it: user space puts them together.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ConnRecord {
    /// Nanoseconds of `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`).
    pub time_ns: u64,
    /// [`KIND_CONN`](super::KIND_CONN).
    pub kind: u16,
    /// `CONN_*`: what happened.
    pub what: u8,
    /// `CONN_FLAG_*`.
    pub flags: u8,
    /// The processor.
    pub cpu: u32,
    /// Which socket; of [`CONN_QUEUE_FULL`] the listener.
    pub socket: SocketPart,
    /// The task that this happened in: process id in the upper half, thread id in the lower. Only where
    /// [`CONN_FLAG_CALLER`] is set it has to do with the connection.
    pub task: u64,
    /// When the call began that returns here; 0 where that is not known.
    pub began_ns: u64,
    /// `tp->bytes_sent`: payload, retransmissions included; all ones where it is not known.
    pub bytes_sent: u64,
    /// `tp->bytes_retrans`: of these, sent again.
    pub bytes_retrans: u64,
    /// `tp->bytes_received`: payload in order, and one for the peer's FIN.
    pub bytes_received: u64,
    /// `sk->sk_flags` (`enum sock_flags`).
    pub sk_flags: u64,
    /// What a call returned: 0 or a negative error number.
    pub result: i32,
    /// `sk->sk_err`: a positive error number, or 0.
    pub error: u32,
    /// `sk->sk_err_soft`: what was met on the way and did not end the connection by itself.
    pub soft_error: u32,
    /// `tp->total_retrans`.
    pub total_retrans: u32,
    /// Smoothed round-trip time in eighths of a microsecond (`tp->srtt_us`).
    pub srtt_8us: u32,
    /// `enum sk_rst_reason` of our own reset (since 6.10).
    pub reset_reason: u32,
    /// How many wait in the listener's accept queue (`sk_ack_backlog`).
    pub queued: u32,
    /// How many may (`sk_max_ack_backlog`).
    pub limit: u32,
    /// The task's user.
    pub task_uid: u32,
    /// The state before.
    pub old_state: u8,
    /// Timeouts without an answer (`icsk_retransmits`).
    pub retransmits: u8,
    /// Nothing.
    pub reserved: u16,
    /// The task's name, ended by a zero.
    pub comm: [u8; COMM_LEN],
}

/// `ConnRecord::what`: the state changed, from `old_state` to that of the socket.
pub const CONN_STATE: u8 = 1;
/// `connect` returned with an error; where the socket has no addresses, the ones are that it was called with.
pub const CONN_RETURNED: u8 = 2;
/// A process took a connection from the accept queue.
pub const CONN_ACCEPTED: u8 = 3;
/// The peer reset the connection.
pub const CONN_RESET_IN: u8 = 4;
/// This host reset it.
pub const CONN_RESET_OUT: u8 = 5;
/// A SYN was refused, because the listener's accept queue is full.
pub const CONN_QUEUE_FULL: u8 = 6;

/// `ConnRecord::flags`: `task` called `connect` or `accept`.
pub const CONN_FLAG_CALLER: u8 = 1 << 0;
/// The remote address is the one that `connect` was called with.
pub const CONN_FLAG_WANTED: u8 = 1 << 1;

/// `ConnRecord::bytes_sent` and its like where they are not known.
pub const UNKNOWN_BYTES: u64 = u64::MAX;

/// The length of a [`ConnRecord`].
pub const CONN_LEN: usize = size_of::<ConnRecord>();

const _: () = assert!(CONN_LEN == 216 && align_of::<ConnRecord>() == 8);
const _: () = assert!(core::mem::offset_of!(ConnRecord, kind) == super::KIND_OFFSET);
