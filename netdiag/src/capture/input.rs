//! The bytes of a capture file: a window that moves over them, and where it is.

use std::io::{self, Read};

/// Where a capture is read from.
pub type Source = Box<dyn Read>;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// The longest block or packet that is read: far above any snap length, and a bound on memory whatever a field says.
pub(super) const MOST: usize = 16 << 20;

/// A stretch of the file in memory.
pub(super) struct Input {
    source: Source,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
}

impl Input {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// Where in the file the window starts.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What is in the window.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The same, to be changed.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer
            .get_mut(self.start..self.end)
            .unwrap_or_default()
    }

    /// Tries to have `count` bytes in the window, at most [`MOST`]; tells how many there are, fewer at the end of the
    /// file.
    pub(super) fn fill(&mut self, count: usize) -> io::Result<usize> {
        let count = count.min(MOST);
        while self.end - self.start < count {
            if self.buffer.len() - self.start < count {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                if self.buffer.len() < count {
                    self.buffer.resize(count.next_power_of_two(), 0);
                }
            }
            let space = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(space) {
                Ok(0) => break,
                Ok(read) => self.end = (self.end + read).min(self.buffer.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end - self.start)
    }

    /// Moves the window on.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        // No file has 2^64 bytes.
        self.offset += u64::try_from(count).unwrap_or(0);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Input};
    use std::io::{self, Read};

    /// Gives one byte at a time, and an interruption before each.
    struct Slow(u8, bool);

    impl Read for Slow {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0 == 10 {
                return Ok(0);
            }
            space[0] = self.0;
            self.0 += 1;
            Ok(1)
        }
    }

    #[test]
    fn the_window_moves_and_ends() {
        let mut input = Input::new(Box::new(Slow(0, false)));
        assert_eq!(input.fill(4).unwrap(), 4);
        assert_eq!(input.bytes(), [0, 1, 2, 3]);
        input.consume(3);
        assert_eq!(input.fill(4).unwrap(), 4);
        assert_eq!((input.bytes(), input.offset()), (&[3, 4, 5, 6][..], 3));
        assert_eq!(input.fill(100).unwrap(), 7);
        input.consume(100);
        assert_eq!((input.fill(1).unwrap(), input.offset()), (0, 10));
    }

    #[test]
    fn it_grows_for_what_is_longer() {
        let long = vec![7; 3 * CHUNK];
        let mut input = Input::new(Box::new(io::Cursor::new(long)));
        assert_eq!(input.fill(1).unwrap(), CHUNK);
        input.consume(5);
        assert_eq!(input.fill(2 * CHUNK).unwrap(), 2 * CHUNK);
    }
}
