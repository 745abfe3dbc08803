//! The live tests on every kernel line, in virtual machines.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::cli::MatrixOptions;
use crate::libtest::Tally;
use crate::parallel;
use crate::program::{Programs, stripped};
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

/// Faults of the lab that kernels tell of in ways of their own, or that want a machine of their own: `cargo xtask lab` has
/// all of them.
const FAULTS: [&str; 18] = [
    "martian-source",
    "forwarding-off",
    "route-prohibit",
    "route-prohibit6",
    "ipsec-block",
    "cgroup-ingress",
    "socket-filter",
    "tcp-paws",
    "tcp-ttl-too-low",
    "tcp-backlog-full",
    "tcp-memory",
    "udp-memory",
    "neighbour-table-full",
    "conntrack-table-full",
    "cpu-backlog",
    "accept-queue-full",
    "mixed",
    "healthy-cgroup-program",
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
    let guest = Guest::build(workspace)?;
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
            content: guest.content(filter)?,
            machine: pass.machine,
            timeout: Duration::from_secs(options.timeout),
            talks: true,
        };
        rows.extend(parallel::each(&kernels, pass.at_once, |kernel| {
            println!("booting {}: {}", kernel.release, pass.name);
            boot(workspace, kernel, pass, &job)
        })?);
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
        tally: Tally::parse(&outcome.results).at(&format!("{}, {}", kernel.release, pass.name)),
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
struct Guest {
    binary: PathBuf,
    tests: PathBuf,
    lab: PathBuf,
}

impl Guest {
    fn build(workspace: &Workspace) -> Result<Self> {
        let programs = Programs::build(workspace)?;
        Ok(Self {
            binary: stripped(workspace, &programs.binary()?, "netdiag")?,
            tests: stripped(workspace, &programs.test("live")?, "live")?,
            lab: stripped(workspace, &programs.test("lab")?, "lab")?,
        })
    }

    /// The initramfs: these and the judges. Whoever wants every test wants the lab's faults, too.
    fn content(&self, filter: &str) -> Result<Content> {
        let (filter, lab) = if filter.is_empty() {
            let lab = format!(
                "NETDIAG_LAB_GLOBAL=1 NETDIAG_LAB={} /test-lab --test-threads=1 --nocapture || status=1\n",
                FAULTS.join(",")
            );
            (String::new(), lab)
        } else {
            (vm::quoted(filter), String::new())
        };
        let mut content = Content::new(format!(
            "#!/bin/sh\nexport NETDIAG_BIN=/bin/netdiag NETDIAG_EVERY_RUNG=1 RUST_BACKTRACE=1\nstatus=0\n\
             /test-live --test-threads=1 --nocapture {filter} || status=1\n{lab}exit $status\n"
        ));
        content.add_program(&self.binary, "/bin/netdiag")?;
        content.add_program(&self.tests, "/test-live")?;
        content.add_program(&self.lab, "/test-lab")?;
        for judge in JUDGES {
            content.add_dynamic(judge)?;
        }
        Ok(content)
    }
}
