//! The records that the eBPF programs write into the ring buffer.
//!
//! Integers and byte arrays only, in the machine's byte order unless a field says otherwise, without hidden padding.
//! User space reads them field by field from bytes whose length it has checked; nothing is transmuted there.

mod conn;
mod drop;
mod retrans;
mod socket;

pub use conn::*;
pub use drop::*;
pub use retrans::*;
pub use socket::*;

/// Where every record has its kind (`KIND_*`), so that the reader knows which it is: 16 bits, right after the time.
pub const KIND_OFFSET: usize = 8;

/// One packet that the kernel dropped: [`DropRecord`].
pub const KIND_DROP: u16 = 1;
/// One call that retransmits TCP segments: [`RetransRecord`].
pub const KIND_RETRANS: u16 = 2;
/// One thing that happened to a TCP connection: [`ConnRecord`].
pub const KIND_CONN: u16 = 3;

/// A record's `uid` when no socket owns the packet.
pub const NO_UID: u32 = u32::MAX;
