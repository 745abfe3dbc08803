//! `netdiag lab list`.

use super::{
    Output,
    text::{self, Paint, cell},
};
use std::io;

/// The scenarios: a table on a terminal, `name description` a line elsewhere.
///
/// # Errors
/// Standard output's.
pub fn list<'a>(
    output: Output,
    scenarios: impl Iterator<Item = (&'a str, &'a str)>,
) -> io::Result<()> {
    if !output.is_terminal() {
        for (name, summary) in scenarios {
            output.line(&format!("{name} {summary}"))?;
        }
        return output.flush();
    }
    let mut table = text::table(&output);
    for (name, summary) in scenarios {
        table.add_row([cell(name), cell(summary)]);
    }
    output.line(&Paint::new(true).bold("Scenarios for `netdiag lab run NAME`"))?;
    output.line(&text::lines(&table))?;
    output.flush()
}
