//! Real TCP between two network namespaces, with forced faults, and what the kernel itself says about it.
//!
//! A test of `netdiag retrans` or `netdiag conn` makes a [`Pair`] inside [`isolated`](super::isolated), starts netdiag,
//! and runs a [`scenario`]. Its [`Outcome`] tells the addresses and by how much the kernel's own counters grew: what
//! netdiag must have seen. Nothing here knows netdiag.
//!
//! Sockets belong to the namespace in which they were made, whoever uses them: the test's thread connects, reads and
//! writes, one step after the other, and nothing waits longer than [`PATIENCE`].

mod connection;
mod counters;
mod dial;
mod fault;
mod listener;
mod outcome;
mod pair;
pub mod scenario;
mod server;
mod ss;
mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

pub use connection::Connection;
pub use counters::Counters;
pub use dial::{Connecting, Dial};
pub use fault::{Fault, Hook, ONCE};
pub use listener::Listener;
pub use outcome::{Grew, HEALTHY, Outcome, Watch};
pub use pair::{Pair, Setting};
pub use server::{Answer, Server};
pub use ss::Ss;
pub use wire::{Loss, Wire};

/// No scenario waits longer for one step. Emulated machines are slow.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The port where scenarios listen.
pub const PORT: u16 = 8000;

/// One of the two namespaces of a [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connects.
    Client,
    /// Who listens.
    Server,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// The name of the namespace, in `/run/netns`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// Its end of the veth pair.
    #[must_use]
    pub fn device(self) -> &'static str {
        match self {
            Self::Client => "to-server",
            Self::Server => "to-client",
        }
    }

    /// Its IPv4 address, in a /24.
    #[must_use]
    pub fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 98, 0, self.host()))
    }

    /// Its IPv6 address, in a /64.
    #[must_use]
    pub fn address6(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, self.host().into()))
    }

    fn host(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }
}

/// Asks every few milliseconds until it is so.
///
/// # Panics
/// When it does not become so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
