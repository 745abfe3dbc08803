//! Echo requests: how many were dropped on the way, how many arrived, how many were answered.
//!
//! "Received, never answered" and "never received" look alike to whoever pings.

use super::counter::Delta;
use crate::decode::{Packet, Transport};

/// Types of `linux/icmp.h` and `linux/icmpv6.h`.
const ECHO: u8 = 8;
const ECHO6: u8 = 128;

/// How an arrival was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Counted at `icmp_rcv` or `icmpv6_rcv`.
    Hooked(u64),
    /// Taken from the counters.
    Counted(u64),
}

impl Arrival {
    /// How many arrived.
    pub fn count(self) -> u64 {
        match self {
            Self::Hooked(count) | Self::Counted(count) => count,
        }
    }
}

impl Default for Arrival {
    fn default() -> Self {
        Self::Counted(0)
    }
}

/// Echo requests of one IP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echoes {
    /// In dropped packets, malformed ones as what they probably are.
    pub dropped: u64,
    /// Reached the handler.
    pub received: Arrival,
    /// Replies that were sent.
    pub replied: u64,
}

impl Echoes {
    /// Whether there was any.
    pub fn any(&self) -> bool {
        self.dropped > 0 || self.received.count() > 0 || self.replied > 0
    }
}

/// Counts echo requests in dropped packets, for IPv4 and IPv6.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoTally {
    dropped: [u64; 2],
}

impl EchoTally {
    /// Counts a dropped packet, if it is an echo request.
    pub fn observe(&mut self, packet: &Packet) {
        match packet.probable().transport {
            Some(Transport::Icmp { kind: ECHO, .. }) => self.dropped[0] += 1,
            Some(Transport::Icmpv6 { kind: ECHO6, .. }) => self.dropped[1] += 1,
            _ => {}
        }
    }

    /// Echo requests in dropped packets, of IPv4 and IPv6.
    pub fn dropped(&self) -> [u64; 2] {
        self.dropped
    }

    /// The account for IPv4 and IPv6; `hooked` is what the hooks counted, where they are attached.
    pub fn finish(&self, hooked: [Option<u64>; 2], deltas: &[Delta]) -> [Echoes; 2] {
        let sum = |name: &str| {
            deltas
                .iter()
                .filter(|d| d.key.name == name)
                .map(|d| d.delta)
                .sum()
        };
        let arrival = |hooked: Option<u64>, name| {
            hooked.map_or_else(|| Arrival::Counted(sum(name)), Arrival::Hooked)
        };
        let [ip4, ip6] = hooked;
        [
            Echoes {
                dropped: self.dropped[0],
                received: arrival(ip4, "IcmpInEchos"),
                replied: sum("IcmpOutEchoReps"),
            },
            Echoes {
                dropped: self.dropped[1],
                received: arrival(ip6, "Icmp6InEchos"),
                replied: sum("Icmp6OutEchoReplies"),
            },
        ]
    }
}
