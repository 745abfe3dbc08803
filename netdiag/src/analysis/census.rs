//! What a capture holds: packets of one kind together, where nobody says that they were dropped.
//!
//! The key is a handful of numbers, because a capture has millions of packets and only a few kinds of them.

use super::event::Event;
use crate::decode::{IpProto, MalformedKind, Packet, Protocol};
use std::collections::BTreeMap;

/// More kinds than this are counted together: a reader has no use for them, and memory stays bounded.
const MOST: usize = 4096;

/// What makes two packets of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    fault: Option<MalformedKind>,
    protocol: Protocol,
    ip_proto: Option<IpProto>,
    /// Where nothing behind the Ethernet header is understood.
    ethertype: Option<u16>,
}

/// Packets of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// `IPv4 UDP`, `ARP`.
    pub name: String,
    /// What is wrong with their headers first of all.
    pub fault: Option<MalformedKind>,
    /// How many.
    pub count: u64,
    /// Their original length in bytes, together.
    pub bytes: u64,
    /// The first one, in words.
    pub example: String,
    /// Where the first one is in the capture, counted from 1.
    pub number: u64,
}

/// All kinds of a capture.
#[derive(Debug, Default)]
pub struct Census {
    kinds: BTreeMap<Key, Kind>,
    overflow: u64,
    packets: u64,
}

impl Census {
    /// Counts a packet.
    pub fn observe(&mut self, event: &Event<'_>) {
        self.packets += 1;
        let packet = event.packet.probable();
        let key = Key {
            fault: event.packet.faults().next().map(|fault| fault.kind),
            protocol: packet.protocol,
            ip_proto: packet.ip_proto(),
            ethertype: ethertype(packet),
        };
        let full = self.kinds.len() >= MOST;
        let kind = match self.kinds.get_mut(&key) {
            Some(kind) => kind,
            None if full => {
                self.overflow += 1;
                return;
            }
            None => self.kinds.entry(key).or_insert_with(|| Kind {
                name: name(packet),
                fault: key.fault,
                count: 0,
                bytes: 0,
                example: event.packet.to_string(),
                number: event.source.map_or(0, |source| source.number),
            }),
        };
        kind.count += 1;
        kind.bytes += u64::try_from(event.frame.len).unwrap_or(0);
    }

    /// The kinds, malformed ones first, then by how many there are.
    pub fn sorted(&self) -> Vec<&Kind> {
        let mut kinds: Vec<_> = self.kinds.values().collect();
        kinds.sort_by(|a, b| {
            (b.fault.is_some().cmp(&a.fault.is_some())).then_with(|| b.count.cmp(&a.count))
        });
        kinds
    }

    /// Packets of kinds that no room was left for.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Packets with a malformed header.
    pub fn malformed(&self) -> u64 {
        let malformed = self.kinds.values().filter(|kind| kind.fault.is_some());
        malformed.map(|kind| kind.count).sum()
    }

    /// All packets.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

fn ethertype(packet: &Packet) -> Option<u16> {
    let link = packet
        .link
        .filter(|_| packet.protocol == Protocol::Ethernet);
    link.map(|link| link.ethertype)
}

fn name(packet: &Packet) -> String {
    let network = match packet.protocol {
        Protocol::Ipv4 => "IPv4",
        Protocol::Ipv6 => "IPv6",
        Protocol::Arp => "ARP",
        Protocol::Unknown => "unknown",
        Protocol::Ethernet => {
            return ethertype(packet).map_or_else(
                || "Ethernet".to_owned(),
                |ethertype| format!("Ethernet {ethertype:#06x}"),
            );
        }
    };
    match packet.ip_proto() {
        Some(IpProto(41)) => format!("{network} with IPv6 inside"),
        Some(IpProto(58)) => format!("{network} ICMPv6"),
        Some(proto) => format!("{network} {}", proto.name().to_uppercase()),
        None => network.to_owned(),
    }
}
