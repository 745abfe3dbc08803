//! Standard output: buffered, shared by what writes to it, and aware of whether anything was written.

use serde::Serialize;
use std::{
    cell::RefCell,
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    rc::Rc,
};

/// Enough that a flood of JSON lines takes a system call per hundred.
const BUFFER: usize = 64 * 1024;

/// Standard output. Clones write to the same buffer.
#[derive(Clone)]
pub struct Output {
    inner: Rc<RefCell<Inner>>,
    terminal: bool,
}

struct Inner {
    /// A plain vector: a JSON line is made of a hundred small writes, and each through a writer would cost a call.
    buffer: Vec<u8>,
    file: Box<dyn Write>,
    begun: bool,
}

impl Inner {
    fn hand_over(&mut self) -> io::Result<()> {
        let result = self.file.write_all(&self.buffer);
        // What could not be written is not tried again: the error ends the run.
        self.buffer.clear();
        result
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A run that ended in order has flushed, and heard of errors then.
        let _ = self.hand_over();
    }
}

impl Output {
    /// The process's.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        // Not through `Stdout`, whose line buffer would be written at every line.
        let file: Box<dyn Write> = match stdout.as_fd().try_clone_to_owned() {
            Ok(fd) => Box::new(File::from(fd)),
            Err(_) => Box::new(stdout),
        };
        let buffer = Vec::with_capacity(2 * BUFFER);
        Self {
            inner: Rc::new(RefCell::new(Inner {
                buffer,
                file,
                begun: false,
            })),
            terminal,
        }
    }

    /// Whether a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether anything was written.
    pub fn begun(&self) -> bool {
        self.inner.borrow().begun
    }

    /// Writes text and a line end.
    ///
    /// # Errors
    /// The file's.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.write(|buffer| {
            buffer.extend_from_slice(text.as_bytes());
            buffer.push(b'\n');
            Ok(())
        })
    }

    /// Writes a value as a JSON line.
    ///
    /// # Errors
    /// The file's.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.write(|buffer| {
            serde_json::to_writer(&mut *buffer, value).map_err(io::Error::from)?;
            buffer.push(b'\n');
            Ok(())
        })
    }

    fn write(&self, append: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        inner.begun = true;
        append(&mut inner.buffer)?;
        if inner.buffer.len() >= BUFFER {
            inner.hand_over()
        } else {
            Ok(())
        }
    }

    /// Hands over what is buffered.
    ///
    /// # Errors
    /// The file's.
    pub fn flush(&self) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        inner.hand_over()?;
        inner.file.flush()
    }
}
