//! Drops that are the same, together, when the run is over.

use super::{
    Diagnostics, Output, Progress, Report, Start, Subject, View, diagnostic, retrans, summary,
    text::{self, Paint, cell, plain},
};
use crate::analysis::{census::Kind, event::Event, group::Group, retrans::RetransEvent};
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use std::io;

/// The live count while it waits, the groups at the end.
pub(super) struct GroupsView {
    output: Output,
    /// Whether to show the groups themselves, and not only what follows from them.
    tables: bool,
    paint: Paint,
    spinner: ProgressBar,
    subject: Subject,
}

impl GroupsView {
    pub(super) fn new(output: Output, diagnostics: &Diagnostics, tables: bool) -> Self {
        Self {
            tables,
            paint: Paint::new(output.is_terminal()),
            output,
            spinner: diagnostics.spinner(),
            subject: Subject::Drops,
        }
    }
}

impl View for GroupsView {
    fn introduce(&mut self, name: &str, story: &str) -> io::Result<()> {
        summary::introduce(&self.output, self.paint, name, story)
    }

    fn not_live(&mut self, why: &str, origin: &str) -> io::Result<()> {
        summary::not_live(&self.output, self.paint, why, origin)
    }

    fn start(&mut self, start: &Start) -> io::Result<()> {
        self.subject = start.subject;
        Ok(())
    }

    fn waiting(&mut self) -> io::Result<()> {
        diagnostic::turn(&self.spinner);
        self.spinner.set_message(format!(
            "waiting for {}; Ctrl-C ends and sums up",
            self.subject.plural()
        ));
        Ok(())
    }

    fn event(&mut self, _event: &Event<'_>, _finding: Option<&'static str>) -> io::Result<()> {
        Ok(())
    }

    fn retrans(&mut self, _event: &RetransEvent<'_>) -> io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, progress: &Progress) -> io::Result<()> {
        self.spinner.set_message(summary::waiting(progress));
        Ok(())
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        self.spinner.finish_and_clear();
        if self.tables {
            self.drops(report)?;
            self.packets(report)?;
            self.flows(report)?;
        }
        summary::conclusions(&self.output, self.paint, report)?;
        self.output.flush()
    }

    fn injected(&mut self, packets: u64, reported: u64) -> io::Result<()> {
        summary::injected(&self.output, packets, reported)
    }
}

impl GroupsView {
    fn drops(&self, report: &Report) -> io::Result<()> {
        let groups = report.groups.sorted();
        if groups.is_empty() {
            return Ok(());
        }
        self.output
            .line(&text::lines(&table(&self.output, report, &groups)))?;
        self.examples(groups.iter().map(|group| group.example.as_str()))?;
        self.overflow(report.groups.overflow())
    }

    fn packets(&self, report: &Report) -> io::Result<()> {
        let kinds = report.census.sorted();
        if kinds.is_empty() {
            return Ok(());
        }
        self.output
            .line(&text::lines(&kinds_table(&self.output, &kinds)))?;
        self.examples(kinds.iter().map(|kind| kind.example.as_str()))?;
        self.overflow(report.census.overflow())
    }

    fn flows(&self, report: &Report) -> io::Result<()> {
        /// More connections than this are a list that nobody reads.
        const MOST: usize = 40;
        let Some(table) = retrans::table(&self.output, report, MOST) else {
            return Ok(());
        };
        self.output.line(&text::lines(&table))?;
        let rest = report.flows.len().saturating_sub(MOST);
        if rest > 0 {
            self.output.line(&format!("and {rest} more connections"))?;
        }
        match report.flows.overflow() {
            0 => Ok(()),
            overflow => self.output.line(&format!(
                "and {overflow} retransmissions of still other connections"
            )),
        }
    }

    fn examples<'a>(&self, examples: impl Iterator<Item = &'a str>) -> io::Result<()> {
        self.output.line("")?;
        self.output.line(&self.paint.bold("One of each"))?;
        let numbered: Vec<_> = examples
            .enumerate()
            .map(|(index, example)| (format!("{}", index + 1), example.to_owned()))
            .collect();
        let rows = numbered
            .iter()
            .map(|(index, text)| (index.as_str(), text.clone()));
        self.output.line(&text::paragraphs(&self.output, rows))
    }

    fn overflow(&self, overflow: u64) -> io::Result<()> {
        if overflow == 0 {
            return Ok(());
        }
        let text = format!("{overflow} more packets of still other kinds");
        self.output.line(&plain(&text))
    }
}

fn kinds_table(output: &Output, kinds: &[&Kind]) -> Table {
    let mut table = text::table(output);
    table.set_header(["#", "PACKETS", "BYTES", "WHAT", "MALFORMED", "FIRST IS"]);
    for (index, kind) in kinds.iter().enumerate() {
        table.add_row([
            cell(format!("{}", index + 1)),
            cell(kind.count.to_string()),
            cell(kind.bytes.to_string()),
            cell(&kind.name),
            cell(kind.fault.map_or("-", |fault| fault.name())),
            cell(kind.number.to_string()),
        ]);
    }
    for index in 0..3 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn table(output: &Output, report: &Report, groups: &[&Group]) -> Table {
    let mut table = text::table(output);
    table.set_header([
        "#",
        "PACKETS",
        "PER S",
        "REASON",
        "PLACE",
        "DEVICE",
        "NAMESPACE",
    ]);
    let seconds = report.duration.as_secs_f64().max(0.001);
    for (index, group) in groups.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a rate with one digit")]
        let rate = group.count as f64 / seconds;
        table.add_row([
            cell(format!("{}", index + 1)),
            cell(group.count.to_string()),
            cell(format!("{rate:.1}")),
            cell(or_dash(&group.key.reason)),
            cell(&group.key.location),
            cell(or_dash(&group.key.ifname)),
            cell(
                group
                    .key
                    .netns
                    .map_or_else(|| "-".to_owned(), |id| report.namespace(id)),
            ),
        ]);
    }
    for index in 0..3 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
