//! What `netdiag read` costs, beside other readers of capture files.
//!
//! All take turns with the same file, which is in the page cache, on the same CPU, and write to /dev/null: what is
//! measured is reading, decoding and printing, not a disk.

mod capture;
mod complete;
mod packet;
mod random;
mod result;
mod subject;
mod usage;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use self::result::Results;
use self::subject::Subject;
use self::usage::Usage;
use super::report::{Figure, Report, Target};
use crate::cli::BenchOptions;
use crate::workspace::Workspace;
use crate::{process, requirement};

/// How many times as long the long file is.
const LONG: u64 = 10;

/// Says early that nothing can be measured.
///
/// # Errors
/// A reader is not installed.
pub(super) fn check() -> Result<()> {
    requirement::check_readers()
}

/// Says early that this netdiag reads no captures.
///
/// # Errors
/// It does not, or cannot be started.
pub(super) fn check_netdiag(netdiag: &Path) -> Result<()> {
    process::output(process::program(netdiag).args(["read", "--help"])).with_context(|| {
        format!(
            "{} has no `read`: name one that has with --netdiag, or measure with --part live only",
            netdiag.display()
        )
    })?;
    Ok(())
}

/// Measures `netdiag read`.
///
/// # Errors
/// The capture cannot be written.
pub(super) fn measure(
    workspace: &Workspace,
    options: &BenchOptions,
    netdiag: &Path,
    report: &mut Report,
) -> Result<()> {
    let directory = workspace.target_dir("bench")?;
    let readers = Readers {
        netdiag,
        errors: directory.join("reader.err"),
    };
    let file = capture::provide(&directory, options.capture_packets)?;
    readers.lines(&file, options.capture_packets, report);
    let mut results = Results::new(options.capture_packets);
    let nothing = usage::run(&mut process::program("true"), &readers.errors);
    let least_rss = report.measured("true", nothing).map(|usage| usage.max_rss);
    for round in 1..=options.rounds {
        eprintln!("readers, round {round} of {}", options.rounds);
        for subject in Subject::ALL {
            readers.round(subject, &file, &mut results, report);
        }
    }
    results.speed(report);
    results.share_of_cpu(report);
    results.memory(least_rss, report);
    if options.long {
        let packets = options.capture_packets.saturating_mul(LONG);
        let file = capture::provide(&directory, packets)?;
        let mut results = Results::new(packets);
        for subject in Subject::NETDIAG {
            eprintln!("{} of {packets} packets", subject.words().join(" "));
            readers.round(subject, &file, &mut results, report);
        }
        results.memory_of_netdiag(report);
    }
    Ok(())
}

/// How readers are started.
struct Readers<'a> {
    netdiag: &'a Path,
    errors: PathBuf,
}

impl Readers<'_> {
    /// Lets one reader have its turn. What reads only a part is started for one packet too: its start-up would count
    /// for much more than in a reading of all.
    fn round(&self, subject: Subject, file: &Path, results: &mut Results, report: &mut Report) {
        let limit = results.limit(subject);
        let what = subject.words().join(" ");
        if limit.is_some()
            && let Some(usage) = report.measured(&what, self.run(subject, file, Some(1)))
        {
            results.add_start(subject, usage);
        }
        if let Some(usage) = report.measured(&what, self.run(subject, file, limit)) {
            results.add(subject, usage);
        }
    }

    /// Counts the lines where there is one for each packet, outside the measurement.
    fn lines(&self, file: &Path, packets: u64, report: &mut Report) {
        for subject in [Subject::Each, Subject::Json] {
            let what = subject.words().join(" ");
            eprintln!("lines of {what}");
            let mut command = subject.command(self.netdiag, file, None);
            let lines = complete::count_lines(&mut command, &self.errors);
            let lines = report.measured(&what, lines);
            report.row(
                format!("lines: {}; reference: packets", subject.short()),
                lines.map(Figure::Count),
                Some(Figure::Count(packets)),
                lines.map(|lines| Target::new(format!(">= {packets}"), lines >= packets)),
            );
        }
    }

    fn run(&self, subject: Subject, file: &Path, limit: Option<u64>) -> Result<Usage> {
        let mut command = subject.command(self.netdiag, file, limit);
        usage::run(&mut command, &self.errors)
    }
}
