//! The live tests on every kernel line, in virtual machines.

use std::panic::resume_unwind;
use std::path::PathBuf;
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
use crate::vm::{self, Content, Job, Verdict};
use crate::workspace::Workspace;

/// Works on any distribution with a new enough kernel, and in an empty initramfs.
const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// So many machines run at a time. With two, the emulator's processors share this machine's, and what is measured in time
/// is no longer what it is.
const MACHINES: usize = 1;

/// Judges of the tests: what they say about the kernel is not netdiag's word.
const JUDGES: [&str; 5] = ["bpftool", "ip", "nft", "ss", "tc"];

/// What one kernel's run came to.
#[derive(Debug)]
pub struct Row {
    release: String,
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
    let content = content(workspace, options.filter.as_deref())?;
    let timeout = Duration::from_secs(options.timeout);
    let queue = Mutex::new(kernels.into_iter().enumerate());
    let rows = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<()> {
        while let Some((index, kernel)) = next() {
            println!("booting {}", kernel.release);
            let job = Job {
                name: "matrix".to_owned(),
                content: content.clone(),
                timeout,
            };
            let row = boot(workspace, kernel, &job)?;
            rows.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, row));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..MACHINES).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended.try_for_each(|worker| worker.unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(index, _)| *index);
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
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

/// Boots one kernel, and prints what it said where it failed.
fn boot(workspace: &Workspace, kernel: Kernel, job: &Job) -> Result<Row> {
    let outcome = vm::run(workspace, &kernel, job)?;
    for module in &outcome.absent {
        println!("{} has no module {module}", kernel.release);
    }
    let row = Row {
        release: kernel.release,
        verdict: outcome.verdict,
        seconds: outcome.seconds,
        tally: Tally::parse(&outcome.results),
    };
    if !row.passed() {
        println!(
            "--- results of {} ---\n{}\n--- console, last lines ---\n{}\n---",
            row.release,
            outcome.results.trim_end(),
            outcome.console_end()
        );
    }
    Ok(row)
}

fn print(rows: &[Row]) {
    println!(
        "{:<32} {:<10} {:>8} {:>7} {:>7} {:>8}",
        "kernel", "verdict", "seconds", "passed", "failed", "skipped"
    );
    for Row {
        release,
        verdict,
        seconds,
        tally,
    } in rows
    {
        let (passed, failed, skipped) = (tally.passed, tally.failed, tally.skipped.len());
        println!("{release:<32} {verdict:<10} {seconds:>8.1} {passed:>7} {failed:>7} {skipped:>8}");
        for skip in &tally.skipped {
            println!("    {skip}");
        }
    }
}

/// The initramfs: the binary under test, the live tests and their judges.
fn content(workspace: &Workspace, filter: Option<&str>) -> Result<Content> {
    let binary = build(
        workspace,
        &["build", "--package", "netdiag", "--bin", "netdiag"],
        "netdiag",
    )?;
    let tests = build(
        workspace,
        &[
            "test",
            "--no-run",
            "--package",
            "netdiag-tests",
            "--test",
            "live",
        ],
        "live",
    )?;
    let filter = filter.map(vm::quoted).unwrap_or_default();
    let mut content = Content::new(format!(
        "#!/bin/sh\nexport NETDIAG_BIN=/bin/netdiag NETDIAG_EVERY_RUNG=1 RUST_BACKTRACE=1\n\
         exec /test-live --test-threads=1 --nocapture {filter}\n"
    ));
    content.add_file(binary, "/bin/netdiag");
    content.add_file(tests, "/test-live");
    for judge in JUDGES {
        content.add_dynamic(judge)?;
    }
    Ok(content)
}

/// Runs cargo for a static binary and gives the path of the executable of this target name.
fn build(workspace: &Workspace, arguments: &[&str], name: &str) -> Result<PathBuf> {
    let mut cargo: Command = process::cargo();
    cargo
        .current_dir(workspace.root())
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .args(arguments)
        .args([
            "--release",
            "--target",
            STATIC_TARGET,
            "--message-format",
            "json-render-diagnostics",
        ])
        .arg("--target-dir")
        .arg(workspace.target().join("static"));
    let messages = process::filter(&mut cargo, Vec::new())?;
    let messages = String::from_utf8_lossy(&messages);
    let executable = messages.lines().find_map(|line| executable(line, name));
    executable.with_context(|| format!("cargo built no executable {name}"))
}

/// The executable that a message of cargo announces, if its target has this name.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?.get("name")?.as_str()?;
    let executable = message.get("executable")?.as_str()?;
    (target == name).then(|| PathBuf::from(executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_among_the_messages() {
        let message =
            r#"{"reason":"compiler-artifact","target":{"name":"live"},"executable":"/x"}"#;
        assert_eq!(executable(message, "live").unwrap(), PathBuf::from("/x"));
        assert_eq!(executable(message, "golden"), None);
        let library =
            r#"{"reason":"compiler-artifact","target":{"name":"live"},"executable":null}"#;
        assert_eq!(executable(library, "live"), None);
    }
}
