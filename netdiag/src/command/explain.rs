//! `netdiag explain`: what a drop reason, a counter, a finding or a place means, and what to do.

use crate::{
    analysis::explain::{find, nearest},
    cli::ExplainArgs,
    render::{Output, explain},
};
use anyhow::bail;
use std::process::ExitCode;

/// More than these help nobody.
const SUGGESTIONS: usize = 5;

pub(super) fn run(args: &ExplainArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.name else {
        explain::list(output, args.json)?;
        return Ok(ExitCode::SUCCESS);
    };
    let found = find(name);
    if found.is_empty() {
        bail!(unknown(name));
    }
    explain::show(output, args.json, &found)?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> String {
    let all = "`netdiag explain` lists all names";
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_digit()) {
        return format!(
            "'{name}' is a number, and each kernel numbers its drop reasons anew: give the name, as `netdiag drops` \
             prints it; {all}"
        );
    }
    match nearest(name, SUGGESTIONS).as_slice() {
        [] => format!("nothing is known of '{name}', and no name is like it; {all}"),
        [one] => format!("nothing is known of '{name}'; did you mean {one}? {all}"),
        several => format!(
            "nothing is known of '{name}'; names like it: {}; {all}",
            several.join(", ")
        ),
    }
}
