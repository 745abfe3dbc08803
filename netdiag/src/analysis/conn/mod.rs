//! TCP connections: what the hooks saw, put together into events.
//!
//! A socket's address is the thread that holds its records together while it lives. Memory is bounded: connections
//! beyond the bound are forgotten oldest first, and then their end is told with what the socket itself still knows.

pub mod counter;
pub mod errno;
mod event;
mod evidence;
pub mod finding;
mod syn;
#[cfg(test)]
mod tests;

use crate::decode::{Bytes, Caller, ConnHit, ConnWhat, Flow};
use errno::Errno;
use netdiag_common::NetnsId;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, VecDeque},
};

pub use event::{ClosedBy, ConnEvent, ConnKind, Existing, Side, state};
pub use syn::{DroppedSyn, Syns};

use event::{event, existing_event};

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

/// How many connections are remembered.
const MOST: usize = 1 << 17;
/// How many recently failed attempts are.
const MOST_FAILED: usize = 4096;
/// How many listeners with a full queue are.
const MOST_QUEUES: usize = 1024;
/// How long the end of a connection waits for what is known a little later: the reset that it was ended with, or what
/// `connect` returns. Microseconds, unless the task loses its processor in between.
const WAIT_NS: u64 = 100_000_000;
/// How many may wait.
const MOST_WAITING: usize = 16_384;

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

/// An end that waits.
#[derive(Debug)]
struct Waiting {
    sk: u64,
    event: ConnEvent,
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
    waiting: VecDeque<Waiting>,
    failed: HashMap<u64, u64>,
    failed_ages: VecDeque<u64>,
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
    pub fn dropped(&mut self, flow: Flow, syn: DroppedSyn) {
        self.syns.add(flow, syn);
    }

    /// Time goes by: what has waited long enough is told.
    pub fn advance(&mut self, now_ns: u64) {
        while let Some(first) = self.waiting.front()
            && (first.event.time_ns + WAIT_NS <= now_ns || self.waiting.len() > MOST_WAITING)
        {
            let Some(first) = self.waiting.pop_front() else {
                break;
            };
            self.events.push_back(first.event);
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

    fn connecting(&mut self, hit: ConnHit) {
        // What was here has ended, or it would not begin.
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
        self.younger(&hit);
        let passive = hit.old_state == state::SYN_RECV;
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
        self.events.push_back(event);
    }

    fn accepted(&mut self, hit: ConnHit) {
        let known = self.existing.get_mut(&(hit.netns, hit.flow));
        if let Some(known) = known {
            known.caller.clone_from(&hit.caller);
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

    /// A SYN was sent, and nothing came of it.
    fn failed(&mut self, hit: ConnHit) {
        let conn = self.conns.remove(&hit.sk).unwrap_or_default();
        let mut event = event(ConnKind::Failed, &hit);
        event.id = conn.known();
        event.side = Some(Side::Active);
        event.caller = conn.caller.clone();
        event.flow = complete(hit.flow, conn.flow);
        event.latency_ns = conn.began_ns.map(|began| hit.time_ns.saturating_sub(began));
        event.syns = hit.retrans.map(|count| count.saturating_add(1));
        if let Some(began) = conn.began_ns {
            self.remember_failed(hit.sk, began);
        }
        match hit.error {
            Some(0) => {
                // The process gave up, or `connect` itself did: what it returns says.
                event.result = None;
                event.evidence = self.gave_up(&event);
                self.waiting.push_back(Waiting { sk: hit.sk, event });
            }
            Some(error) => {
                let errno = Errno(i32::try_from(error).unwrap_or(0));
                event.result = Some(Some(errno));
                event.evidence = self.evidence(&event, errno, conn.reset_in, hit.soft_error);
                self.events.push_back(event);
            }
            None => {
                event.evidence = if conn.reset_in {
                    Some("RST received".to_owned())
                } else {
                    self.syns.evidence(&event.flow)
                };
                self.events.push_back(event);
            }
        }
    }

    /// A connection of a listener that ended before its handshake was over.
    fn unanswered(&mut self, hit: ConnHit) {
        let conn = self.conns.remove(&hit.sk).unwrap_or_default();
        let mut event = event(ConnKind::Failed, &hit);
        event.id = conn.known();
        event.side = Some(conn.side.unwrap_or(Side::Passive));
        event.caller = conn.caller;
        if let Some(error) = hit.error.filter(|&error| error != 0) {
            event.result = Some(Some(Errno(i32::try_from(error).unwrap_or(0))));
        }
        if conn.reset_in {
            event.evidence = Some("RST received".to_owned());
        }
        self.events.push_back(event);
    }

    fn closed(&mut self, hit: ConnHit) {
        let key = (hit.netns, hit.flow);
        let existing = self.existing.remove(&key);
        if self.untold.remove(&key)
            && let Some(found) = &existing
        {
            self.events.push_back(existing_event(found, hit.time_ns));
        }
        let conn = self.conns.remove(&hit.sk).unwrap_or_default();
        let mut event = event(ConnKind::Closed, &hit);
        event.id = conn.known();
        event.side = conn.side;
        event.flow = complete(hit.flow, conn.flow);
        event.caller = conn.caller.or(existing.and_then(|found| found.caller));
        event.duration_ns = conn
            .established_ns
            .map(|since| hit.time_ns.saturating_sub(since));
        event.handshake_ns = conn.handshake_ns;
        event.retrans = hit.retrans;
        event.srtt_us = hit.srtt_us;
        if let Some(bytes) = hit.bytes {
            event.bytes_sent = Some(bytes.sent.saturating_sub(bytes.retransmitted));
            event.bytes_received = self.received(bytes, hit.sk_flags);
        }
        let errno = hit
            .error
            .filter(|&error| error != 0)
            .and_then(|error| i32::try_from(error).ok())
            .map(Errno);
        event.result = hit.error.is_some().then_some(errno);
        event.closed_by = closed_by(hit.old_state, errno, conn.reset_in, hit.error.is_some());
        if conn.reset_in {
            event.evidence = Some("RST received".to_owned());
        } else if errno == Some(Errno::TIMED_OUT)
            && let Some(timeouts) = hit.retransmits
        {
            event.evidence = Some(format!(
                "no answer to {timeouts} retransmissions or probes in a row"
            ));
        }
        // A reset of this host's comes right after the end that it tells of.
        let orderly = matches!(hit.old_state, state::LAST_ACK | state::CLOSING)
            || hit.old_state == state::FIN_WAIT2 && self.done(hit.sk_flags) == Some(true);
        if orderly || conn.reset_in {
            self.events.push_back(event);
        } else {
            self.waiting.push_back(Waiting { sk: hit.sk, event });
        }
    }

    /// Whether the peer's FIN has come.
    fn done(&self, flags: Option<u64>) -> Option<bool> {
        let bit = self.names.done_flag?;
        Some(flags? >> bit & 1 == 1)
    }

    /// The kernel counts the FIN as a byte.
    fn received(&self, bytes: Bytes, flags: Option<u64>) -> Option<u64> {
        let fin = self.done(flags)?;
        Some(bytes.received.saturating_sub(u64::from(fin)))
    }

    fn returned(&mut self, hit: ConnHit) {
        let errno = Errno(hit.result.saturating_neg());
        let waiting = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.sk == hit.sk && waiting.event.kind == ConnKind::Failed);
        if let Some(mut waiting) = waiting.and_then(|at| self.waiting.remove(at)) {
            self.merged += 1;
            waiting.event.result = Some(Some(errno));
            waiting.event.evidence = self.evidence(&waiting.event, errno, false, None);
            // No SYN was sent: the address was refused before.
            waiting.event.syns = None;
            self.events.push_back(waiting.event);
            return;
        }
        let began = hit.began_ns.unwrap_or(u64::MAX);
        let under_way = self
            .conns
            .get(&hit.sk)
            .and_then(|conn| conn.began_ns)
            .is_some_and(|at| at >= began);
        let told = self.failed.get(&hit.sk).is_some_and(|&at| at >= began);
        if under_way || told {
            self.merged += 1;
            return;
        }
        let mut event = event(ConnKind::Failed, &hit);
        event.side = Some(Side::Active);
        event.caller.clone_from(&hit.caller);
        event.result = Some(Some(errno));
        event.evidence = self.evidence(&event, errno, false, None);
        self.events.push_back(event);
    }

    fn reset_out(&mut self, hit: &ConnHit) {
        self.merged += 1;
        *self.resets_out.entry(hit.netns).or_default() += 1;
        let reason = hit
            .reset_reason
            .and_then(|value| self.names.reset_reasons.get(&value).cloned());
        let at = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.sk == hit.sk && waiting.event.kind == ConnKind::Closed);
        if let Some(mut waiting) = at.and_then(|at| self.waiting.remove(at)) {
            waiting.event.reset_reason = reason.map(Cow::Owned);
            waiting.event.evidence = Some("RST sent by this host".to_owned());
            waiting.event.closed_by.get_or_insert(ClosedBy::Local);
            self.events.push_back(waiting.event);
        }
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

    /// One that was listed as existing, and has come about since the run began.
    fn younger(&mut self, hit: &ConnHit) {
        let key = (hit.netns, hit.flow);
        if self.untold.remove(&key) {
            self.existing.remove(&key);
        }
    }

    fn remember_failed(&mut self, sk: u64, began_ns: u64) {
        if self.failed.insert(sk, began_ns).is_none() {
            self.failed_ages.push_back(sk);
        }
        if self.failed_ages.len() > MOST_FAILED
            && let Some(oldest) = self.failed_ages.pop_front()
        {
            self.failed.remove(&oldest);
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

fn closed_by(
    old_state: u8,
    errno: Option<Errno>,
    reset_in: bool,
    error_known: bool,
) -> Option<ClosedBy> {
    match old_state {
        state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSING => Some(ClosedBy::Local),
        state::CLOSE_WAIT | state::LAST_ACK => Some(ClosedBy::Remote),
        _ if reset_in => Some(ClosedBy::Remote),
        _ if !error_known => None,
        _ => match errno {
            Some(Errno::RESET | Errno::PIPE) => Some(ClosedBy::Remote),
            // The process, or this host's patience.
            _ => Some(ClosedBy::Local),
        },
    }
}
