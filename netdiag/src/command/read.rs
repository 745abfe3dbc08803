//! `netdiag read`: capture files through the same analysis as a live run.

use super::{
    dump,
    reading::{Reading, Wanted},
};
use crate::{
    analysis::filter::PacketFilter,
    capture::{CaptureError, Reader},
    cli::{ReadArgs, UsageError},
    kernel::stop::{Patient, Stop},
    render::{Diagnostics, FileProgress, Output, Style},
};
use anyhow::Context as _;
use netdiag_common::NetnsId;
use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    os::fd::AsFd as _,
    path::Path,
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
    // Opened before a dump is made: a wrong name leaves nothing behind.
    let mut inputs = Vec::new();
    for path in &args.file {
        inputs.push(Input::open(path, &stop)?);
    }
    let mut inputs = inputs.into_iter();
    let Some(first) = inputs.next() else {
        return Ok(ExitCode::SUCCESS);
    };
    let first = first.reader()?;
    let progress_wanted =
        !output.is_terminal() || style == Style::Groups || style == Style::Summary;
    let mut sinks = dump::sinks(&args.dump, style, SNAPLEN, output, diagnostics)?;
    sinks.guard(&stop);
    let mut reading = Reading::new(&mut sinks, wanted(args), args.count);
    let mut failed = None;
    let mut next = Some(Ok(first));
    while let Some(opened) = next {
        let (name, mut reader, at) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        let progress = at
            .filter(|_| progress_wanted)
            .map(|at| FileProgress::new(diagnostics, at));
        let read = all(&mut reading, &mut reader, progress, &stop);
        diagnose(&reader, diagnostics);
        match read {
            // An interruption looks like an end in the middle.
            Err(ReadError::Capture(error)) if !stop.is_set() => {
                failed = Some(anyhow::Error::new(error).context(name));
                break;
            }
            Err(ReadError::Output(error)) => return Err(error.into()),
            _ if stop.is_set() || reading.full() => break,
            _ => {}
        }
        next = inputs.next().map(Input::reader);
    }
    reading.finish(stop.is_set(), diagnostics)?;
    sinks.finish(diagnostics)?;
    match failed {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Why a file is not read on.
enum ReadError {
    Capture(CaptureError),
    Output(io::Error),
}

/// Reads a file to its end, or to where the user has enough.
fn all(
    reading: &mut Reading<'_>,
    reader: &mut Reader,
    mut progress: Option<FileProgress>,
    stop: &Stop,
) -> Result<(), ReadError> {
    let mut handled = 0u64;
    loop {
        if progress.is_none() && !reader.has_more() {
            // What comes next may take its time; what is there already is for the user to see.
            reading.idle().map_err(ReadError::Output)?;
        }
        match reader.next() {
            None => return Ok(()),
            Some(Err(error)) => return Err(ReadError::Capture(error)),
            Some(Ok(item)) => reading.take(item).map_err(ReadError::Output)?,
        }
        handled += 1;
        if reading.full() || reading.broken() {
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

fn diagnose(reader: &Reader, diagnostics: &Diagnostics) {
    match reader.passed_over() {
        0 => {}
        count => diagnostics.verbose(&format!(
            "{count} blocks without packets were passed over (name resolution, secrets, what is not known)"
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
pub(crate) type Position = (Rc<Cell<u64>>, u64);

impl Input {
    fn open(path: &Path, stop: &Stop) -> anyhow::Result<Self> {
        let (name, file) = if is_stdin(path) {
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            let file = stdin.context("cannot use standard input")?;
            ("standard input".to_owned(), File::from(file))
        } else {
            let name = path.display().to_string();
            let file =
                File::open(path).map_err(|error| anyhow::anyhow!("cannot open {name}: {error}"))?;
            (name, file)
        };
        let meta = file
            .metadata()
            .map_err(|error| anyhow::anyhow!("cannot read {name}: {error}"))?;
        if meta.is_dir() {
            anyhow::bail!("{name} is a directory: name a capture file");
        }
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
