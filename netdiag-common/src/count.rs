//! The counters that the eBPF programs keep: exact, one set a processor, and independent of the ring buffer.
//!
//! They live in an array map with one [`Counts`] per possible processor, which user space maps into its memory, so
//! that reading them needs no privilege after attaching.

/// The counters of one processor.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Counts(pub [u64; SLOTS]);

/// How many counters a processor has.
pub const SLOTS: usize = 32;

const _: () = assert!(size_of::<Counts>() == 256);

/// Drops that the hook saw.
pub const DROPS_SEEN: usize = 0;
/// Of these, the ones that the user's filter left out.
pub const DROPS_FILTERED: usize = 1;
/// Of these, the ones for which the ring buffer had no room.
pub const DROPS_LOST: usize = 2;

/// Calls of `ip_rcv_core` that returned.
pub const IP4_CALLS: usize = 3;
/// Of these, the ones that returned NULL: the packet was consumed or dropped.
pub const IP4_NULL: usize = 4;
/// Packets whose IPv4 header failed the check at entry.
pub const IP4_MALFORMED: usize = 5;
/// Of these, the ones that `ip_rcv_core` accepted all the same.
pub const IP4_MALFORMED_ACCEPTED: usize = 6;
/// Calls of `ip6_rcv_core` that returned.
pub const IP6_CALLS: usize = 7;
/// Of these, the ones that returned NULL.
pub const IP6_NULL: usize = 8;
/// Packets whose IPv6 header failed the check at entry.
pub const IP6_MALFORMED: usize = 9;
/// Of these, the ones that `ip6_rcv_core` accepted all the same.
pub const IP6_MALFORMED_ACCEPTED: usize = 10;

/// Messages that reached `icmp_rcv`.
pub const ICMP_RECEIVED: usize = 11;
/// Of these, echo requests.
pub const ICMP_ECHO_REQUESTS: usize = 12;
/// Messages that reached `icmpv6_rcv`.
pub const ICMP6_RECEIVED: usize = 13;
/// Of these, echo requests.
pub const ICMP6_ECHO_REQUESTS: usize = 14;

/// Nanoseconds that the header check took, over the calls counted in [`CHECK_TIMED`].
pub const CHECK_NS: usize = 15;
/// How many calls of the header check were timed (the first of every [`CHECK_SAMPLE`]).
pub const CHECK_TIMED: usize = 16;
/// Entries into the header check: what the choice of timed calls counts.
pub const CHECK_ENTRIES: usize = 17;

/// Calls that retransmit TCP segments.
pub const RETRANS_SEEN: usize = 19;
/// Of these, the ones that the user's filter left out.
pub const RETRANS_FILTERED: usize = 20;
/// Of these, the ones for which the ring buffer had no room.
pub const RETRANS_LOST: usize = 21;

/// What happened to TCP connections, several of which may be one event.
pub const CONN_SEEN: usize = 22;
/// Of these, the ones that the user's filter left out.
pub const CONN_FILTERED: usize = 23;
/// Of these, the ones for which the ring buffer had no room.
pub const CONN_LOST: usize = 24;

/// Written by user space: while it is 0 the programs return at once and count nothing.
pub const GATE: usize = 18;

/// One call in this many of the header check is timed.
pub const CHECK_SAMPLE: u64 = 64;
