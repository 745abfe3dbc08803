//! `netdiag lab list`.

use super::{
    Output,
    text::{self, Paint, cell},
};
use std::io;

/// What stands behind a scenario that changes settings of the whole machine.
const GLOBAL: &str = " [whole machine: --allow-global]";

/// The scenarios, each with whether it changes settings of the whole machine: a table on a terminal, `name description` a
/// line elsewhere.
///
/// # Errors
/// Standard output's.
pub fn list<'a>(
    output: Output,
    scenarios: impl Iterator<Item = (&'a str, &'a str, bool)>,
) -> io::Result<()> {
    let scenarios = scenarios.map(|(name, summary, global)| {
        let mark = if global { GLOBAL } else { "" };
        (name, format!("{summary}{mark}"))
    });
    if !output.is_terminal() {
        for (name, summary) in scenarios {
            output.line(&format!("{name} {summary}"))?;
        }
        return output.flush();
    }
    let mut table = text::table(&output);
    for (name, summary) in scenarios {
        table.add_row([cell(name), cell(&summary)]);
    }
    output.line(&Paint::new(true).bold("Scenarios for `netdiag lab run NAME`"))?;
    output.line(&text::lines(&table))?;
    output.flush()
}
