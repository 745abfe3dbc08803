//! What `netdiag read --json` says, taken apart; and the directory that a test has its files in.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::binary::{Ended, run};

/// The lines of a run.
#[derive(Debug)]
pub struct Said {
    /// Exit status.
    pub code: Option<i32>,
    /// Standard error.
    pub stderr: String,
    /// Packets and drops, as they came, without their numbers in the file: a part of it has others.
    pub packets: Vec<Value>,
    /// These numbers.
    pub numbers: Vec<u64>,
    /// Findings.
    pub findings: Vec<Value>,
    /// The last line.
    pub summary: Value,
}

impl Said {
    /// Runs `netdiag read --json` with these arguments.
    #[must_use]
    pub fn of(arguments: &[&str]) -> Self {
        Self::new(&run(&[&["read", "--json"], arguments].concat()))
    }

    /// Of a run that ended well.
    ///
    /// # Panics
    /// When it did not.
    pub fn well(arguments: &[&str]) -> Self {
        let said = Self::of(arguments);
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
        said
    }

    /// Takes the lines apart.
    ///
    /// # Panics
    /// When one is no JSON, or they are not in order.
    #[must_use]
    pub fn new(ended: &Ended) -> Self {
        let mut said = Self {
            code: ended.code,
            stderr: ended.stderr.clone(),
            packets: Vec::new(),
            numbers: Vec::new(),
            findings: Vec::new(),
            summary: Value::Null,
        };
        for line in ended.stdout.lines() {
            let mut line: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error} in a line: {line}"));
            assert!(said.summary.is_null(), "after the summary: {line}");
            match line["kind"].as_str() {
                Some("start") => {}
                Some("packet" | "drop" | "retrans") => {
                    let number = line.as_object_mut().and_then(|line| line.remove("number"));
                    said.numbers
                        .extend(number.and_then(|number| number.as_u64()));
                    said.packets.push(line);
                }
                Some("finding") => said.findings.push(line),
                Some("summary") => {
                    let kinds = line["packets"].as_array_mut().into_iter().flatten();
                    for kind in kinds.filter_map(Value::as_object_mut) {
                        kind.remove("first");
                    }
                    said.summary = line;
                }
                kind => panic!("a line of kind {kind:?}"),
            }
        }
        said
    }

    /// A number of the ledger.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn ledger(&self, entry: &str) -> u64 {
        self.summary["ledger"][entry]
            .as_u64()
            .unwrap_or_else(|| panic!("no ledger with {entry}: {self:?}"))
    }

    /// Asserts that the books balance, and that what was reported is what came.
    ///
    /// # Panics
    /// When they do not.
    pub fn assert_balanced(&self) {
        let packets = u64::try_from(self.packets.len()).expect("a number");
        assert_eq!(self.ledger("reported"), packets);
        let right = ["reported", "filtered", "sampled_out", "lost"];
        let sum: u64 = right.iter().map(|entry| self.ledger(entry)).sum();
        assert_eq!(self.ledger("seen"), sum, "{}", self.summary);
    }

    /// The packets without what some formats do not keep.
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Vec<Value> {
        let mut packets = self.packets.clone();
        for packet in packets.iter_mut().filter_map(Value::as_object_mut) {
            packet.retain(|key, _| !keys.contains(&key.as_str()));
        }
        packets
    }
}

/// A directory for files of a test.
#[derive(Debug)]
pub struct Room(TempDir);

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    /// A new one, empty.
    ///
    /// # Panics
    /// When there is no place for it.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// The path of a file in it, there or not.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        let path = self.0.path().join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Makes a file, and gives its path.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("write a file");
        path
    }

    /// The names of its files, in order.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(Path::new(self.0.path()))
            .expect("read a directory")
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
