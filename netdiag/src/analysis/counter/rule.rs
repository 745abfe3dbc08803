//! The map from counters to the drop events that raise them.
//!
//! The Ip, IpExt, Icmp, Udp and device entries were read in the kernel's source or measured; of the TcpExt ones and
//! the rarer extension headers some are general knowledge and wait for a lab scenario. Functions are those that end up
//! as the drop's location: what the compiler inlines goes by its caller's name, so several stand together. A file a topic.

mod device;
mod ip;
mod ip6;
mod tcp;
mod udp;

use super::{DropFacts, HeaderFault};

/// A counter that speaks of drops.
#[derive(Clone, Copy, Debug)]
pub struct CounterRule {
    /// Its name, as in [`CounterKey::name`](super::CounterKey::name).
    pub counter: &'static str,
    /// The group that it belongs to.
    pub family: Family,
    /// The events that raise it; empty when it rises without any.
    pub explains: &'static [Match],
    /// What it means, for people.
    pub meaning: &'static str,
}

/// Where a counter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `Ip` of `/proc/net/snmp`.
    Ip,
    /// `IpExt` of `/proc/net/netstat`.
    IpExt,
    /// `Icmp` of `/proc/net/snmp`.
    Icmp,
    /// `Udp` of `/proc/net/snmp`.
    Udp,
    /// `Tcp` of `/proc/net/snmp`; IPv6 included.
    Tcp,
    /// `TcpExt` of `/proc/net/netstat`; IPv6 included.
    TcpExt,
    /// `Ip6` of `/proc/net/snmp6`.
    Ip6,
    /// `Icmp6` of `/proc/net/snmp6`.
    Icmp6,
    /// `Udp6` of `/proc/net/snmp6`.
    Udp6,
    /// A device, by rtnetlink.
    Device,
    /// `/proc/net/softnet_stat`.
    Softnet,
}

/// What a drop's reason must be.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// One of these.
    Named(&'static [&'static str]),
    /// None was given: a kernel before 5.17. `NOT_SPECIFIED` is a reason that was given.
    Missing,
    /// Whatever it is.
    Any,
}

/// One kind of drop that raises a counter. All that is given must hold.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// The reason.
    pub reason: Reason,
    /// The function, one of these; empty for any. An unknown function is none of them: a guess explains nothing.
    pub functions: &'static [&'static str],
    /// The IP version, by the packet.
    pub ip_version: Option<u8>,
    /// The fault of the header.
    pub fault: Option<HeaderFault>,
    /// Only packets that were made on this host.
    pub sent: bool,
    /// Only TCP segments that acknowledge, and neither open nor end a connection.
    pub plain_ack: bool,
    /// The name of the choice, when such a drop raises one of several counters, or none, and nothing tells which.
    pub choice: Option<&'static str>,
}

impl Match {
    /// Whether a drop is of this kind.
    #[must_use]
    pub fn fits(&self, facts: &DropFacts<'_>) -> bool {
        let reason = match (self.reason, facts.reason) {
            (Reason::Any, _) | (Reason::Missing, None) => true,
            (Reason::Named(names), Some(reason)) => names.contains(&reason),
            _ => false,
        };
        // Symbols of split or specialised functions: `__netif_receive_skb_core.constprop.0`.
        let function = facts.function.and_then(|name| name.split('.').next());
        reason
            && (self.functions.is_empty()
                || function.is_some_and(|name| self.functions.contains(&name)))
            && (self.ip_version.is_none() || self.ip_version == facts.ip_version)
            && self.fault.is_none_or(|fault| fault == facts.malformed)
            && !(self.sent && facts.received)
            && (facts.plain_ack || !self.plain_ack)
    }

    const fn version(mut self, version: u8) -> Self {
        self.ip_version = Some(version);
        self
    }

    const fn fault(mut self, fault: HeaderFault) -> Self {
        self.fault = Some(fault);
        self
    }

    const fn sent(mut self) -> Self {
        self.sent = true;
        self
    }

    const fn plain_ack(mut self) -> Self {
        self.plain_ack = true;
        self
    }

    const fn choice(mut self, choice: &'static str) -> Self {
        self.choice = Some(choice);
        self
    }
}

/// What a queueing discipline says of what it drops.
const QDISC: &[&str] = &["QDISC_DROP", "QDISC_OVERLIMIT", "QDISC_CONGESTED"];

const fn on(reasons: &'static [&'static str], functions: &'static [&'static str]) -> Match {
    Match {
        reason: Reason::Named(reasons),
        functions,
        ip_version: None,
        fault: None,
        sent: false,
        plain_ack: false,
        choice: None,
    }
}

const fn missing(functions: &'static [&'static str]) -> Match {
    Match {
        reason: Reason::Missing,
        functions,
        ip_version: None,
        fault: None,
        sent: false,
        plain_ack: false,
        choice: None,
    }
}

const fn any(functions: &'static [&'static str]) -> Match {
    Match {
        reason: Reason::Any,
        functions,
        ip_version: None,
        fault: None,
        sent: false,
        plain_ack: false,
        choice: None,
    }
}

const fn rule(
    counter: &'static str,
    family: Family,
    explains: &'static [Match],
    meaning: &'static str,
) -> CounterRule {
    CounterRule {
        counter,
        family,
        explains,
        meaning,
    }
}

const ANYWHERE: &[&str] = &[];

/// Every counter that speaks of drops.
pub fn rules() -> impl Iterator<Item = &'static CounterRule> {
    [ip::RULES, ip6::RULES, udp::RULES, tcp::RULES, device::RULES]
        .into_iter()
        .flatten()
}
