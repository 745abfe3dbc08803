//! `netdiag doctor`: every rung with yes, no and why, or could not tell.

use super::{
    Output,
    text::{self, Paint, cell},
};
use serde::Serialize;
use std::io;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It works: tried.
    Yes,
    /// It does not.
    No,
    /// It could not be tried.
    CouldNotTell,
}

impl Answer {
    fn text(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::CouldNotTell => "could not tell",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What it belongs to: `kfree_skb: dropped packets`, or `environment`.
    pub group: String,
    /// What was looked at: a rung, or a fact.
    pub name: String,
    /// Whether it holds.
    pub answer: Answer,
    /// What was seen, errno included.
    pub detail: String,
    /// What to do about a 'no'; empty where there is nothing to do.
    pub advice: String,
    /// Whether `netdiag drops` would stand on this rung.
    pub used: bool,
}

/// Shows the checks.
///
/// # Errors
/// Standard output's.
pub fn show(output: &Output, json: bool, checks: &[Check], verdict: &str) -> io::Result<()> {
    if json {
        for check in checks {
            output.json(&Line {
                kind: "check",
                check,
            })?;
        }
        return output.flush();
    }
    let paint = Paint::new(output.is_terminal());
    let mut group = "";
    let mut table = text::table(output);
    for check in checks {
        if check.group != group {
            if !group.is_empty() {
                output.line(&text::lines(&table))?;
                output.line("")?;
                table = text::table(output);
            }
            group = &check.group;
            output.line(&paint.bold(group))?;
        }
        let name = if check.used {
            format!("→ {}", check.name)
        } else {
            format!("  {}", check.name)
        };
        table.add_row([cell(name), cell(check.answer.text()), cell(&check.detail)]);
        if !check.advice.is_empty() {
            table.add_row([cell(""), cell(""), cell(format!("to do: {}", check.advice))]);
        }
    }
    if !group.is_empty() {
        output.line(&text::lines(&table))?;
        output.line("")?;
    }
    output.line(verdict)?;
    output.flush()
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    #[serde(flatten)]
    check: &'a Check,
}
