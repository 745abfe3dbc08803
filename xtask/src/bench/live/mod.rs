//! What `netdiag drops` costs, beside the least that any drop monitor costs.
//!
//! netdiag and a minimal program of C (`xtask/bench`) take turns under the same flood of packets, and what counts is
//! the ratio.

mod at_rest;
mod flood;
mod netdiag;
mod reference;
mod subject;
mod under_load;
mod watched;

use std::path::Path;

use anyhow::{Result, bail};

use self::flood::Namespace;
use self::subject::Bench;
use super::report::Report;
use crate::cli::BenchOptions;
use crate::requirement::is_root;
use crate::workspace::Workspace;

/// Says early that nothing can be measured.
///
/// # Errors
/// Not root.
pub(super) fn check() -> Result<()> {
    if !is_root() {
        bail!(
            "the live measurements load eBPF programs and make a network namespace: run as root, \
            or leave them out with --part read"
        );
    }
    Ok(())
}

/// Measures `netdiag drops`.
///
/// # Errors
/// The reference cannot be built, or no namespace be made.
pub(super) fn measure(
    workspace: &Workspace,
    options: &BenchOptions,
    netdiag: &Path,
    report: &mut Report,
) -> Result<()> {
    let reference = reference::build(workspace)?;
    let scratch = workspace.target_dir("bench")?;
    let bench = Bench {
        netdiag,
        reference: &reference,
        scratch: &scratch,
        packets: options.packets,
    };
    bench.startup(options.runs, report);
    bench.memory(report);
    let namespace = Namespace::new()?;
    bench.floods(&namespace, options.rounds, report);
    bench.run_time(&namespace, options.rounds, report);
    Ok(())
}
