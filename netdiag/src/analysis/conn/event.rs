//! An event of a connection, and what it may say.

use super::errno::Errno;
use crate::decode::{Caller, ConnHit, Flow};
use netdiag_common::NetnsId;
use std::{borrow::Cow, fmt};

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

/// What made a connection fail or end, beyond its error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The accept queue of its listener on this host is full.
    FullQueue,
    /// A message on the way, or a router's silence, spoke against it.
    Rejected,
    /// Every local port is in use towards the destination.
    NoPort,
    /// The local port that the process chose is in use towards the destination.
    PortTaken,
    /// This host reset it.
    ResetHere,
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
    /// What made it fail or end.
    pub cause: Option<Cause>,
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

pub(super) fn event(kind: ConnKind, hit: &ConnHit) -> ConnEvent {
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
        cause: None,
        old_state: hit.old_state,
        handshake_ns: None,
    }
}

pub(super) fn existing_event(found: &Existing, now_ns: u64) -> ConnEvent {
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
        cause: None,
        old_state: 0,
        handshake_ns: None,
    }
}
