//! How far a file was read, on a terminal, for files that take longer than a second.

use super::Diagnostics;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    cell::Cell,
    io::{self, IsTerminal as _},
    rc::Rc,
    time::{Duration, Instant},
};

/// A file that takes less than this needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A progress bar.
pub struct FileProgress {
    bar: ProgressBar,
    wanted: bool,
    began: Instant,
    read: Rc<Cell<u64>>,
}

impl FileProgress {
    /// For a file of which `read` tells how many of `length` bytes were read.
    #[must_use]
    pub fn new(diagnostics: &Diagnostics, (read, length): (Rc<Cell<u64>>, u64)) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(
            "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self {
            bar,
            wanted: !diagnostics.is_quiet() && io::stderr().is_terminal(),
            began: Instant::now(),
            read,
        }
    }

    /// Shows where it is.
    pub fn update(&mut self) {
        if self.wanted && self.bar.is_hidden() && self.began.elapsed() >= PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(self.read.get());
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
