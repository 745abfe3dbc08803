//! `cargo xtask`: see `cargo xtask help`.
#![expect(
    clippy::print_stderr,
    reason = "a developer's tool: it talks to the terminal"
)]

use std::process::ExitCode;

use clap::Parser as _;
use xtask::cli::{Cli, Task};
use xtask::workspace::Workspace;
use xtask::{bench, btf_cut, captures, digest, ebpf, fuzz, lab, matrix, process, test, vm};

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    process::be_verbose(cli.verbose);
    let workspace = Workspace::find()?;
    match cli.task {
        Task::Ebpf { check } => ebpf::run(&workspace, check),
        Task::BtfCut { input, output } => btf_cut::run(&input, &output).map(|()| ExitCode::SUCCESS),
        Task::Digest => digest::run(&workspace),
        Task::Vm(task) => vm::run_task(&workspace, task),
        Task::Matrix(options) => matrix::run(&workspace, &options),
        Task::Lab(options) => lab::run(&workspace, &options),
        Task::Test(options) => test::run(&workspace, &options),
        Task::Captures(options) => captures::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Fuzz(options) => fuzz::run(&workspace, &options),
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
