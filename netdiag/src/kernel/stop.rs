//! Whether the user wants to stop, for code that blocks outside the event loop: writing to a reader that does not read.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, fstat},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How often the flag is looked at while a reader does not read, in nanoseconds.
const LOOK: i64 = 200_000_000;

/// How often a reader that may only be slow is waited for after the user wants to stop.
const PATIENCE: u32 = 5;

/// Set by SIGINT, SIGTERM and SIGHUP, beside what the event loop makes of them.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Registers the flag.
    ///
    /// # Errors
    /// The kernel's, from `sigaction`.
    pub fn register() -> io::Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&stop.0))?;
        }
        // A file that may not grow is an error to tell (EFBIG) and no reason to die.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        Ok(stop)
    }

    /// Whether the user wants to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until a file can be written to without blocking. Regular files always can.
    ///
    /// # Errors
    /// `Interrupted` when the user wants to stop before that.
    pub fn wait_writable(&self, file: impl AsFd) -> io::Result<()> {
        if fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file()) {
            return Ok(());
        }
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK,
        };
        let mut waited = 0;
        loop {
            let mut files = [PollFd::new(&file, PollFlags::OUT)];
            match poll(&mut files, Some(&wait)) {
                // An error or a closed pipe is for the write to tell.
                Ok(ready) if ready > 0 => return Ok(()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if self.is_set() {
                waited += 1;
            }
            if waited > PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "stopped while its reader did not read",
                ));
            }
        }
    }
}

/// A file, pipe or terminal to read from, where reading ends when the user wants to stop.
#[derive(Debug)]
pub struct Patient {
    file: File,
    stop: Stop,
    stream: bool,
}

impl Patient {
    /// Over an open file.
    pub fn new(file: File, stop: Stop) -> Self {
        let regular =
            fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
        Self {
            file,
            stop,
            stream: !regular,
        }
    }

    /// Waits until there is something to read, or the end; `false` when the user wants to stop before that.
    fn wait(&self) -> io::Result<bool> {
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK,
        };
        loop {
            if self.stop.is_set() {
                return Ok(false);
            }
            let mut files = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut files, Some(&wait)) {
                Ok(ready) if ready > 0 => return Ok(true),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Patient {
    /// Reads; at the user's wish to stop it is as at the end.
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.is_set() || self.stream && !self.wait()? {
                return Ok(0);
            }
            match self.file.read(space) {
                // The pipe's other reader was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}
