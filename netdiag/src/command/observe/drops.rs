//! Dropped packets, as `netdiag drops` and the lab see them.

use super::{Ending, Observer, Request};
use crate::{
    analysis::{
        counter::{Circumstances, judge},
        event::Event,
        filter::PacketFilter,
        ledger::Ledger,
        tally::{Outcome, Tally},
    },
    command::{fact, sinks::Sinks},
    decode::{self, DropEvent, Frame, Link},
    kernel::{
        clock::WallClock,
        hook::{Hook, KFREE_SKB},
        netns::NetnsNames,
        owner::Owners,
        reason::Reasons,
        session::Session,
        symbol::Symbols,
    },
    render::{HeaderChecks, Progress, Report, Subject},
};
use netdiag_common::count as slot;
use std::{borrow::Cow, collections::BTreeSet, time::Duration};

/// Turns records into drops, and keeps what the end of the run needs.
pub(in crate::command) struct Drops<'a> {
    filter: &'a PacketFilter,
    count: Option<u64>,
    /// Whether the kernel side sends every drop: one that it leaves out explains no counter.
    compared: bool,
    filtered: bool,
    whole: bool,
    snaplen: usize,
    reasons: Reasons,
    probe: &'static str,
    clock: WallClock,
    symbols: Symbols,
    owners: Owners,
    names: NetnsNames,
    tally: Tally,
    unreadable: u64,
}

impl<'a> Drops<'a> {
    /// `whole` says whether the hook shows packets and not only that there was one.
    pub(in crate::command) fn new(
        request: &'a Request,
        session: &mut Session,
        whole: bool,
    ) -> Self {
        let filtered = request.config.ifname.is_some() || !request.config.reasons.is_empty();
        Self {
            filter: &request.filter,
            count: request.count,
            compared: whole && !filtered,
            filtered,
            whole,
            snaplen: usize::try_from(request.config.snaplen).unwrap_or(usize::MAX),
            reasons: session.take_reasons(),
            probe: KFREE_SKB,
            clock: WallClock::now(),
            symbols: Symbols::default(),
            owners: Owners::new(),
            names: NetnsNames::new(),
            tally: Tally::default(),
            unreadable: 0,
        }
    }
}

impl Observer for Drops<'_> {
    const SUBJECT: Subject = Subject::Drops;

    fn full(&self) -> bool {
        self.count.is_some_and(|count| self.tally.reported >= count)
    }

    fn record(&mut self, record: &[u8], sinks: &mut Sinks) {
        let Ok(event) = decode::drop_record(record) else {
            self.unreadable += 1;
            return;
        };
        let mut completed = event.completed();
        let frame = match &mut completed {
            None => event.frame,
            Some((bytes, len)) => {
                // As much as of any other packet, and as a dump can keep.
                bytes.truncate(self.snaplen);
                Frame {
                    bytes,
                    link: Link::Ip,
                    network_offset: Some(0),
                    len: *len,
                    ethertype: event.protocol,
                }
            }
        };
        let packet = decode::packet(&frame, event.vlan, event.no_skb);
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
            orphan: event.orphan,
            received: Some(event.received),
            header_check: event.header_check,
            vlan: event.vlan,
            unread: event.no_skb,
            frame,
            source: None,
            packet: &packet,
        };
        let wanted = !self.full() && self.filter.admits(&packet);
        if let Outcome::Reported { finding } = self.tally.observe(&seen, wanted) {
            sinks.event(&seen, finding);
        }
    }

    fn idle(&mut self, _sinks: &mut Sinks) {}

    fn progress(&self, session: &Session, elapsed: Duration) -> Progress {
        let totals = session.totals();
        Progress {
            subject: Self::SUBJECT,
            elapsed,
            reported: self.tally.reported,
            lost: totals[slot::DROPS_LOST] + session.missed() + self.unreadable,
        }
    }

    fn settle(self, ending: &Ending<'_>, _sinks: &mut Sinks) -> Report {
        let Ending {
            session,
            deltas,
            counted,
            duration,
            interrupted,
        } = *ending;
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
        let mut counters = tally.kinds.correlate(deltas);
        let compared = self.compared;
        judge(
            &mut counters,
            &Circumstances {
                filtered: self.filtered,
                whole: self.whole,
                lost: ledger.lost,
                reasons: self.reasons.known(),
                receiver: session.tells_receiver(),
            },
        );
        let spoken = if compared { counters.as_slice() } else { &[] };
        // Drops that the user did not ask for raise the same counters.
        let nothing = BTreeSet::new();
        let all = compared && tally.filtered == 0;
        let counted = if all { counted } else { &nothing };
        let facts = fact::fetch(&tally.findings.questions(spoken), counted);
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
        Report {
            duration,
            interrupted,
            subject: Self::SUBJECT,
            live: true,
            checks_missed: session.aside_missed(),
            ledger,
            findings: tally.findings.finish(spoken, &facts),
            facts,
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
            ..Report::default()
        }
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
