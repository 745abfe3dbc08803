//! The fault lab, scored on this machine's kernel and on every kernel line, by the program `tests/tests/lab.rs`.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cli::LabOptions;
use crate::libtest::Tally;
use crate::parallel;
use crate::process;
use crate::program::{Programs, stripped};
use crate::requirement;
use crate::vm::kernel::{self, Kernel};
use crate::vm::{self, Content, Job, Machine, Verdict};
use crate::workspace::Workspace;

/// A machine whose clock counts instructions keeps one of this machine's two processors busy.
const AT_ONCE: usize = 2;

/// The table's columns, besides the name of the scenario.
const COLUMNS: usize = 6;

/// How the scenarios of one kernel fared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Score {
    /// Nothing is wrong, and something was scored.
    right: usize,
    wrong: usize,
    /// What cannot happen there.
    absent: usize,
    /// How many the program says that there are.
    announced: Option<usize>,
}

impl Score {
    /// Reads the table out of all that the program printed.
    fn parse(output: &str) -> Self {
        let mut score = Self::default();
        for line in output.lines() {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            let cells: Vec<&str> = words.collect();
            if cells.first() == Some(&"scenarios:") {
                score.announced = first.parse().ok();
                continue;
            }
            let is_row = cells.len() == COLUMNS
                && cells
                    .iter()
                    .all(|cell| ["yes", "WRONG", "n/a"].contains(cell));
            if !is_row {
                continue;
            }
            *if cells.contains(&"WRONG") {
                &mut score.wrong
            } else if cells.contains(&"yes") {
                &mut score.right
            } else {
                &mut score.absent
            } += 1;
        }
        score
    }

    fn scenarios(&self) -> usize {
        self.right + self.wrong + self.absent
    }

    /// Nothing is wrong, and the whole table was read: no row was lost on the way, or is not understood.
    fn is_clean(&self) -> bool {
        self.wrong == 0 && self.right > 0 && self.announced == Some(self.scenarios())
    }
}

/// What one kernel's run came to.
#[derive(Debug)]
struct Row {
    release: String,
    verdict: Verdict,
    seconds: f64,
    score: Score,
    tally: Tally,
}

impl Row {
    fn new(release: String, verdict: Verdict, seconds: f64, output: &str) -> Self {
        Self {
            release,
            verdict,
            seconds,
            score: Score::parse(output),
            tally: Tally::parse(output),
        }
    }

    /// A clean table alone is not enough: the program has other tests.
    fn passed(&self) -> bool {
        let tally = &self.tally;
        let all_ran = tally.passed > 0 && tally.failed == 0 && tally.skipped.is_empty();
        self.verdict == Verdict::Pass && all_ran && self.score.is_clean()
    }
}

/// `cargo xtask lab`.
///
/// # Errors
/// Something cannot be built, fetched or booted. What scores wrong is no error but the exit status.
pub fn run(workspace: &Workspace, options: &LabOptions) -> Result<ExitCode> {
    if options.scores_here() && !requirement::is_root() {
        bail!(
            "the lab needs root on this machine; `--kernel LINE` alone scores in a virtual machine"
        );
    }
    let kernels = if options.boots() {
        kernel::fetch(workspace, &kernel::lines(&options.kernel)?, false)?
    } else {
        Vec::new()
    };
    let programs = Programs::build(workspace)?;
    let mut rows = Vec::new();
    if options.scores_here() {
        rows.push(here(workspace, &programs, &options.scenarios)?);
    }
    if !kernels.is_empty() {
        let job = Job {
            name: "lab".to_owned(),
            content: content(workspace, &programs, &options.scenarios)?,
            machine: Machine::Counted,
            timeout: Duration::from_secs(options.timeout),
            talks: true,
        };
        rows.extend(parallel::each(&kernels, AT_ONCE, |kernel| {
            println!("booting {}: lab", kernel.release);
            boot(workspace, kernel, &job)
        })?);
    }
    print(&rows);
    Ok(if rows.iter().all(Row::passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Scores on this machine's kernel; the table shows as it grows.
fn here(workspace: &Workspace, programs: &Programs, scenarios: &[String]) -> Result<Row> {
    let release =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    let release = format!("{} (here)", release.trim());
    println!("--- {release} ---");
    let mut test = process::program(programs.test("lab")?);
    test.current_dir(workspace.root())
        .args(["--test-threads=1", "--nocapture"])
        .env("NETDIAG_BIN", programs.binary()?)
        // Every scenario, and no knob of a machine that is not thrown away.
        .env_remove("NETDIAG_LAB")
        .env_remove("NETDIAG_LAB_GLOBAL");
    if !scenarios.is_empty() {
        test.env("NETDIAG_LAB", scenarios.join(","));
    }
    let start = Instant::now();
    let (success, output) = process::tee(&mut test, |_| true)?;
    let verdict = if success {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    let seconds = start.elapsed().as_secs_f64();
    Ok(Row::new(release, verdict, seconds, &output))
}

/// The initramfs: netdiag and the program that scores it.
fn content(workspace: &Workspace, programs: &Programs, scenarios: &[String]) -> Result<Content> {
    let only = match scenarios {
        [] => String::new(),
        names => format!("export NETDIAG_LAB={}\n", names.join(",")),
    };
    let mut content = Content::new(format!(
        "#!/bin/sh\nexport NETDIAG_BIN=/bin/netdiag NETDIAG_LAB_GLOBAL=1\n{only}\
         exec /test-lab --test-threads=1 --nocapture\n",
    ));
    let binary = stripped(workspace, &programs.binary()?, "netdiag")?;
    content.add_program(binary, "/bin/netdiag")?;
    let test = stripped(workspace, &programs.test("lab")?, "lab")?;
    content.add_program(test, "/test-lab")?;
    Ok(content)
}

/// Boots one kernel, and prints its table.
fn boot(workspace: &Workspace, kernel: &Kernel, job: &Job) -> Result<Row> {
    let outcome = vm::run(workspace, kernel, job)?;
    let release = kernel.release.clone();
    let row = Row::new(release, outcome.verdict, outcome.seconds, &outcome.results);
    // In one piece: another machine may end at the same time.
    let mut text = format!("--- {} ---\n", row.release);
    for module in &outcome.absent {
        text.push_str(&format!("no module {module}\n"));
    }
    text.push_str(outcome.results.trim_end());
    if matches!(row.verdict, Verdict::None | Verdict::Hang) {
        text.push_str("\n--- console, last lines ---\n");
        text.push_str(&outcome.console_end());
    }
    println!("{text}\n---");
    Ok(row)
}

fn print(rows: &[Row]) {
    println!(
        "{:<32} {:<10} {:>8} {:>9} {:>6} {:>6} {:>6}",
        "kernel", "verdict", "seconds", "scenarios", "right", "wrong", "n/a"
    );
    for row in rows {
        let Row {
            release,
            verdict,
            seconds,
            score,
            ..
        } = row;
        let Score {
            right,
            wrong,
            absent,
            announced,
        } = score;
        let scenarios = score.scenarios();
        println!(
            "{release:<32} {verdict:<10} {seconds:>8.1} {scenarios:>9} {right:>6} {wrong:>6} {absent:>6}"
        );
        if *announced != Some(scenarios) {
            println!("    its table is not whole");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "running 2 tests\n\
        test every_scenario_scores ... \n\
        scenario                   drop    reason  place   owner   finding counter\n\
        ethernet-on-l3-device      yes     yes     yes     yes     yes     yes    \n\
        udp-closed-port            yes     n/a     yes     yes     WRONG   yes    \n    \
            finding: no udp-port-closed\n\
        bridge-down                n/a     n/a     n/a     n/a     n/a     n/a    \n    \
            this kernel has no bridge\n\
        healthy                    n/a     n/a     n/a     n/a     yes     n/a    \n\
        4 scenarios: 2 score in every column, 1 are wrong\nok\n";

    #[test]
    fn reads_the_table() {
        let score = Score::parse(TABLE);
        let expected = Score {
            right: 2,
            wrong: 1,
            absent: 1,
            announced: Some(4),
        };
        assert_eq!(score, expected);
        assert!(!score.is_clean());
        assert!(Score::parse(&TABLE.replace("WRONG", "yes")).is_clean());
    }

    #[test]
    fn a_table_that_lacks_a_row_or_its_end_is_not_clean() {
        let right = TABLE.replace("WRONG", "yes");
        assert!(!Score::parse(&right.replace("4 scenarios", "5 scenarios")).is_clean());
        assert!(!Score::parse(&right.replace("4 scenarios: ", "")).is_clean());
        assert!(!Score::parse("").is_clean());
    }

    #[test]
    fn a_verdict_needs_its_table() {
        let row = |verdict, output: &str| Row::new(String::new(), verdict, 0.0, output);
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let right = TABLE.replace("WRONG", "yes") + result;
        assert!(row(Verdict::Pass, &right).passed());
        assert!(!row(Verdict::Hang, &right).passed());
        assert!(!row(Verdict::Pass, result).passed());
        let failed = right.replace("0 failed", "1 failed");
        assert!(!row(Verdict::Pass, &failed).passed());
    }
}
