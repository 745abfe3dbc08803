//! The table: what was measured, both figures, their ratio, the target and whether it is met.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

/// What a figure is compared with.
#[derive(Debug)]
pub(super) struct Target {
    text: String,
    met: bool,
}

impl Target {
    /// A target in words, and whether it is met.
    pub(super) fn new(text: impl Into<String>, met: bool) -> Self {
        Self {
            text: text.into(),
            met,
        }
    }
}

/// A figure and how it is printed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Figure {
    /// Something counted.
    Count(u64),
    /// Something measured, with this many digits after the point.
    Measure(f64, usize),
}

impl Figure {
    #[expect(clippy::cast_precision_loss, reason = "for a ratio of three digits")]
    fn value(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Measure(value, _) => value,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Measure(value, digits) => format!("{value:.digits$}"),
        }
    }
}

/// All rows, and what could not be measured.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<[String; 6]>,
    unmet: usize,
    failures: Vec<(String, String)>,
}

impl Report {
    /// Adds a row. The target is given only with a figure of netdiag's.
    pub(super) fn row(
        &mut self,
        what: impl Into<String>,
        netdiag: Option<Figure>,
        reference: Option<Figure>,
        target: Option<Target>,
    ) {
        let ratio = match (netdiag, reference) {
            (Some(ours), Some(theirs)) if theirs.value() > 0.0 => {
                format!("{:.2}", ours.value() / theirs.value())
            }
            _ => "-".to_owned(),
        };
        let text = |figure: Option<Figure>| figure.map_or_else(|| "-".to_owned(), Figure::text);
        let (target, met) = match target {
            Some(target) => {
                self.unmet += usize::from(!target.met);
                let met = if target.met { "met" } else { "NOT MET" };
                (target.text, met.to_owned())
            }
            None => (String::new(), String::new()),
        };
        let row = [
            what.into(),
            text(netdiag),
            text(reference),
            ratio,
            target,
            met,
        ];
        self.rows.push(row);
    }

    /// The value of a measurement; a failure is kept for the end.
    pub(super) fn measured<T>(&mut self, what: &str, result: anyhow::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                // The first failure speaks for the rounds after it.
                if !self.failures.iter().any(|(failed, _)| failed == what) {
                    self.failures.push((what.to_owned(), format!("{error:#}")));
                }
                None
            }
        }
    }

    /// How many targets are not met.
    pub(super) fn unmet(&self) -> usize {
        self.unmet
    }

    /// What could not be measured, and why.
    pub(super) fn failures(&self) -> &[(String, String)] {
        &self.failures
    }

    /// The rows as a table.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["measured", "netdiag", "reference", "ratio", "target", ""]);
        table.add_rows(&self.rows);
        for column in table.column_iter_mut().skip(1).take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// The one in the middle, or the mean of the two there.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// The smallest.
pub(super) fn best(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    values.into_iter().min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::{Figure, Report, Target, best, median};

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
        assert_eq!(best([3.0, 1.0, 2.0]), Some(1.0));
    }

    #[test]
    fn report_counts_unmet_targets_and_keeps_failures() {
        let mut report = Report::default();
        let ours = Some(Figure::Measure(220.0, 0));
        let theirs = Some(Figure::Count(100));
        report.row("price", ours, theirs, Some(Target::new("<= 1.5", false)));
        report.row(
            "lost",
            Some(Figure::Count(0)),
            None,
            Some(Target::new("0", true)),
        );
        assert_eq!(report.unmet(), 1);
        let failed: Option<()> = report.measured("memory", Err(anyhow::anyhow!("it ended")));
        assert!(failed.is_none());
        let again: Option<()> = report.measured("memory", Err(anyhow::anyhow!("again")));
        assert!(again.is_none());
        let failure = ("memory".to_owned(), "it ended".to_owned());
        assert_eq!(report.failures(), [failure]);
        let table = report.table();
        assert!(
            table.contains("2.20") && table.contains("NOT MET"),
            "{table}"
        );
    }
}
