//! The `netdiag` binary.

use clap::Parser;
use netdiag::{
    cli::{Cli, UsageError},
    command, render,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = command::run(Cli::parse());
    result.unwrap_or_else(|error| match error.downcast_ref::<UsageError>() {
        Some(usage) => render::usage(&usage.0),
        None => render::failure(&error),
    })
}
