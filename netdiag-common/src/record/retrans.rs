//! TCP retransmissions.

use super::socket::SocketPart;

/// One call that retransmits TCP segments, or a SYN-ACK.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RetransRecord {
    /// Nanoseconds of `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`), after the segments were handed on.
    pub time_ns: u64,
    /// [`KIND_RETRANS`](super::KIND_RETRANS).
    pub kind: u16,
    /// `RETRANS_*`.
    pub flags: u16,
    /// The processor.
    pub cpu: u32,
    /// Which socket: for a SYN-ACK the one of the handshake, with cgroup, inode and owner of the listener.
    pub socket: SocketPart,
    /// First sequence number of what is retransmitted (`TCP_SKB_CB(skb)->seq`).
    pub seq: u32,
    /// The one after its last, SYN and FIN counted.
    pub end_seq: u32,
    /// `tp->rcv_nxt`: what the segment acknowledges.
    pub ack: u32,
    /// `tp->snd_una`: the first byte that the peer has not acknowledged.
    pub snd_una: u32,
    /// How many segments `TcpRetransSegs` rose by; [`UNKNOWN`] where the hook cannot tell.
    pub segs: u32,
    /// How many segments the buffer holds (`tcp_gso_segs`).
    pub pcount: u32,
    /// `tp->total_retrans` after the call.
    pub total_retrans: u32,
    /// What the call returned: 0 or a negative error number.
    pub result: i32,
    /// The retransmission timeout in jiffies (`icsk_rto`).
    pub rto_jiffies: u32,
    /// Smoothed round-trip time in eighths of a microsecond (`tp->srtt_us`).
    pub srtt_8us: u32,
    /// Congestion window in segments.
    pub cwnd: u32,
    /// Slow start threshold in segments.
    pub ssthresh: u32,
    /// Segments sent and not acknowledged.
    pub packets_out: u32,
    /// Of these, acknowledged out of order.
    pub sacked_out: u32,
    /// Of these, taken for lost.
    pub lost_out: u32,
    /// Retransmitted segments not acknowledged yet.
    pub retrans_out: u32,
    /// The peer's receive window in bytes.
    pub snd_wnd: u32,
    /// Our own, in bytes.
    pub rcv_wnd: u32,
    /// The longest payload that the path takes, as far as it is known (`tp->mss_cache`), in bytes.
    pub mss: u32,
    /// Segments sent in all, retransmitted and empty ones included.
    pub segs_out: u32,
    /// Segments sent with data, retransmitted ones included.
    pub data_segs_out: u32,
    /// Duplicates that the peer told of (`tp->dsack_dups`).
    pub dsack_dups: u32,
    /// `TCP_SKB_CB(skb)->tcp_flags`, the eight of the classic header.
    pub tcp_flags: u8,
    /// `icsk_ca_state` (`enum tcp_ca_state`).
    pub ca_state: u8,
    /// `icsk_retransmits`: timeouts without an answer; of a SYN-ACK its retransmissions.
    pub retransmits: u8,
    /// `icsk_pending` (`ICSK_TIME_*`): which timer was armed when the call began.
    pub pending: u8,
    /// Nothing.
    pub reserved: u32,
}

/// `RetransRecord::flags`: a SYN-ACK, and not a segment of a socket's own.
pub const RETRANS_SYNACK: u16 = 1 << 0;
/// A loss probe, as a hook of its own has seen.
pub const RETRANS_PROBE: u16 = 1 << 1;
/// `result` is the kernel's: not every hook gets to see it.
pub const RETRANS_RESULT: u16 = 1 << 2;
/// The segment could be read.
pub const RETRANS_SEGMENT: u16 = 1 << 3;

/// A number that the hook cannot tell, or this kernel does not have.
pub const UNKNOWN: u32 = u32::MAX;
/// The same of a byte.
pub const UNKNOWN_BYTE: u8 = u8::MAX;

/// The length of a [`RetransRecord`].
pub const RETRANS_LEN: usize = size_of::<RetransRecord>();

const _: () = assert!(RETRANS_LEN == 208 && align_of::<RetransRecord>() == 8);
const _: () = assert!(core::mem::offset_of!(RetransRecord, kind) == super::KIND_OFFSET);
