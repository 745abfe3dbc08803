//! What a rule remembers of the packets that it claimed, and the words for it: addresses, ports, owners, tags.
//!
//! The first packet fills the commands of a remedy in, because those want one device and one address; what there is
//! beside it stands in the evidence.

use super::{Event, Tally};
use crate::{
    analysis::explain::remedy,
    decode::{MacAddr, Tunnel},
};
use std::{fmt::Display, net::IpAddr};

/// The first few of something, each with its number of packets.
#[derive(Debug)]
pub(super) struct Few<T> {
    counts: Vec<(T, u64)>,
    /// Whether there were others.
    more: bool,
}

/// A line of evidence names no more than this.
const FEW: usize = 4;

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self {
            counts: Vec::new(),
            more: false,
        }
    }
}

impl<T: PartialEq> Few<T> {
    fn add(&mut self, value: T) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == value) {
            *count += 1;
        } else if self.counts.len() < FEW {
            self.counts.push((value, 1));
        } else {
            self.more = true;
        }
    }

    fn merge(&mut self, other: &Self)
    where
        T: Clone,
    {
        for (value, count) in &other.counts {
            if let Some((_, mine)) = self.counts.iter_mut().find(|(known, _)| known == value) {
                *mine += count;
            } else if self.counts.len() < FEW {
                self.counts.push((value.clone(), *count));
            } else {
                self.more = true;
            }
        }
        self.more |= other.more;
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.counts.iter().map(|(value, _)| value)
    }

    fn is_one(&self) -> bool {
        self.counts.len() == 1 && !self.more
    }

    fn first(&self) -> Option<&T> {
        self.counts.first().map(|(value, _)| value)
    }

    /// "10.0.0.2 (41), 10.0.0.3 (2), and others"
    fn list(&self, word: impl Fn(&T) -> String) -> String {
        let named = self
            .counts
            .iter()
            .map(|(value, count)| format!("{} ({count})", word(value)));
        let mut list = named.collect::<Vec<_>>().join(", ");
        if self.more {
            list += ", and others";
        }
        list
    }
}

/// What a rule has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    sources: Few<IpAddr>,
    destinations: Few<(IpAddr, Option<u16>)>,
    senders: Few<MacAddr>,
    targets: Few<MacAddr>,
    owners: Few<(u32, String)>,
    cgroups: Few<String>,
    vlans: Few<u16>,
    vnis: Few<u32>,
    ethertypes: Few<u16>,
    protocols: Few<String>,
    ttls: Few<u8>,
    lengths: Few<usize>,
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
    /// Packets that were made on this host.
    pub(super) sent: u64,
    pub(super) received: u64,
    device: Option<String>,
}

impl Seen {
    /// The first cgroups of the packets' sockets.
    pub(super) fn cgroups(&self) -> impl Iterator<Item = &str> {
        self.cgroups.values().map(String::as_str)
    }

    pub(super) fn observe(&mut self, event: &Event<'_>) {
        let packet = event.packet.probable();
        if let (Some(source), Some(destination)) = (packet.src(), packet.dst()) {
            self.sources.add(source);
            self.destinations.add((destination, packet.dport()));
        }
        if let Some(ip) = packet.ip {
            self.protocols.add(ip.protocol.name().into_owned());
            self.ttls.add(ip.ttl);
            self.lengths.add(ip.total_len);
        }
        if let Some(link) = packet.link {
            self.senders.add(link.source);
            self.targets.add(link.destination);
            self.ethertypes.add(link.ethertype);
        }
        if let Some((pid, comm)) = event.owner {
            self.owners.add((pid, comm.to_owned()));
        }
        if let Some(cgroup) = event.cgroup {
            self.cgroups.add(cgroup.to_owned());
        }
        if let Some(id) = event.vlan_id() {
            self.vlans.add(id);
        }
        if let Some(Tunnel::Vxlan { vni }) = packet.tunnel {
            self.vnis.add(vni);
        }
        self.ipv4 |= event.is_ipv4();
        self.ipv6 |= event.is_ipv6();
        match event.received {
            Some(true) => self.received += 1,
            Some(false) => self.sent += 1,
            None => {}
        }
        if self.device.is_none() {
            self.device = event.ifname.map(str::to_owned);
        }
    }

    /// Whom the frames were for, where they were all for one.
    pub(super) fn target(&self) -> Option<MacAddr> {
        let one = self.targets.is_one();
        self.targets.first().filter(|_| one).copied()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sources.merge(&other.sources);
        self.destinations.merge(&other.destinations);
        self.senders.merge(&other.senders);
        self.targets.merge(&other.targets);
        self.owners.merge(&other.owners);
        self.cgroups.merge(&other.cgroups);
        self.vlans.merge(&other.vlans);
        self.vnis.merge(&other.vnis);
        self.ethertypes.merge(&other.ethertypes);
        self.protocols.merge(&other.protocols);
        self.ttls.merge(&other.ttls);
        self.lengths.merge(&other.lengths);
        self.ipv4 |= other.ipv4;
        self.ipv6 |= other.ipv6;
        self.sent += other.sent;
        self.received += other.received;
        if self.device.is_none() {
            self.device.clone_from(&other.device);
        }
    }
}

/// The address for which most rules fault a packet: "10.9.9.9", or "several destinations".
pub(super) fn destination(tally: &Tally) -> String {
    let seen = &tally.seen.destinations;
    match seen.first() {
        Some((first, _))
            if !seen.more && seen.counts.iter().all(|((address, _), _)| address == first) =>
        {
            first.to_string()
        }
        Some(_) => "several destinations".to_owned(),
        None => "its destination".to_owned(),
    }
}

/// Where they came from: "10.0.0.2", or "several senders".
pub(super) fn source(tally: &Tally) -> String {
    match tally.seen.sources.first() {
        Some(first) if tally.seen.sources.is_one() => first.to_string(),
        Some(_) => "several senders".to_owned(),
        None => "its sender".to_owned(),
    }
}

/// What they were for: "10.0.0.1:53", or "several ports".
pub(super) fn service(tally: &Tally) -> String {
    let seen = &tally.seen.destinations;
    match seen.first() {
        Some(&end) if seen.is_one() => socket(end),
        Some(_) => "several ports".to_owned(),
        None => "the port".to_owned(),
    }
}

fn socket((address, port): (IpAddr, Option<u16>)) -> String {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    }
}

/// The VLAN: "VLAN 20", or "several VLANs".
pub(super) fn vlan(tally: &Tally) -> String {
    one(&tally.seen.vlans, "VLAN ", "several VLANs")
}

/// The VXLAN network identifier.
pub(super) fn vni(tally: &Tally) -> String {
    one(&tally.seen.vnis, "VNI ", "several VNIs")
}

/// The protocol in the IP header: "protocol sctp", or its number.
pub(super) fn protocol(tally: &Tally) -> String {
    one(&tally.seen.protocols, "protocol ", "several protocols")
}

/// The `EtherType`.
pub(super) fn ethertype(tally: &Tally) -> String {
    match tally.seen.ethertypes.first() {
        Some(first) if tally.seen.ethertypes.is_one() => format!("EtherType {first:#06x}"),
        _ => "several EtherTypes".to_owned(),
    }
}

/// Whose socket it is: "nginx (pid 12)".
pub(super) fn owner(tally: &Tally) -> Option<String> {
    let (pid, comm) = tally
        .seen
        .owners
        .first()
        .filter(|_| tally.seen.owners.is_one())?;
    Some(format!("{comm} (pid {pid})"))
}

fn one<T: PartialEq + Display>(few: &Few<T>, before: &str, several: &str) -> String {
    match few.first() {
        Some(first) if few.is_one() => format!("{before}{first}"),
        _ => several.to_owned(),
    }
}

/// Evidence that every rule has: the ends, where there are several, and whose sockets they were for.
pub(super) fn evidence(tally: &Tally) -> Vec<String> {
    let seen = &tally.seen;
    let mut lines = Vec::new();
    if seen.sources.counts.len() > 1 {
        lines.push(format!("from {}", seen.sources.list(ToString::to_string)));
    }
    if seen.destinations.counts.len() > 1 {
        lines.push(format!("to {}", seen.destinations.list(|&end| socket(end))));
    }
    if !seen.owners.counts.is_empty() {
        let owners = seen.owners.list(|(pid, comm)| format!("{comm}, pid {pid}"));
        lines.push(format!("the socket is held by {owners}"));
    }
    if !seen.cgroups.counts.is_empty() {
        lines.push(format!("in the cgroup {}", seen.cgroups.list(Clone::clone)));
    }
    lines
}

/// The same, and the MAC addresses: where what is wrong is on this link.
pub(super) fn evidence_with_macs(tally: &Tally) -> Vec<String> {
    let seen = &tally.seen;
    let mut lines = evidence(tally);
    if !seen.senders.counts.is_empty() {
        let senders = seen.senders.list(ToString::to_string);
        let targets = seen.targets.list(ToString::to_string);
        lines.push(format!("frames from {senders} to {targets}"));
    }
    if !seen.vlans.counts.is_empty() {
        lines.push(format!(
            "tagged VLAN {}",
            seen.vlans.list(ToString::to_string)
        ));
    }
    lines
}

/// The same as [`evidence`], and the TTLs or hop limits.
pub(super) fn evidence_with_ttl(tally: &Tally) -> Vec<String> {
    let mut lines = evidence(tally);
    lines.push(format!("TTL {}", tally.seen.ttls.list(ToString::to_string)));
    lines
}

/// The same as [`evidence`], and the lengths that the IP headers say.
pub(super) fn evidence_with_length(tally: &Tally) -> Vec<String> {
    let mut lines = evidence(tally);
    let lengths = tally.seen.lengths.list(|length| format!("{length} bytes"));
    lines.push(format!("IP length {lengths}"));
    lines
}

/// The remedy of a finding, with what the first packet tells in place of the words in capitals.
pub(super) fn advice(id: &str, tally: &Tally) -> Vec<String> {
    let seen = &tally.seen;
    let text = |value: Option<&dyn Display>| value.map(ToString::to_string);
    let end = seen.destinations.first();
    let destination = text(end.map(|(address, _)| address as &dyn Display));
    let port = text(
        end.and_then(|(_, port)| port.as_ref())
            .map(|port| port as &dyn Display),
    );
    let source = text(seen.sources.first().map(|source| source as &dyn Display));
    let vlan = text(seen.vlans.first().map(|vlan| vlan as &dyn Display));
    let vni = text(seen.vnis.first().map(|vni| vni as &dyn Display));
    let length = text(seen.lengths.first().map(|length| length as &dyn Display));
    let protocol = seen.protocols.first();
    let pid = text(seen.owners.first().map(|(pid, _)| pid as &dyn Display));
    let known = [
        ("SOURCE", source.as_deref()),
        ("DESTINATION", destination.as_deref()),
        ("PORT", port.as_deref()),
        ("PID", pid.as_deref()),
        ("VLAN_ID", vlan.as_deref()),
        ("VNI_ID", vni.as_deref()),
        ("LENGTH", length.as_deref()),
        ("PROTOCOL", protocol.map(String::as_str)),
        ("COMM", seen.owners.first().map(|(_, comm)| comm.as_str())),
        ("CGROUP", seen.cgroups.first().map(String::as_str)),
        ("DEVICE", seen.device.as_deref()),
    ];
    let mut lines = remedy(id, &known);
    lines.retain(|line| fits(line, seen));
    lines
}

/// Whether a line is about an IP version that was seen. `net.ipv4.tcp_*` and its like hold for both.
fn fits(line: &str, seen: &Seen) -> bool {
    const V4: [&str; 9] = [
        "net.ipv4.conf.",
        "net.ipv4.ip_",
        "net.ipv4.ipfrag_",
        "net.ipv4.neigh.",
        "ip[",
        "tcp[",
        "arping ",
        "ip saddr ",
        "ip daddr ",
    ];
    const V6: [&str; 6] = [
        "net.ipv6.",
        "ip6[",
        "ip -6 ",
        "ndisc6 ",
        "ip6 saddr ",
        "ip6 daddr ",
    ];
    let about = |names: &[&str]| names.iter().any(|name| line.contains(name));
    match (seen.ipv4, seen.ipv6) {
        (true, false) => about(&V4) || !about(&V6),
        (false, true) => about(&V6) || !about(&V4),
        _ => true,
    }
}
