//! `netdiag explain`: one name, the list of all, JSON lines, and the pages of the documentation.

mod page;

pub use page::page;

use super::{
    Output,
    text::{self, Paint, cell},
};
use crate::analysis::explain::{Entry, Kind, entries};
use serde::Serialize;
use std::io;

/// Explains names, one after the other.
///
/// # Errors
/// Standard output's.
pub fn show(output: &Output, json: bool, found: &[&Entry]) -> io::Result<()> {
    for (index, entry) in found.iter().enumerate() {
        if json {
            output.json(&Line::from(*entry))?;
            continue;
        }
        if index > 0 {
            output.line("")?;
        }
        one(output, entry)?;
    }
    output.flush()
}

/// Shows all names: by kind in tables on a terminal, a line each elsewhere.
///
/// # Errors
/// Standard output's.
pub fn list(output: &Output, json: bool) -> io::Result<()> {
    if json {
        return show(output, true, &entries().collect::<Vec<_>>());
    }
    if !output.is_terminal() {
        for entry in entries() {
            let kind = entry.kind.name();
            output.line(&format!("{kind} {} {}", entry.name, entry.summary()))?;
        }
        return output.flush();
    }
    let paint = Paint::new(true);
    let all: Vec<_> = entries().collect();
    for group in all.chunk_by(|a, b| heading(a) == heading(b)) {
        output.line(&paint.bold(group.first().map_or("", |entry| heading(entry))))?;
        let mut table = text::table(output);
        for entry in group {
            table.add_row([cell(entry.name), cell(entry.summary())]);
        }
        output.line(&text::lines(&table))?;
        output.line("")?;
    }
    output.line("netdiag explain NAME says more of each.")?;
    output.flush()
}

/// The heading in the list: reasons of modules have long names, which would make the column wide for all.
fn heading(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Reason if entry.name.starts_with("OVS_") => "Drop reasons of Open vSwitch",
        Kind::Reason if entry.name.starts_with("RX_DROP") => {
            "Drop reasons of wireless networks (mac80211)"
        }
        kind => title(kind),
    }
}

/// The heading of a kind.
fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Reason => "Drop reasons",
        Kind::Counter => "Counters",
        Kind::Finding => "Findings",
        Kind::Place => "Places",
    }
}

fn one(output: &Output, entry: &Entry) -> io::Result<()> {
    let paint = Paint::new(output.is_terminal());
    let kind = entry.kind.name();
    output.line(&format!("{kind} {}", paint.bold(entry.name)))?;
    let mut rows = vec![
        ("in short", format!("{}.", entry.summary())),
        ("meaning", entry.meaning.to_owned()),
    ];
    rows.extend(entry.normal.map(|normal| ("no fault", normal.to_owned())));
    rows.extend(entry.doubt.map(|doubt| ("doubt", doubt.to_owned())));
    rows.extend(labelled("causes", entry.causes));
    rows.extend(labelled("remedy", entry.remedy));
    if !entry.see.is_empty() {
        rows.push(("related", entry.see.join(", ")));
    }
    rows.extend(kernels(entry).map(|kernels| ("kernels", kernels)));
    output.line(&text::paragraphs(output, rows))?;
    if !entry.commands.is_empty() {
        output.line(&text::paragraphs(output, [("commands", String::new())]))?;
    }
    for command in entry.commands {
        look(output, command)?;
    }
    Ok(())
}

/// The label of the first row only.
fn labelled(
    label: &'static str,
    lines: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, String)> {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let mark = if lines.len() > 1 { "- " } else { "" };
    labels.zip(lines.iter().map(move |line| format!("{mark}{line}")))
}

/// Which tested kernels name a reason.
fn kernels(entry: &Entry) -> Option<String> {
    (!entry.kernels.is_empty())
        .then(|| format!("named by {} (of those tested)", entry.kernels.join(", ")))
}

/// A command on a line of its own, never broken, so that it can be copied; what it tells comes before it as a comment where
/// the line would be too long for a terminal.
fn look(output: &Output, command: &str) -> io::Result<()> {
    const INDENT: &str = "    ";
    const WIDTH: usize = 80;
    match command.split_once("  # ") {
        Some((command, tells)) if INDENT.len() + command.len() + tells.len() + 4 > WIDTH => {
            output.line(&format!("{INDENT}# {tells}"))?;
            output.line(&format!("{INDENT}{command}"))
        }
        _ => output.line(&format!("{INDENT}{command}")),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    name: &'a str,
    #[serde(rename = "type")]
    what: Kind,
    summary: &'a str,
    meaning: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    normal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubt: Option<&'a str>,
    causes: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remedy: &'a [&'a str],
    commands: &'a [&'a str],
    related: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    kernels: &'a [&'a str],
}

impl From<&Entry> for Line<'static> {
    fn from(entry: &Entry) -> Self {
        Self {
            kind: "explain",
            name: entry.name,
            what: entry.kind,
            summary: entry.summary(),
            meaning: entry.meaning,
            normal: entry.normal,
            doubt: entry.doubt,
            causes: entry.causes,
            remedy: entry.remedy,
            commands: entry.commands,
            related: entry.see,
            kernels: entry.kernels,
        }
    }
}
