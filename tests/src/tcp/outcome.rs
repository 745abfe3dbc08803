//! What a scenario came to, by the kernel's word.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{Counters, Pair, Side};

/// Counters, and by how much they must have grown: 0 for one that must not.
pub type Grew<'a> = &'a [(&'a str, u64)];

/// What a connection has that nothing is wrong with.
pub const HEALTHY: Grew<'static> = &[
    ("TcpRetransSegs", 0),
    ("TcpExtTCPTimeouts", 0),
    ("TcpExtTCPLossProbes", 0),
    ("TcpExtTCPSynRetrans", 0),
    ("TcpAttemptFails", 0),
    ("TcpEstabResets", 0),
    ("TcpOutRsts", 0),
];

/// What happened, in all of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The addresses that the client had, in the order of its attempts.
    pub clients: Vec<SocketAddr>,
    /// Where it connected to.
    pub server: SocketAddr,
    /// What an application was told, if it was told of a failure.
    pub error: Option<Errno>,
    /// How long it took.
    pub took: Duration,
    client_grew: BTreeMap<String, u64>,
    server_grew: BTreeMap<String, u64>,
}

impl Outcome {
    /// The client's address, where there is one connection.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        *self.clients.first().expect("an attempt to connect")
    }

    /// By how much a counter of a side grew (`TcpRetransSegs`, `TcpExtTCPTimeouts`).
    #[must_use]
    pub fn grew(&self, side: Side, name: &str) -> u64 {
        self.all(side).get(name).copied().unwrap_or(0)
    }

    /// Compares the growth of some counters.
    ///
    /// # Panics
    /// When one grew by more or less.
    pub fn assert_grew(&self, side: Side, expected: Grew<'_>) {
        for &(name, by) in expected {
            assert_eq!(self.grew(side, name), by, "{name} at {side:?}: {self:#?}");
        }
    }

    /// Every counter of a side that grew.
    #[must_use]
    pub fn all(&self, side: Side) -> &BTreeMap<String, u64> {
        match side {
            Side::Client => &self.client_grew,
            Side::Server => &self.server_grew,
        }
    }
}

/// The counters before a scenario.
#[derive(Debug)]
pub struct Watch<'a> {
    pair: &'a Pair,
    start: Instant,
    client: Counters,
    server: Counters,
}

impl<'a> Watch<'a> {
    /// From now on.
    #[must_use]
    pub fn new(pair: &'a Pair) -> Self {
        Self {
            pair,
            start: Instant::now(),
            client: pair.counters(Side::Client),
            server: pair.counters(Side::Server),
        }
    }

    /// By how much a counter has grown so far.
    #[must_use]
    pub fn grew(&self, side: Side, name: &str) -> u64 {
        self.pair.snmp(side, name) - self.before(side).get(name)
    }

    /// Waits until a counter has grown by so much.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&self, side: Side, name: &str, by: u64) {
        let before = self.before(side).get(name);
        self.pair.await_counter(side, name, before + by);
    }

    fn before(&self, side: Side) -> &Counters {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Until now.
    #[must_use]
    pub fn outcome(self, clients: &[SocketAddr], server: SocketAddr) -> Outcome {
        let grew = |side| self.pair.counters(side).since(self.before(side));
        Outcome {
            clients: clients.to_vec(),
            server,
            error: None,
            took: self.start.elapsed(),
            client_grew: grew(Side::Client),
            server_grew: grew(Side::Server),
        }
    }

    /// Until now, with what an application was told.
    #[must_use]
    pub fn failed(self, client: SocketAddr, server: SocketAddr, error: &io::Error) -> Outcome {
        Outcome {
            error: Errno::from_io_error(error),
            ..self.outcome(&[client], server)
        }
    }
}
