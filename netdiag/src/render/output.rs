//! Standard output: buffered, shared by what writes to it, and aware of whether anything was written.

use super::text::is_harmful;
use serde::Serialize;
use serde_json::ser::Formatter;
use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
};

/// Enough that a flood of JSON lines takes a system call per hundred.
const BUFFER: usize = 64 * 1024;

/// Standard output. Clones write to the same buffer.
#[derive(Clone)]
pub struct Output {
    inner: Rc<RefCell<Inner>>,
    terminal: bool,
    stderr: bool,
}

struct Inner {
    /// A plain vector: a JSON line is made of a hundred small writes, and each through a writer would cost a call.
    buffer: Vec<u8>,
    file: File,
    /// Asked before each piece that a pipe takes without blocking; its error ends the run.
    guard: Option<Guard>,
    begun: bool,
}

/// See [`Output::guard`].
type Guard = Box<dyn Fn(BorrowedFd<'_>) -> io::Result<()>>;

/// A pipe that can be written to takes this much without blocking (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

impl Inner {
    fn hand_over(&mut self) -> io::Result<()> {
        let result = match &self.guard {
            None => self.file.write_all(&self.buffer),
            Some(guard) => self.buffer.chunks(PIECE).try_for_each(|piece| {
                guard(self.file.as_fd())?;
                self.file.write_all(piece)
            }),
        };
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
    /// Standard output.
    ///
    /// # Errors
    /// The kernel's, from `dup`.
    pub fn stdout() -> io::Result<Self> {
        Self::of(&io::stdout(), false)
    }

    /// Standard error, for what people read where standard output has a dump.
    ///
    /// # Errors
    /// The kernel's, from `dup`.
    pub fn stderr() -> io::Result<Self> {
        Self::of(&io::stderr(), true)
    }

    fn of(stream: &(impl AsFd + IsTerminal), stderr: bool) -> io::Result<Self> {
        let terminal = stream.is_terminal();
        // Not through `Stdout`, whose line buffer would be written at every line.
        let inner = Inner {
            buffer: Vec::with_capacity(2 * BUFFER),
            file: File::from(stream.as_fd().try_clone_to_owned()?),
            guard: None,
            begun: false,
        };
        Ok(Self {
            inner: Rc::new(RefCell::new(inner)),
            terminal,
            stderr,
        })
    }

    /// Lets `guard` wait before each piece that goes to a pipe or terminal: a reader that does not read must not keep
    /// a run from ending.
    pub fn guard(&self, guard: impl Fn(BorrowedFd<'_>) -> io::Result<()> + 'static) {
        self.inner.borrow_mut().guard = Some(Box::new(guard));
    }

    /// Whether a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether it is standard error.
    pub(super) fn is_stderr(&self) -> bool {
        self.stderr
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

    /// Writes what is formatted, and a line end. Nothing in it may be obeyed by a terminal.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn display_line(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.write(|buffer| {
            // Memory takes all that is written to it, and what is formatted here does not fail.
            let _ = Text(buffer).write_fmt(text);
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
            let mut serializer = serde_json::Serializer::with_formatter(&mut *buffer, Harmless);
            value.serialize(&mut serializer).map_err(io::Error::from)?;
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

/// Formatted text at the end of a buffer, without the detour through `io::Write`, which costs a call a piece.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// JSON that a terminal may show: what it would obey, or what makes text look like another, is escaped. The value stays
/// the same.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all of it, and there is much of it.
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        // JSON itself escapes the controls below the space.
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            let (before, after) = rest.split_at(at);
            write!(writer, "{before}\\u{:04x}", u32::from(c))?;
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}
