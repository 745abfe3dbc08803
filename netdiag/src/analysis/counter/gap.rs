//! Why a counter rose by more than the events that were seen explain.

use super::{Correlated, Family, rule};

/// The likely reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The run left drops out.
    Filtered,
    /// The hook shows no packets.
    Blind,
    /// The kernel counts here and tells no hook of it.
    Silent,
    /// The device or its driver counts on its own.
    Device,
    /// Some of what it counts has no event, or is one of several that count.
    Partly,
    /// The run lost events.
    Lost,
    /// The kernel does not tell in which namespace such drops are.
    Unplaced,
    /// The kernel gives no reasons.
    Reasonless,
    /// Nobody knows.
    Unknown,
}

impl Gap {
    const ALL: [Self; 9] = [
        Self::Filtered,
        Self::Blind,
        Self::Silent,
        Self::Device,
        Self::Partly,
        Self::Lost,
        Self::Unplaced,
        Self::Reasonless,
        Self::Unknown,
    ];

    /// Its name in a dump.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Blind => "blind",
            Self::Silent => "silent",
            Self::Device => "device",
            Self::Partly => "partly",
            Self::Lost => "lost",
            Self::Unplaced => "unplaced",
            Self::Reasonless => "reasonless",
            Self::Unknown => "unknown",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gap| gap.name() == name)
    }

    /// The reason, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Filtered => "the run left drops out (--iface, --reason)",
            Self::Blind => "without types (BTF) nobody knows whose the drops were",
            Self::Silent => "the kernel counts this without a drop event",
            Self::Device => {
                "the device or its driver counts this before the stack has a packet, or after"
            }
            Self::Partly => "some of what this counts has no drop event",
            Self::Lost => "events of this run were lost",
            Self::Unplaced => {
                "before Linux 6.11 such a drop tells neither device nor socket, and nobody knows in which namespace \
                 it is"
            }
            Self::Reasonless => {
                "this kernel gives no drop reasons, and the function alone does not tell"
            }
            Self::Unknown => "no known cause: look further with netdiag explain",
        }
    }
}

/// What is to be known of a run to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// Whether the kernel side left drops out.
    pub filtered: bool,
    /// Whether the hook shows packets.
    pub whole: bool,
    /// Events that were lost.
    pub lost: u64,
    /// Whether the kernel gives reasons.
    pub reasons: bool,
    /// Whether it names the receiving socket.
    pub receiver: bool,
}

/// Counters that rise with an event at some places and without one at others.
const PARTLY: &[&str] = &[
    // A SYN for a full accept queue is freed as if it were consumed; the last ACK of a handshake has its event.
    "TcpExtListenOverflows",
    "TcpExtListenDrops",
    // Most of these are refused before there is a packet.
    "IpOutNoRoutes",
    "Ip6OutNoRoutes",
    // ip_rcv_core: a failed skb_share_check.
    "IpInDiscards",
    // One a queue of fragments, and an event each fragment.
    "IpReasmFails",
    "Ip6ReasmFails",
    // ip_fragment and ip_do_fragment fail without a packet of their own.
    "IpFragFails",
    "Ip6FragFails",
    "Ip6InTooBigErrors",
];

/// Counters of what has lost its device and its route by the time that it is dropped: `tcp_add_backlog`,
/// `tcp_data_queue` and `udp_queue_rcv_one_skb` take the route off (`skb_dst_drop`).
const UNPLACED: &[&str] = &[
    "TcpExtTCPZeroWindowDrop",
    "TcpExtDelayedACKLost",
    "TcpExtTCPOFOMerge",
    "TcpExtTCPBacklogDrop",
    "TcpExtTCPRcvQDrop",
    "TcpExtTCPOFODrop",
    "TcpExtOfoPruned",
    "UdpMemErrors",
    "Udp6MemErrors",
];

/// Counters of a device that the stack raises as well, for what it does not want.
const BY_STACK: &[&str] = &["rx_nohandler", "rx_otherhost_dropped"];

/// Says of each counter that rose by more than was seen why that is likely so.
pub fn judge(counters: &mut [Correlated], run: &Circumstances) {
    for counter in counters {
        let explained = counter.explained.unwrap_or_default();
        counter.gap = (explained < counter.delta).then(|| likely(&counter.key.name, run));
    }
}

fn likely(name: &str, run: &Circumstances) -> Gap {
    let Some(rule) = rule(name) else {
        return Gap::Unknown;
    };
    let device = rule.family == Family::Device && !BY_STACK.contains(&name);
    match () {
        () if rule.explains.is_empty() && device => Gap::Device,
        () if rule.explains.is_empty() => Gap::Silent,
        () if !run.whole => Gap::Blind,
        () if run.filtered => Gap::Filtered,
        () if run.lost > 0 => Gap::Lost,
        () if run.reasons && !run.receiver && UNPLACED.contains(&name) => Gap::Unplaced,
        () if PARTLY.contains(&name) => Gap::Partly,
        () if device => Gap::Device,
        () if !run.reasons => Gap::Reasonless,
        () => Gap::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::counter::CounterKey;

    fn gap(name: &str, explained: u64, run: &Circumstances) -> Option<Gap> {
        let mut counters = [Correlated {
            key: CounterKey {
                netns: None,
                ifname: None,
                name: name.to_owned(),
            },
            delta: 3,
            explained: Some(explained),
            gap: None,
        }];
        judge(&mut counters, run);
        counters[0].gap
    }

    #[test]
    fn the_likely_reason_is_the_most_certain_one() {
        let whole = Circumstances {
            whole: true,
            reasons: true,
            receiver: true,
            ..Circumstances::default()
        };
        let lost = Circumstances { lost: 1, ..whole };
        assert_eq!(gap("UdpNoPorts", 3, &lost), None);
        assert_eq!(gap("UdpNoPorts", 2, &lost), Some(Gap::Lost));
        assert_eq!(gap("UdpNoPorts", 2, &whole), Some(Gap::Unknown));
        let older = Circumstances {
            receiver: false,
            ..whole
        };
        assert_eq!(gap("UdpMemErrors", 1, &older), Some(Gap::Unplaced));
        assert_eq!(gap("UdpMemErrors", 1, &whole), Some(Gap::Unknown));
        assert_eq!(gap("UdpNoPorts", 2, &older), Some(Gap::Unknown));
        assert_eq!(gap("TcpExtListenOverflows", 0, &whole), Some(Gap::Partly));
        assert_eq!(gap("rx_missed_errors", 0, &lost), Some(Gap::Device));
        assert_eq!(gap("rx_dropped", 0, &whole), Some(Gap::Device));
        let filtered = Circumstances {
            filtered: true,
            ..lost
        };
        assert_eq!(gap("UdpNoPorts", 0, &filtered), Some(Gap::Filtered));
        assert_eq!(
            gap("UdpNoPorts", 0, &Circumstances::default()),
            Some(Gap::Blind)
        );
    }

    #[test]
    fn names_are_those_of_counters_and_come_back() {
        for name in PARTLY.iter().chain(BY_STACK).chain(UNPLACED) {
            assert!(rule(name).is_some(), "{name}");
        }
        for gap in Gap::ALL {
            assert_eq!(Gap::named(gap.name()), Some(gap));
        }
    }
}
