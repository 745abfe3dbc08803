//! One line a packet, as they come.

use super::{
    Diagnostics, Output, Progress, Report, Start, Subject, View, diagnostic, retrans,
    summary::{self, Clock},
    text::{self, Paint, one_line},
};
use crate::{
    analysis::{event::Event, retrans::RetransEvent},
    decode::{DisguiseKind, Packet, RetransKind},
};
use comfy_table::{ColumnConstraint, Width};
use indicatif::ProgressBar;
use std::io;

/// Columns before the packet, with what they need at least: time, device, reason, place.
const WIDTHS: &[u16] = &[14, 10, 17, 24];
/// Where the terminal has fewer than [`WIDE`] columns: time, device, and the reason or else the function.
const NARROW_WIDTHS: &[u16] = &[9, 8, 15];
/// The same for captured packets: time and device.
const PACKET_WIDTHS: &[u16] = &[17, 12];
/// And where the terminal is narrow.
const NARROW_PACKET_WIDTHS: &[u16] = &[9, 8];
/// The same for retransmissions: time, kind, process.
const RETRANS_WIDTHS: &[u16] = &[14, 8, 16];
/// And where the terminal is narrow: time and kind.
const NARROW_RETRANS_WIDTHS: &[u16] = &[9, 7];
/// From here on there is room for the place beside the packet.
const WIDE: u16 = 120;
/// The packet's column is never narrower.
const PACKET: u16 = 20;

/// One line a packet, fitted to the terminal.
pub(super) struct EachView {
    output: Output,
    paint: Paint,
    spinner: ProgressBar,
    clock: Clock,
    /// The terminal's width; `None` off a terminal, where nothing is cut.
    width: Option<u16>,
    /// What the header line was for: packets that were captured have neither reason nor place.
    subject: Subject,
}

impl EachView {
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
            subject: Subject::Drops,
        }
    }

    fn narrow(&self) -> bool {
        self.width.is_some_and(|width| width < WIDE)
    }

    /// A captured packet. A capture has millions: off a terminal the line is written without a detour.
    fn packet(&mut self, event: &Event<'_>, device: &str, narrow: bool) -> io::Result<()> {
        /// As tcpdump and Wireshark show them.
        const MICROSECONDS: usize = 6;
        let digits = if narrow { 0 } else { MICROSECONDS };
        let time = match event.time_ns {
            Some(time_ns) => self.clock.time_of_day(time_ns, digits),
            None => "-",
        };
        if self.width.is_none() {
            let device = one_line(device);
            return self
                .output
                .display_line(format_args!("{time}  {device}  {}", event.packet));
        }
        let time = time.to_owned();
        let packet = if narrow {
            brief(event.packet)
        } else {
            event.packet.to_string()
        };
        self.row(&[&time, device, &packet])
    }

    fn row(&self, cells: &[&str]) -> io::Result<()> {
        let Some(width) = self.width else {
            return self.output.line(&one_line(&cells.join("  ")));
        };
        let widths = match (self.subject, self.narrow()) {
            (Subject::Drops, true) => NARROW_WIDTHS,
            (Subject::Drops, false) => WIDTHS,
            (Subject::Packets, true) => NARROW_PACKET_WIDTHS,
            (Subject::Packets, false) => PACKET_WIDTHS,
            (Subject::Retrans | Subject::Conn, true) => NARROW_RETRANS_WIDTHS,
            (Subject::Retrans | Subject::Conn, false) => RETRANS_WIDTHS,
        };
        let rest = width.saturating_sub(widths.iter().sum()).max(PACKET);
        let mut table = text::table(&self.output);
        let mut row = comfy_table::Row::from(cells.iter().map(text::cell).collect::<Vec<_>>());
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

impl View for EachView {
    fn introduce(&mut self, name: &str, story: &str) -> io::Result<()> {
        summary::introduce(&self.output, self.paint, name, story)
    }

    fn not_live(&mut self, why: &str, origin: &str) -> io::Result<()> {
        summary::not_live(&self.output, self.paint, why, origin)
    }

    fn start(&mut self, start: &Start) -> io::Result<()> {
        self.subject = start.subject;
        match (start.subject, self.narrow()) {
            (Subject::Drops, true) => self.row(&["TIME", "DEVICE", "WHY", "PACKET"])?,
            (Subject::Drops, false) => {
                self.row(&["TIME", "DEVICE", "REASON", "PLACE", "PACKET"])?;
            }
            (Subject::Packets, _) => self.row(&["TIME", "DEVICE", "PACKET"])?,
            (Subject::Retrans | Subject::Conn, true) => self.row(&["TIME", "KIND", "SEGMENT"])?,
            (Subject::Retrans | Subject::Conn, false) => {
                self.row(&["TIME", "KIND", "PROCESS", "SEGMENT"])?;
            }
        }
        self.output.flush()
    }

    fn waiting(&mut self) -> io::Result<()> {
        diagnostic::turn(&self.spinner);
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, _finding: Option<&'static str>) -> io::Result<()> {
        let device = event.ifname.unwrap_or("-");
        let narrow = self.narrow();
        let digits = if narrow { 0 } else { 3 };
        if self.subject == Subject::Packets {
            return self.packet(event, device, narrow);
        }
        let time = match event.time_ns {
            Some(time_ns) => self.clock.time_of_day(time_ns, digits),
            None => "-",
        };
        let time = time.to_owned();
        let reason = event.reason.as_deref();
        if narrow {
            let why = reason.or(event.function).unwrap_or(event.location);
            return self.row(&[&time, device, why, &brief(event.packet)]);
        }
        let packet = event.packet.to_string();
        self.row(&[
            &time,
            device,
            reason.unwrap_or("-"),
            event.location,
            &packet,
        ])
    }

    fn retrans(&mut self, event: &RetransEvent<'_>) -> io::Result<()> {
        let narrow = self.narrow();
        let time = match event.time_ns {
            Some(time_ns) => self.clock.time_of_day(time_ns, if narrow { 0 } else { 3 }),
            None => "-",
        };
        let time = time.to_owned();
        let kind = event.retrans.kind.map_or("-", RetransKind::name);
        let words = retrans::words(event, narrow);
        if narrow {
            return self.row(&[&time, kind, &words]);
        }
        let process = match event.owner {
            Some((pid, comm)) => format!("{comm} {pid}"),
            None => "-".to_owned(),
        };
        self.row(&[&time, kind, &process, &words])
    }

    fn progress(&mut self, progress: &Progress) -> io::Result<()> {
        self.spinner.set_message(summary::waiting(progress));
        self.output.flush()
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        self.spinner.finish_and_clear();
        summary::conclusions(&self.output, self.paint, report)?;
        self.output.flush()
    }

    fn injected(&mut self, packets: u64, reported: u64) -> io::Result<()> {
        summary::injected(&self.output, packets, reported)
    }
}

/// The packet where every column counts: what it probably is comes first, and the addresses tell the version.
fn brief(packet: &Packet) -> String {
    let probable = packet.probable().to_string();
    let flow = probable
        .strip_prefix("IPv4 ")
        .or_else(|| probable.strip_prefix("IPv6 "));
    let flow = flow.unwrap_or(&probable);
    let Some(disguise) = &packet.disguise else {
        return flow.to_owned();
    };
    let looks = match disguise.kind {
        DisguiseKind::EthernetFrame => "Ethernet",
        DisguiseKind::PacketInfo => "packet info",
        DisguiseKind::BareIp => "bare IP",
        DisguiseKind::OtherVersion => "other version",
    };
    format!("{looks}: {flow}")
}
