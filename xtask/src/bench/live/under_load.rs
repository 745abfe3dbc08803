//! What netdiag costs while packets are dropped as fast as one thread can send them.

use std::time::Duration;

use super::flood::Namespace;
use super::reference::Account;
use super::subject::{Bench, Flood, Said};
use crate::bench::report::{Figure, Report, Target, median};

/// Run time of netdiag's program over that of the reference.
const RUN_TIME_TARGET: f64 = 1.5;

impl Bench<'_> {
    /// Floods without the kernel's statistics: completeness, throughput, and what the sender pays.
    pub(super) fn floods(&self, namespace: &Namespace, rounds: u32, report: &mut Report) {
        let (mut bare, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=rounds {
            eprintln!(
                "flood of {} packets, round {round} of {rounds}",
                self.packets
            );
            let flood = namespace.flood(self.packets);
            bare.extend(report.measured("flood with nothing attached", flood));
            let flood = self.flood_reference(namespace);
            theirs.extend(report.measured("flood, reference", flood));
            let flood = self.flood_netdiag(namespace, false);
            ours.extend(report.measured("flood, netdiag", flood));
        }
        self.completeness(&ours, &theirs, report);
        throughput(&ours, &theirs, report);
        self.price(&bare, &ours, &theirs, report);
    }

    /// Nothing may be missing, in no round.
    fn completeness(&self, ours: &[Flood<Said>], theirs: &[Flood<Account>], report: &mut Report) {
        let ledgers = || ours.iter().map(|flood| flood.said.ledger);
        let seen = ledgers().map(|ledger| ledger.seen).min();
        report.row(
            format!("flood of {}: seen, fewest", self.packets),
            seen.map(Figure::Count),
            theirs
                .iter()
                .map(|flood| flood.said.seen)
                .min()
                .map(Figure::Count),
            seen.map(|seen| Target::new(format!(">= {}", self.packets), seen >= self.packets)),
        );
        let lost = ledgers().map(|ledger| ledger.lost).max();
        report.row(
            "flood: lost, most",
            lost.map(Figure::Count),
            theirs
                .iter()
                .map(|flood| flood.said.ring_full)
                .max()
                .map(Figure::Count),
            lost.map(|lost| Target::new("0", lost == 0)),
        );
        let missing = ledgers()
            .map(|ledger| ledger.missing().unsigned_abs())
            .max();
        report.row(
            "flood: seen, but in no column or in two, most",
            missing
                .and_then(|missing| u64::try_from(missing).ok())
                .map(Figure::Count),
            None,
            missing.map(|missing| Target::new("0", missing == 0)),
        );
        let lines = ours.iter().map(|flood| flood.said.lines).min();
        report.row(
            "flood: drop lines written, fewest; reference: delivered",
            lines.map(Figure::Count),
            theirs
                .iter()
                .map(|flood| flood.said.delivered)
                .min()
                .map(Figure::Count),
            lines.map(|_| {
                let mut rounds = ours.iter().map(|flood| &flood.said);
                let all = rounds.all(|said| said.lines == said.ledger.reported);
                Target::new("= reported", all)
            }),
        );
    }

    /// What the sender of a dropped packet pays.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an average, printed without digits"
    )]
    fn price(
        &self,
        bare: &[Duration],
        ours: &[Flood<Said>],
        theirs: &[Flood<Account>],
        report: &mut Report,
    ) {
        let ns = |duration: Duration| duration.as_secs_f64() * 1e9 / self.packets as f64;
        let Some(bare) = median(bare.iter().copied().map(ns)) else {
            return;
        };
        let ours = median(ours.iter().map(|flood| ns(flood.sending)));
        let theirs = median(theirs.iter().map(|flood| ns(flood.sending)));
        report.row(
            format!("sender: ns a packet (nothing attached: {bare:.0})"),
            ours.map(|ns| Figure::Measure(ns, 0)),
            theirs.map(|ns| Figure::Measure(ns, 0)),
            None,
        );
        report.row(
            "sender: times the price with nothing attached",
            ours.map(|ns| Figure::Measure(ns / bare, 2)),
            theirs.map(|ns| Figure::Measure(ns / bare, 2)),
            None,
        );
    }

    /// Run time of the eBPF programs, by the kernel's statistics.
    pub(super) fn run_time(&self, namespace: &Namespace, rounds: u32, report: &mut Report) {
        let statistics = self.enable_statistics();
        let Some(_statistics) = report.measured("run time statistics", statistics) else {
            return;
        };
        let mut ratios = Vec::new();
        for round in 1..=rounds {
            eprintln!("eBPF run time, round {round} of {rounds}");
            let theirs = self.flood_reference(namespace);
            let theirs = report
                .measured("run time of the reference", theirs)
                .map(|flood| flood.said.ns_per_event);
            let ours = self.flood_netdiag(namespace, true);
            let ours = report
                .measured("run time of netdiag", ours)
                .and_then(|flood| flood.said.ns_per_event);
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                ratios.push(ours / theirs);
            }
            report.row(
                format!("eBPF run time, ns an event, round {round}"),
                ours.map(|ns| Figure::Measure(ns, 1)),
                theirs.map(|ns| Figure::Measure(ns, 1)),
                None,
            );
        }
        let ratio = median(ratios);
        report.row(
            "eBPF run time, median of the ratios",
            ratio.map(|ratio| Figure::Measure(ratio, 2)),
            ratio.map(|_| Figure::Count(1)),
            ratio.map(|ratio| {
                Target::new(format!("<= {RUN_TIME_TARGET}"), ratio <= RUN_TIME_TARGET)
            }),
        );
    }
}

/// How fast events came out, and what that took.
#[expect(
    clippy::cast_precision_loss,
    reason = "averages, printed with few digits"
)]
fn throughput(ours: &[Flood<Said>], theirs: &[Flood<Account>], report: &mut Report) {
    let rate = |events: u64, time: Duration| events as f64 / time.as_secs_f64();
    let digits = |digits| move |value: f64| Figure::Measure(value, digits);
    report.row(
        "flood: events a second, to the end of the program, median",
        median(ours.iter().map(|flood| rate(flood.said.lines, flood.whole))).map(digits(0)),
        median(
            theirs
                .iter()
                .map(|flood| rate(flood.said.delivered, flood.whole)),
        )
        .map(digits(0)),
        None,
    );
    report.row(
        "flood: processor time, user and system, median, s",
        median(ours.iter().map(|flood| flood.cpu.as_secs_f64())).map(digits(2)),
        median(theirs.iter().map(|flood| flood.cpu.as_secs_f64())).map(digits(2)),
        None,
    );
}
