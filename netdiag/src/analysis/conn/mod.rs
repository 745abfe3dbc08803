//! TCP connections: what the hooks saw, put together into events.
//!
//! A socket's address is the thread that holds its records together while it lives. Memory is bounded: connections
//! beyond the bound are forgotten oldest first, and then their end is told with what the socket itself still knows.

pub mod counter;
mod ending;
pub mod errno;
mod event;
mod evidence;
pub mod finding;
mod rule;
mod syn;
#[cfg(test)]
mod tests;
mod waiting;

use crate::decode::{Caller, ConnHit, ConnWhat, Flow};
use netdiag_common::NetnsId;
use std::collections::{HashMap, HashSet, VecDeque};

pub use event::{Cause, ClosedBy, ConnEvent, ConnKind, Existing, Side, state};
pub use syn::{DroppedSyn, Syns};

use event::{event, existing_event};
use waiting::{Recent, Waiting};

/// What the running kernel calls things.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `enum sk_rst_reason`.
    pub reset_reasons: HashMap<u32, String>,
    /// `SOCK_DONE` of `enum sock_flags`: the peer's FIN has come.
    pub done_flag: Option<u32>,
    /// Whether resets that arrive are seen.
    pub sees_resets: bool,
}

/// A handshake with data in its SYN that seems to take so many round trips began later than `connect`.
const DEFERRED: u64 = 3;
/// How many connections are remembered.
const MOST: usize = 1 << 17;
/// How many listeners with a full queue are.
const MOST_QUEUES: usize = 1024;
/// What is known of a connection while it lives.
#[derive(Debug, Default)]
struct Conn {
    id: u64,
    side: Option<Side>,
    began_ns: Option<u64>,
    established_ns: Option<u64>,
    handshake_ns: Option<u64>,
    netns: Option<NetnsId>,
    flow: Flow,
    caller: Option<Caller>,
    reset_in: bool,
}

impl Conn {
    /// Its number, if anything was seen of it before.
    fn known(&self) -> Option<u64> {
        Some(self.id).filter(|&id| id != 0)
    }
}

/// One that ended before a process accepted it.
#[derive(Debug)]
struct Unaccepted {
    id: Option<u64>,
    established_ns: Option<u64>,
    flow: Flow,
}

/// A reset that was sent before the state changed.
#[derive(Debug)]
struct LoneReset {
    time_ns: u64,
    flow: Flow,
    reason: Option<String>,
}

/// A listener whose accept queue was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FullQueue {
    /// SYNs that were refused for it.
    pub refused: u64,
    /// How many waited, the last time.
    pub queued: u32,
    /// How many may.
    pub limit: u32,
}

/// Where a listener listens.
pub type Listener = (Option<NetnsId>, Flow);

/// Connections, from what the hooks saw.
#[derive(Debug, Default)]
pub struct Tracker {
    names: Names,
    conns: HashMap<u64, Conn>,
    ages: VecDeque<(u64, u64)>,
    next_id: u64,
    existing: HashMap<(Option<NetnsId>, Flow), Existing>,
    untold: HashSet<(Option<NetnsId>, Flow)>,
    waiting: Waiting,
    /// When those attempts began that failed.
    failed: Recent<u64>,
    unaccepted: Recent<Unaccepted>,
    lone_resets: Recent<LoneReset>,
    syns: Syns,
    queues: HashMap<Listener, FullQueue>,
    events: VecDeque<ConnEvent>,
    /// Records that are part of another event.
    pub merged: u64,
    /// Resets that were sent, by namespace.
    pub resets_out: HashMap<Option<NetnsId>, u64>,
}

impl Tracker {
    /// With what the running kernel calls things.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    /// Connections that were open when the run began. They are told by [`Self::tell_existing`], unless what comes
    /// meanwhile says that they are younger.
    pub fn existing(&mut self, open: impl IntoIterator<Item = Existing>) {
        for found in open {
            let key = (found.netns, found.flow);
            self.untold.insert(key);
            self.existing.insert(key, found);
        }
    }

    /// Tells of the connections that were open when the run began, once.
    pub fn tell_existing(&mut self, now_ns: u64) {
        let mut untold: Vec<_> = self.untold.drain().collect();
        untold.sort_unstable();
        for key in untold {
            if let Some(found) = self.existing.get(&key) {
                self.events.push_back(existing_event(found, now_ns));
            }
        }
    }

    /// The next event that is complete.
    pub fn next_event(&mut self) -> Option<ConnEvent> {
        self.events.pop_front()
    }

    /// Listeners whose accept queue was full.
    pub fn queues(&self) -> impl Iterator<Item = (&Listener, &FullQueue)> {
        self.queues.iter()
    }

    /// A SYN of a connection was dropped on this host.
    pub fn dropped(&mut self, time_ns: u64, flow: Flow, syn: DroppedSyn) {
        self.syns.add(time_ns, flow, syn);
    }

    /// Time goes by: what has waited long enough is told.
    pub fn advance(&mut self, now_ns: u64) {
        while let Some(event) = self.waiting.over(now_ns) {
            self.events.push_back(event);
        }
    }

    /// The run is over: nothing waits any longer.
    pub fn finish(&mut self) {
        self.advance(u64::MAX);
    }

    /// Takes in what a hook saw.
    pub fn observe(&mut self, hit: ConnHit) {
        self.advance(hit.time_ns);
        match hit.what {
            ConnWhat::State => self.changed(hit),
            ConnWhat::Returned => self.returned(hit),
            ConnWhat::Accepted => self.accepted(hit),
            ConnWhat::ResetIn => {
                self.merged += 1;
                self.conn(hit.sk).reset_in = true;
            }
            ConnWhat::ResetOut => self.reset_out(&hit),
            ConnWhat::QueueFull => self.queue_full(&hit),
        }
    }

    fn changed(&mut self, hit: ConnHit) {
        match (hit.state, hit.old_state) {
            (state::SYN_SENT, _) => self.connecting(hit),
            (state::ESTABLISHED, _) => self.established(hit),
            (state::CLOSE, state::SYN_SENT) => self.failed(hit),
            (state::CLOSE, state::SYN_RECV) => self.unanswered(hit),
            (state::CLOSE, _) => self.closed(hit),
            _ => self.merged += 1,
        }
    }

    /// Something begins at this address: what waits there was another's, and waits in vain.
    fn begins(&mut self, sk: u64) {
        if let Some(end) = self.waiting.take(sk) {
            self.events.push_back(end.event);
        }
        self.unaccepted.take(sk);
        self.lone_resets.take(sk);
    }

    fn connecting(&mut self, hit: ConnHit) {
        // What was here has ended, or it would not begin.
        self.begins(hit.sk);
        self.conns.remove(&hit.sk);
        let conn = self.conn(hit.sk);
        conn.side = Some(Side::Active);
        conn.began_ns = Some(hit.time_ns);
        conn.netns = hit.netns;
        conn.flow = hit.flow;
        conn.caller.clone_from(&hit.caller);
        let id = conn.id;
        let mut event = event(ConnKind::Connect, &hit);
        event.id = Some(id);
        event.side = Some(Side::Active);
        event.caller = hit.caller;
        self.events.push_back(event);
    }

    fn established(&mut self, hit: ConnHit) {
        self.begins(hit.sk);
        self.younger(&hit);
        let passive = hit.old_state == state::SYN_RECV;
        let other = self.conns.get(&hit.sk).is_some_and(|conn| {
            conn.established_ns.is_some() || passive && !fits(conn.flow, hit.flow)
        });
        if other {
            self.conns.remove(&hit.sk);
        }
        let conn = self.conn(hit.sk);
        let side = *conn
            .side
            .get_or_insert(if passive { Side::Passive } else { Side::Active });
        conn.established_ns = Some(hit.time_ns);
        conn.flow = hit.flow;
        let id = conn.id;
        let began = conn.began_ns;
        if side == Side::Active && hit.retrans == Some(0) {
            conn.handshake_ns = began.map(|began| hit.time_ns.saturating_sub(began));
        }
        let caller = conn.caller.clone();
        let mut event = event(ConnKind::Established, &hit);
        event.id = Some(id);
        event.side = Some(side);
        event.result = Some(None);
        event.latency_ns = match (side, began) {
            (Side::Active, Some(began)) => Some(hit.time_ns.saturating_sub(began)),
            // The first measurement of a side that was called is from its SYN-ACK to the answer.
            (Side::Passive, _) if hit.retrans == Some(0) => {
                hit.srtt_us.map(|us| u64::from(us) * 1000)
            }
            _ => None,
        };
        if side == Side::Active {
            event.syns = hit.retrans.map(|count| count.saturating_add(1));
        }
        event.caller = caller;
        event.srtt_us = hit.srtt_us;
        // With data in the SYN it may have left long after `connect`, at the first write.
        let early_data = hit.bytes.is_some_and(|bytes| bytes.sent > 0);
        let deferred = side == Side::Active
            && early_data
            && event
                .latency_ns
                .zip(hit.srtt_us)
                .is_some_and(|(ns, us)| ns > DEFERRED * u64::from(us) * 1000);
        if deferred {
            event.latency_ns = None;
            self.conn(hit.sk).handshake_ns = None;
        }
        self.syns.forget(&event.flow);
        self.events.push_back(event);
    }

    fn accepted(&mut self, hit: ConnHit) {
        let known = self.existing.get_mut(&(hit.netns, hit.flow));
        if let Some(known) = known {
            known.caller.clone_from(&hit.caller);
        }
        if hit.state == state::CLOSE {
            self.accepted_late(hit);
            return;
        }
        let conn = self.conn(hit.sk);
        conn.side = Some(Side::Passive);
        conn.flow = hit.flow;
        conn.caller.clone_from(&hit.caller);
        let waited = conn
            .established_ns
            .map(|since| hit.time_ns.saturating_sub(since));
        let id = conn.id;
        let mut event = event(ConnKind::Accept, &hit);
        event.id = Some(id);
        event.side = Some(Side::Passive);
        event.caller = hit.caller;
        event.result = Some(None);
        event.latency_ns = waited;
        self.events.push_back(event);
    }

    /// It ended while it waited to be accepted: nothing more comes of this socket.
    fn accepted_late(&mut self, hit: ConnHit) {
        self.conns.remove(&hit.sk);
        let was = self.unaccepted.take(hit.sk);
        let was = was.filter(|was| fits(was.flow, hit.flow));
        if let Some(end) = self.waiting.get(hit.sk)
            && end.event.side == Some(Side::Passive)
        {
            end.event.caller.clone_from(&hit.caller);
        }
        let mut event = event(ConnKind::Accept, &hit);
        event.side = Some(Side::Passive);
        event.result = Some(None);
        if let Some(was) = was {
            event.id = was.id;
            event.flow = complete(hit.flow, was.flow);
            let since = was.established_ns;
            event.latency_ns = since.map(|since| hit.time_ns.saturating_sub(since));
        }
        event.caller = hit.caller;
        self.events.push_back(event);
    }

    fn queue_full(&mut self, hit: &ConnHit) {
        self.merged += 1;
        let key = (
            hit.netns,
            Flow {
                local: hit.flow.local,
                sport: hit.flow.sport,
                ..Flow::default()
            },
        );
        if self.queues.len() >= MOST_QUEUES && !self.queues.contains_key(&key) {
            return;
        }
        let queue = self.queues.entry(key).or_default();
        queue.refused += 1;
        if let Some((queued, limit)) = hit.queue {
            queue.queued = queued;
            queue.limit = limit;
        }
    }

    /// A listener was found with a full queue, where no hook tells of them.
    pub fn found_full(&mut self, netns: NetnsId, flow: Flow, queued: u32, limit: u32) {
        if self.queues.len() < MOST_QUEUES {
            let queue = self.queues.entry((Some(netns), flow)).or_default();
            queue.queued = queued;
            queue.limit = limit;
        }
    }

    /// One that was listed as existing, and has come about since the run began.
    fn younger(&mut self, hit: &ConnHit) {
        let key = (hit.netns, hit.flow);
        if self.untold.remove(&key) {
            self.existing.remove(&key);
        }
    }

    /// The connection of a socket; a new one makes room for itself.
    fn conn(&mut self, sk: u64) -> &mut Conn {
        if !self.conns.contains_key(&sk) {
            self.next_id += 1;
            self.ages.push_back((sk, self.next_id));
            let fresh = Conn {
                id: self.next_id,
                ..Conn::default()
            };
            self.conns.insert(sk, fresh);
            // Those that have ended leave their age behind.
            while self.conns.len() > MOST || self.ages.len() > 2 * MOST {
                let Some((sk, id)) = self.ages.pop_front() else {
                    break;
                };
                let oldest = self.conns.get(&sk).is_some_and(|conn| conn.id == id);
                if !oldest {
                    continue;
                }
                if self.conns.len() > MOST {
                    self.conns.remove(&sk);
                } else {
                    self.ages.push_back((sk, id));
                    // All that is left is alive: nothing to gain.
                    if self.ages.len() <= self.conns.len() {
                        break;
                    }
                }
            }
        }
        self.conns.entry(sk).or_default()
    }

    /// The namespaces of connections whose handshake is not over.
    pub fn unfinished(&self) -> impl Iterator<Item = Option<NetnsId>> {
        let conns = self.conns.values();
        conns
            .filter(|conn| conn.began_ns.is_some() && conn.established_ns.is_none())
            .map(|conn| conn.netns)
    }

    /// How many connections are remembered.
    pub fn remembered(&self) -> usize {
        self.conns.len()
    }
}

/// What the socket says now, with what was known before where it has given it back.
fn complete(now: Flow, before: Flow) -> Flow {
    Flow {
        local: now.local.or(before.local),
        remote: now.remote.or(before.remote),
        sport: now.sport.or(before.sport),
        dport: now.dport.or(before.dport),
    }
}

/// Whether two flows may be the same, as far as both are known.
fn fits(one: Flow, other: Flow) -> bool {
    fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    same(one.local, other.local)
        && same(one.remote, other.remote)
        && same(one.sport, other.sport)
        && same(one.dport, other.dport)
}
