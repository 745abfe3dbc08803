//! Where tracing is impossible: the same analysis, of a bundled capture, said to be that.

use super::{
    reading::{Reading, Wanted},
    sinks::Sinks,
};
use crate::{
    capture::bundled,
    kernel::stop::Stop,
    lab::Scenario,
    render::{self, Diagnostics, Output, Style},
};
use anyhow::Context as _;
use std::process::ExitCode;

/// Analyses the scenario's bundled capture, and says why that and not the live run.
///
/// # Errors
/// The live run's error, where no capture is bundled.
pub(super) fn instead(
    scenario: &Scenario,
    why: &anyhow::Error,
    style: Style,
    output: &Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let Some(capture) = bundled::find(scenario.name) else {
        anyhow::bail!("{}", render::chain(why.as_ref()));
    };
    let view = render::view(style, output.clone(), diagnostics);
    let stop = Stop::register().context("cannot catch signals")?;
    let mut sinks = Sinks::new(view, output, None, stop);
    sinks.show(|view| {
        view.introduce(scenario.name, scenario.story)?;
        view.not_live(&render::chain(why.as_ref()), capture.origin)
    });
    let mut reading = Reading::new(&mut sinks, Wanted::default(), None);
    let mut reader = capture.reader()?;
    while let Some(item) = reader.next() {
        reading.take(item?);
    }
    reading.finish(false, false, diagnostics);
    sinks.finish(diagnostics)?;
    Ok(ExitCode::SUCCESS)
}
