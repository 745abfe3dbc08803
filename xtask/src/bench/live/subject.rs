//! The programs that take turns: started, flooded, asked what they saw.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::flood::Namespace;
use super::netdiag::{self, Ledger, START_LINE};
use super::reference::Account;
use super::watched::{Ready, Watched};
use crate::process;

/// The ring of both.
pub(super) const RING: [&str; 2] = ["--buffer-size", "16M"];
/// What the reference prints when it is ready.
const READY: &str = "READY";

/// The two programs, and where they may write.
pub(super) struct Bench<'a> {
    pub(super) netdiag: &'a Path,
    pub(super) reference: &'a Path,
    pub(super) scratch: &'a Path,
    pub(super) packets: u64,
}

/// One flood under the eyes of a program.
pub(super) struct Flood<T> {
    /// How long the sender took.
    pub(super) sending: Duration,
    /// The same, and the time until the program had ended.
    pub(super) whole: Duration,
    /// Processor time of the program.
    pub(super) cpu: Duration,
    /// What the program says about it.
    pub(super) said: T,
}

/// What netdiag says about a flood.
pub(super) struct Said {
    pub(super) ledger: Ledger,
    pub(super) lines: u64,
    pub(super) ns_per_event: Option<f64>,
}

impl Bench<'_> {
    fn reference(&self, what: &str) -> Command {
        let mut command = process::program(self.reference);
        command.arg(what);
        command
    }

    /// Starts netdiag; if it fails, the error has what it wrote to standard error.
    pub(super) fn start_netdiag(&self, arguments: &[&str], ready: Ready<'_>) -> Result<Watched> {
        let errors = self.scratch.join("netdiag.err");
        let mut command = netdiag::drops(self.netdiag);
        command.args(arguments).stderr(File::create(&errors)?);
        Watched::start(&mut command, ready).map_err(|error| {
            let said = fs::read_to_string(&errors).unwrap_or_default();
            anyhow!("{error:#}; {}", said.trim_end())
        })
    }

    /// Starts the reference; at its end the file holds its account.
    pub(super) fn start_reference(&self) -> Result<(Watched, PathBuf)> {
        let said = self.scratch.join("reference.json");
        let watched = Watched::start(&mut self.reference("copy"), Ready::Errors(READY, &said))?;
        Ok((watched, said))
    }

    /// Has the kernel keep run time statistics as long as the value lives.
    pub(super) fn enable_statistics(&self) -> Result<Watched> {
        let null = Path::new("/dev/null");
        Watched::start(&mut self.reference("stats"), Ready::Errors(READY, null))
    }

    /// A flood with the reference attached.
    pub(super) fn flood_reference(&self, namespace: &Namespace) -> Result<Flood<Account>> {
        let (watched, said) = self.start_reference()?;
        let start = Instant::now();
        let sending = namespace.flood(self.packets)?;
        let cpu = watched.interrupt()?;
        Ok(Flood {
            sending,
            whole: start.elapsed(),
            cpu,
            said: Account::parse(&fs::read_to_string(&said)?)?,
        })
    }

    /// A flood with netdiag attached; the run time of its program only with the kernel's statistics.
    pub(super) fn flood_netdiag(
        &self,
        namespace: &Namespace,
        statistics: bool,
    ) -> Result<Flood<Said>> {
        let output = self.scratch.join("netdiag.jsonl");
        let place = ["--netns", &namespace.name];
        let arguments = [place, RING].concat();
        let watched = self.start_netdiag(&arguments, Ready::File(START_LINE, &output))?;
        let start = Instant::now();
        let sending = namespace.flood(self.packets)?;
        let ns_per_event = match statistics {
            true => Some(netdiag::ns_per_event(&watched)?),
            false => None,
        };
        let cpu = watched.interrupt()?;
        let whole = start.elapsed();
        let (lines, ledger) = netdiag::read_lines(&output)?;
        // Hundreds of megabytes.
        fs::remove_file(&output).with_context(|| format!("remove {}", output.display()))?;
        Ok(Flood {
            sending,
            whole,
            cpu,
            said: Said {
                ledger,
                lines,
                ns_per_event,
            },
        })
    }
}

/// Starts bpftrace.
pub(super) fn start_bpftrace() -> Result<Watched> {
    Watched::start(&mut bpftrace_count(), Ready::Output(READY))
}

/// The least that bpftrace can be asked for. The interval comes first in the text, and is attached last.
fn bpftrace_count() -> Command {
    let mut command = process::program("bpftrace");
    command.stderr(Stdio::null()).args([
        "-B",
        "line",
        "-e",
        r#"interval:ms:1 { printf("READY\n"); } tracepoint:skb:kfree_skb { @ = count(); }"#,
    ]);
    command
}
