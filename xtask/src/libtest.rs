//! Reads what Rust's test harness prints.

use std::mem;
use std::ops::AddAssign;

/// So many lines of a failed test are repeated from its panic on: what an assertion says comes first, a backtrace after.
const REPEATED: usize = 40;
/// And so many that it printed before.
const BEFORE: usize = 10;

/// Sums over every `test result:` line, what the tests said they did not test, and what those that failed said.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Test programs that came to their end.
    pub programs: usize,
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// `SKIPPED ...` lines, as printed.
    pub skipped: Vec<String>,
    /// Each test that failed.
    pub failures: Vec<Failure>,
}

/// A test that failed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The test, and where it ran if that was not here.
    pub name: String,
    /// What it printed around its panic, or last; empty where it ended without a word.
    pub said: Vec<String>,
    panicked: bool,
}

/// The parts of a test program's output.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A line for each test.
    #[default]
    Tests,
    /// What tests that passed printed, and their names.
    Successes,
    /// What tests that failed printed.
    Failures,
    /// Their names.
    Names,
}

impl Part {
    /// The part in which `line` is, after a line of this part.
    fn after(self, line: &str) -> Self {
        match line {
            "successes:" => Self::Successes,
            "failures:" if self == Self::Failures => Self::Names,
            "failures:" => Self::Failures,
            _ if line.starts_with("test result: ") => Self::Tests,
            _ => self,
        }
    }
}

/// Leaves out, line by line, what tests that passed printed: beside a thousand of them nobody finds the one that failed.
#[derive(Debug, Default)]
pub struct Excerpt {
    part: Part,
}

impl Excerpt {
    /// Whether this next line is worth showing.
    pub fn shows(&mut self, line: &str) -> bool {
        self.part = self.part.after(line.trim_end());
        self.part != Part::Successes || skip(line.trim()).is_some()
    }
}

impl Tally {
    /// Reads the output of any number of test programs.
    ///
    /// With `--nocapture` a test's first line follows `test NAME ... ` on the same line, so
    /// `SKIPPED` is looked for there as well as at the start of a line.
    #[must_use]
    pub fn parse(output: &str) -> Self {
        let mut tally = Self::default();
        let mut part = Part::default();
        // What `--nocapture` lets through of the test that runs, and whether what a test printed is repeated.
        let (mut running, mut repeated) = (Failure::default(), false);
        for line in output.lines() {
            let trimmed = line.trim();
            part = part.after(line.trim_end());
            if let Some(result) = trimmed.strip_prefix("test result: ") {
                tally.programs += 1;
                tally.passed += count(result, "passed");
                tally.failed += count(result, "failed");
            } else if let Some(skip) = skip(trimmed) {
                tally.skipped.push(skip.to_owned());
            }
            match part {
                Part::Tests => {
                    repeated = false;
                    if let Some((name, said)) = begin(line) {
                        running = Failure::new(name);
                        running.hear(said);
                    } else if trimmed == "FAILED" {
                        tally.failures.push(mem::take(&mut running));
                    } else {
                        running.hear(line);
                    }
                }
                Part::Successes => {}
                Part::Failures => {
                    if let Some(name) = heading(line) {
                        tally.failures.push(Failure::new(name));
                        repeated = true;
                    } else if let Some(failure) = tally.failures.last_mut().filter(|_| repeated) {
                        failure.hear(line);
                    }
                }
                Part::Names => {
                    let name = line.strip_prefix("    ");
                    let is_new =
                        |name: &&str| tally.failures.iter().all(|known| known.name != *name);
                    tally.failures.extend(name.filter(is_new).map(Failure::new));
                }
            }
        }
        tally
    }

    /// With the place where the tests ran in each failure's name.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        for failure in &mut self.failures {
            failure.name = format!("{} ({place})", failure.name);
        }
        self
    }
}

impl Failure {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn hear(&mut self, line: &str) {
        let told = line.starts_with("thread '") && line.contains(" panicked at ");
        if told && !self.panicked {
            self.panicked = true;
            self.said.drain(..self.said.len().saturating_sub(BEFORE));
        }
        if line.trim().is_empty() || self.panicked && self.said.len() >= BEFORE + REPEATED {
            return;
        }
        self.said.push(line.trim_end().to_owned());
        // Before a panic nobody knows which lines matter: the last ones are nearest to it.
        if !self.panicked && self.said.len() > REPEATED {
            self.said.remove(0);
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.programs += other.programs;
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
        self.failures.extend(other.failures);
    }
}

/// A test and what it says first, from `test NAME ... SAID` as it is with `--nocapture`.
fn begin(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("test ")?.split_once(" ... ")
}

/// The test whose output follows `---- NAME stdout ----`.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

fn skip(line: &str) -> Option<&str> {
    let printed = begin(line).map_or(line, |(_, printed)| printed);
    printed.starts_with("SKIPPED").then_some(printed)
}

/// The number before `what` in `ok. 3 passed; 0 failed; ...`.
fn count(result: &str, what: &str) -> usize {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let before = words
        .iter()
        .position(|word| *word == what)
        .and_then(|at| at.checked_sub(1));
    before
        .and_then(|at| words.get(at)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_programs_and_finds_skips() {
        let tally = Tally::parse(
            "running 3 tests\n\
             test a ... SKIPPED a: no nft\nok\n\
             SKIPPED b: no BTF\r\n\
             test c ... ok\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.01s\n\
             test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.programs, tally.passed, tally.failed), (2, 13, 2));
        assert_eq!(tally.skipped, ["SKIPPED a: no nft", "SKIPPED b: no BTF"]);
    }

    #[test]
    fn output_cut_short_counts_nothing() {
        assert_eq!(
            Tally::parse("running 3 tests\ntest a ... ok\n"),
            Tally::default()
        );
    }

    #[test]
    fn failures_say_what_their_tests_printed() {
        let tally = Tally::parse(
            "running 3 tests\n\
             test a ... ok\n\
             test b::c ... FAILED\n\
             test d ... ok\n\
             \n\
             successes:\n\
             \n\
             ---- a stdout ----\n\
             not a failure\n\
             \n\
             successes:\n    a\n    d\n\
             \n\
             failures:\n\
             \n\
             ---- b::c stdout ----\n\
             thread 'b::c' panicked at x.rs:1:2:\n  left: 1\n\
             \n\
             failures:\n    b::c\n\
             \n\
             test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        let said = ["thread 'b::c' panicked at x.rs:1:2:", "  left: 1"];
        let failure = Failure {
            name: "b::c".to_owned(),
            said: said.map(str::to_owned).to_vec(),
            panicked: true,
        };
        assert_eq!(tally.failures, [failure]);
    }

    #[test]
    fn of_a_long_table_its_end_and_the_panic_are_told() {
        let table: String = (1..=200).map(|line| format!("line {line}\n")).collect();
        let tally = Tally::parse(&format!(
            "test a ... \n{table}thread 'a' panicked at x.rs:1:2:\nno\n{table}FAILED\n"
        ));
        let said = &tally.failures[0].said;
        assert_eq!(said.len(), BEFORE + REPEATED);
        assert_eq!(
            (said[0].as_str(), said[9].as_str()),
            ("line 191", "line 200")
        );
        assert_eq!((said[11].as_str(), said[12].as_str()), ("no", "line 1"));
    }

    #[test]
    fn failures_are_found_without_capture() {
        let tally = Tally::parse(
            "running 4 tests\n\
             test a ... said by a\nok\n\
             test b ... \nthread 'b' panicked at x.rs:1:2:\nno\nFAILED\n\
             test c ... left: without a newFAILED\n\
             test d ... ok\n\
             \n\
             failures:\n\
             \n\
             failures:\n    b\n    c\n\
             \n\
             test result: FAILED. 2 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n",
        )
        .at("5.10");
        let names: Vec<&str> = tally.failures.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["b (5.10)", "c (5.10)"]);
        assert_eq!(
            tally.failures[0].said,
            ["thread 'b' panicked at x.rs:1:2:", "no"]
        );
    }

    #[test]
    fn an_excerpt_leaves_out_what_passed_printed() {
        let mut excerpt = Excerpt::default();
        let shown: Vec<&str> = [
            "test a ... ok\n",
            "successes:\n",
            "---- a stdout ----\n",
            "said by a\n",
            "SKIPPED a: no nft\n",
            "failures:\n",
            "---- b stdout ----\n",
            "test result: FAILED. 1 passed; 1 failed\n",
            "running 1 test\n",
        ]
        .into_iter()
        .filter(|line| excerpt.shows(line))
        .collect();
        assert_eq!(
            shown,
            [
                "test a ... ok\n",
                "SKIPPED a: no nft\n",
                "failures:\n",
                "---- b stdout ----\n",
                "test result: FAILED. 1 passed; 1 failed\n",
                "running 1 test\n",
            ]
        );
    }
}
