//! The whole test, in one command: what must pass before a change is merged.

use std::env;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::cli::{MatrixOptions, TestOptions};
use crate::libtest::{Excerpt, Tally};
use crate::workspace::Workspace;
use crate::{ebpf, matrix, process, requirement};

/// `cargo xtask test`.
///
/// # Errors
/// Something that the test needs is missing. A failed step is no error but the exit status.
pub fn run(workspace: &Workspace, options: &TestOptions) -> Result<ExitCode> {
    if options.without_live {
        requirement::check_judges()?;
    } else {
        if !requirement::is_root() {
            bail!("the live tests need root; `--without-live` leaves them out");
        }
        requirement::ensure_test().context("`--without-live` leaves out what needs most of it")?;
    }
    let mut session = Session::new(workspace, options);
    session.step("fmt", Session::fmt);
    session.step("ebpf", Session::ebpf);
    session.step("clippy", Session::clippy);
    session.step("test", Session::test);
    session.step("doc", Session::doc);
    if options.without_live {
        session.skip("live", "tests on this kernel (--without-live)");
        session.skip("matrix", "tests in virtual machines (--without-live)");
    } else {
        session.step("matrix", Session::matrix);
    }
    Ok(session.summary())
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
    Skipped,
}

struct Session<'a> {
    workspace: &'a Workspace,
    options: &'a TestOptions,
    colour: bool,
    tally: Tally,
    steps: Vec<(&'static str, Ending, f64)>,
}

impl<'a> Session<'a> {
    fn new(workspace: &'a Workspace, options: &'a TestOptions) -> Self {
        let plain = env::var_os("CI").is_some() || env::var_os("NO_COLOR").is_some();
        let colour = !plain && io::stdout().is_terminal();
        Self {
            workspace,
            options,
            colour,
            tally: Tally::default(),
            steps: Vec::new(),
        }
    }

    fn step(&mut self, name: &'static str, run: impl FnOnce(&mut Self) -> Result<()>) {
        self.header(name);
        let start = Instant::now();
        let ending = match run(self) {
            Ok(()) => Ending::Passed,
            Err(error) => {
                println!("{name}: {error:#}");
                Ending::Failed
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {} in {seconds:.1} s", self.word(ending));
        self.steps.push((name, ending, seconds));
    }

    fn skip(&mut self, name: &'static str, what: &str) {
        println!("SKIPPED {name}: {what}");
        self.steps.push((name, Ending::Skipped, 0.0));
    }

    fn fmt(&mut self) -> Result<()> {
        process::run(&mut self.cargo(&["fmt", "--all", "--check"]))?;
        for manifest in ["netdiag-ebpf/Cargo.toml", "fuzz/Cargo.toml"] {
            if self.workspace.root().join(manifest).is_file() {
                process::run(&mut self.cargo(&["fmt", "--manifest-path", manifest, "--check"]))?;
            }
        }
        Ok(())
    }

    fn clippy(&mut self) -> Result<()> {
        let arguments = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        process::run(&mut self.cargo(&arguments))
    }

    fn test(&mut self) -> Result<()> {
        if !self.options.without_live {
            return self.cargo_test(&["--workspace"]);
        }
        let mut failed = self
            .cargo_test(&["--workspace", "--exclude", "netdiag-tests"])
            .err();
        let mut rest = vec![
            "--package".to_owned(),
            "netdiag-tests".to_owned(),
            "--lib".to_owned(),
        ];
        for name in self
            .test_programs()?
            .into_iter()
            // These trace.
            .filter(|name| !matches!(name.as_str(), "lab" | "live" | "pipe"))
        {
            rest.extend(["--test".to_owned(), name]);
        }
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        failed = failed.or(self.cargo_test(&rest).err());
        failed.map_or(Ok(()), Err)
    }

    fn ebpf(&mut self) -> Result<()> {
        if let Some(rebuilt) = ebpf::check(self.workspace)? {
            println!("everything from here on is tested with the rebuilt object");
            process::embed_object(rebuilt);
        }
        Ok(())
    }

    fn doc(&mut self) -> Result<()> {
        let mut doc = self.cargo(&["doc", "--workspace", "--no-deps"]);
        process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }

    fn matrix(&mut self) -> Result<()> {
        // Clap's defaults, as if typed without an option.
        let options = MatrixOptions {
            timeout: 1800,
            ..MatrixOptions::default()
        };
        let report = matrix::execute(self.workspace, &options)?;
        self.count(report.tally)?;
        if !report.passed {
            bail!("not every kernel passed");
        }
        Ok(())
    }

    fn cargo_test(&mut self, arguments: &[&str]) -> Result<()> {
        let mut test = self.cargo(&["test", "--no-fail-fast"]);
        // Else a passing test's SKIPPED is not said.
        test.args(arguments).args(["--", "--show-output"]);
        let mut excerpt = Excerpt::default();
        let (success, output) = process::tee(&mut test, |line| excerpt.shows(line))?;
        self.count(Tally::parse(&output))?;
        if !success {
            bail!("cargo test failed");
        }
        Ok(())
    }

    fn count(&mut self, tally: Tally) -> Result<()> {
        let skipped = tally.skipped.len();
        self.tally += tally;
        if skipped > 0 && !self.options.allow_skips {
            bail!("{skipped} tests say SKIPPED (--allow-skips accepts that)");
        }
        Ok(())
    }

    /// The names of the programs in `tests/tests`.
    fn test_programs(&self) -> Result<Vec<String>> {
        let directory = self.workspace.root().join("tests/tests");
        let mut names = Vec::new();
        if directory.is_dir() {
            for entry in fs::read_dir(&directory).context("tests/tests")? {
                let name = entry.context("tests/tests")?.file_name();
                let name = name.to_string_lossy();
                names.extend(name.strip_suffix(".rs").map(str::to_owned));
            }
        }
        Ok(names)
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = process::cargo();
        cargo.current_dir(self.workspace.root()).args(arguments);
        if !self.colour {
            cargo
                .env("CARGO_TERM_COLOR", "never")
                .env("CARGO_TERM_PROGRESS_WHEN", "never");
        }
        cargo
    }

    fn summary(self) -> ExitCode {
        // Once more and near the end: here one looks first.
        for failure in &self.tally.failures {
            self.header(&format!("FAILED: {}", failure.name));
            for line in &failure.said {
                println!("{line}");
            }
        }
        self.header("summary");
        for (name, ending, seconds) in &self.steps {
            println!("{name:<8} {:<8} {seconds:>8.1} s", self.word(*ending));
        }
        for skip in &self.tally.skipped {
            println!("{skip}");
        }
        println!("{} passed, {} failed", self.tally.passed, self.tally.failed);
        let failed = self
            .steps
            .iter()
            .any(|(_, ending, _)| *ending == Ending::Failed);
        if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    fn header(&self, name: &str) {
        if self.colour {
            println!("\n\u{1b}[1m=== {name} ===\u{1b}[0m");
        } else {
            println!("\n=== {name} ===");
        }
    }

    fn word(&self, ending: Ending) -> String {
        let (word, colour) = match ending {
            Ending::Passed => ("passed", 32),
            Ending::Failed => ("FAILED", 31),
            Ending::Skipped => ("skipped", 33),
        };
        if self.colour {
            format!("\u{1b}[{colour}m{word:<8}\u{1b}[0m")
        } else {
            word.to_owned()
        }
    }
}
