//! `-w`: where a dump goes, made before anything else happens, so that a refusal costs nothing.

use super::sinks::Sinks;
use crate::{
    capture::{
        Destination, LinkStyle, Origin, Writer,
        target::{self, Files, Identity, Patience, Rotation},
    },
    cli::{DumpArgs, LinkType, UsageError},
    kernel::{self, stop::Stop},
    render::{self, Diagnostics, Dump, Output, Style},
};
use anyhow::Context as _;
use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    rc::Rc,
    thread,
    time::Duration,
};

/// What stands for standard output.
const STDOUT: [&str; 2] = ["-", "/dev/stdout"];

/// Files of the process, as a shell names the pipes that it makes for `>(...)`.
const DESCRIPTORS: &str = "/dev/fd";

/// What is captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capture<'a> {
    /// The most of a packet, in bytes.
    pub(super) snaplen: u32,
    /// Whether it is captured here and now.
    pub(super) live: bool,
    /// The files that it is read from.
    pub(super) inputs: &'a [Identity],
}

/// The view and the dump that the user asked for.
///
/// # Errors
/// Where the command line contradicts itself, or the file cannot be made.
pub(super) fn sinks(
    args: &DumpArgs,
    style: Style,
    capture: Capture<'_>,
    output: &Output,
    diagnostics: &Diagnostics,
    stop: &Stop,
) -> anyhow::Result<Sinks> {
    let Some(path) = &args.write else {
        let view = render::view(style, output.clone(), diagnostics);
        return Ok(Sinks::new(view, output, None, stop.clone()));
    };
    let to_stdout = STDOUT.iter().any(|name| path == Path::new(name));
    if to_stdout {
        check_stdout(args, style, output)?;
    }
    let (link, snaplen) = match args.link_type {
        LinkType::Native => (LinkStyle::Native, capture.snaplen),
        LinkType::Sll2 => (LinkStyle::Sll2, Writer::cooked_snaplen(capture.snaplen)),
    };
    let table = if to_stdout {
        Output::stderr().context("cannot use standard error")?
    } else {
        output.clone()
    };
    let destination = destination(args, path, to_stdout, capture.inputs, Rc::new(stop.clone()))?;
    let writer = Writer::new(destination, origin(capture.live), snaplen);
    let view = render::view(style, table.clone(), diagnostics);
    let dump = Some(Dump::new(writer, link));
    Ok(Sinks::new(view, &table, dump, stop.clone()))
}

fn destination(
    args: &DumpArgs,
    path: &Path,
    to_stdout: bool,
    inputs: &[Identity],
    patience: Rc<dyn Patience>,
) -> anyhow::Result<Destination> {
    if to_stdout {
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        let stdout = stdout.context("cannot use standard output")?;
        let sink = target::stream(File::from(stdout), patience);
        return Ok(Destination::Stream(sink, "standard output".to_owned()));
    }
    if path.parent() == Some(Path::new(DESCRIPTORS)) {
        let name = path.display().to_string();
        if args.rotate_size.is_some() {
            return Err(UsageError(format!(
                "--rotate-size needs a file, and {name} is a stream"
            ))
            .into());
        }
        let file = File::options().write(true).open(path);
        let file = file.map_err(|error| anyhow::anyhow!("cannot open {name}: {error}"))?;
        return Ok(Destination::Stream(target::stream(file, patience), name));
    }
    let rotation = args.rotate_size.map(|most_bytes| Rotation {
        most_bytes,
        keep: args.rotate_files,
    });
    let files = Files::create(path, args.force, rotation, patience, inputs)?;
    Ok(Destination::Files(Box::new(files)))
}

impl Patience for Stop {
    fn writable(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        self.wait_writable(file)
    }

    fn moment(&self) -> io::Result<()> {
        const MOMENT: Duration = Duration::from_millis(100);
        thread::sleep(MOMENT);
        if self.is_set() {
            return Err(io::Error::new(
                io::ErrorKind::Interrupted,
                "stopped before anybody read from it",
            ));
        }
        Ok(())
    }
}

fn check_stdout(args: &DumpArgs, style: Style, output: &Output) -> Result<(), UsageError> {
    let wrong = |text: &str| Err(UsageError(text.to_owned()));
    if matches!(style, Style::Json { .. }) {
        return wrong(
            "-w - and --json both want standard output: give the dump a file, or leave out one of them",
        );
    }
    if args.rotate_size.is_some() {
        return wrong("--rotate-size needs a file: -w - is one stream");
    }
    if output.is_terminal() {
        return wrong(
            "-w - writes binary data, and standard output is a terminal: pipe it into a program, as in \
             `-w - | tshark -r -`",
        );
    }
    Ok(())
}

fn origin(live: bool) -> Origin {
    let words: Vec<_> = std::env::args_os()
        .map(|word| quoted(&word.to_string_lossy()))
        .collect();
    Origin {
        application: format!("netdiag {}", env!("CARGO_PKG_VERSION")),
        os: Some(format!("Linux {}", kernel::release())),
        // A file that is read may be of another machine.
        hardware: live.then(kernel::machine),
        command_line: words.join(" "),
    }
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
