//! The inputs that fuzzing once failed on, with the fuzz targets' own checks, so that no fuzzer is needed to keep them
//! fixed.
//!
//! Inputs picked by hand stand beside them: one of each format that no committed capture has.

use std::fs;
use std::panic;
use std::path::Path;

#[path = "../../fuzz/checks/btf.rs"]
mod btf;
#[path = "../../fuzz/checks/capture.rs"]
mod capture;
#[path = "../../fuzz/checks/invariants.rs"]
mod invariants;
#[path = "../../fuzz/checks/malformed.rs"]
mod malformed;
#[path = "../../fuzz/checks/packet.rs"]
mod packet;
#[path = "../../fuzz/checks/record.rs"]
mod record;

type Check = fn(&[u8]);

const CHECKS: [(&str, Check); 5] = [
    ("btf", btf::check),
    ("capture", capture::check),
    ("malformed", malformed::check),
    ("packet", packet::check),
    ("record", record::check),
];

/// Names and contents of the files in a directory below `fuzz/`.
fn files(below: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz")
        .join(below);
    let entries = fs::read_dir(&directory).expect("the directory is committed");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("a file"))
        })
        .collect()
}

/// Gives the inputs of one target to another, or to itself; says which input it is that fails.
fn replay(of: &str, target: &str) {
    let check = CHECKS.iter().find(|(name, _)| *name == target);
    let (_, check) = check.expect("a check of that name");
    let inputs = files(&format!("regressions/{of}"));
    assert!(!inputs.is_empty());
    for (name, input) in inputs {
        let result = panic::catch_unwind(|| check(&input));
        assert!(result.is_ok(), "{target}: fuzz/regressions/{of}/{name}");
    }
}

#[test]
fn btf_inputs() {
    replay("btf", "btf");
}

#[test]
fn capture_inputs() {
    replay("capture", "capture");
}

#[test]
fn malformed_inputs() {
    replay("malformed", "malformed");
}

#[test]
fn packet_inputs() {
    replay("packet", "packet");
}

#[test]
fn record_inputs() {
    replay("record", "record");
}

#[test]
fn every_target_is_replayed() {
    let mut targets: Vec<_> = files("targets")
        .into_iter()
        .filter_map(|(name, _)| name.strip_suffix(".rs").map(str::to_owned))
        .collect();
    targets.sort();
    assert_eq!(targets, CHECKS.map(|(name, _)| name));
}

/// Whatever a target is given it must take, so it is also given what others are.
#[test]
fn every_input_in_every_target() {
    for (of, _) in CHECKS {
        for (target, _) in CHECKS {
            replay(of, target);
        }
    }
}
