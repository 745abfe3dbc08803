//! Writing whole blocks: to a file, from which a part of a block is cut off again, or to a pipe with patience.

use super::{Patience, is_regular};
use crate::capture::{
    saved::{Short, whole},
    writer::Sink,
};
use rustix::fs::{OFlags, fcntl_getfl, fstat};
use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    os::fd::AsFd as _,
    rc::Rc,
};

/// A pipe that can be written to takes this much without blocking (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// What is open already, such as standard output.
#[must_use]
pub fn stream(file: File, patience: Rc<dyn Patience>) -> Box<dyn Sink> {
    Box::new(DumpFile::new(file, patience))
}

/// A dump on a disk, or a device or pipe.
pub(super) struct DumpFile {
    file: File,
    /// Up to here a regular file has whole blocks; `None` for others.
    length: Option<u64>,
    patience: Rc<dyn Patience>,
}

impl DumpFile {
    pub(super) fn new(mut file: File, patience: Rc<dyn Patience>) -> Self {
        // Standard output may be a file that has something already.
        let length = match fstat(file.as_fd()) {
            Ok(stat) if is_regular(&stat) => {
                let appends = fcntl_getfl(&file).is_ok_and(|flags| flags.contains(OFlags::APPEND));
                let end = u64::try_from(stat.st_size).unwrap_or(0);
                Some(if appends {
                    end
                } else {
                    file.stream_position().unwrap_or(end)
                })
            }
            _ => None,
        };
        Self {
            file,
            length,
            patience,
        }
    }

    #[cfg(test)]
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Writes one piece; tells how much of it went out.
    fn piece(&mut self, piece: &[u8]) -> (usize, io::Result<()>) {
        let mut done = 0;
        while let Some(rest) = piece.get(done..).filter(|rest| !rest.is_empty()) {
            if self.length.is_none()
                && let Err(error) = self.patience.writable(self.file.as_fd())
            {
                return (done, Err(error));
            }
            match self.file.write(rest) {
                Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) => {}
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }
}

impl Sink for DumpFile {
    fn write(&mut self, blocks: &[u8]) -> Result<(), Short> {
        let size = if self.length.is_some() {
            blocks.len().max(1)
        } else {
            PIECE
        };
        let mut done = 0;
        for piece in blocks.chunks(size) {
            let (written, result) = self.piece(piece);
            done += written;
            if let Err(source) = result {
                let (bytes, packets) = whole(blocks, done);
                if let Some(length) = self.length {
                    // A part of a block would make the file damaged. A pipe cannot be cut, and its reader has seen it.
                    let _ = self.file.set_len(length + bytes);
                }
                return Err(Short {
                    bytes,
                    packets,
                    source,
                });
            }
        }
        if let Some(length) = &mut self.length {
            *length += u64::try_from(blocks.len()).unwrap_or(0);
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        if self.length.is_some() {
            self.file.sync_data()?;
        }
        Ok(())
    }
}
