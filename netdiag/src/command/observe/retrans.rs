//! TCP retransmissions, as `netdiag retrans` sees them, with the drops that may have caused them.

use super::{Ending, Observer};
use crate::{
    analysis::{
        ledger::Ledger,
        retrans::{LocalDrop, LocalDrops, RetransEvent, RetransFilter, RetransTally, findings},
    },
    command::sinks::Sinks,
    decode::{self, Retrans, RetransContext, TcpState, record_kind},
    kernel::{
        clock::{self, WallClock},
        hook::{
            Hook,
            retrans::{LOSS_PROBE, RETRANSMIT, SYNACK},
        },
        netns::NetnsNames,
        owner::{Owner, Owners},
        reason::Reasons,
        session::Session,
        symbol::Symbols,
    },
    render::{Progress, Report, Subject},
};
use netdiag_common::{count as slot, record::KIND_DROP};
use std::{collections::VecDeque, time::Duration};

/// How long a retransmission waits for the drop that it may meet on its way: through a queue, or through another
/// namespace of this host.
const HOLD_NS: u64 = 100_000_000;

/// No more than so many wait: memory stays bounded.
const MOST_HELD: usize = 8192;

/// A retransmission that waits.
struct Held {
    retrans: Retrans,
    owner: Option<Owner>,
    cgroup: Option<String>,
}

/// Turns records into retransmissions, and keeps what the end of the run needs.
pub(in crate::command) struct Retransmissions {
    filter: RetransFilter,
    count: Option<u64>,
    /// Whether the kernel side sends every retransmission: one that it leaves out explains no counter.
    compared: bool,
    /// Whether the hook tells of retransmissions that could not be sent.
    tells_failures: bool,
    context: RetransContext,
    reasons: Reasons,
    clock: WallClock,
    symbols: Symbols,
    owners: Owners,
    names: NetnsNames,
    drops: LocalDrops,
    held: VecDeque<Held>,
    tally: RetransTally,
    unreadable: u64,
}

impl Retransmissions {
    /// `compared` says whether the kernel side sends every retransmission of the namespaces whose counters are read.
    pub(in crate::command) fn new(
        filter: RetransFilter,
        count: Option<u64>,
        compared: bool,
        tells_failures: bool,
        session: &mut Session,
    ) -> Self {
        let hook = |probe| session.standing(probe).map(|rung| rung.hook);
        let probes_hooked = hook(LOSS_PROBE).is_some_and(|hook| hook != Hook::Deduced);
        let whole = matches!(hook(RETRANSMIT), Some(Hook::Fexit | Hook::Kprobe));
        Self {
            filter,
            count,
            compared,
            tells_failures: whole || tells_failures,
            context: RetransContext {
                tick_ns: clock::tick_ns(),
                probes_hooked,
            },
            reasons: session.take_reasons(),
            clock: WallClock::now(),
            symbols: Symbols::default(),
            owners: Owners::new(),
            names: NetnsNames::new(),
            drops: LocalDrops::default(),
            held: VecDeque::new(),
            tally: RetransTally::default(),
            unreadable: 0,
        }
    }

    fn drop(&mut self, record: &[u8]) {
        // What cannot be read is no evidence.
        let Ok(event) = decode::drop_record(record) else {
            return;
        };
        let packet = decode::packet(&event.frame, event.vlan, event.no_skb);
        let reason = event.reason.and_then(|value| self.reasons.name(value));
        let drop = LocalDrop {
            reason: reason.map(str::to_owned),
            location: self.symbols.place(event.location).text.clone(),
            ifname: Some(event.ifname.clone().into_owned()).filter(|name| !name.is_empty()),
            netns: event.netns,
        };
        self.drops
            .add(&packet, decode::tcp_payload(&event.frame), drop);
    }

    /// Lets go of what has waited long enough, or of everything.
    fn release(&mut self, all: bool, sinks: &mut Sinks) {
        let now = clock::monotonic_ns();
        while let Some(first) = self.held.front() {
            let waited = now.saturating_sub(first.retrans.time_ns);
            if !all && waited < HOLD_NS && self.held.len() < MOST_HELD {
                break;
            }
            let Some(held) = self.held.pop_front() else {
                break;
            };
            self.tell(&held, sinks);
        }
    }

    fn tell(&mut self, held: &Held, sinks: &mut Sinks) {
        let retrans = &held.retrans;
        let dropped = self.drops.find(retrans);
        // With SYN and ACK a socket's own segment looks alike, when both ends have opened at once.
        let synack = retrans.socket.state == Some(TcpState::NewSynRecv);
        let event = RetransEvent {
            time_ns: Some(self.clock.unix_ns(retrans.time_ns)),
            probe: if synack { SYNACK } else { RETRANSMIT },
            retrans,
            owner: held
                .owner
                .as_ref()
                .map(|owner| (owner.pid, owner.comm.as_str())),
            cgroup: held.cgroup.as_deref(),
            dropped: dropped.as_deref(),
        };
        let wanted = !self.full() && self.filter.admits(retrans);
        if self.tally.observe(&event, wanted) {
            sinks.retrans(&event);
        }
    }

    fn remark(&self, counters: &[crate::analysis::counter::Correlated]) -> Option<String> {
        let short = |name: &str| {
            counters
                .iter()
                .filter(|counter| counter.key.name == name)
                .any(|counter| {
                    counter
                        .explained
                        .is_some_and(|explained| explained < counter.delta)
                })
        };
        (self.compared && !self.tells_failures && short("TcpRetransSegs")).then(|| {
            "What of TcpRetransSegs is not explained could not be sent: this kernel's tracepoint tells only of \
             retransmissions that were sent, while the counter rises for each. fexit tells of them all."
                .to_owned()
        })
    }
}

impl Observer for Retransmissions {
    const SUBJECT: Subject = Subject::Retrans;

    fn full(&self) -> bool {
        self.count.is_some_and(|count| self.tally.reported >= count)
    }

    fn record(&mut self, record: &[u8], sinks: &mut Sinks) {
        if record_kind(record) == Some(KIND_DROP) {
            self.drop(record);
            return;
        }
        let Some(retrans) = decode::retrans_record(record, self.context) else {
            self.unreadable += 1;
            return;
        };
        // Now, before the process ends.
        let owner = retrans
            .socket
            .inode
            .and_then(|inode| self.owners.lookup(inode));
        let cgroup = retrans
            .socket
            .cgroup_id
            .and_then(|id| self.owners.cgroup_path(id));
        self.held.push_back(Held {
            retrans,
            owner,
            cgroup,
        });
        self.release(false, sinks);
    }

    fn idle(&mut self, sinks: &mut Sinks) {
        self.release(false, sinks);
    }

    fn progress(&self, session: &Session, elapsed: Duration) -> Progress {
        let totals = session.totals();
        Progress {
            subject: Self::SUBJECT,
            elapsed,
            reported: self.tally.reported,
            lost: totals[slot::RETRANS_LOST] + session.missed() + self.unreadable,
        }
    }

    fn settle(mut self, ending: &Ending<'_>, sinks: &mut Sinks) -> Report {
        self.release(true, sinks);
        let Ending {
            session,
            deltas,
            duration,
            interrupted,
            ..
        } = *ending;
        let totals = session.totals();
        let missed = session.missed();
        let ledger = Ledger {
            seen: totals[slot::RETRANS_SEEN] + missed,
            reported: self.tally.reported,
            filtered: totals[slot::RETRANS_FILTERED] + self.tally.filtered,
            sampled_out: 0,
            lost: totals[slot::RETRANS_LOST] + missed + self.unreadable,
        };
        let mut counters = self.tally.reconciled.correlate(deltas);
        if self.filter.is_narrow() {
            // Of the connections that the user did not ask for, too: no evidence about the others.
            counters.retain(|counter| counter.explained.is_some());
        }
        let remark = self.remark(&counters);
        let mut names = self.names;
        let namespaces = counters
            .iter()
            .filter_map(|counter| counter.key.netns)
            .chain(self.tally.flows.places())
            .map(|id| (id, names.name(id)))
            .collect();
        Report {
            duration,
            interrupted,
            subject: Self::SUBJECT,
            live: true,
            ledger,
            findings: findings(&self.tally.flows, &counters, self.compared),
            compared: self.compared,
            flows: self.tally.flows,
            counters,
            namespaces,
            remark,
            evidence_lost: totals[slot::DROPS_LOST] + session.aside_missed(),
            ..Report::default()
        }
    }
}
