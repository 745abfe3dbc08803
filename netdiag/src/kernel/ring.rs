//! The ring buffer's user side: records as bytes, in the order in which the kernel reserved them.

use aya::maps::{MapData, RingBuf};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};
use tokio::io::{Interest, unix::AsyncFd};

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

/// Becomes readable when the kernel side wakes the reader.
pub struct Wake(AsyncFd<OwnedFd>);

impl Wake {
    /// For a ring; within an event loop.
    ///
    /// # Errors
    /// The kernel's, from `dup` or `epoll_ctl`.
    pub fn new(ring: &Ring) -> io::Result<Self> {
        // SAFETY: the ring is borrowed, so its descriptor is open.
        let fd = unsafe { BorrowedFd::borrow_raw(ring.0.as_raw_fd()) }.try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by what is registered, and nothing else closes it.
        let wake = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(wake.map_err(io::Error::from)?))
    }

    /// Waits for the kernel side.
    ///
    /// # Errors
    /// The event loop's.
    pub async fn woken(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
