//! The live tests on every kernel line, in virtual machines.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cli::MatrixOptions;
use crate::libtest::Tally;
use crate::process;
use crate::vm::kernel::{self, Kernel};
use crate::vm::{self, Content, Job, Machine, Verdict};
use crate::workspace::Workspace;

/// One boot of a kernel: which tests, on what.
#[derive(Debug, Clone, Copy)]
struct Pass {
    name: &'static str,
    machine: Machine,
    /// Tests whose names contain this.
    filter: &'static str,
    /// So many such machines run at a time: what they need of this machine's two processors.
    at_once: usize,
}

/// Every test where time is exact, and then those that show every hook on processors that truly run at a time.
const PASSES: [Pass; 2] = [
    Pass {
        name: "every test",
        machine: Machine::Counted,
        filter: "",
        at_once: 2,
    },
    Pass {
        name: "two processors",
        machine: Machine::Two,
        filter: "rung::",
        at_once: 1,
    },
];

/// Judges of the tests: what they say about the kernel is not netdiag's word.
const JUDGES: [&str; 5] = ["bpftool", "ip", "nft", "ss", "tc"];

/// What one kernel's run came to.
#[derive(Debug)]
pub struct Row {
    release: String,
    pass: &'static str,
    verdict: Verdict,
    seconds: f64,
    tally: Tally,
}

impl Row {
    /// A verdict alone is not enough: a test program that never ran its tests passes too.
    fn passed(&self) -> bool {
        let tally = &self.tally;
        self.verdict == Verdict::Pass && tally.failed == 0 && tally.passed > 0
    }
}

/// What the whole matrix came to.
#[derive(Debug)]
pub struct Report {
    /// Every kernel passed.
    pub passed: bool,
    /// Summed over the kernels.
    pub tally: Tally,
}

/// `cargo xtask matrix`.
///
/// # Errors
/// Something cannot be built, fetched or booted. Failed tests are no error but the exit status.
pub fn run(workspace: &Workspace, options: &MatrixOptions) -> Result<ExitCode> {
    let report = execute(workspace, options)?;
    let passed = report.passed && report.tally.skipped.is_empty();
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds, boots every kernel and prints the table.
///
/// # Errors
/// Something cannot be built, fetched or booted.
pub fn execute(workspace: &Workspace, options: &MatrixOptions) -> Result<Report> {
    let kernels = kernel::fetch(workspace, &kernel::lines(&options.kernel)?, false)?;
    let programs = Programs::build(workspace)?;
    let mut rows = Vec::new();
    for pass in PASSES {
        let filter = match options.filter.as_deref() {
            // What the user asks for runs once.
            Some(_) if pass.machine != Machine::Counted => continue,
            Some(filter) => filter,
            None => pass.filter,
        };
        let job = Job {
            name: pass.name.replace(' ', "-"),
            content: programs.content(filter)?,
            machine: pass.machine,
            timeout: Duration::from_secs(options.timeout),
        };
        rows.extend(boot_all(workspace, &kernels, pass, &job)?);
    }
    print(&rows);
    let mut report = Report {
        passed: true,
        tally: Tally::default(),
    };
    for row in rows {
        report.passed &= row.passed();
        report.tally += row.tally;
    }
    Ok(report)
}

/// Boots every kernel with a job, as many at a time as the pass allows.
fn boot_all(workspace: &Workspace, kernels: &[Kernel], pass: Pass, job: &Job) -> Result<Vec<Row>> {
    let queue = Mutex::new(kernels.iter().enumerate());
    let rows = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<()> {
        while let Some((index, kernel)) = next() {
            println!("booting {}: {}", kernel.release, pass.name);
            let row = boot(workspace, kernel, pass, job)?;
            rows.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, row));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..pass.at_once).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended.try_for_each(|worker| worker.unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(index, _)| *index);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// Boots one kernel, and prints what it said where it failed.
fn boot(workspace: &Workspace, kernel: &Kernel, pass: Pass, job: &Job) -> Result<Row> {
    let outcome = vm::run(workspace, kernel, job)?;
    for module in &outcome.absent {
        println!("{} has no module {module}", kernel.release);
    }
    let row = Row {
        release: kernel.release.clone(),
        pass: pass.name,
        verdict: outcome.verdict,
        seconds: outcome.seconds,
        tally: Tally::parse(&outcome.results),
    };
    if !row.passed() {
        println!(
            "--- results of {}, {} ---\n{}\n--- console, last lines ---\n{}\n---",
            row.release,
            row.pass,
            outcome.results.trim_end(),
            outcome.console_end()
        );
    }
    Ok(row)
}

fn print(rows: &[Row]) {
    println!(
        "{:<32} {:<14} {:<10} {:>8} {:>7} {:>7} {:>8}",
        "kernel", "pass", "verdict", "seconds", "passed", "failed", "skipped"
    );
    for Row {
        release,
        pass,
        verdict,
        seconds,
        tally,
    } in rows
    {
        let (passed, failed, skipped) = (tally.passed, tally.failed, tally.skipped.len());
        println!(
            "{release:<32} {pass:<14} {verdict:<10} {seconds:>8.1} {passed:>7} {failed:>7} {skipped:>8}"
        );
        for skip in &tally.skipped {
            println!("    {skip}");
        }
    }
}

/// What runs in the machines: the binary under test, and the live tests.
struct Programs {
    binary: PathBuf,
    tests: PathBuf,
}

impl Programs {
    /// Builds as the test on this kernel does, to the letter of the command, so that one build serves both.
    fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo: Command = process::cargo();
        cargo
            .current_dir(workspace.root())
            .args(["test", "--workspace", "--no-run"])
            .args(["--message-format", "json-render-diagnostics"]);
        let messages = process::filter(&mut cargo, Vec::new())?;
        let messages = String::from_utf8_lossy(&messages);
        let built = |kind, name| {
            let mut lines = messages.lines();
            let found = lines.find_map(|line| executable(line, kind, name));
            let found = found.with_context(|| format!("cargo built no {kind} {name}"))?;
            stripped(workspace, &found, name)
        };
        Ok(Self {
            binary: built("bin", "netdiag")?,
            tests: built("test", "live")?,
        })
    }

    /// The initramfs: these and the judges.
    fn content(&self, filter: &str) -> Result<Content> {
        let filter = if filter.is_empty() {
            String::new()
        } else {
            vm::quoted(filter)
        };
        let mut content = Content::new(format!(
            "#!/bin/sh\nexport NETDIAG_BIN=/bin/netdiag NETDIAG_EVERY_RUNG=1 RUST_BACKTRACE=1\n\
             exec /test-live --test-threads=1 --nocapture {filter}\n"
        ));
        content.add_program(&self.binary, "/bin/netdiag")?;
        content.add_program(&self.tests, "/test-live")?;
        for judge in JUDGES {
            content.add_dynamic(judge)?;
        }
        Ok(content)
    }
}

/// A copy without symbols: the machines have little memory.
fn stripped(workspace: &Workspace, program: &Path, name: &str) -> Result<PathBuf> {
    let copy = workspace.target_dir("vm/programs")?.join(name);
    process::run(process::program("strip").arg("-o").arg(&copy).arg(program))?;
    Ok(copy)
}

/// The executable that a message of cargo announces, if it is of this kind and name. A program is also built as a test
/// of itself, which is not meant.
fn executable(message: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let executable = message.get("executable")?.as_str()?;
    let is_test = message.get("profile")?.get("test")?.as_bool()?;
    let meant = target.get("name")? == name
        && target.get("kind")?.get(0)? == kind
        && is_test == (kind == "test");
    meant.then(|| PathBuf::from(executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_among_the_messages() {
        let message = |name: &str, kind: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let live = message("live", "test", true, r#""/x""#);
        assert_eq!(
            executable(&live, "test", "live").unwrap(),
            PathBuf::from("/x")
        );
        assert_eq!(executable(&live, "test", "golden"), None);
        let library = message("live", "test", true, "null");
        assert_eq!(executable(&library, "test", "live"), None);
        let of_itself = message("netdiag", "bin", true, r#""/x""#);
        assert_eq!(executable(&of_itself, "bin", "netdiag"), None);
        let program = message("netdiag", "bin", false, r#""/y""#);
        assert_eq!(
            executable(&program, "bin", "netdiag").unwrap(),
            PathBuf::from("/y")
        );
    }
}
