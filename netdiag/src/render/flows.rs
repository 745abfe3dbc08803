//! The connections that retransmit most at the moment, once a second.

use super::{
    Diagnostics, Output, Progress, Report, Start, View, diagnostic, groups::GroupsView,
    retrans::flow_table, text,
};
use crate::analysis::{
    event::Event,
    retrans::{FlowKey, Flows, RetransEvent},
};
use indicatif::ProgressBar;
use std::{
    collections::HashMap,
    io,
    time::{Duration, Instant},
};

/// How often it is drawn anew.
const EVERY: Duration = Duration::from_secs(1);
/// As many connections as are shown: a terminal of 24 lines has room for them.
const MOST: usize = 15;

/// A table that follows the run; at its end all that the others show.
pub(super) struct FlowsView {
    output: Output,
    spinner: ProgressBar,
    flows: Flows,
    /// Segments since it was drawn last.
    recent: HashMap<FlowKey, u64>,
    drawn: Instant,
    end: GroupsView,
}

impl FlowsView {
    pub(super) fn new(output: Output, diagnostics: &Diagnostics) -> Self {
        Self {
            end: GroupsView::new(output.clone(), diagnostics, true),
            output,
            spinner: diagnostics.spinner(),
            flows: Flows::default(),
            recent: HashMap::new(),
            drawn: Instant::now(),
        }
    }

    /// The table of the last second: what retransmitted in it, most first, then the others by their sums.
    fn draw(&mut self) -> io::Result<()> {
        let seconds = self.drawn.elapsed().as_secs_f64().max(0.001);
        let mut flows: Vec<_> = self
            .flows
            .sorted()
            .into_iter()
            .map(|flow| (flow, self.recent.get(&flow.key).copied().unwrap_or(0)))
            .collect();
        flows.sort_by_key(|(_, recent)| u64::MAX - recent);
        #[expect(clippy::cast_precision_loss, reason = "a rate with one digit")]
        let rows = flows
            .iter()
            .take(MOST)
            .map(|(flow, recent)| (*flow, Some(*recent as f64 / seconds)));
        let table = text::lines(&flow_table(&self.output, rows));
        let quiet = self.recent.is_empty();
        self.recent.clear();
        self.drawn = Instant::now();
        if self.spinner.is_hidden() {
            // Nobody watches: only what is new is worth a line.
            if quiet {
                return Ok(());
            }
            self.output.line(&table)?;
            return self.output.flush();
        }
        self.spinner
            .set_message(format!("Ctrl-C ends and sums up\n{table}"));
        Ok(())
    }
}

impl View for FlowsView {
    fn introduce(&mut self, name: &str, story: &str) -> io::Result<()> {
        self.end.introduce(name, story)
    }

    fn not_live(&mut self, why: &str, origin: &str) -> io::Result<()> {
        self.end.not_live(why, origin)
    }

    fn start(&mut self, start: &Start) -> io::Result<()> {
        self.end.start(start)
    }

    fn waiting(&mut self) -> io::Result<()> {
        diagnostic::turn(&self.spinner);
        self.spinner
            .set_message("waiting for retransmissions; Ctrl-C ends and sums up");
        Ok(())
    }

    fn event(&mut self, _event: &Event<'_>, _finding: Option<&'static str>) -> io::Result<()> {
        Ok(())
    }

    fn retrans(&mut self, event: &RetransEvent<'_>) -> io::Result<()> {
        let key = self.flows.observe(event);
        *self.recent.entry(key).or_default() += u64::from(event.retrans.segs.unwrap_or(1));
        Ok(())
    }

    fn progress(&mut self, _progress: &Progress) -> io::Result<()> {
        if self.drawn.elapsed() >= EVERY && !self.flows.is_empty() {
            self.draw()?;
        }
        Ok(())
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        self.spinner.finish_and_clear();
        self.end.end(report)
    }

    fn injected(&mut self, packets: u64, reported: u64) -> io::Result<()> {
        self.end.injected(packets, reported)
    }
}
