//! `netdiag counters`: values, or what changed in an interval.

use super::{
    Output,
    text::{self, Paint, cell},
};
use comfy_table::CellAlignment;
use serde::Serialize;
use std::{io, time::Duration};

/// A counter to show.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its name, as `nstat` prints it.
    pub name: &'a str,
    /// The device, for a device counter.
    pub ifname: Option<&'a str>,
    /// The namespace; `None` for counters of the whole host.
    pub netns: Option<u32>,
    /// The namespace's name.
    pub namespace: &'a str,
    /// The value, or the change.
    pub value: u64,
    /// What a rise of it means; `None` for counters that do not speak of drops.
    pub meaning: Option<&'a str>,
}

/// What the values are.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Since the namespace or device was made.
    Values,
    /// Changes in this time.
    Deltas(Duration),
}

/// Shows rows as a table, or as JSON lines.
///
/// # Errors
/// Standard output's.
pub fn show(output: &Output, json: bool, kind: Kind, rows: &[Row<'_>]) -> io::Result<()> {
    if json {
        show_json(output, kind, rows)?;
    } else {
        show_table(output, kind, rows)?;
    }
    output.flush()
}

fn show_table(output: &Output, kind: Kind, rows: &[Row<'_>]) -> io::Result<()> {
    let paint = Paint::new(output.is_terminal());
    let title = match kind {
        Kind::Values => "Counters".to_owned(),
        Kind::Deltas(time) => format!("Changes in {:.1} s", time.as_secs_f64()),
    };
    if rows.is_empty() {
        return output.line(&match kind {
            Kind::Values => {
                "No counter that could be read and speaks of drops has risen.".to_owned()
            }
            Kind::Deltas(time) => format!("No change in {:.1} s.", time.as_secs_f64()),
        });
    }
    output.line(&paint.bold(&title))?;
    let mut table = text::table(output);
    table.set_header(["COUNTER", "VALUE", "NAMESPACE", "MEANING"]);
    for row in rows {
        let name = match row.ifname {
            Some(ifname) => format!("{ifname} {}", row.name),
            None => row.name.to_owned(),
        };
        table.add_row([
            cell(name),
            cell(row.value.to_string()).set_alignment(CellAlignment::Right),
            cell(row.namespace),
            cell(row.meaning.unwrap_or_default()),
        ]);
    }
    output.line(&text::lines(&table))
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_us: Option<u64>,
}

fn show_json(output: &Output, kind: Kind, rows: &[Row<'_>]) -> io::Result<()> {
    for row in rows {
        let (value, delta, interval) = match kind {
            Kind::Values => (Some(row.value), None, None),
            Kind::Deltas(time) => (None, Some(row.value), Some(time)),
        };
        let line = Line {
            kind: "counter",
            name: row.name,
            ifname: row.ifname,
            netns: row.netns,
            value,
            delta,
            interval_us: interval.and_then(|time| u64::try_from(time.as_micros()).ok()),
        };
        output.json(&line)?;
    }
    Ok(())
}
