//! One live run: attach, watch the ring until there is a reason to stop, detach, settle the books.
//!
//! Every end is the same: `--duration`, `--count`, Ctrl-C, SIGTERM or the lab's last packet lead to the last counters,
//! detach, drain, summary.

use super::{sinks::Sinks, snapshot};
use crate::{
    analysis::{
        counter,
        event::Event,
        filter::PacketFilter,
        ledger::Ledger,
        tally::{Outcome, Tally},
    },
    decode::{self, DropEvent},
    kernel::{
        self,
        btf::KernelBtf,
        clock::WallClock,
        hook::{Hook, KFREE_SKB},
        netns::NetnsNames,
        owner::Owners,
        privilege,
        reason::Reasons,
        ring::{Ring, Wake},
        session::{Config, Session},
        symbol::Symbols,
    },
    render::{Diagnostics, HeaderChecks, Probe, Progress, Report, Start, Subject},
};
use anyhow::Context;
use netdiag_common::count as slot;
use std::{borrow::Cow, future::Future, pin::pin, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// How often the ring is looked at. The kernel side wakes the reader earlier when the ring fills.
const TICK: Duration = Duration::from_millis(50);

/// How many records are handled before signals and the clock are looked at again.
const BATCH: usize = 4096;

/// What a run is to do.
pub(super) struct Request {
    /// The subcommand, for the record.
    pub(super) command: &'static str,
    /// What the programs are to look at.
    pub(super) config: Config,
    /// What user space is to leave out.
    pub(super) filter: PacketFilter,
    /// When to stop.
    pub(super) duration: Option<Duration>,
    /// After how many packets to stop.
    pub(super) count: Option<u64>,
}

/// Runs until one of the request's ends, a signal, or `until`. A dump that cannot be written any more is an end, too:
/// [`Sinks::finish`] tells.
///
/// # Errors
/// What kept the run from starting, or its output from being written. Nothing stays attached.
pub(super) fn run(
    request: &Request,
    btf: Option<KernelBtf>,
    sinks: &mut Sinks,
    diagnostics: &Diagnostics,
    started: impl FnOnce(),
    until: impl Future<Output = ()>,
) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(watch(request, btf, sinks, diagnostics, started, until))
}

async fn watch(
    request: &Request,
    btf: Option<KernelBtf>,
    sinks: &mut Sinks,
    diagnostics: &Diagnostics,
    started: impl FnOnce(),
    until: impl Future<Output = ()>,
) -> anyhow::Result<Report> {
    // Before anything is attached: from here on a signal ends the run in order.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot catch SIGHUP")?;

    let mut session = Session::open(&request.config, btf.as_ref())?;
    let has_types = btf.is_some();
    drop(btf);
    for report in session.reports() {
        diagnostics.verbose(&format!(
            "{} by {}: {}",
            report.probe, report.hook, report.state
        ));
    }

    if !has_types && let Some(rung) = session.standing(KFREE_SKB) {
        diagnostics.warn(&format!(
            "without types (BTF) drops are seen by {}, which loses {}; `netdiag doctor` tells more",
            rung.hook, rung.loses
        ));
    }
    if !privilege::effective().is_ok_and(privilege::Capabilities::has_syslog) {
        diagnostics.warn("CAP_SYSLOG is missing: places are bare addresses, and rules that need a function stay silent");
    }

    // The gate opens before the counters are read, so that what is counted in between has its event.
    session.open_gate();
    let began = Instant::now();
    let before = snapshot::take(request.config.netns)?;
    diagnostics.problems(&before.problems);
    // Freed memory goes back: parsing the kernel's types took more than the whole run will.
    kernel::trim_memory();
    let mut ring = session.take_ring().context("the ring is taken already")?;
    let wake = Wake::new(&ring).context("cannot wait for the ring")?;
    let probes = session
        .reports()
        .iter()
        .map(|report| Probe {
            name: report.probe.to_owned(),
            hook: report.hook.name().to_owned(),
            state: report.state.to_string(),
        })
        .collect();
    let start = Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: request.command.to_owned(),
        kernel: Some(kernel::release()),
        probes,
        subject: Subject::Drops,
    };
    // A dump that takes the place of an older file does so with all that root may do.
    sinks.start(&start);
    let keep = if sinks.rotates() {
        privilege::Capabilities::AFTER_ATTACH_ROTATING
    } else {
        privilege::Capabilities::AFTER_ATTACH
    };
    if let Err(error) = privilege::drop_to(keep) {
        diagnostics.warn(&format!("capabilities could not be dropped: {error}"));
    }
    sinks.waiting();
    started();

    let reasons = session.take_reasons();
    let mut observer = Observer::new(request, reasons, has_types, sinks);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut until = pin!(until);
    let mut deadline = pin!(sleep(request.duration.unwrap_or(Duration::MAX)));
    let mut more = false;
    let mut interrupted = true;
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
            () = &mut deadline => { interrupted = false; break }
            () = &mut until => { interrupted = false; break }
            woken = wake.woken() => woken.context("cannot wait for the ring")?,
            _ = tick.tick() => {}
            () = std::future::ready(()), if more => {}
        }
        more = observer.drain(&mut ring, BATCH) == BATCH;
        // A signal may have come before anyone waited for it here.
        if observer.sinks.broken() || observer.sinks.stopped() {
            break;
        }
        if observer.full() {
            interrupted = false;
            break;
        }
        if !more {
            observer.progress(&session, began.elapsed());
        }
    }

    // The counters first: what drops packets does not wait for the ring to be drained, and what they count by now has
    // its event.
    let after = snapshot::take(request.config.netns);
    session.detach();
    let duration = began.elapsed();
    while observer.drain(&mut ring, BATCH) > 0 {}
    let deltas = match after {
        Ok(after) => {
            diagnostics.problems(&after.problems);
            counter::deltas(&before.counters, &after.counters)
        }
        // What was seen is still to be told.
        Err(error) => {
            diagnostics.warn(&format!("the counters cannot be read any more: {error:#}"));
            Vec::new()
        }
    };
    let (report, sinks) = observer.settle(&session, &deltas, duration, interrupted);
    if !report.ledger.balances() {
        diagnostics.warn(&format!(
            "the books do not balance: {:?}; please report this",
            report.ledger
        ));
    }
    sinks.end(&report);
    Ok(report)
}

/// Turns records into drops, and keeps what the end of the run needs.
struct Observer<'a> {
    filter: &'a PacketFilter,
    count: Option<u64>,
    /// Whether the kernel side sends every drop: one that it leaves out explains no counter.
    compared: bool,
    reasons: Reasons,
    sinks: &'a mut Sinks,
    probe: &'static str,
    clock: WallClock,
    symbols: Symbols,
    owners: Owners,
    names: NetnsNames,
    tally: Tally,
    unreadable: u64,
}

impl<'a> Observer<'a> {
    /// `whole` says whether the hook shows packets and not only that there was one.
    fn new(request: &'a Request, reasons: Reasons, whole: bool, sinks: &'a mut Sinks) -> Self {
        Self {
            filter: &request.filter,
            count: request.count,
            compared: request.config.ifname.is_none() && request.config.reasons.is_empty() && whole,
            reasons,
            sinks,
            probe: KFREE_SKB,
            clock: WallClock::now(),
            symbols: Symbols::default(),
            owners: Owners::new(),
            names: NetnsNames::new(),
            tally: Tally::default(),
            unreadable: 0,
        }
    }

    /// Whether as many packets were reported as the user wanted.
    fn full(&self) -> bool {
        self.count.is_some_and(|count| self.tally.reported >= count)
    }

    /// Handles what waits in the ring, up to `limit` records; tells how many there were.
    fn drain(&mut self, ring: &mut Ring, limit: usize) -> usize {
        ring.drain(limit, |record| self.record(record))
    }

    fn record(&mut self, record: &[u8]) {
        let Ok(event) = decode::drop_record(record) else {
            self.unreadable += 1;
            return;
        };
        let packet = decode::packet(&event.frame, event.vlan, event.no_skb);
        let place = self.symbols.place(event.location);
        let owner = event
            .socket_inode
            .and_then(|inode| self.owners.lookup(inode));
        let cgroup = event.cgroup_id.and_then(|id| self.owners.cgroup_path(id));
        let seen = Event {
            time_ns: Some(self.clock.unix_ns(event.time_ns)),
            probe: Some(self.probe),
            reason: reason(&self.reasons, &event),
            location: &place.text,
            function: place.function.as_deref(),
            netns: event.netns,
            ifindex: event.ifindex,
            ifname: Some(&*event.ifname).filter(|name| !name.is_empty()),
            dev_type: event.dev_type,
            cpu: Some(event.cpu),
            owner: owner.as_ref().map(|owner| (owner.pid, owner.comm.as_str())),
            cgroup_id: event.cgroup_id,
            cgroup: cgroup.as_deref(),
            uid: event.uid,
            other_host: event.other_host,
            received: Some(event.received),
            header_check: event.header_check,
            vlan: event.vlan,
            unread: event.no_skb,
            frame: event.frame,
            source: None,
            packet: &packet,
        };
        let wanted = !self.full() && self.filter.admits(&packet);
        if let Outcome::Reported { finding } = self.tally.observe(&seen, wanted) {
            self.sinks.event(&seen, finding);
        }
    }

    fn progress(&mut self, session: &Session, elapsed: Duration) {
        let totals = session.totals();
        let progress = Progress {
            subject: Subject::Drops,
            elapsed,
            reported: self.tally.reported,
            lost: totals[slot::DROPS_LOST] + session.missed() + self.unreadable,
        };
        self.sinks.progress(&progress);
    }

    /// The books, after everything is detached and drained.
    fn settle(
        self,
        session: &Session,
        deltas: &[counter::Delta],
        duration: Duration,
        interrupted: bool,
    ) -> (Report, &'a mut Sinks) {
        let tally = self.tally;
        let totals = session.totals();
        let missed = session.missed();
        let ledger = Ledger {
            seen: totals[slot::DROPS_SEEN] + missed,
            reported: tally.reported,
            filtered: totals[slot::DROPS_FILTERED] + tally.filtered,
            // Nothing is sampled yet.
            sampled_out: 0,
            lost: totals[slot::DROPS_LOST] + missed + self.unreadable,
        };
        let hooked = |probe: &str| {
            session
                .standing(probe)
                .is_some_and(|rung| rung.hook != Hook::Deduced)
        };
        let arrivals =
            |probe, slot: usize| hooked(probe).then(|| totals.get(slot).copied().unwrap_or(0));
        let echoes = tally.echoes.finish(
            [
                arrivals("icmp_rcv", slot::ICMP_ECHO_REQUESTS),
                arrivals("icmpv6_rcv", slot::ICMP6_ECHO_REQUESTS),
            ],
            deltas,
        );
        let check = |probe: &'static str, calls: usize| {
            let value = |offset: usize| totals.get(calls + offset).copied().unwrap_or(0);
            hooked(probe).then(|| HeaderChecks {
                probe: probe.to_owned(),
                calls: value(0),
                refused: value(1),
                malformed: value(2),
                accepted: value(3),
            })
        };
        let mut names = self.names;
        let counters = tally.kinds.correlate(deltas);
        let compared = self.compared;
        let namespaces = counters
            .iter()
            .filter_map(|counter| counter.key.netns)
            .chain(
                tally
                    .groups
                    .sorted()
                    .iter()
                    .filter_map(|group| group.key.netns),
            )
            .map(|id| (id, names.name(id)))
            .collect();
        let report = Report {
            duration,
            interrupted,
            subject: Subject::Drops,
            live: true,
            checks_missed: session.checks_missed(),
            ledger,
            findings: tally
                .findings
                .finish(if compared { &counters } else { &[] }),
            compared,
            groups: tally.groups,
            census: tally.census,
            counters,
            namespaces,
            echoes,
            header_checks: [
                check("ip_rcv_core", slot::IP4_CALLS),
                check("ip6_rcv_core", slot::IP6_CALLS),
            ]
            .into_iter()
            .flatten()
            .collect(),
            check_ns: totals[slot::CHECK_NS].checked_div(totals[slot::CHECK_TIMED]),
        };
        (report, self.sinks)
    }
}

fn reason<'a>(reasons: &'a Reasons, event: &DropEvent<'_>) -> Option<Cow<'a, str>> {
    let value = event.reason?;
    Some(match reasons.name(value) {
        Some(name) => Cow::Borrowed(name),
        // A reason that this kernel's types do not name: a module's, loaded without them.
        None => Cow::Owned(format!("reason {value:#x}")),
    })
}
