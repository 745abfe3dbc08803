//! What of a dump is safe: how many packets in how many files, and how much of what did not fit.

use std::{fmt, io};

/// Blocks went out in part.
#[derive(Debug)]
pub struct Short {
    /// Length of those that went out whole, in bytes.
    pub bytes: u64,
    /// How many packets are in these.
    pub packets: u64,
    /// Why not all of them did.
    pub source: io::Error,
}

/// How many bytes and packets of `blocks` are in blocks that end within the first `written` bytes.
pub(super) fn whole(blocks: &[u8], written: usize) -> (u64, u64) {
    const ENHANCED_PACKET: [u8; 4] = 6u32.to_le_bytes();
    let (mut bytes, mut packets) = (0, 0);
    let mut rest = blocks.get(..written).unwrap_or(blocks);
    while let Some((kind, tail)) = rest.split_first_chunk::<4>()
        && let Some(length) = tail.first_chunk::<4>()
        && let Ok(length) = usize::try_from(u32::from_le_bytes(*length))
        && let Some(next) = rest.get(length.max(1)..)
    {
        bytes += u64::try_from(length).unwrap_or(0);
        packets += u64::from(*kind == ENHANCED_PACKET);
        rest = next;
    }
    (bytes, packets)
}

/// A dump could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {source}; {saved}")]
pub struct DumpError {
    /// The file.
    pub name: String,
    /// What was saved before.
    pub saved: Saved,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// What a dump holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Packets that are there.
    pub packets: u64,
    /// Bytes that are there.
    pub bytes: u64,
    /// The first file that is there.
    pub first: String,
    /// The last one.
    pub last: String,
    /// How many files are there.
    pub files: usize,
    /// Packets that went with older files.
    pub gone_packets: u64,
    /// How many files that were.
    pub gone_files: u64,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saved: {} packets ({} bytes)", self.packets, self.bytes)?;
        match self.files {
            0 => {}
            1 => write!(f, " in {}", self.last)?,
            files => write!(f, " in {files} files, {} to {}", self.first, self.last)?,
        }
        if self.gone_files > 0 {
            let Self {
                gone_packets,
                gone_files,
                ..
            } = self;
            write!(
                f,
                "; {gone_packets} packets went with {gone_files} older files"
            )?;
        }
        Ok(())
    }
}
