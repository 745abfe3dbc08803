//! What can be wrong with a capture file, and where.

use std::io;

/// A capture file cannot be read on from here. What was read before it stands.
#[derive(Debug, thiserror::Error)]
#[error("at byte {offset}{}: {damage}", if *.unpacked { " of what is packed in it" } else { "" })]
pub struct CaptureError {
    /// Where the block or packet starts that cannot be read, in bytes from the start.
    pub offset: u64,
    /// Whether that is an offset in the decompressed stream.
    pub unpacked: bool,
    /// What is wrong.
    #[source]
    pub damage: Damage,
}

/// Kinds of damage.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The start is that of nothing known.
    #[error(
        "this is no capture file: it starts with {start}; pcap and pcapng are read, plain or packed with gzip or zstd"
    )]
    NotCapture {
        /// The first bytes.
        start: String,
    },
    /// There is nothing at all.
    #[error("the file is empty")]
    Empty,
    /// The file ends in the middle.
    #[error("the file ends inside {what}: {got} of {needed} bytes are there")]
    Truncated {
        /// A block or packet.
        what: &'static str,
        /// Its length in bytes.
        needed: u64,
        /// How much of it there is.
        got: u64,
    },
    /// A block's length cannot be.
    #[error(
        "a block of type {kind:#x} claims a length of {length} bytes, where a multiple of 4 from {least} on should be"
    )]
    BlockLength {
        /// The block's type.
        kind: u32,
        /// Its length field.
        length: u32,
        /// The least that it can be.
        least: u32,
    },
    /// A block or packet is longer than any real one.
    #[error("{what} claims {length} bytes; nothing above {most} is read")]
    TooLong {
        /// A block or packet.
        what: &'static str,
        /// Its length field.
        length: u64,
        /// The limit.
        most: usize,
    },
    /// The length at a block's end is not that at its start.
    #[error("a block of type {kind:#x} has length {start} at its start and {end} at its end")]
    Lengths {
        /// The block's type.
        kind: u32,
        /// The first length field.
        start: u32,
        /// The second.
        end: u32,
    },
    /// A section of another format.
    #[error("a section of version {major}.{minor} of the format; 1.0 is known")]
    Version {
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The magic number for the byte order is none.
    #[error("a section header has no byte order: {0:#010x} where 0x1a2b3c4d should be")]
    ByteOrder(u32),
    /// The fields of a block contradict each other.
    #[error("{what} of {length} bytes has fields that do not fit into it")]
    Malformed {
        /// A block.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A packet's interface was not described.
    #[error("a packet of interface {id}, and the section has described {known}")]
    Interface {
        /// The packet's.
        id: u32,
        /// How many there are.
        known: usize,
    },
    /// More interfaces than any real section has.
    #[error("a section describes more than {0} interfaces")]
    Interfaces(usize),
    /// More options than any real block has.
    #[error("a block has more than {0} options")]
    Options(usize),
    /// Reading or unpacking failed.
    #[error("cannot read on: {0}")]
    Read(#[from] io::Error),
}
