//! What a run came to, in words: findings, echo requests, counters, header checks, the ledger.

use super::{
    Output, Progress, Report, Subject,
    text::{self, Paint, cell},
};
use crate::analysis::{
    finding::{Finding, Severity, UNEXPLAINED},
    icmp::{Arrival, Echoes},
};
use comfy_table::CellAlignment;
use jiff::Timestamp;
use std::{io, time::Duration};

/// What is broken, before a lab scenario runs.
pub(super) fn introduce(output: &Output, paint: Paint, name: &str, story: &str) -> io::Result<()> {
    output.line(&paint.bold(&format!("Lab scenario {name}")))?;
    output.line(&text::paragraphs(output, [("fault", story.to_owned())]))?;
    output.line("")?;
    output.flush()
}

/// What follows is no live run.
pub(super) fn not_live(output: &Output, paint: Paint, why: &str, origin: &str) -> io::Result<()> {
    output.line(&paint.yellow("Not live: this is the same analysis of a bundled capture."))?;
    output.line(&text::paragraphs(
        output,
        [("why", why.to_owned()), ("capture", origin.to_owned())],
    ))?;
    output.line("")
}

/// After a lab scenario.
pub(super) fn injected(output: &Output, packets: u64, reported: u64) -> io::Result<()> {
    output.line(&format!(
        "Lab: {packets} packets sent, {reported} drops reported. The namespace is gone again."
    ))?;
    output.flush()
}

/// The live count.
pub(super) fn waiting(progress: &Progress) -> String {
    let lost = match progress.lost {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    let what = progress.subject.plural();
    format!(
        "{} {what} in {}{lost}; Ctrl-C ends and sums up",
        progress.reported,
        seconds(progress.elapsed)
    )
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Everything after the packets.
pub(super) fn conclusions(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    if report.subject == Subject::Packets
        && report.findings.is_empty()
        && report.ledger.reported > 0
    {
        output.line("")?;
        output.line(&match report.census.malformed() {
            0 => "No finding: no header of these packets says that something is wrong.".to_owned(),
            count => format!("No finding, but {count} packets have a malformed header."),
        })?;
    }
    if report.ledger.reported == 0 && report.subject == Subject::Packets {
        output.line(match report.ledger.filtered {
            0 => "The capture has no packet.",
            _ => "The capture has no packet that you asked for.",
        })?;
    } else if report.ledger.reported == 0 {
        output.line(&match report.ledger.filtered {
            0 => format!(
                "Nothing was {} in {}.",
                report.subject.done(),
                seconds(report.duration)
            ),
            filtered => format!(
                "Nothing that you asked for was {} in {}; {filtered} other {} were left out.",
                report.subject.done(),
                seconds(report.duration),
                report.subject.plural()
            ),
        })?;
    }
    let (unknown, known): (Vec<_>, Vec<_>) = report
        .findings
        .iter()
        .partition(|finding| finding.id == UNEXPLAINED);
    for finding in known {
        output.line("")?;
        self::finding(output, paint, report, finding)?;
    }
    unexplained(output, paint, report, &unknown)?;
    echoes(output, paint, report)?;
    counters(output, paint, report)?;
    header_checks(output, paint, report)?;
    ledger(output, paint, report)
}

pub(super) fn finding(
    output: &Output,
    paint: Paint,
    report: &Report,
    finding: &Finding,
) -> io::Result<()> {
    let severity = match finding.severity {
        Severity::Error => paint.red(finding.severity.name()),
        Severity::Warning => paint.yellow(finding.severity.name()),
        Severity::Info => paint.bold(finding.severity.name()),
    };
    let sure = format!("{:.0} % sure", finding.confidence * 100.0);
    output.line(&format!(
        "{severity} {} ({sure}{})",
        paint.bold(finding.id),
        incomplete(report)
    ))?;
    // Conclusions know namespaces by number; people by name.
    let named = |text: &String| {
        let names = report.namespaces.iter();
        // One without a name goes by "netns" and its number.
        let named = names.filter(|(id, name)| *name != format!("netns {}", id.0));
        named.fold(text.clone(), |text, (id, name)| {
            text.replace(&format!("namespace {}", id.0), &format!("namespace {name}"))
        })
    };
    let evidence = finding
        .evidence
        .iter()
        .map(|text| ("evidence", named(text)));
    let remedy = finding.remedy.iter().map(|text| ("remedy", named(text)));
    let caveat = finding
        .caveat
        .map(|text| ("but", format!("it could be wrong: {text}")));
    let found = [("found", format!("{}.", finding.title))];
    output.line(&text::paragraphs(
        output,
        found
            .into_iter()
            .chain(once_labelled(evidence))
            .chain(caveat)
            .chain(once_labelled(remedy)),
    ))
}

/// Said beside the count of a finding where events were lost.
fn incomplete(report: &Report) -> String {
    match report.ledger.lost {
        0 => String::new(),
        lost => format!("; the count may be too low: {lost} events were lost"),
    }
}

/// What nobody knows the cause of, and where to read about it.
fn unexplained(
    output: &Output,
    paint: Paint,
    report: &Report,
    findings: &[&Finding],
) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.line(&format!(
        "{}{}",
        paint.bold("Unexplained drops"),
        incomplete(report)
    ))?;
    for finding in findings {
        let known = finding.evidence.iter().map(|text| ("", text.clone()));
        let title = [("-", format!("{}.", finding.title))];
        output.line(&text::paragraphs(output, title.into_iter().chain(known)))?;
        for command in &finding.remedy {
            output.line(&paint.dim(&format!("  {command} says what to do.")))?;
        }
    }
    Ok(())
}

/// The label of the first row only.
fn once_labelled<'a>(
    rows: impl Iterator<Item = (&'a str, String)>,
) -> impl Iterator<Item = (&'a str, String)> {
    rows.enumerate()
        .map(|(index, (label, text))| (if index == 0 { label } else { "" }, text))
}

fn echoes(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    for (name, echoes) in ["ICMP", "ICMPv6"].into_iter().zip(&report.echoes) {
        // Worth a line only where pings got lost or stayed without an answer.
        if echoes.dropped == 0 && echoes.replied >= echoes.received.count() {
            continue;
        }
        output.line("")?;
        output.line(&paint.bold(&format!("{name} echo requests")))?;
        output.line(&text::paragraphs(output, [("", echo_account(echoes))]))?;
    }
    Ok(())
}

fn echo_account(echoes: &Echoes) -> String {
    let received = match echoes.received {
        Arrival::Hooked(count) => format!("{count} reached the handler"),
        Arrival::Counted(count) => format!("{count} reached the handler (by its counter)"),
    };
    let verdict = match (echoes.received.count(), echoes.replied) {
        (0, _) if echoes.dropped > 0 => ": never received",
        (received, 0) if received > 0 => ": received, never answered",
        (received, replied) if replied < received => ": received, not all answered",
        _ => "",
    };
    format!(
        "{} in dropped packets, {received}, {} replies sent{verdict}.",
        echoes.dropped, echoes.replied
    )
}

fn counters(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    if report.counters.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.line(&paint.bold(&format!(
        "Counters that speak of {}",
        report.subject.plural()
    )))?;
    let mut table = text::table(output);
    for counter in &report.counters {
        let name = match &counter.key.ifname {
            Some(ifname) => format!("{ifname} {}", counter.key.name),
            None => counter.key.name.clone(),
        };
        let because = match counter.gap {
            Some(gap) if report.compared => format!(": {}", gap.words()),
            _ => String::new(),
        };
        let verdict = match counter.explained {
            _ if !report.compared => format!(
                "not compared: not all {} were seen whole",
                report.subject.plural()
            ),
            None => String::new(),
            Some(0) => format!("{}{because}", report.subject.unexplained()),
            Some(explained) if explained == counter.delta => "all explained".to_owned(),
            Some(explained) => format!("{explained} of {} explained{because}", counter.delta),
        };
        let namespace = counter
            .key
            .netns
            .map_or_else(|| "the whole host".to_owned(), |id| report.namespace(id));
        table.add_row([
            cell(name),
            cell(format!("+{}", counter.delta)).set_alignment(CellAlignment::Right),
            cell(verdict),
            cell(namespace),
        ]);
    }
    output.line(&text::lines(&table))?;
    match &report.remark {
        Some(remark) => output.line(&text::paragraphs(output, [("", remark.clone())])),
        None => Ok(()),
    }
}

fn header_checks(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    let checks: Vec<_> = report
        .header_checks
        .iter()
        .filter(|check| check.calls > 0)
        .collect();
    if checks.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.line(&paint.bold("Header check"))?;
    let rows = checks.iter().map(|check| {
        let accepted = match check.accepted {
            0 => String::new(),
            accepted => format!(" ({accepted} of them accepted by the kernel)"),
        };
        (
            check.probe.as_str(),
            format!(
                "{} calls, {} refused, {} with a malformed header{accepted}",
                check.calls, check.refused, check.malformed
            ),
        )
    });
    let missed = (report.checks_missed > 0).then(|| {
        (
            "skipped",
            format!(
                "{} runs, by the kernel: the counts above are too low",
                report.checks_missed
            ),
        )
    });
    let price = report.check_ns.map(|ns| {
        (
            "price",
            format!("{ns} ns a packet (sampled); --no-header-check leaves it out"),
        )
    });
    let mut table = text::table(output);
    for (label, words) in rows.chain(missed).chain(price) {
        table.add_row([cell(label), cell(words)]);
    }
    output.line(&text::lines(&table))
}

pub(super) fn ledger(output: &Output, paint: Paint, report: &Report) -> io::Result<()> {
    let ledger = &report.ledger;
    output.line("")?;
    let text = format!(
        "{} seen = {} reported + {} filtered + {} sampled out + {} lost, in {}",
        ledger.seen,
        ledger.reported,
        ledger.filtered,
        ledger.sampled_out,
        ledger.lost,
        seconds(report.duration)
    );
    output.line(&format!("{} {text}", paint.bold("Ledger:")))?;
    let help = match report.subject {
        Subject::Drops => "--reason, --iface and --netns, which the kernel applies",
        Subject::Retrans => "--iface and --netns, which the kernel applies",
        Subject::Conn => "--netns, which the kernel applies",
        Subject::Packets => return Ok(()),
    };
    if ledger.lost > 0 {
        output.line(&paint.yellow(&format!(
            "Events were lost, so every count above may be too low: a larger --buffer-size helps, and so do {help}."
        )))?;
    }
    if report.evidence_lost > 0 {
        output.line(&paint.yellow(&format!(
            "{} drops of TCP packets were lost, which might have said where segments went.",
            report.evidence_lost
        )))?;
    }
    Ok(())
}

/// Times as text, UTC. Date and time are made once a second and the digits after it each time: under a flood a
/// calendar computation a packet would cost more than the rest of its line.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: Option<i128>,
    /// `2026-11-21T08:55:01.123456789Z` of the last time.
    text: String,
}

/// How long the text is up to the point before the fraction.
const UP_TO_SECONDS: usize = 19;

impl Clock {
    /// RFC 3339 with nanoseconds.
    pub(super) fn rfc3339(&mut self, unix_ns: i128) -> &str {
        const SECOND: i128 = 1_000_000_000;
        let second = unix_ns.div_euclid(SECOND);
        if self.second != Some(second) {
            let time = Timestamp::from_nanosecond(second * SECOND).unwrap_or(Timestamp::UNIX_EPOCH);
            self.text = time.to_string();
            self.second = Some(second);
        }
        let mut rest = u32::try_from(unix_ns.rem_euclid(SECOND)).unwrap_or(0);
        let mut digits = *b".000000000Z";
        for digit in digits.iter_mut().skip(1).take(9).rev() {
            *digit = b"0123456789"
                .get(usize::try_from(rest % 10).unwrap_or(0))
                .copied()
                .unwrap_or(b'0');
            rest /= 10;
        }
        self.text.truncate(UP_TO_SECONDS);
        self.text
            .push_str(std::str::from_utf8(&digits).unwrap_or_default());
        &self.text
    }

    /// `HH:MM:SS` and as many digits of the second.
    pub(super) fn time_of_day(&mut self, unix_ns: i128, digits: usize) -> &str {
        let text = self.rfc3339(unix_ns);
        let end = if digits == 0 {
            UP_TO_SECONDS
        } else {
            UP_TO_SECONDS + 1 + digits
        };
        text.get("2026-11-21T".len()..end).unwrap_or(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn the_time_of_day_is_utc() {
        let mut clock = Clock::default();
        assert_eq!(
            clock.time_of_day(1_700_000_000_123_456_789, 3),
            "22:13:20.123"
        );
        assert_eq!(clock.time_of_day(1_700_000_001_000_000_000, 0), "22:13:21");
        assert_eq!(
            clock.rfc3339(1_700_000_001_000_000_007),
            "2023-11-14T22:13:21.000000007Z"
        );
    }
}
