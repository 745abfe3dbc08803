//! TCP connections: one line an event, and what they come to.

use super::{
    Diagnostics, Output, Progress, Report, Start, View, diagnostic,
    summary::{self, Clock},
    text::{self, Paint, cell, one_line},
};
use crate::analysis::{
    conn::{ClosedBy, ConnEvent, ConnKind, Side, errno::Errno},
    event::Event,
    retrans::RetransEvent,
};
use comfy_table::{CellAlignment, ColumnConstraint, Width};
use indicatif::ProgressBar;
use serde::Serialize;
use std::{borrow::Cow, fmt::Write as _, io, net::IpAddr};

/// An event with what only the run knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Nanoseconds since 1970 UTC.
    pub time_ns: i128,
    /// What became of the connection.
    pub event: &'a ConnEvent,
    /// The path of its cgroup.
    pub cgroup: Option<&'a str>,
}

/// Columns before the last one: time, event, process, connection.
const WIDTHS: &[u16] = &[14, 12, 20, 46];
/// Where the terminal has fewer than [`WIDE`] columns: time and event.
const NARROW_WIDTHS: &[u16] = &[9, 12];
/// From here on there is room for all of them.
const WIDE: u16 = 130;
/// The last column is never narrower.
const REST: u16 = 20;

/// One line an event, fitted to the terminal.
pub(super) struct ConnView {
    output: Output,
    paint: Paint,
    spinner: ProgressBar,
    clock: Clock,
    /// The terminal's width; `None` off a terminal, where nothing is cut.
    width: Option<u16>,
}

impl ConnView {
    pub(super) fn new(output: Output, diagnostics: &Diagnostics) -> Self {
        let terminal = output.is_terminal();
        // A spinner between lines on the same terminal would only flicker.
        let spinner = if terminal {
            ProgressBar::hidden()
        } else {
            diagnostics.spinner()
        };
        let width = text::table(&output).width().filter(|_| terminal);
        Self {
            paint: Paint::new(terminal),
            output,
            spinner,
            clock: Clock::default(),
            width,
        }
    }

    fn narrow(&self) -> bool {
        self.width.is_some_and(|width| width < WIDE)
    }

    fn row(&self, cells: &[&str]) -> io::Result<()> {
        let Some(width) = self.width else {
            return self.output.line(one_line(&cells.join("  ")).trim_end());
        };
        let widths = if self.narrow() { NARROW_WIDTHS } else { WIDTHS };
        let rest = width.saturating_sub(widths.iter().sum()).max(REST);
        let mut table = text::table(&self.output);
        let mut row = comfy_table::Row::from(cells.iter().map(cell).collect::<Vec<_>>());
        row.max_height(1);
        table.add_row(row);
        for (index, width) in widths.iter().copied().chain([rest]).enumerate() {
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
                column.set_padding((0, 1));
            }
        }
        self.output.line(&text::lines(&table))
    }
}

impl View for ConnView {
    fn introduce(&mut self, name: &str, story: &str) -> io::Result<()> {
        summary::introduce(&self.output, self.paint, name, story)
    }

    fn not_live(&mut self, why: &str, origin: &str) -> io::Result<()> {
        summary::not_live(&self.output, self.paint, why, origin)
    }

    fn start(&mut self, _start: &Start) -> io::Result<()> {
        if self.narrow() {
            self.row(&["TIME", "EVENT", "CONNECTION"])?;
        } else {
            self.row(&["TIME", "EVENT", "PROCESS", "CONNECTION", "DETAIL"])?;
        }
        self.output.flush()
    }

    fn waiting(&mut self) -> io::Result<()> {
        diagnostic::turn(&self.spinner);
        Ok(())
    }

    fn event(&mut self, _event: &Event<'_>, _finding: Option<&'static str>) -> io::Result<()> {
        Ok(())
    }

    fn retrans(&mut self, _event: &RetransEvent<'_>) -> io::Result<()> {
        Ok(())
    }

    fn conn(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        let event = shown.event;
        let narrow = self.narrow();
        let digits = if narrow { 0 } else { 3 };
        let time = self.clock.time_of_day(shown.time_ns, digits).to_owned();
        let process = match &event.caller {
            Some(caller) => format!("{}[{}]", caller.comm, caller.pid),
            None => "-".to_owned(),
        };
        let kind = event.kind.name();
        let flow = event.flow.to_string();
        let detail = detail(event);
        if !narrow {
            return self.row(&[&time, kind, &process, &flow, &detail]);
        }
        // What happened comes before who it was: the line is cut at its end.
        let mut rest = flow;
        if !detail.is_empty() {
            rest += &format!("  {detail}");
        }
        if event.caller.is_some() {
            rest += &format!("  {process}");
        }
        self.row(&[&time, kind, &rest])
    }

    fn progress(&mut self, progress: &Progress) -> io::Result<()> {
        self.spinner.set_message(summary::waiting(progress));
        self.output.flush()
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        self.spinner.finish_and_clear();
        conclusions(&self.output, self.paint, report)?;
        self.output.flush()
    }

    fn injected(&mut self, packets: u64, reported: u64) -> io::Result<()> {
        summary::injected(&self.output, packets, reported)
    }
}

/// What there is to say of an event beside its addresses.
fn detail(event: &ConnEvent) -> String {
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    match event.result {
        Some(Some(errno)) => parts.push(errno.name()),
        Some(None) if event.kind == ConnKind::Closed => parts.push("ok".into()),
        _ => {}
    }
    if let Some(ns) = event.latency_ns {
        parts.push(match event.kind {
            ConnKind::Accept => format!("waited {}", time(ns)).into(),
            ConnKind::Failed => format!("after {}", time(ns)).into(),
            _ => time(ns).into(),
        });
    }
    if let Some(by) = event.closed_by {
        parts.push(format!("by {}", by.name()).into());
    }
    if let Some(ns) = event.duration_ns {
        parts.push(format!("open {}", time(ns)).into());
    }
    if let (Some(sent), Some(received)) = (event.bytes_sent, event.bytes_received) {
        parts.push(format!("{sent} B sent, {received} B received").into());
    }
    if let Some(count) = event.retrans.filter(|&count| count > 0) {
        parts.push(format!("{count} retransmitted").into());
    }
    if let Some(reason) = &event.reset_reason {
        parts.push(reason.clone());
    }
    if let Some(state) = event.state {
        parts.push(state.into());
    }
    if event.kind == ConnKind::Established
        && let Some(side) = event.side
    {
        parts.push(side.name().into());
    }
    let mut text = parts.join(", ");
    if let Some(evidence) = &event.evidence {
        let separator = if text.is_empty() { "" } else { ": " };
        // Memory takes all that is written to it.
        let _ = write!(text, "{separator}{evidence}");
    }
    text
}

/// A time in the unit that it has three digits in.
fn time(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (value, unit) = match ns {
        0..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    if value < 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// Everything after the events.
fn conclusions(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    if report.ledger.reported == 0 {
        output.line(&match report.ledger.filtered {
            0 => format!("No connection in {:.1} s.", report.duration.as_secs_f64()),
            filtered => format!(
                "No connection that you asked for in {:.1} s; {filtered} other events were left out.",
                report.duration.as_secs_f64()
            ),
        })?;
    } else if let Some(counts) = report.conns {
        let counts: Vec<_> = ConnKind::ALL
            .iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{count} {}", kind.name()))
            .collect();
        output.line("")?;
        output.line(&format!("{} {}", paint.bold("Events:"), counts.join(", ")))?;
    }
    for finding in &report.findings {
        output.line("")?;
        summary::finding(output, paint, report, finding)?;
    }
    counters(output, paint, report)?;
    summary::ledger(output, paint, report)
}

fn counters(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    if report.counters.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.line(&paint.bold("Counters that speak of connections"))?;
    let mut table = text::table(output);
    for counter in &report.counters {
        let verdict = match counter.explained {
            _ if !report.compared => "not compared: namespaces are not known".to_owned(),
            None | Some(0) => "not explained by any event seen".to_owned(),
            Some(explained) if explained == counter.delta => "all explained".to_owned(),
            Some(explained) if explained > counter.delta => {
                format!("{explained} expected by the events: more than it rose")
            }
            Some(explained) if counter.key.name == "TcpAttemptFails" => format!(
                "{explained} of {} explained; a reset against a SYN-ACK raises it without a connection",
                counter.delta
            ),
            Some(explained) => format!("{explained} of {} explained", counter.delta),
        };
        let namespace = counter
            .key
            .netns
            .map_or_else(|| "the whole host".to_owned(), |id| report.namespace(id));
        table.add_row([
            cell(&counter.key.name),
            cell(format!("+{}", counter.delta)).set_alignment(CellAlignment::Right),
            cell(verdict),
            cell(namespace),
        ]);
    }
    output.line(&text::lines(&table))
}

/// The JSON line of an event.
#[derive(Serialize)]
pub(super) struct ConnLine<'a> {
    kind: &'static str,
    time: &'a str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ipv4_mapped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retrans: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    syns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    srtt_us: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'static str>,
}

impl<'a> ConnLine<'a> {
    pub(super) fn new(shown: &Shown<'a>, time: &'a str) -> Self {
        let event = shown.event;
        let caller = event.caller.as_ref();
        Self {
            kind: "conn",
            time,
            event: event.kind.name(),
            id: event.id,
            side: event.side.map(Side::name),
            src: event.flow.local,
            sport: event.flow.sport,
            dst: event.flow.remote,
            dport: event.flow.dport,
            ipv4_mapped: event.mapped,
            pid: caller.map(|caller| caller.pid),
            comm: caller.map(|caller| caller.comm.as_str()),
            uid: caller.and_then(|caller| caller.uid).or(event.uid),
            netns: event.netns.map(|netns| netns.0),
            cgroup: shown.cgroup,
            cgroup_id: event.cgroup_id,
            ifname: event.ifname.as_deref(),
            state: event.state,
            result: event
                .result
                .map(|errno| errno.map_or(Cow::Borrowed("ok"), Errno::name)),
            latency_us: event.latency_ns.map(|ns| ns / 1000),
            duration_us: event.duration_ns.map(|ns| ns / 1000),
            bytes_sent: event.bytes_sent,
            bytes_received: event.bytes_received,
            retrans: event.retrans,
            syns: event.syns,
            srtt_us: event.srtt_us,
            closed_by: event.closed_by.map(ClosedBy::name),
            reset_reason: event.reset_reason.as_deref(),
            evidence: event.evidence.as_deref(),
            finding: event.finding,
        }
    }
}
