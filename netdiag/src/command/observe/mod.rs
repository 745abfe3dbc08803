//! One live run: attach, watch the ring until there is a reason to stop, detach, settle the books.
//!
//! Every end is the same: `--duration`, `--count`, Ctrl-C, SIGTERM or the lab's last packet lead to the last counters,
//! detach, drain, summary.

mod conn;
mod drops;
mod retrans;

pub(super) use conn::Conns;
pub(super) use drops::Drops;
pub(super) use retrans::Retransmissions;

use super::{sinks::Sinks, snapshot};
use crate::{
    analysis::{counter, filter::PacketFilter},
    kernel::{
        self,
        btf::KernelBtf,
        privilege,
        ring::{Ring, Wake},
        session::{Config, Session},
    },
    render::{Diagnostics, Probe, Progress, Report, Start, Subject},
};
use anyhow::Context;
use netdiag_common::NetnsId;
use std::{collections::BTreeSet, future::Future, pin::pin, time::Duration};
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
    /// After how many observations to stop.
    pub(super) count: Option<u64>,
}

/// What a run comes to, apart from what was observed.
pub(super) struct Ending<'a> {
    pub(super) session: &'a Session,
    /// The counters that rose.
    pub(super) deltas: &'a [counter::Delta],
    /// The namespaces whose counters were read at both ends.
    pub(super) counted: &'a BTreeSet<NetnsId>,
    pub(super) duration: Duration,
    pub(super) interrupted: bool,
}

/// Turns the records of a run into what is shown, and keeps what its end needs.
pub(super) trait Observer {
    /// What it is about.
    const SUBJECT: Subject;

    /// Whether as much was reported as the user wanted.
    fn full(&self) -> bool;

    /// The next record of the ring.
    fn record(&mut self, record: &[u8], sinks: &mut Sinks);

    /// Nothing waits at the moment.
    fn idle(&mut self, sinks: &mut Sinks);

    /// How far it is.
    fn progress(&self, session: &Session, elapsed: Duration) -> Progress;

    /// The books, after everything is detached and drained.
    fn settle(self, ending: &Ending<'_>, sinks: &mut Sinks) -> Report;
}

/// `observer` is made once everything is attached; it is told whether the kernel shows its types.
///
/// Runs until one of the request's ends, a signal, or `until`. A dump that cannot be written any more is an end, too:
/// [`Sinks::finish`] tells.
///
/// # Errors
/// What kept the run from starting, or its output from being written. Nothing stays attached.
pub(super) fn run<O: Observer>(
    request: &Request,
    btf: Option<KernelBtf>,
    sinks: &mut Sinks,
    diagnostics: &Diagnostics,
    observer: impl FnOnce(&mut Session, bool) -> O,
    started: impl FnOnce(),
    until: impl Future<Output = ()>,
) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(watch(
        request,
        btf,
        sinks,
        diagnostics,
        observer,
        started,
        until,
    ))
}

async fn watch<O: Observer>(
    request: &Request,
    btf: Option<KernelBtf>,
    sinks: &mut Sinks,
    diagnostics: &Diagnostics,
    observer: impl FnOnce(&mut Session, bool) -> O,
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

    let first = session
        .reports()
        .iter()
        .find(|report| report.state.is_attached());
    if !has_types && let Some(rung) = first {
        diagnostics.warn(&format!(
            "without types (BTF) {} are seen by {}, which loses {}; `netdiag doctor` tells more",
            O::SUBJECT.plural(),
            rung.hook,
            rung.loses
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
        subject: O::SUBJECT,
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

    let mut observer = observer(&mut session, has_types);
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
        more = drain(&mut ring, &mut observer, sinks) == BATCH;
        // A signal may have come before anyone waited for it here.
        if sinks.broken() || sinks.stopped() {
            break;
        }
        if observer.full() {
            interrupted = false;
            break;
        }
        if !more {
            observer.idle(sinks);
            sinks.progress(&observer.progress(&session, began.elapsed()));
        }
    }

    // The counters first: what drops packets does not wait for the ring to be drained, and what they count by now has
    // its event.
    let after = snapshot::take(request.config.netns);
    session.detach();
    let duration = began.elapsed();
    while drain(&mut ring, &mut observer, sinks) > 0 {}
    let mut counted = BTreeSet::new();
    let deltas = match after {
        Ok(after) => {
            diagnostics.problems(&after.problems);
            let of = |snapshot: &counter::Snapshot| -> BTreeSet<_> {
                snapshot.keys().filter_map(|key| key.netns).collect()
            };
            counted = &of(&before.counters) & &of(&after.counters);
            counter::deltas(&before.counters, &after.counters)
        }
        // What was seen is still to be told.
        Err(error) => {
            diagnostics.warn(&format!("the counters cannot be read any more: {error:#}"));
            Vec::new()
        }
    };
    let ending = Ending {
        session: &session,
        deltas: &deltas,
        counted: &counted,
        duration,
        interrupted,
    };
    let report = observer.settle(&ending, sinks);
    if !report.ledger.balances() {
        diagnostics.warn(&format!(
            "the books do not balance: {:?}; please report this",
            report.ledger
        ));
    }
    sinks.end(&report);
    Ok(report)
}

/// Hands over what waits in the ring, up to a batch; tells how many records there were.
fn drain(ring: &mut Ring, observer: &mut impl Observer, sinks: &mut Sinks) -> usize {
    ring.drain(BATCH, |record| observer.record(record, sinks))
}
