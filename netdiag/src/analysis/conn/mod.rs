//! TCP connections: what the hooks saw, put together into events.
//!
//! A socket's address is the thread that holds its records together while it lives. Memory is bounded: connections
//! beyond the bound are forgotten oldest first, and then their end is told with what the socket itself still knows.

pub mod counter;
pub mod errno;
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
    fmt,
};

pub use syn::{DroppedSyn, Syns};

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnKind {
    /// It was open when the run began.
    Existing,
    /// A process asked for it.
    Connect,
    /// Its handshake is over.
    Established,
    /// A process accepted it.
    Accept,
    /// It did not come about.
    Failed,
    /// It ended.
    Closed,
}

impl ConnKind {
    /// Every kind, in the order of a connection's life.
    pub const ALL: [Self; 6] = [
        Self::Existing,
        Self::Connect,
        Self::Established,
        Self::Accept,
        Self::Failed,
        Self::Closed,
    ];

    /// The name that the JSON uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Existing => "existing",
            Self::Connect => "connect",
            Self::Established => "established",
            Self::Accept => "accept",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It called `connect`.
    Active,
    /// It listened.
    Passive,
}

impl Side {
    /// The name that the JSON uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// Who ended a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// This end.
    Local,
    /// The other one.
    Remote,
}

impl ClosedBy {
    /// The name that the JSON uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// An event of a connection. What is not known is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnEvent {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Tells the connections of a run apart; `None` for one of which nothing was seen before.
    pub id: Option<u64>,
    /// What became of it.
    pub kind: ConnKind,
    /// Which end this is.
    pub side: Option<Side>,
    /// Addresses and ports.
    pub flow: Flow,
    /// Whether it goes over a socket of IPv6 with mapped addresses.
    pub mapped: bool,
    /// Who called `connect` or `accept`; of an existing one, who holds the socket.
    pub caller: Option<Caller>,
    /// The socket's owner, where nobody called.
    pub uid: Option<u32>,
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The socket's cgroup.
    pub cgroup_id: Option<u64>,
    /// The device that its route leads to.
    pub ifname: Option<String>,
    /// How it ended, or the attempt: `None` where that is not known, `Some(None)` well.
    pub result: Option<Option<Errno>>,
    /// Of a handshake, or of the wait in the accept queue.
    pub latency_ns: Option<u64>,
    /// From the handshake's end to its own.
    pub duration_ns: Option<u64>,
    /// Payload sent, each byte once.
    pub bytes_sent: Option<u64>,
    /// Payload received.
    pub bytes_received: Option<u64>,
    /// Segments sent again.
    pub retrans: Option<u32>,
    /// SYNs sent, of an attempt.
    pub syns: Option<u32>,
    /// Smoothed round-trip time.
    pub srtt_us: Option<u32>,
    /// Who ended it first.
    pub closed_by: Option<ClosedBy>,
    /// Why this host reset it (`enum sk_rst_reason`).
    pub reset_reason: Option<Cow<'static, str>>,
    /// The state of an existing connection.
    pub state: Option<&'static str>,
    /// What speaks for the result, in words.
    pub evidence: Option<String>,
    /// The finding that it belongs to.
    pub finding: Option<&'static str>,
    /// The state before the end, for what the kernel counts.
    pub old_state: u8,
    /// How long its handshake took, of a connection that has ended.
    pub handshake_ns: Option<u64>,
}

impl fmt::Display for ConnEvent {
    /// `10.0.0.1:4711 → 10.0.0.2:80 ECONNREFUSED (curl[42])`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.flow.fmt(f)?;
        if let Some(Some(errno)) = self.result {
            write!(f, " {}", errno.name())?;
        }
        match &self.caller {
            Some(caller) => write!(f, " ({}[{}])", caller.comm, caller.pid),
            None => Ok(()),
        }
    }
}

/// A connection that was open when the run began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Addresses and ports.
    pub flow: Flow,
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The state (`TCP_*` of `net/tcp_states.h`).
    pub state: u8,
    /// Whether the socket is one of IPv6 with mapped addresses.
    pub mapped: bool,
    /// Who holds it.
    pub caller: Option<Caller>,
    /// The socket's owner.
    pub uid: Option<u32>,
}

/// `TCP_*` of `net/tcp_states.h`.
pub mod state {
    /// The handshake is over.
    pub const ESTABLISHED: u8 = 1;
    /// A SYN was sent.
    pub const SYN_SENT: u8 = 2;
    /// A SYN came.
    pub const SYN_RECV: u8 = 3;
    /// This end has closed.
    pub const FIN_WAIT1: u8 = 4;
    /// The other has acknowledged that.
    pub const FIN_WAIT2: u8 = 5;
    /// Closed.
    pub const CLOSE: u8 = 7;
    /// The other end has closed.
    pub const CLOSE_WAIT: u8 = 8;
    /// And then this one.
    pub const LAST_ACK: u8 = 9;
    /// It waits for connections.
    pub const LISTEN: u8 = 10;
    /// Both have closed at once.
    pub const CLOSING: u8 = 11;

    /// Its name, as `ss` and the kernel have it.
    pub fn name(state: u8) -> Option<&'static str> {
        Some(match state {
            ESTABLISHED => "ESTABLISHED",
            SYN_SENT => "SYN_SENT",
            SYN_RECV => "SYN_RECV",
            FIN_WAIT1 => "FIN_WAIT1",
            FIN_WAIT2 => "FIN_WAIT2",
            CLOSE => "CLOSE",
            CLOSE_WAIT => "CLOSE_WAIT",
            LAST_ACK => "LAST_ACK",
            LISTEN => "LISTEN",
            CLOSING => "CLOSING",
            _ => return None,
        })
    }
}

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

    /// Nobody can say more than that the attempt was given up.
    fn gave_up(&self, event: &ConnEvent) -> Option<String> {
        let dropped = self.syns.evidence(&event.flow);
        let syns = event
            .syns
            .map_or_else(String::new, |count| format!(" after {}", syns(count)));
        let gave_up = format!("given up by the process{syns} without an answer");
        let parts = [Some(gave_up), self.full_queue(&event.flow), dropped];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
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

    /// What speaks for a failure.
    fn evidence(
        &self,
        event: &ConnEvent,
        errno: Errno,
        reset_in: bool,
        soft_error: Option<u32>,
    ) -> Option<String> {
        let dropped = self.syns.evidence(&event.flow);
        let sent = event.kind == ConnKind::Failed && event.syns.is_some();
        let text = match errno {
            Errno::REFUSED if reset_in => "RST received".to_owned(),
            Errno::REFUSED if self.names.sees_resets => {
                "ICMP port or protocol unreachable received".to_owned()
            }
            Errno::TIMED_OUT => {
                let mut text = match event.syns {
                    Some(count) => format!("timed out after {}", syns(count)),
                    None => "timed out".to_owned(),
                };
                if let Some(queue) = self.full_queue(&event.flow) {
                    text += "; ";
                    text += &queue;
                }
                text
            }
            Errno::HOST_UNREACHABLE | Errno::NET_UNREACHABLE if sent => {
                "ICMP unreachable received, or no answer to ARP".to_owned()
            }
            Errno::HOST_UNREACHABLE | Errno::NET_UNREACHABLE => "no route".to_owned(),
            Errno::NO_ADDRESS => "no free local port, or no such local address".to_owned(),
            Errno::NOT_PERMITTED | Errno::NO_ACCESS if !sent => {
                "refused on this host before a packet was sent: cgroup program, security module or route".to_owned()
            }
            _ => String::new(),
        };
        let soft = soft_error
            .filter(|&error| i32::try_from(error) != Ok(errno.0))
            .and_then(|error| i32::try_from(error).ok())
            .map(|error| format!("{} on the way", Errno(error).name()));
        let parts: Vec<_> = [Some(text).filter(|text| !text.is_empty()), soft, dropped]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The full queue of the listener that a connection goes to, where that is on this host.
    fn full_queue(&self, flow: &Flow) -> Option<String> {
        let found = self.queues.iter().find(|((_, listener), _)| {
            listener.sport == flow.dport
                && (listener.local.is_none() || listener.local == flow.remote)
        });
        found.map(|(_, queue)| {
            format!(
                "the accept queue of its listener on this host is full ({} wait, {} may)",
                queue.queued, queue.limit
            )
        })
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

fn syns(count: u32) -> String {
    if count == 1 {
        "1 SYN".to_owned()
    } else {
        format!("{count} SYNs")
    }
}

fn event(kind: ConnKind, hit: &ConnHit) -> ConnEvent {
    ConnEvent {
        time_ns: hit.time_ns,
        id: None,
        kind,
        side: None,
        flow: hit.flow,
        mapped: hit.mapped,
        caller: None,
        uid: hit.uid,
        netns: hit.netns,
        cgroup_id: hit.cgroup_id,
        ifname: hit.ifname.clone(),
        result: None,
        latency_ns: None,
        duration_ns: None,
        bytes_sent: None,
        bytes_received: None,
        retrans: None,
        syns: None,
        srtt_us: None,
        closed_by: None,
        reset_reason: None,
        state: None,
        evidence: None,
        finding: None,
        old_state: hit.old_state,
        handshake_ns: None,
    }
}

fn existing_event(found: &Existing, now_ns: u64) -> ConnEvent {
    ConnEvent {
        time_ns: now_ns,
        id: None,
        kind: ConnKind::Existing,
        side: None,
        flow: found.flow,
        mapped: found.mapped,
        caller: found.caller.clone(),
        uid: found.uid,
        netns: found.netns,
        cgroup_id: None,
        ifname: None,
        result: None,
        latency_ns: None,
        duration_ns: None,
        bytes_sent: None,
        bytes_received: None,
        retrans: None,
        syns: None,
        srtt_us: None,
        closed_by: None,
        reset_reason: None,
        state: state::name(found.state),
        evidence: None,
        finding: None,
        old_state: 0,
        handshake_ns: None,
    }
}
