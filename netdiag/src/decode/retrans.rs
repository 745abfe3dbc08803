//! TCP retransmissions: the record, its numbers with units, and what kind of retransmission it is.

use super::{
    socket::{Socket, TcpState, socket},
    transport::TcpFlags,
};
use netdiag_common::record::{
    KIND_OFFSET, KIND_RETRANS, RETRANS_LEN, RETRANS_PROBE, RETRANS_RESULT, RETRANS_SEGMENT,
    RETRANS_SYNACK, RetransRecord, UNKNOWN, UNKNOWN_BYTE,
};
use std::mem::offset_of;

/// Why TCP sends something once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetransKind {
    /// The retransmission timer ran out, or what follows from that (state Loss).
    Rto,
    /// Acknowledgments show that later segments have arrived.
    Fast,
    /// A tail loss probe: the last segment once more, because nothing comes back (RFC 8985).
    Tlp,
    /// A SYN that was not answered.
    Syn,
    /// A SYN-ACK that was not answered.
    SynAck,
}

impl RetransKind {
    /// Every kind, as the tables order them.
    pub const ALL: [Self; 5] = [Self::Rto, Self::Fast, Self::Tlp, Self::Syn, Self::SynAck];

    /// The name that the JSON uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rto => "rto",
            Self::Fast => "fast",
            Self::Tlp => "tlp",
            Self::Syn => "syn",
            Self::SynAck => "synack",
        }
    }

    /// By that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The state of congestion control (`enum tcp_ca_state` of `linux/tcp.h`, part of the kernel's interface).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "linux/tcp.h describes them")]
pub enum CaState {
    Open,
    Disorder,
    Cwr,
    Recovery,
    Loss,
}

impl CaState {
    const ALL: [(Self, &str); 5] = [
        (Self::Open, "open"),
        (Self::Disorder, "disorder"),
        (Self::Cwr, "cwr"),
        (Self::Recovery, "recovery"),
        (Self::Loss, "loss"),
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(state, _)| *state)
    }

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(state, _)| *state)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, name)| name)
    }
}

/// One call that retransmits. What is `None` the hook could not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retrans {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// The processor.
    pub cpu: u32,
    /// Whose.
    pub socket: Socket,
    /// Why.
    pub kind: Option<RetransKind>,
    /// First sequence number.
    pub seq: Option<u32>,
    /// Payload in bytes.
    pub len: Option<u32>,
    /// Flags of the segment.
    pub flags: Option<TcpFlags>,
    /// What it acknowledges.
    pub ack: Option<u32>,
    /// Segments, as `TcpRetransSegs` counts them: exactly where the hook sees the call begin and end, else as many as
    /// the buffer holds.
    pub segs: Option<u32>,
    /// Segments retransmitted over the life of the connection, this call included.
    pub total: Option<u32>,
    /// What the call returned: 0, a negative error number, or 1 where a queue dropped it (`NET_XMIT_DROP`).
    pub result: Option<i32>,
    /// The retransmission timeout in microseconds.
    pub rto_us: Option<u64>,
    /// Smoothed round-trip time in microseconds.
    pub srtt_us: Option<u32>,
    /// Congestion window in segments.
    pub cwnd: Option<u32>,
    /// Slow start threshold in segments; `None` also while there is none yet.
    pub ssthresh: Option<u32>,
    /// Segments on their way (`tcp_packets_in_flight`).
    pub in_flight: Option<u32>,
    /// The peer's receive window in bytes.
    pub peer_window: Option<u32>,
    /// The own receive window in bytes.
    pub window: Option<u32>,
    /// The longest payload of a segment in bytes.
    pub mss: Option<u32>,
    /// Segments sent over the life of the connection.
    pub sent: Option<u32>,
    /// Of these, the ones with data.
    pub data_sent: Option<u32>,
    /// Duplicates that the peer has told of (DSACK).
    pub duplicates: Option<u32>,
    /// State of congestion control.
    pub ca_state: Option<CaState>,
    /// Timeouts in a row without an answer; of a SYN-ACK its retransmissions.
    pub retransmits: Option<u8>,
}

/// What is needed to understand a record, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct RetransContext {
    /// Nanoseconds of a jiffy.
    pub tick_ns: u64,
    /// Whether loss probes have a hook of their own: what it has not seen is none.
    pub probes_hooked: bool,
}

/// `ICSK_TIME_LOSS_PROBE` of `net/inet_connection_sock.h` (since 3.10): the timer of the probe. It is still armed
/// while the probe is sent (`tcp_write_timer_handler`), but it may be armed in a fast retransmission, too.
const TIMER_LOSS_PROBE: u8 = 5;

/// `TCP_INFINITE_SSTHRESH` of `net/tcp.h`: there was no loss yet.
const NO_SSTHRESH: u32 = 0x7fff_ffff;

/// Errors with which `__tcp_retransmit_skb` gives up before it counts a segment: EAGAIN (window), ENOMEM, EBUSY (still
/// in a queue), EINVAL, EHOSTUNREACH (no route).
const UNCOUNTED: [i32; 5] = [-11, -12, -16, -22, -113];

const SYN: u8 = 0x02;
const FIN: u8 = 0x01;
const ACK: u8 = 0x10;

/// Which kind of record the bytes are (`KIND_*`).
#[must_use]
pub fn record_kind(bytes: &[u8]) -> Option<u16> {
    let kind = bytes.get(KIND_OFFSET..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*kind))
}

/// Reads a record; `None` when it is another, or cut.
#[must_use]
pub fn retrans_record(bytes: &[u8], context: RetransContext) -> Option<Retrans> {
    if record_kind(bytes) != Some(KIND_RETRANS) || bytes.len() < RETRANS_LEN {
        return None;
    }
    macro_rules! number {
        ($field:ident: $type:ty) => {
            bytes
                .get(offset_of!(RetransRecord, $field)..)
                .and_then(|tail| tail.first_chunk())
                .map(|chunk| <$type>::from_ne_bytes(*chunk))?
        };
    }
    let known = |value: u32| Some(value).filter(|&value| value != UNKNOWN);
    let known_byte = |value: u8| Some(value).filter(|&value| value != UNKNOWN_BYTE);
    let record_flags = number!(flags: u16);
    let segment = record_flags & RETRANS_SEGMENT != 0;
    let flags = number!(tcp_flags: u8);
    let socket = socket(bytes.get(offset_of!(RetransRecord, socket)..)?)?;
    let ca_state = CaState::from_number(number!(ca_state: u8));
    let kind = judge(&Signs {
        synack: record_flags & RETRANS_SYNACK != 0,
        probe: record_flags & RETRANS_PROBE != 0,
        pending: number!(pending: u8),
        flags: segment.then_some(flags),
        ca_state,
        state: socket.state,
        probes_hooked: context.probes_hooked,
    });
    let (seq, end) = (number!(seq: u32), number!(end_seq: u32));
    let beside_payload = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    let in_flight = || {
        let out = known(number_at(bytes, offset_of!(RetransRecord, packets_out)))?;
        let sacked = known(number_at(bytes, offset_of!(RetransRecord, sacked_out)))?;
        let lost = known(number_at(bytes, offset_of!(RetransRecord, lost_out)))?;
        let again = known(number_at(bytes, offset_of!(RetransRecord, retrans_out)))?;
        Some(
            out.saturating_sub(sacked.saturating_add(lost))
                .saturating_add(again),
        )
    };
    let result = (record_flags & RETRANS_RESULT != 0).then_some(number!(result: i32));
    let jiffies = known(number!(rto_jiffies: u32));
    Some(Retrans {
        time_ns: number!(time_ns: u64),
        cpu: number!(cpu: u32),
        kind,
        seq: segment.then_some(seq),
        len: segment.then(|| end.wrapping_sub(seq).saturating_sub(beside_payload)),
        flags: segment.then_some(TcpFlags(flags)),
        ack: known(number!(ack: u32)).filter(|_| segment && flags & ACK != 0),
        segs: known(number!(segs: u32)).or_else(|| {
            let uncounted = result.is_some_and(|result| UNCOUNTED.contains(&result));
            if uncounted {
                Some(0)
            } else {
                known(number_at(bytes, offset_of!(RetransRecord, pcount)))
            }
        }),
        total: known(number!(total_retrans: u32)),
        result,
        rto_us: jiffies.map(|jiffies| u64::from(jiffies) * context.tick_ns / 1000),
        // A smoothed time of zero is none: nothing was measured yet.
        srtt_us: known(number!(srtt_8us: u32))
            .map(|eighths| eighths / 8)
            .filter(|&us| us != 0),
        cwnd: known(number!(cwnd: u32)),
        ssthresh: known(number!(ssthresh: u32)).filter(|&segments| segments < NO_SSTHRESH),
        in_flight: in_flight(),
        peer_window: known(number!(snd_wnd: u32)),
        window: known(number!(rcv_wnd: u32)),
        mss: known(number!(mss: u32)),
        sent: known(number!(segs_out: u32)),
        data_sent: known(number!(data_segs_out: u32)),
        duplicates: known(number!(dsack_dups: u32)),
        ca_state,
        retransmits: known_byte(number!(retransmits: u8)),
        socket,
    })
}

fn number_at(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|tail| tail.first_chunk());
    bytes.map_or(UNKNOWN, |bytes| u32::from_ne_bytes(*bytes))
}

/// What the kind follows from.
struct Signs {
    synack: bool,
    probe: bool,
    pending: u8,
    flags: Option<u8>,
    ca_state: Option<CaState>,
    state: Option<TcpState>,
    probes_hooked: bool,
}

fn judge(signs: &Signs) -> Option<RetransKind> {
    if signs.synack {
        return Some(RetransKind::SynAck);
    }
    match signs.flags {
        Some(flags) if flags & SYN != 0 && flags & ACK != 0 => return Some(RetransKind::SynAck),
        Some(flags) if flags & SYN != 0 => return Some(RetransKind::Syn),
        None if signs.state == Some(TcpState::SynSent) => return Some(RetransKind::Syn),
        _ => {}
    }
    // Without it nothing can be told: the hook saw no more than addresses.
    let ca_state = signs.ca_state?;
    let deduced = !signs.probes_hooked && signs.pending == TIMER_LOSS_PROBE;
    // A probe is only sent before recovery starts (`tcp_schedule_loss_probe`), a fast retransmission only in it.
    if signs.probe || deduced && ca_state < CaState::Recovery {
        Some(RetransKind::Tlp)
    } else if ca_state == CaState::Loss {
        Some(RetransKind::Rto)
    } else {
        Some(RetransKind::Fast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs() -> Signs {
        Signs {
            synack: false,
            probe: false,
            pending: 0,
            flags: Some(ACK),
            ca_state: Some(CaState::Recovery),
            state: Some(TcpState::Established),
            probes_hooked: true,
        }
    }

    #[test]
    fn the_kind_follows_from_the_signs() {
        let kind = |change: fn(&mut Signs)| {
            let mut signs = signs();
            change(&mut signs);
            judge(&signs)
        };
        assert_eq!(kind(|_| {}), Some(RetransKind::Fast));
        assert_eq!(
            kind(|s| s.ca_state = Some(CaState::Loss)),
            Some(RetransKind::Rto)
        );
        assert_eq!(kind(|s| s.probe = true), Some(RetransKind::Tlp));
        assert_eq!(kind(|s| s.synack = true), Some(RetransKind::SynAck));
        assert_eq!(kind(|s| s.flags = Some(SYN)), Some(RetransKind::Syn));
        assert_eq!(
            kind(|s| s.flags = Some(SYN | ACK)),
            Some(RetransKind::SynAck)
        );
        // The timer of the probe is armed in a fast retransmission, too.
        let deduced = |s: &mut Signs| {
            s.probes_hooked = false;
            s.pending = TIMER_LOSS_PROBE;
        };
        let mut fast = signs();
        deduced(&mut fast);
        assert_eq!(judge(&fast), Some(RetransKind::Fast));
        fast.ca_state = Some(CaState::Disorder);
        assert_eq!(judge(&fast), Some(RetransKind::Tlp));
        fast.probes_hooked = true;
        assert_eq!(judge(&fast), Some(RetransKind::Fast));
        // Only addresses and state.
        let bare = |state| Signs {
            flags: None,
            ca_state: None,
            state: Some(state),
            ..signs()
        };
        assert_eq!(judge(&bare(TcpState::SynSent)), Some(RetransKind::Syn));
        assert_eq!(judge(&bare(TcpState::Established)), None);
    }

    #[test]
    fn a_record_of_sentinels_knows_nothing() {
        let context = RetransContext {
            tick_ns: 4_000_000,
            probes_hooked: false,
        };
        let mut bytes = vec![0xff; RETRANS_LEN];
        bytes[KIND_OFFSET..KIND_OFFSET + 2].copy_from_slice(&KIND_RETRANS.to_ne_bytes());
        let flags = offset_of!(RetransRecord, flags);
        bytes[flags..flags + 2].copy_from_slice(&[0; 2]);
        let retrans = retrans_record(&bytes, context).unwrap();
        assert_eq!(retrans.kind, None);
        assert_eq!(
            (retrans.seq, retrans.len, retrans.rto_us),
            (None, None, None)
        );
        assert_eq!(
            (retrans.result, retrans.in_flight, retrans.ssthresh),
            (None, None, None)
        );
        assert_eq!(retrans.retransmits, None);
        for length in 0..RETRANS_LEN {
            assert_eq!(retrans_record(&bytes[..length], context), None);
        }
        let at = offset_of!(RetransRecord, rto_jiffies);
        bytes[at..at + 4].copy_from_slice(&51u32.to_ne_bytes());
        let rto = retrans_record(&bytes, context).unwrap().rto_us;
        assert_eq!(rto, Some(204_000));
        bytes[KIND_OFFSET] ^= 1;
        assert_eq!(retrans_record(&bytes, context), None);
    }
}
