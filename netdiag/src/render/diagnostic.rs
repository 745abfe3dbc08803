//! What goes to standard error: warnings, errors, and the live count.

use super::text::plain;
use crate::capture::DumpError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    error::Error,
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

/// How much is said on standard error.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostics {
    quiet: bool,
    verbose: bool,
}

impl Diagnostics {
    /// As the user wants it.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// Something that the user should know.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            say(&format!("netdiag: {text}"));
        }
    }

    /// Something that went well, and where the result is.
    pub fn note(&self, text: &str) {
        self.warn(text);
    }

    /// What failed, where something else is still to be told of.
    pub fn error(&self, error: &anyhow::Error) {
        say(&format!("netdiag: {}", chain(error.as_ref())));
    }

    /// Whether the user wants to hear of errors only.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Something that explains.
    pub fn verbose(&self, text: &str) {
        if self.verbose {
            say(&format!("netdiag: {text}"));
        }
    }

    /// Things that could not be read: the first one and how many, or all of them.
    pub fn problems(&self, problems: &[String]) {
        match problems {
            [] => {}
            [first, rest @ ..] if !self.verbose => match rest.len() {
                0 => self.warn(first),
                more => self.warn(&format!("{first} (and {more} more, shown with -v)")),
            },
            all => all.iter().for_each(|problem| self.warn(problem)),
        }
    }

    /// A spinner, on a terminal only.
    pub(super) fn spinner(&self) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar
    }
}

/// Lets a spinner turn, now that there is something to wait for.
pub(super) fn turn(spinner: &ProgressBar) {
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(Duration::from_millis(120));
    }
}

/// Writes a line to standard error. A closed one is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// Says what is wrong with the command line, as the parser does.
pub fn usage(message: &str) -> ExitCode {
    say(&format!(
        "error: {message}\n\nFor more information, try '--help'."
    ));
    ExitCode::from(2)
}

/// Says why netdiag failed, and with which status it ends.
///
/// A reader that closed the pipe has what it wanted: that is no failure.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    // With a context it is the error of something else.
    let top = error.chain().next();
    let write_error = top.and_then(|error| error.downcast_ref::<io::Error>());
    let dump_error = error.downcast_ref::<DumpError>().map(|error| &error.source);
    let closed = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    if write_error.or(dump_error).is_some_and(closed) {
        return ExitCode::SUCCESS;
    }
    match write_error {
        Some(cause) => {
            say(&format!(
                "netdiag: cannot write to standard output: {cause}; what was written so far is whole up to its last \
                 full line"
            ));
        }
        None => say(&format!("netdiag: {}", chain(error.as_ref()))),
    }
    ExitCode::FAILURE
}

/// An error with its causes, each once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut current = error.source();
    while let Some(cause) = current {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        current = cause.source();
    }
    text
}
