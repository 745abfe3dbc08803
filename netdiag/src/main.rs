//! The `netdiag` binary.

use clap::Parser;
use netdiag::{cli::Cli, command, render};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = command::run(Cli::parse());
    result.unwrap_or_else(|error| render::failure(&error))
}
