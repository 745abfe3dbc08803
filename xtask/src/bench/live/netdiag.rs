//! The program under measurement: how it is called, and what its JSON lines and the kernel say about a run.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::watched::Watched;
use crate::process;

/// How the first line of `--json` starts.
pub(super) const START_LINE: &str = r#"{"kind":"start""#;
/// How the line of a drop starts.
const DROP_LINE: &[u8] = br#"{"kind":"drop""#;
/// The programs of the rung that is compared: the one that the reference stands on too.
const PROGRAM: &str = "drops_btf";

/// It is interrupted when a measurement is over; this ends it if nobody does.
const AT_MOST: [&str; 2] = ["--duration", "120s"];

/// `netdiag drops --json`.
pub(super) fn drops(netdiag: &Path) -> Command {
    let mut command = process::program(netdiag);
    command.args(["drops", "--json"]).args(AT_MOST);
    command
}

/// Where all observations went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ledger {
    /// All of them.
    pub(super) seen: u64,
    /// Those that have a line.
    pub(super) reported: u64,
    /// Those that the user did not ask for.
    pub(super) filtered: u64,
    /// Those left out by sampling.
    pub(super) sampled_out: u64,
    /// Those that should have had a line.
    pub(super) lost: u64,
}

impl Ledger {
    fn parse(summary: &Value) -> Result<Self> {
        let column = |key: &str| {
            let value = summary.get("ledger").and_then(|ledger| ledger.get(key));
            value
                .and_then(Value::as_u64)
                .with_context(|| format!("the summary's ledger has no {key}: {summary}"))
        };
        Ok(Self {
            seen: column("seen")?,
            reported: column("reported")?,
            filtered: column("filtered")?,
            sampled_out: column("sampled_out")?,
            lost: column("lost")?,
        })
    }

    /// How many of the seen are in no column (or, if negative, in two).
    pub(super) fn missing(&self) -> i128 {
        [self.reported, self.filtered, self.sampled_out, self.lost]
            .into_iter()
            .fold(i128::from(self.seen), |rest, column| {
                rest - i128::from(column)
            })
    }
}

/// What a run wrote: the number of its drop lines, and the ledger of its last line.
///
/// # Errors
/// The file cannot be read, or ends otherwise than with a summary.
pub(super) fn read_lines(path: &Path) -> Result<(u64, Ledger)> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let (mut drops, mut line, mut last) = (0, Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        if line.starts_with(DROP_LINE) {
            drops += 1;
        }
        std::mem::swap(&mut line, &mut last);
        line.clear();
    }
    let summary: Value = serde_json::from_slice(&last).context("the last line is no JSON")?;
    if text_field(&summary, "kind") != "summary" {
        bail!("the last line is no summary: {summary}");
    }
    Ok((drops, Ledger::parse(&summary)?))
}

/// Average run time in ns of the program that a running netdiag has on the tracepoint.
///
/// # Errors
/// It has none, or the kernel keeps no statistics.
pub(super) fn ns_per_event(netdiag: &Watched) -> Result<f64> {
    let bpftool = process::find("bpftool").context("bpftool is not installed")?;
    let mut names = Vec::new();
    for id in netdiag.ebpf_programs()? {
        let mut show = process::program(&bpftool);
        show.args(["--json", "prog", "show", "id", &id.to_string()]);
        let program: Value = serde_json::from_str(&process::output(&mut show)?)?;
        let name = text_field(&program, "name").to_owned();
        if name.starts_with(PROGRAM) {
            return parse_run_time(&program)
                .with_context(|| format!("{name} did not run: {program}"));
        }
        names.push(name);
    }
    bail!("netdiag holds no program {PROGRAM}*, but {names:?}")
}

fn text_field<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an average, printed with one digit"
)]
fn parse_run_time(program: &Value) -> Option<f64> {
    let time = program.get("run_time_ns")?.as_u64()?;
    let count = program
        .get("run_cnt")?
        .as_u64()
        .filter(|&count| count > 0)?;
    Some(time as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::{Ledger, parse_run_time, read_lines};

    const RUN: &str = r#"{"kind":"start","version":"0.1.0"}
{"kind":"drop","reason":"NO_SOCKET"}
{"kind":"drop","reason":"NO_SOCKET"}
{"kind":"finding","id":"ethernet-on-l3-device"}
{"kind":"summary","ledger":{"seen":6,"reported":2,"filtered":3,"sampled_out":0,"lost":1}}
"#;

    #[test]
    fn lines_are_counted_and_the_summary_is_last() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(RUN.as_bytes()).unwrap();
        let (drops, ledger) = read_lines(file.path()).unwrap();
        assert_eq!((drops, ledger.seen, ledger.lost), (2, 6, 1));
        assert_eq!(ledger.missing(), 0);
        file.write_all(br#"{"kind":"drop"}"#).unwrap();
        assert!(read_lines(file.path()).is_err());
    }

    #[test]
    fn unbalanced_books_show() {
        let mut ledger = Ledger {
            seen: 6,
            reported: 2,
            filtered: 3,
            sampled_out: 0,
            lost: 0,
        };
        assert_eq!(ledger.missing(), 1);
        ledger.reported = 4;
        assert_eq!(ledger.missing(), -1);
    }

    #[test]
    fn run_time_needs_statistics() {
        let with = json!({"name": "drops_btf_4", "run_time_ns": 300, "run_cnt": 2});
        assert!((parse_run_time(&with).unwrap() - 150.0).abs() < 1e-9);
        assert_eq!(parse_run_time(&json!({"name": "drops_btf_4"})), None);
    }
}
