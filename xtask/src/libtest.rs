//! Reads what Rust's test harness prints.

use std::ops::AddAssign;

/// Sums over every `test result:` line, and what the tests said they did not test.
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
}

impl Tally {
    /// Reads the output of any number of test programs.
    ///
    /// With `--nocapture` a test's first line follows `test NAME ... ` on the same line, so
    /// `SKIPPED` is looked for there as well as at the start of a line.
    #[must_use]
    pub fn parse(output: &str) -> Self {
        let mut tally = Self::default();
        for line in output.lines().map(str::trim) {
            if let Some(result) = line.strip_prefix("test result: ") {
                tally.programs += 1;
                tally.passed += count(result, "passed");
                tally.failed += count(result, "failed");
            } else if let Some(skip) = skip(line) {
                tally.skipped.push(skip.to_owned());
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.programs += other.programs;
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }
}

fn skip(line: &str) -> Option<&str> {
    let printed = match line.strip_prefix("test ") {
        Some(test) => test
            .split_once(" ... ")
            .map_or(line, |(_, printed)| printed),
        None => line,
    };
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
}
