//! What netdiag costs while nothing is dropped: the time until it is ready, and memory.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::netdiag::START_LINE;
use super::subject::{Bench, RING, start_bpftrace};
use super::watched::{Ready, Watched};
use crate::bench::report::{Figure, Report, Target, best, median};
use crate::process;

/// From the start of the process until traffic is seen, in ms.
const STARTUP_TARGET_MS: f64 = 150.0;
/// Resident while nothing is dropped, in MiB. A ring of 16 MiB is mapped twice and counts as 32.
const RESIDENT_TARGET_MIB: f64 = 40.0;
/// How long a program is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(1);

impl Bench<'_> {
    /// Start to ready.
    pub(super) fn startup(&self, runs: u32, report: &mut Report) {
        eprintln!("start to ready: {runs} runs");
        let (mut ours, mut theirs, mut bpftrace) = (Vec::new(), Vec::new(), Vec::new());
        let has_bpftrace = process::find("bpftrace").is_some();
        for _ in 0..runs {
            let started = self.start_netdiag(&[], Ready::Output(START_LINE));
            ours.extend(report.measured("startup of netdiag", started.map(startup_ms)));
            let started = self.start_reference().map(|(watched, _)| watched);
            theirs.extend(report.measured("startup of the reference", started.map(startup_ms)));
            if has_bpftrace {
                let started = start_bpftrace();
                bpftrace.extend(report.measured("startup of bpftrace", started.map(startup_ms)));
            }
        }
        let ms = |value: Option<f64>| value.map(|value| Figure::Measure(value, 1));
        let middle = median(ours.iter().copied());
        report.row(
            "start to ready, best, ms",
            ms(best(ours)),
            ms(best(theirs.iter().copied())),
            None,
        );
        report.row(
            "start to ready, median, ms",
            ms(middle),
            ms(median(theirs)),
            below(middle, STARTUP_TARGET_MS),
        );
        if has_bpftrace {
            report.row(
                "start to ready, median, ms; reference: bpftrace",
                ms(middle),
                ms(median(bpftrace)),
                None,
            );
        }
    }

    /// Resident memory without events.
    pub(super) fn memory(&self, report: &mut Report) {
        eprintln!("resident memory");
        let ours = self
            .start_netdiag(&RING, Ready::Output(START_LINE))
            .and_then(|watched| resident_mib(&watched));
        let theirs = self
            .start_reference()
            .and_then(|(watched, _)| resident_mib(&watched));
        let ours = report.measured("memory of netdiag", ours);
        let theirs = report.measured("memory of the reference", theirs);
        let mib = |value: Option<f64>| value.map(|value| Figure::Measure(value, 1));
        report.row(
            "resident, idle, ring of 16 MiB, MiB",
            mib(ours),
            mib(theirs),
            below(ours, RESIDENT_TARGET_MIB),
        );
    }
}

#[expect(clippy::needless_pass_by_value, reason = "ends the program")]
fn startup_ms(watched: Watched) -> f64 {
    watched.startup.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
fn resident_mib(watched: &Watched) -> Result<f64> {
    thread::sleep(IDLE);
    Ok(watched.resident_bytes()? as f64 / f64::from(1 << 20))
}

/// A target below a limit, if there is a figure.
fn below(figure: Option<f64>, limit: f64) -> Option<Target> {
    figure.map(|figure| Target::new(format!("< {limit}"), figure < limit))
}
