//! Captured bytes together with the length that the packet really had.
//!
//! Every decoder works on a [`View`], so that "the capture ends here" and "the packet ends here" are never mixed up:
//! only the second one is a fault of the packet.

/// A stretch of a packet, of which the first `bytes.len()` bytes were captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// What was captured.
    pub(super) bytes: &'a [u8],
    /// How long the stretch is on the packet itself; never below `bytes.len()`.
    pub(super) len: usize,
    /// Where the stretch starts in the frame.
    pub(super) offset: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Self {
        Self {
            bytes,
            len: len.max(bytes.len()),
            offset: 0,
        }
    }

    /// What follows the first `count` bytes.
    pub(super) fn skip(self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(count..).unwrap_or_default(),
            len: self.len.saturating_sub(count),
            offset: self.offset.saturating_add(count),
        }
    }

    /// The first `count` bytes, where a header says that its packet ends.
    pub(super) fn limit(self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(..count).unwrap_or(self.bytes),
            len: self.len.min(count),
            ..self
        }
    }

    /// The 16-bit big-endian number at `offset`, if captured.
    pub(super) fn u16_at(self, offset: usize) -> Option<u16> {
        let bytes = self.bytes.get(offset..)?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*bytes))
    }

    /// The 32-bit big-endian number at `offset`, if captured.
    pub(super) fn u32_at(self, offset: usize) -> Option<u32> {
        let bytes = self.bytes.get(offset..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// The upper half of the first byte: the version, in an IP header.
    pub(super) fn version(self) -> Option<u8> {
        self.bytes.first().map(|byte| byte >> 4)
    }
}
