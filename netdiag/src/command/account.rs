//! The account of files: what was read, and what the ends of their runs said.

use super::ended::Ended;
use crate::{
    analysis::{
        finding::Finding,
        ledger::Ledger,
        retrans::{self, RetransTally},
        tally::Tally,
    },
    render::{Report, Subject},
};
use netdiag_common::NetnsId;
use std::time::Duration;

/// What was counted while reading.
pub(super) struct Books {
    pub(super) captured: u64,
    pub(super) untold: u64,
    pub(super) missing: u64,
    pub(super) span: Option<(i128, i128)>,
    pub(super) interrupted: bool,
    /// The namespace that was asked for.
    pub(super) netns: Option<NetnsId>,
    /// What the view was told to expect.
    pub(super) about: Option<Subject>,
}

/// The report, of what was read and of what the ends of the runs said.
pub(super) fn settle(
    tally: Tally,
    retransmissions: RetransTally,
    books: Books,
    ended: Ended,
) -> Report {
    // The numbers are a file's: nothing keeps them from being absurd.
    let [seen, _, filtered, sampled_out, lost] = ended.ledger;
    let reported = tally.reported + retransmissions.reported;
    let left_out = tally.filtered + retransmissions.filtered;
    let again = retransmissions.reported + retransmissions.filtered > 0
        || books.about == Some(Subject::Retrans);
    let nothing = reported + left_out == 0 && ended.runs == 0;
    let ledger = Ledger {
        seen: seen
            .saturating_add(books.untold)
            .saturating_add(books.captured),
        reported,
        filtered: filtered
            .saturating_add(books.missing)
            .saturating_add(left_out),
        sampled_out,
        lost,
    };
    let counters = ended.counters();
    let compared = ended.compared();
    let duration = match books.span {
        Some((first, last)) if ended.runs == 0 => u64::try_from(last - first).unwrap_or(0),
        _ => ended.duration_ns,
    };
    // Of other namespaces than the one that was asked for, nothing is concluded.
    let mut spoken = if compared {
        counters.clone()
    } else {
        Vec::new()
    };
    spoken.retain(|counter| {
        let of_it = |netns| counter.key.netns.is_none_or(|other| other == netns);
        books.netns.is_none_or(of_it)
    });
    let spoken = spoken.as_slice();
    // What counters alone show of drops, a run about retransmissions does not look for.
    let of_drops = match books.about {
        Some(Subject::Retrans) => &[],
        _ => spoken,
    };
    let mut findings = tally.findings.finish(of_drops, &ended.facts);
    if again {
        findings.extend(retrans::findings(&retransmissions.flows, spoken, compared));
        findings.sort_by_key(Finding::rank);
    }
    let echoes = ended.echoes(tally.echoes.dropped());
    let interrupted = ended.interrupted;
    let (remark, evidence_lost) = (ended.remark.clone(), ended.evidence_lost);
    let facts = ended.facts.clone();
    let (checks_missed, check_ns) = (ended.checks_missed, ended.check_ns);
    let (header_checks, namespaces) = ended.into_parts();
    Report {
        duration: Duration::from_nanos(duration),
        interrupted: books.interrupted || interrupted,
        subject: if books.captured > 0 || nothing {
            Subject::Packets
        } else if again {
            Subject::Retrans
        } else {
            Subject::Drops
        },
        live: false,
        ledger,
        findings,
        compared,
        groups: tally.groups,
        census: tally.census,
        echoes,
        checks_missed,
        check_ns,
        counters,
        header_checks,
        namespaces,
        facts,
        flows: retransmissions.flows,
        remark,
        evidence_lost,
        ..Report::default()
    }
}
