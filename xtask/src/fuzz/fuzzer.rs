//! cargo-fuzz and libFuzzer: found or installed, called, and read.
//!
//! The sanitizer is a compiler flag that only nightly compilers take, or others that are told to.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::Places;
use crate::process;
use crate::workspace::Workspace;

const CARGO_FUZZ: &str = "cargo-fuzz";
const VERSION: &str = "0.13.2";

/// Megabytes that a target may take; packets take next to nothing, a kernel's types some megabytes.
const MEMORY: u32 = 512;
/// Seconds that one input may take.
const TIMEOUT: u32 = 5;

/// How to build and run targets.
#[derive(Debug)]
pub(super) struct Fuzzer {
    root: PathBuf,
    build: PathBuf,
    /// The directory that has `cargo-fuzz`, where it is not on `PATH`.
    directory: Option<PathBuf>,
    nightly: bool,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) seconds: u64,
    /// `None` where the fuzzer did not say.
    pub(super) executions: Option<u64>,
    /// It ran to the end of its time.
    pub(super) success: bool,
}

impl Fuzzer {
    /// Looks for cargo-fuzz and a compiler; installs cargo-fuzz below `target/` if it is absent.
    pub(super) fn find(workspace: &Workspace) -> Result<Self> {
        let root = workspace.target().join(CARGO_FUZZ);
        let directory = root.join("bin");
        let found = process::find(CARGO_FUZZ).is_some();
        if !found && !directory.join(CARGO_FUZZ).is_file() {
            println!("building {CARGO_FUZZ} {VERSION}, once");
            let mut install = process::cargo();
            install
                .env_remove("CARGO_TARGET_DIR")
                .args(["install", CARGO_FUZZ, "--version", VERSION, "--locked"])
                .arg("--root")
                .arg(root);
            process::run(&mut install)?;
        }
        Ok(Self {
            root: workspace.root().to_path_buf(),
            build: workspace.target_dir("fuzz/build")?,
            directory: (!found).then_some(directory),
            nightly: has_nightly(),
        })
    }

    /// Builds every target.
    pub(super) fn build(&self) -> Result<()> {
        process::run(&mut self.cargo_fuzz("build"))
    }

    /// Lets one target run.
    pub(super) fn run(&self, target: &str, places: &Places, minutes: u64) -> Result<Outcome> {
        let mut command = self.cargo_fuzz("run");
        command.arg(target).arg(&places.corpus);
        if places.regressions.is_dir() {
            command.arg(&places.regressions);
        }
        let artifacts = places.artifacts.display();
        command.arg("--").args([
            format!("-max_total_time={}", minutes.saturating_mul(60)),
            format!("-rss_limit_mb={MEMORY}"),
            format!("-timeout={TIMEOUT}"),
            format!("-artifact_prefix={artifacts}/"),
            "-print_final_stats=1".to_owned(),
        ]);
        let log = File::create(&places.log).with_context(|| places.log.display().to_string())?;
        let copy = log.try_clone().context("the log")?;
        command.stdin(Stdio::null()).stdout(log).stderr(copy);
        process::show(&command);
        let start = Instant::now();
        let status = command.status().context("cannot run cargo fuzz")?;
        let elapsed = start.elapsed().as_secs();
        let said = fs::read(&places.log).with_context(|| places.log.display().to_string())?;
        let said = String::from_utf8_lossy(&said);
        Ok(Outcome {
            seconds: seconds(&said).unwrap_or(elapsed),
            executions: executions(&said),
            success: status.success(),
        })
    }

    fn cargo_fuzz(&self, task: &str) -> Command {
        let mut command = if self.nightly {
            let mut command = process::program("rustup");
            command.args(["run", "nightly", "cargo"]);
            for variable in [
                "CARGO",
                "RUSTC",
                "RUSTFLAGS",
                "RUSTUP_TOOLCHAIN",
                "LD_LIBRARY_PATH",
            ] {
                command.env_remove(variable);
            }
            command
        } else {
            let mut command = process::cargo();
            command.env("RUSTC_BOOTSTRAP", "1");
            command
        };
        if let Some(directory) = &self.directory {
            let mut path = vec![directory.clone()];
            path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
            // Paths that came out of PATH go back into it.
            command.env("PATH", env::join_paths(path).unwrap_or_default());
        }
        command.current_dir(&self.root).args(["fuzz", task]);
        command.arg("--target-dir").arg(&self.build);
        command
    }
}

fn has_nightly() -> bool {
    let list = process::output(process::program("rustup").args(["toolchain", "list"]));
    list.unwrap_or_default()
        .lines()
        .any(|name| name.starts_with("nightly-"))
}

/// From `Done 123 runs in 60 second(s)`, which a run that ends by itself says.
fn seconds(said: &str) -> Option<u64> {
    let done = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Done "))?;
    let (_, seconds) = done.split_once(" runs in ")?;
    seconds.split_whitespace().next()?.parse().ok()
}

/// From the statistics at the end, which a crash has too.
fn executions(said: &str) -> Option<u64> {
    let count = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: &str = "#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                         Done 1234 runs in 61 second(s)\n\
                         stat::number_of_executed_units: 1234\n\
                         stat::average_exec_per_sec:     20\n";

    #[test]
    fn what_libfuzzer_says_at_the_end() {
        assert_eq!((seconds(ENDED), executions(ENDED)), (Some(61), Some(1234)));
        let crashed = "==1== ERROR: libFuzzer: deadly signal\nstat::number_of_executed_units: 9\n";
        assert_eq!((seconds(crashed), executions(crashed)), (None, Some(9)));
        assert_eq!((seconds(""), executions("")), (None, None));
    }
}
