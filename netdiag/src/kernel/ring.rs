//! The ring buffer's user side: records as bytes, in the order in which the kernel reserved them.

use aya::maps::{MapData, RingBuf};
use std::os::fd::{AsRawFd, RawFd};

/// The ring buffer.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }

    /// Hands over what waits, up to `limit` records; tells how many there were.
    ///
    /// The limit lets a caller under a flood look at its clock and its signals in between.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        while count < limit {
            let Some(record) = self.0.next() else { break };
            each(&record);
            count += 1;
        }
        count
    }
}

impl AsRawFd for Ring {
    /// Readable when the kernel side woke it.
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
