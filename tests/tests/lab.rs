//! The fault lab, scored: every scenario under the real binary, a row each.
//!
//! What this kernel or this netdiag cannot show is `n/a`, with why. `NETDIAG_LAB=NAME,NAME` scores these alone;
//! `NETDIAG_LAB_GLOBAL=1` says that this machine is thrown away, and scenarios may turn knobs of all of it.
#![expect(
    clippy::indexing_slicing,
    reason = "a key that a JSON value has not is null, and a failed assertion"
)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "lab/score.rs"]
mod score;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use netdiag::lab::{self, LabError, Scenario};
use netdiag_tests::isolated;

use score::{COLUMNS, Row};

/// Of 75 and more scenarios, the faults and the healthy ones that there must be, and how many faults must lead to their
/// finding on every kernel, whatever it cannot show.
const FOUND: usize = 80;
const FAULTS: usize = 45;
const HEALTHY: usize = 10;

#[test]
fn every_scenario_scores() {
    let wanted = env::var("NETDIAG_LAB").ok();
    let is_wanted = |scenario: &&Scenario| {
        wanted.as_ref().is_none_or(|names| {
            let mut names = names.split(',');
            names.any(|name| name == scenario.name)
        })
    };
    // Without capture, the harness has begun the line.
    println!("\n{:<26} {}", "scenario", COLUMNS.map(cell).join(" "));
    let rows: Vec<Row> = isolated(|| {
        let scenarios = lab::all().iter().filter(is_wanted);
        scenarios.map(|scenario| told(guarded(scenario))).collect()
    });
    match &wanted {
        Some(names) => assert_eq!(rows.len(), names.split(',').count(), "no such scenario"),
        // Those too that cannot happen here: none is left out silently.
        None => {
            assert_eq!(rows.len(), lab::all().len());
            let found = rows.iter().filter(|row| row.is_found()).count();
            assert!(found >= FOUND, "{found} scenarios lead to their finding");
        }
    }
    let wrong: Vec<&Row> = rows.iter().filter(|row| row.is_wrong()).collect();
    let full = rows.iter().filter(|row| row.is_full()).count();
    println!(
        "{} scenarios: {full} score in every column, {} are wrong",
        rows.len(),
        wrong.len()
    );
    let names: Vec<&str> = wrong.iter().map(|row| row.name).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn there_are_enough() {
    let healthy = lab::all()
        .iter()
        .filter(|scenario| scenario.expect.finding.is_none())
        .count();
    assert!(healthy >= HEALTHY, "{healthy}");
    assert!(lab::all().len() - healthy >= FAULTS);
}

fn cell(text: &str) -> String {
    format!("{text:<7}")
}

/// Shows a row as soon as it is there.
fn told(row: Row) -> Row {
    println!(
        "{:<26} {}",
        row.name,
        row.cells().map(|text| cell(&text)).join(" ")
    );
    for note in &row.notes {
        println!("    {note}");
    }
    row
}

/// A scenario that panics is a wrong one, and not the end of the table.
fn guarded(scenario: &'static Scenario) -> Row {
    let bench = if env::var_os("NETDIAG_LAB_GLOBAL").is_some() {
        scenario.prepare_anywhere()
    } else {
        scenario.prepare()
    };
    let needs = scenario.expect.needs;
    let bench = match bench {
        Ok(bench) => bench,
        Err(LabError::Unsupported { what, .. }) if needs.contains(&what) => {
            return Row::absent(scenario.name, format!("this kernel has no {what}"));
        }
        Err(LabError::Global(_)) => {
            let why = "a knob of the whole machine: in virtual machines only";
            return Row::absent(scenario.name, why.to_owned());
        }
        Err(error) => return Row::broken(scenario.name, error.to_string()),
    };
    catch_unwind(AssertUnwindSafe(|| score::score(scenario, bench))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Row::broken(scenario.name, text.unwrap_or_default())
    })
}
