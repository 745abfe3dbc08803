//! TCP connections, as `netdiag conn` sees them.

use super::{Ending, Observer, Request};
use crate::{
    analysis::{
        conn::{
            Cause, ConnEvent, ConnKind, DroppedSyn, Existing, Names, Tracker, counter::Explained,
            finding::Findings,
        },
        filter::PacketFilter,
        ledger::Ledger,
    },
    command::{conn, sinks::Sinks},
    decode::{self, Caller, Flow},
    kernel::{
        clock::{WallClock, monotonic_ns},
        hook::{Hook, conn as hook},
        netns::{self, NetnsNames},
        owner::Owners,
        reason::Reasons,
        session::Session,
        sockdiag::Which,
        symbol::Symbols,
    },
    render::{Diagnostics, Progress, Report, Subject, conn::Shown},
};
use netdiag_common::{NetnsId, count as slot, record::KIND_CONN};
use std::time::Duration;

/// Flags of a TCP header.
const SYN: u8 = 0x02;
/// See [`SYN`].
const ACK: u8 = 0x10;

/// Turns records into connections, and keeps what the end of the run needs.
pub(in crate::command) struct Conns<'a> {
    filter: &'a PacketFilter,
    only: Option<NetnsId>,
    failed_only: bool,
    /// Whether namespaces are known, which the counters belong to.
    compared: bool,
    count: Option<u64>,
    reasons: Reasons,
    clock: WallClock,
    symbols: Symbols,
    owners: Owners,
    names: NetnsNames,
    tracker: Tracker,
    findings: Findings,
    explained: Explained,
    counts: [u64; 6],
    existing: u64,
    reported: u64,
    filtered: u64,
    unreadable: u64,
    told_existing: bool,
}

impl<'a> Conns<'a> {
    pub(in crate::command) fn new(
        request: &'a Request,
        session: &mut Session,
        names: Names,
        failed_only: bool,
        whole: bool,
        diagnostics: &Diagnostics,
    ) -> Self {
        let sees_resets = session
            .standing(hook::RESET_IN)
            .is_some_and(|rung| rung.hook != Hook::Deduced);
        let mut tracker = Tracker::new(Names {
            sees_resets,
            ..names
        });
        let mut owners = Owners::new();
        // The gate is open: what begins from now on has its records, and is not told as existing.
        tracker.existing(existing(request.config.netns, &mut owners, diagnostics));
        Self {
            filter: &request.filter,
            only: request.config.netns,
            failed_only,
            compared: whole,
            count: request.count,
            reasons: session.take_reasons(),
            clock: WallClock::now(),
            symbols: Symbols::default(),
            owners,
            names: NetnsNames::new(),
            tracker,
            findings: Findings::default(),
            explained: Explained::default(),
            counts: [0; 6],
            existing: 0,
            reported: 0,
            filtered: 0,
            unreadable: 0,
            told_existing: false,
        }
    }

    /// Shows what is complete.
    fn tell(&mut self, sinks: &mut Sinks) {
        while let Some(mut event) = self.tracker.next_event() {
            self.explained.observe(&event);
            if event.kind == ConnKind::Existing {
                self.existing += 1;
            }
            if self.full() || !self.wants(&event) {
                self.filtered += 1;
                continue;
            }
            // What is wrong is told of all of them, failures or not.
            event.finding = self.findings.observe(&event);
            if self.failed_only && !is_failure(&event) {
                self.filtered += 1;
                continue;
            }
            self.reported += 1;
            let kind = ConnKind::ALL.iter().position(|kind| *kind == event.kind);
            if let Some(count) = kind.and_then(|at| self.counts.get_mut(at)) {
                *count += 1;
            }
            let cgroup = event.cgroup_id.and_then(|id| self.owners.cgroup_path(id));
            sinks.conn(&Shown {
                time_ns: self.clock.unix_ns(event.time_ns),
                event: &event,
                cgroup: cgroup.as_deref(),
            });
        }
    }

    fn wants(&self, event: &ConnEvent) -> bool {
        let Flow {
            local,
            remote,
            sport,
            dport,
        } = event.flow;
        let hosts = &self.filter.hosts;
        let ports = &self.filter.ports;
        let host = [local, remote]
            .into_iter()
            .flatten()
            .any(|host| hosts.contains(&host));
        let port = [sport, dport]
            .into_iter()
            .flatten()
            .any(|port| ports.contains(&port));
        (hosts.is_empty() || host) && (ports.is_empty() || port)
    }

    /// A dropped packet: of interest when it was to make a connection.
    fn dropped(&mut self, record: &[u8]) {
        let Ok(event) = decode::drop_record(record) else {
            self.unreadable += 1;
            return;
        };
        let packet = decode::packet(&event.frame, event.vlan, event.no_skb);
        let Some(flags) = packet.tcp_flags().filter(|flags| flags.0 & SYN != 0) else {
            return;
        };
        let answer = flags.0 & ACK != 0;
        let place = self.symbols.place(event.location);
        let sent = Flow {
            local: packet.src(),
            remote: packet.dst(),
            sport: packet.sport(),
            dport: packet.dport(),
        };
        let flow = if answer {
            Flow {
                local: sent.remote,
                remote: sent.local,
                sport: sent.dport,
                dport: sent.sport,
            }
        } else {
            sent
        };
        let syn = DroppedSyn {
            reason: event
                .reason
                .and_then(|value| self.reasons.name(value))
                .map(str::to_owned),
            place: place.text.clone(),
            ifname: Some(event.ifname.into_owned()).filter(|name| !name.is_empty()),
            answer,
        };
        self.tracker.dropped(event.time_ns, flow, syn);
    }
}

impl Observer for Conns<'_> {
    const SUBJECT: Subject = Subject::Conn;

    fn full(&self) -> bool {
        self.count.is_some_and(|count| self.reported >= count)
    }

    fn record(&mut self, record: &[u8], sinks: &mut Sinks) {
        if decode::record_kind(record) != Some(KIND_CONN) {
            self.dropped(record);
            return;
        }
        match decode::conn_record(record) {
            Some(hit) => self.tracker.observe(hit),
            None => self.unreadable += 1,
        }
        self.tell(sinks);
    }

    fn idle(&mut self, sinks: &mut Sinks) {
        let now = monotonic_ns();
        if !self.told_existing {
            self.told_existing = true;
            self.tracker.tell_existing(now);
        }
        // What was stamped before now has been read by now.
        self.tracker.advance(now);
        self.tell(sinks);
    }

    fn progress(&self, session: &Session, elapsed: Duration) -> Progress {
        let totals = session.totals();
        Progress {
            subject: Self::SUBJECT,
            elapsed,
            reported: self.reported,
            lost: totals[slot::CONN_LOST] + session.missed() + self.unreadable,
        }
    }

    fn settle(mut self, ending: &Ending<'_>, sinks: &mut Sinks) -> Report {
        let Ending {
            session,
            deltas,
            duration,
            interrupted,
            ..
        } = *ending;
        self.tracker.tell_existing(monotonic_ns());
        self.tracker.finish();
        self.tell(sinks);
        for netns in self.tracker.unfinished() {
            self.explained.add(netns, "TcpActiveOpens", 1);
        }
        for (netns, count) in &self.tracker.resets_out {
            self.explained.add(*netns, "TcpOutRsts", *count);
        }
        for ((netns, _), queue) in self.tracker.queues() {
            for counter in ["TcpExtListenOverflows", "TcpExtListenDrops"] {
                self.explained.add(*netns, counter, queue.refused);
            }
        }
        let totals = session.totals();
        let missed = session.missed();
        let ledger = Ledger {
            // Records that became part of another event are no observations of their own.
            seen: (totals[slot::CONN_SEEN] + missed + self.existing)
                .saturating_sub(self.tracker.merged),
            reported: self.reported,
            filtered: totals[slot::CONN_FILTERED] + self.filtered,
            sampled_out: 0,
            lost: totals[slot::CONN_LOST] + missed + self.unreadable,
        };
        let counters = self.explained.correlate(deltas);
        let hooked = session
            .standing(hook::QUEUE)
            .is_some_and(|rung| rung.hook != Hook::Deduced);
        if !hooked {
            let overflowed = counters
                .iter()
                .filter(|counter| counter.key.name == "TcpExtListenOverflows")
                .filter_map(|counter| counter.key.netns);
            find_full(&overflowed.collect::<Vec<_>>(), &mut self.tracker);
        }
        let namespaces = counters
            .iter()
            .filter_map(|counter| counter.key.netns)
            .chain(self.only)
            .map(|id| (id, self.names.name(id)))
            .collect();
        let findings = self.findings.finish(&counters, self.tracker.queues());
        Report {
            duration,
            interrupted,
            subject: Self::SUBJECT,
            live: true,
            ledger,
            findings,
            counters,
            compared: self.compared,
            namespaces,
            evidence_lost: totals[slot::DROPS_LOST] + session.aside_missed(),
            conns: Some(self.counts),
            ..Report::default()
        }
    }
}

/// Looks for the listeners whose queue is full now, where some was.
fn find_full(overflowed: &[NetnsId], tracker: &mut Tracker) {
    if overflowed.is_empty() {
        return;
    }
    let namespaces = netns::list().unwrap_or_default();
    for namespace in namespaces.iter().filter(|it| overflowed.contains(&it.id)) {
        // It is evidence beside the counter, and may be missing.
        for socket in conn::sockets(namespace, Which::Listening).unwrap_or_default() {
            let Some(limit) = socket.limit.filter(|&limit| socket.queued > limit) else {
                continue;
            };
            let flow = Flow {
                local: Some(socket.local).filter(|address| !address.is_unspecified()),
                sport: Some(socket.sport),
                ..Flow::default()
            };
            tracker.found_full(namespace.id, flow, socket.queued, limit);
        }
    }
}

/// Whether `--failed` shows it.
fn is_failure(event: &ConnEvent) -> bool {
    match event.kind {
        ConnKind::Failed => true,
        ConnKind::Closed => {
            matches!(event.result, Some(Some(_))) || event.cause == Some(Cause::ResetHere)
        }
        _ => false,
    }
}

/// The connections of one namespace, or of all, that are open now.
fn existing(
    only: Option<NetnsId>,
    owners: &mut Owners,
    diagnostics: &Diagnostics,
) -> Vec<Existing> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for namespace in netns::list().unwrap_or_default() {
        if only.is_some_and(|only| only != namespace.id) {
            continue;
        }
        let sockets = match conn::sockets(&namespace, Which::Open) {
            Ok(sockets) => sockets,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        found.extend(sockets.into_iter().map(|socket| {
            let holder = owners.lookup(socket.inode);
            Existing {
                flow: Flow {
                    local: Some(socket.local),
                    remote: Some(socket.remote),
                    sport: Some(socket.sport),
                    dport: Some(socket.dport),
                },
                netns: Some(namespace.id),
                state: socket.state,
                mapped: socket.mapped,
                caller: holder.map(|owner| Caller {
                    pid: owner.pid,
                    comm: owner.comm,
                    uid: None,
                }),
                uid: Some(socket.uid),
            }
        }));
    }
    diagnostics.problems(&problems);
    found
}
