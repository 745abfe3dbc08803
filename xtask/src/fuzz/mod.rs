//! Runs the fuzz targets of `fuzz/`: builds them, seeds them, lets each run for a while, and says what came of it.
//!
//! What is found and grown stays below `target/fuzz`; an input that becomes a regression test is copied by hand.

mod fuzzer;
mod seed;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::cli::FuzzOptions;
use crate::workspace::Workspace;
use fuzzer::{Fuzzer, Outcome};

/// What a target works on. All but the regressions are below `target/fuzz`.
#[derive(Debug)]
struct Places {
    /// Inputs that reach something new: the seeds, and what grows from them. It stays from run to run.
    corpus: PathBuf,
    /// Committed inputs that once failed.
    regressions: PathBuf,
    /// Inputs that fail.
    artifacts: PathBuf,
    /// What the fuzzer says.
    log: PathBuf,
}

impl Places {
    fn new(workspace: &Workspace, target: &str) -> Result<Self> {
        Ok(Self {
            corpus: workspace.target_dir(&format!("fuzz/corpus/{target}"))?,
            regressions: workspace.root().join("fuzz/regressions").join(target),
            artifacts: workspace.target_dir(&format!("fuzz/artifacts/{target}"))?,
            log: workspace.target_dir("fuzz")?.join(format!("{target}.log")),
        })
    }

    /// The inputs that failed, in this run or an earlier one.
    fn failures(&self) -> Result<BTreeSet<PathBuf>> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&self.artifacts).context("target/fuzz/artifacts")? {
            let path = entry.context("target/fuzz/artifacts")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // `slow-unit-` took long, but not as long as the limit.
            if ["crash-", "timeout-", "oom-", "leak-"]
                .iter()
                .any(|kind| name.starts_with(kind))
            {
                found.insert(path);
            }
        }
        Ok(found)
    }
}

/// `cargo xtask fuzz`.
///
/// # Errors
/// A target is unknown or cannot be built, or the fuzzer is missing. A crash is no error but the exit status.
pub fn run(workspace: &Workspace, options: &FuzzOptions) -> Result<ExitCode> {
    let all = targets(workspace)?;
    for name in &options.target {
        if !all.contains(name) {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            bail!("no fuzz target {name}; there are {}", all.join(", "));
        }
    }
    let chosen = all
        .iter()
        .filter(|name| options.target.is_empty() || options.target.contains(name));

    let fuzzer = Fuzzer::find(workspace)?;
    fuzzer.build()?;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["target", "seconds", "executions", "crashes"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut crashes = Vec::new();
    let mut failed = Vec::new();
    for target in chosen {
        let places = Places::new(workspace, target)?;
        seed::write(workspace, target, &places.corpus)?;
        println!(
            "{target}: {} min, log in {}",
            options.minutes,
            places.log.display()
        );
        let before = places.failures()?;
        let Outcome {
            seconds,
            executions,
            success,
        } = fuzzer.run(target, &places, options.minutes)?;
        let new: Vec<_> = places.failures()?.difference(&before).cloned().collect();
        table.add_row([
            target.clone(),
            seconds.to_string(),
            executions.map_or_else(|| "-".to_owned(), |count| count.to_string()),
            new.len().to_string(),
        ]);
        if !success && new.is_empty() {
            failed.push((target, places.log));
        }
        crashes.extend(new.into_iter().map(|input| (target, input)));
    }
    println!("{table}");
    for (target, input) in &crashes {
        println!("{}", advice(workspace, target, input));
    }
    for (target, log) in &failed {
        println!(
            "{target}: the fuzzer failed without a new input; see {}",
            log.display()
        );
    }
    Ok(if crashes.is_empty() && failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What to do with an input that failed.
fn advice(workspace: &Workspace, target: &str, input: &Path) -> String {
    let input = input.strip_prefix(workspace.root()).unwrap_or(input);
    format!(
        "{target}: {}\n  what happened is at the end of target/fuzz/{target}.log; to make a regression test of it:\n    \
         cp {} fuzz/regressions/{target}/NAME-OF-THE-FAULT\n    \
         cargo test --package netdiag-tests --test regressions",
        input.display(),
        input.display()
    )
}

/// The names of the targets, in order.
fn targets(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(workspace.root().join("fuzz/targets")).context("fuzz/targets")? {
        let name = entry.context("fuzz/targets")?.file_name();
        let name = name.to_string_lossy();
        names.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    Ok(names)
}
