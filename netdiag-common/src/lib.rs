//! What netdiag's eBPF programs and its user space must agree on: the records in the ring buffer, the counters,
//! the limits, and the table of kernel struct fields that the programs read.
//!
//! `no_std` and without dependencies, because the kernel side is compiled for a target that has neither. Nothing
//! here interprets a packet: that is `netdiag::decode`.

#![no_std]

pub mod count;
pub mod errno;
pub mod field;
pub mod layout;
pub mod record;

/// A network namespace, by the inode number that `/proc/PID/ns/net` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsId(pub u32);

/// The longest device name, with its terminating zero (`IFNAMSIZ` of `linux/if.h`).
pub const IFNAMSIZ: usize = 16;

/// How many drop reasons one run can be restricted to (`--reason`, repeated).
pub const MAX_REASON_FILTERS: usize = 8;

/// The longest packet copy that a record can carry, in bytes, and so the largest `--snaplen`.
pub const MAX_SNAPLEN: usize = 4096;

/// The packet copy, in bytes, that a run asks for when the user does not say: headers up to a tunnelled
/// TCP segment over IPv6 fit.
pub const DEFAULT_SNAPLEN: u32 = 256;
