//! Standard output: buffered, shared by what writes to it, and aware of whether anything was written.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
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
    writer: BufWriter<Box<dyn Write>>,
    begun: bool,
}

impl Output {
    /// The process's.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        // Not through `Stdout`, whose line buffer would be written at every line.
        let writer: Box<dyn Write> = match stdout.as_fd().try_clone_to_owned() {
            Ok(fd) => Box::new(File::from(fd)),
            Err(_) => Box::new(stdout),
        };
        let inner = Inner {
            writer: BufWriter::with_capacity(BUFFER, writer),
            begun: false,
        };
        Self {
            inner: Rc::new(RefCell::new(inner)),
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
        self.write(|writer| {
            writer.write_all(text.as_bytes())?;
            writer.write_all(b"\n")
        })
    }

    /// Lets `each` write.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn write(&self, each: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        inner.begun = true;
        each(&mut inner.writer)
    }

    /// Hands over what is buffered.
    ///
    /// # Errors
    /// The file's.
    pub fn flush(&self) -> io::Result<()> {
        self.inner.borrow_mut().writer.flush()
    }
}
