//! `cargo xtask bench`: what netdiag costs, beside other programs in the same run.
//!
//! Figures of different machines, kernels or hours say little about each other. So netdiag and what it is compared with
//! take turns, and what counts is the ratio.

mod live;
mod read;
mod report;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::Result;

use self::report::Report;
use crate::cli::{BenchOptions, Part};
use crate::process;
use crate::workspace::Workspace;

/// `cargo xtask bench`.
///
/// # Errors
/// Not root, programs are missing or cannot be built. What cannot be measured is shown after the table, with exit status 1.
pub fn run(workspace: &Workspace, options: &BenchOptions) -> Result<ExitCode> {
    let (live, read) = (options.measures(Part::Live), options.measures(Part::Read));
    if live {
        live::check()?;
    }
    if read {
        read::check()?;
    }
    let netdiag = match &options.netdiag {
        Some(path) => path.clone(),
        None => build_netdiag(workspace)?,
    };
    if read {
        read::check_netdiag(&netdiag)?;
    }
    println!("{}", environment());
    let mut report = Report::default();
    if live {
        live::measure(workspace, options, &netdiag, &mut report)?;
    }
    if read {
        read::measure(workspace, options, &netdiag, &mut report)?;
    }
    println!("{}", report.table());
    println!("load at the end {}", load());
    for (what, why) in report.failures() {
        println!("not measured: {what}: {why}");
    }
    if report.unmet() > 0 {
        println!("targets not met: {}", report.unmet());
    }
    let fails = !report.failures().is_empty() || (options.require && report.unmet() > 0);
    Ok(ExitCode::from(u8::from(fails)))
}

fn build_netdiag(workspace: &Workspace) -> Result<PathBuf> {
    process::run(process::cargo().current_dir(workspace.root()).args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "netdiag",
    ]))?;
    Ok(workspace.target().join("release/netdiag"))
}

/// On what, and beside what else, this was measured.
fn environment() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let statistics = match read("/proc/sys/kernel/bpf_stats_enabled").trim() {
        "1" => "; kernel.bpf_stats_enabled was on all the time, which costs every event",
        _ => "",
    };
    format!(
        "Linux {}, {cpus} CPUs ({model}), load {}{statistics}",
        read("/proc/sys/kernel/osrelease").trim(),
        load(),
    )
}

/// Averages of 1, 5 and 15 minutes. The measurement itself adds to them; what else runs disturbs it.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = text.split_whitespace().take(3).collect();
    averages.join(" ")
}
