//! `netdiag read`: capture files through the same analysis as a live run.

use super::{
    dump::{self, Capture},
    reading::{Reading, Wanted},
};
use crate::{
    analysis::filter::PacketFilter,
    capture::{CaptureError, Reader, target::Identity},
    cli::{ReadArgs, UsageError},
    kernel::stop::{Patient, Stop},
    render::{Diagnostics, FileProgress, Output, Style},
};
use anyhow::Context as _;
use netdiag_common::NetnsId;
use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, IsTerminal as _, Read},
    os::{
        fd::AsFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

/// What stands for standard input.
const STDIN: &str = "-";

/// What a dump says to be the most of a packet, where the files do not: the limit of tcpdump and Wireshark.
const SNAPLEN: u32 = 262_144;

/// How many packets are read before signals and the clock are looked at.
const BATCH: u64 = 4096;

pub(super) fn run(
    args: &ReadArgs,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let style = match (args.json, args.each, diagnostics.is_quiet()) {
        (true, ..) => Style::Json { hex: args.hex },
        (false, true, _) => Style::Each,
        (false, false, true) => Style::Summary,
        (false, false, false) => Style::Groups,
    };
    if args.file.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(UsageError("standard input can be read once".to_owned()).into());
    }
    let stop = Stop::register().context("cannot catch signals")?;
    // A wrong name leaves no dump behind.
    for path in &args.file {
        check(path)?;
    }
    let mut paths = args.file.iter();
    let mut failures = Vec::new();
    // A dump is made when there is something to put into it.
    let mut next = loop {
        let Some(path) = paths.next() else {
            return Ok(failed(&failures, diagnostics));
        };
        match Input::open(path, &stop).and_then(Input::reader) {
            Ok(opened) => break Some(opened),
            // Nothing came before the user had enough of waiting.
            Err(_) if stop.is_set() => return Ok(ExitCode::SUCCESS),
            Err(error) => failures.push(error),
        }
    };
    let with_bar = !output.is_terminal() || matches!(style, Style::Groups | Style::Summary);
    let capture = Capture {
        snaplen: SNAPLEN,
        live: false,
        inputs: &identities(&args.file),
    };
    let mut sinks = dump::sinks(&args.dump, style, capture, &output, diagnostics, &stop)?;
    let mut reading = Reading::new(&mut sinks, wanted(args), args.count);
    while let Some((name, mut reader, position)) = next.take() {
        let is_stream = position.is_none();
        let progress = position
            .filter(|_| with_bar)
            .map(|position| FileProgress::new(diagnostics, position));
        let read = all(&mut reading, &mut reader, progress, &stop);
        diagnose(&name, &reader, diagnostics);
        // An interruption looks like an end in the middle.
        let over = stop.is_set() || reading.over();
        if stop.is_set() && !is_stream {
            diagnostics.warn(&format!("interrupted: {name} was not read to its end"));
        }
        failures.extend(
            read.err()
                .filter(|_| !over)
                .map(|error| anyhow::Error::new(error).context(name)),
        );
        while !over && next.is_none() {
            let Some(path) = paths.next() else { break };
            match Input::open(path, &stop).and_then(Input::reader) {
                Ok(opened) => next = Some(opened),
                Err(_) if stop.is_set() => break,
                Err(error) => failures.push(error),
            }
        }
    }
    let cut = stop.is_set() || !failures.is_empty();
    reading.finish(cut, stop.is_set(), diagnostics);
    let code = failed(&failures, diagnostics);
    sinks.finish(diagnostics)?;
    Ok(code)
}

/// Says what could not be read; the status to end with.
fn failed(failures: &[anyhow::Error], diagnostics: &Diagnostics) -> ExitCode {
    for failure in failures {
        diagnostics.error(failure);
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What tells the files from others: a dump must not go into one of them.
fn identities(paths: &[PathBuf]) -> Vec<Identity> {
    let meta = paths.iter().filter_map(|path| fs::metadata(path).ok());
    meta.map(|meta| (meta.dev(), meta.ino())).collect()
}

/// Reads a file to its end, or to where the user has enough.
fn all(
    reading: &mut Reading<'_>,
    reader: &mut Reader,
    mut progress: Option<FileProgress>,
    stop: &Stop,
) -> Result<(), CaptureError> {
    let mut handled = 0u64;
    loop {
        if progress.is_none() && !reader.has_more() {
            // What comes next may take its time; what is there already is for the user to see.
            reading.idle();
        }
        match reader.next() {
            None => return Ok(()),
            Some(item) => reading.take(item?),
        }
        handled += 1;
        if reading.over() {
            return Ok(());
        }
        if handled.is_multiple_of(BATCH) {
            if stop.is_set() {
                return Ok(());
            }
            if let Some(progress) = &mut progress {
                progress.update();
            }
        }
    }
}

fn diagnose(name: &str, reader: &Reader, diagnostics: &Diagnostics) {
    match reader.unknown() {
        0 => {}
        count => diagnostics.verbose(&format!(
            "{name}: blocks of kinds that netdiag does not know were passed over: {count}"
        )),
    }
}

fn wanted(args: &ReadArgs) -> Wanted {
    Wanted {
        packets: PacketFilter {
            hosts: args.host.clone(),
            ports: args.port.clone(),
        },
        reasons: args.reason.clone(),
        ifname: args.iface.clone(),
        netns: args.netns.map(NetnsId),
        malformed: args.malformed,
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// A file that is open.
struct Input {
    name: String,
    file: Patient,
    /// How long it is; `None` for a stream.
    length: Option<u64>,
}

/// How far a file was read, and how long it is.
type Position = (Rc<Cell<u64>>, u64);

/// Says early what cannot be read, before anything is waited for.
fn check(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    if is_stdin(path) {
        if io::stdin().is_terminal() {
            return Err(UsageError(
                "standard input is a terminal: pipe a capture into it, as in `tcpdump -w - | netdiag read -`"
                    .to_owned(),
            )
            .into());
        }
        return Ok(());
    }
    match fs::metadata(path) {
        Err(error) => anyhow::bail!("cannot open {name}: {error}"),
        Ok(meta) if meta.is_dir() => anyhow::bail!("{name} is a directory: name a capture file"),
        Ok(_) => Ok(()),
    }
}

impl Input {
    fn open(path: &Path, stop: &Stop) -> anyhow::Result<Self> {
        let (name, file) = if is_stdin(path) {
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            let file = stdin.context("cannot use standard input")?;
            ("standard input".to_owned(), File::from(file))
        } else {
            let name = path.display().to_string();
            // A pipe that nobody has opened yet is waited for where the user can stop that.
            let file = File::options()
                .read(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path)
                .map_err(|error| anyhow::anyhow!("cannot open {name}: {error}"))?;
            (name, file)
        };
        let meta = file
            .metadata()
            .map_err(|error| anyhow::anyhow!("cannot read {name}: {error}"))?;
        Ok(Self {
            name,
            file: Patient::new(file, stop.clone()),
            length: meta.is_file().then_some(meta.len()),
        })
    }

    fn reader(self) -> anyhow::Result<(String, Reader, Option<Position>)> {
        let count = Rc::new(Cell::new(0));
        let source = Counted {
            file: self.file,
            count: Rc::clone(&count),
        };
        let reader = Reader::new(source).with_context(|| self.name.clone())?;
        Ok((self.name, reader, self.length.map(|length| (count, length))))
    }
}

/// Counts what is read.
struct Counted {
    file: Patient,
    count: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(space)?;
        let total = self.count.get() + u64::try_from(read).unwrap_or(0);
        self.count.set(total);
        Ok(read)
    }
}
