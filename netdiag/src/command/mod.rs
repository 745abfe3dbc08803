//! One file a subcommand: wires kernel, decode, analysis and render together.

mod account;
mod conn;
mod counters;
mod doctor;
mod drops;
mod dump;
mod ended;
mod explain;
mod fact;
mod lab;
mod observe;
mod read;
mod reading;
mod replay;
mod retrans;
mod sinks;
mod snapshot;

use crate::{
    cli::{Cli, Command},
    render::{Diagnostics, Output},
};
use anyhow::Context as _;
use std::process::ExitCode;

/// Runs what the user asked for.
///
/// # Errors
/// What failed, on what, why, and what to do.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let diagnostics = Diagnostics::new(cli.verbosity.quiet, cli.verbosity.verbose);
    let output = Output::stdout().context("cannot use standard output")?;
    match cli.command {
        Command::Drops(args) => drops::run(&args, output, &diagnostics),
        Command::Conn(args) => conn::run(&args, output, &diagnostics),
        Command::Retrans(args) => retrans::run(&args, output, &diagnostics),
        Command::Read(args) => read::run(&args, output, &diagnostics),
        Command::Counters(args) => counters::run(&args, &output, &diagnostics),
        Command::Explain(args) => explain::run(&args, &output),
        Command::Doctor(args) => doctor::run(&args, &output, &diagnostics),
        Command::Lab(args) => lab::run(&args.action, output, &diagnostics),
    }
}
