//! Each rule on packets as a kernel with reasons and one without drops them, and on packets that are another rule's, or
//! nobody's.

mod choice;
mod device;
mod filter;
mod ip;
mod noise;
mod tcp;
mod udp;

use super::{Findings, claim::SUSPICION, ids, rules};
use crate::analysis::fact::Facts;
use crate::{
    analysis::{counter::rule, event::Event, explain},
    decode::{Frame, HeaderCheck, Link, packet},
    lab::frame::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, PROTO_UDP},
};
use etherparse::PacketBuilder;
use netdiag_common::NetnsId;
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

const SRC: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const DST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 9);
const SRC6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
const DST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const OURS: frame::Mac = [2, 0, 0, 0, 0, 1];
const THEIRS: frame::Mac = [2, 0, 0, 0, 0, 2];

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A dropped packet.
#[derive(Clone, Debug)]
struct Drop {
    bytes: Vec<u8>,
    link: Link,
    reason: Option<&'static str>,
    function: &'static str,
    received: bool,
    other_host: bool,
    orphan: bool,
    vlan: Option<u16>,
    owner: Option<(u32, &'static str)>,
}

/// An IP packet that came in. An empty reason is that of a kernel without reasons.
fn drop(bytes: Vec<u8>, reason: &'static str, function: &'static str) -> Drop {
    Drop {
        bytes,
        link: Link::Ip,
        reason: Some(reason).filter(|reason| !reason.is_empty()),
        function,
        received: true,
        other_host: false,
        orphan: false,
        vlan: None,
        owner: None,
    }
}

impl Drop {
    fn framed(self, destination: frame::Mac) -> Self {
        let ethertype = match self.bytes.first().map(|byte| byte >> 4) {
            Some(6) => ETHERTYPE_IPV6,
            _ => ETHERTYPE_IPV4,
        };
        Self {
            bytes: frame::ethernet(destination, THEIRS, ethertype, &self.bytes),
            link: Link::Ethernet,
            ..self
        }
    }

    fn ethernet(self) -> Self {
        Self {
            link: Link::Ethernet,
            ..self
        }
    }

    fn sent(self) -> Self {
        Self {
            received: false,
            ..self
        }
    }

    fn of_nobody(self) -> Self {
        Self {
            orphan: true,
            ..self
        }
    }

    fn for_another_host(self) -> Self {
        Self {
            other_host: true,
            ..self
        }
    }

    fn tagged(self, id: u16) -> Self {
        Self {
            vlan: Some(id),
            ..self
        }
    }

    fn of(self, pid: u32, comm: &'static str) -> Self {
        Self {
            owner: Some((pid, comm)),
            ..self
        }
    }

    fn with<T>(&self, look: impl FnOnce(&Event<'_>) -> T) -> T {
        let frame = Frame {
            bytes: &self.bytes,
            link: self.link,
            network_offset: None,
            len: self.bytes.len(),
            ethertype: None,
        };
        let packet = packet(&frame, self.vlan, false);
        look(&Event {
            time_ns: None,
            probe: Some("kfree_skb"),
            reason: self.reason.map(Into::into),
            location: self.function,
            function: Some(self.function),
            netns: Some(NetnsId(1)),
            ifindex: Some(2),
            ifname: Some("eth0"),
            dev_type: None,
            cpu: None,
            owner: self.owner,
            cgroup_id: None,
            cgroup: None,
            uid: None,
            other_host: self.other_host,
            orphan: self.orphan,
            received: Some(self.received),
            header_check: HeaderCheck::default(),
            vlan: self.vlan,
            unread: false,
            frame,
            source: None,
            packet: &packet,
        })
    }

    /// The finding it goes to.
    fn finding(&self) -> Option<&'static str> {
        self.with(|event| Findings::default().observe(event))
    }

    /// The rule that is surest of it.
    fn surest(&self) -> Option<&'static str> {
        self.with(|event| {
            let claims = rules().filter_map(|rule| Some((rule.id, (rule.claims)(event)?)));
            let best = claims.reduce(|best, claim| if claim.1 > best.1 { claim } else { best });
            let found = best.filter(|(_, sure)| *sure > SUSPICION);
            found.map(|(id, _)| id)
        })
    }

    /// How sure one rule is of it, whatever the others are.
    fn claim(&self, id: &str) -> Option<f32> {
        let rule = rules().find(|rule| rule.id == id).unwrap();
        self.with(rule.claims)
    }
}

fn check(cases: impl IntoIterator<Item = (Drop, &'static str)>) {
    for (drop, id) in cases {
        let found = drop.finding();
        assert_eq!(found.unwrap_or("nothing"), id, "{drop:?}");
        assert_eq!(
            drop.surest(),
            found,
            "precedence and confidence agree: {drop:?}"
        );
    }
}

fn nothing(drops: impl IntoIterator<Item = Drop>) {
    check(drops.into_iter().map(|drop| (drop, "nothing")));
}

fn udp4() -> Vec<u8> {
    frame::ipv4(
        PROTO_UDP,
        SRC,
        DST,
        &frame::udp4(SRC, DST, 4000, 53, &[7; 32]),
        64,
    )
}

fn udp6() -> Vec<u8> {
    frame::ipv6(
        PROTO_UDP,
        SRC6,
        DST6,
        &frame::udp6(SRC6, DST6, 4000, 53, &[7; 32]),
        64,
    )
}

/// From one address to another, the rest as in [`udp4`].
fn between(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let (source, destination) = (source.into(), destination.into());
    let udp = frame::udp4(source, destination, 4000, 53, &[7; 32]);
    frame::ipv4(PROTO_UDP, source, destination, &udp, 64)
}

fn between6(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let udp = frame::udp6(source, destination, 4000, 53, &[7; 32]);
    frame::ipv6(PROTO_UDP, source, destination, &udp, 64)
}

/// A TCP segment of either version, with a right checksum.
fn segment(version: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let ip = match version {
        4 => PacketBuilder::ipv4(SRC.octets(), DST.octets(), 64),
        _ => PacketBuilder::ipv6(SRC6.octets(), DST6.octets(), 64),
    };
    let mut tcp = ip.tcp(4000, 443, 1000, 512);
    for (flag, set) in [(FIN, 0), (SYN, 1), (RST, 2)] {
        if flags & flag != 0 {
            tcp = match set {
                0 => tcp.fin(),
                1 => tcp.syn(),
                _ => tcp.rst(),
            };
        }
    }
    if flags & ACK != 0 {
        tcp = tcp.ack(2000);
    }
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, payload).unwrap();
    bytes
}

/// Spoils the last byte, which only a transport checksum covers.
fn spoilt(mut bytes: Vec<u8>) -> Vec<u8> {
    *bytes.last_mut().unwrap() ^= 0x55;
    bytes
}

/// The one of the engine's own tests.
const TEST_RULE: &str = super::tests::RULES[0].id;

fn true_rules() -> impl Iterator<Item = &'static super::Rule> {
    rules().filter(|rule| rule.id != TEST_RULE)
}

#[test]
fn ids_are_unique_and_explained() {
    let all: Vec<_> = ids().filter(|id| *id != TEST_RULE).collect();
    let set: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!(all.len(), set.len());
    assert!(set.len() >= 55, "{}", set.len());
    for id in set {
        assert!(!explain::remedy(id, &[]).is_empty(), "{id}");
    }
}

#[test]
fn counters_exist_and_confidence_is_a_ratio() {
    for rule in true_rules() {
        for counter in rule.counters {
            let known = rule::rules().any(|known| known.counter == *counter)
                || crate::analysis::retrans::counter_names().any(|name| name == *counter);
            assert!(known, "{}: {counter}", rule.id);
        }
    }
    let claim = drop(udp4(), "NO_SOCKET", "udp_rcv").claim("udp-port-closed");
    assert!(claim.is_some_and(|claim| claim > 0.9 && claim <= 1.0));
}

#[test]
fn every_remedy_has_a_line_for_each_version_without_capitals_left() {
    const WORDS: [&str; 8] = [
        "SOURCE",
        "DESTINATION",
        "PORT",
        "DEVICE",
        "VLAN_ID",
        "VNI_ID",
        "LENGTH",
        "PROTOCOL",
    ];
    for rule in true_rules() {
        for bytes in [udp4(), udp6()] {
            let mut tally = super::Tally::default();
            drop(bytes, "X", "f")
                .framed(OURS)
                .with(|event| tally.observe(event));
            let lines = (rule.remedy)(&tally);
            assert!(!lines.is_empty(), "{}", rule.id);
            for line in lines {
                let mut words = line.split(|c: char| !c.is_ascii_uppercase() && c != '_');
                let left = words.find(|word| WORDS.contains(word));
                assert_eq!(left, None, "{}: {line}", rule.id);
            }
            assert!(!(rule.fault)(&tally).is_empty(), "{}", rule.id);
        }
    }
}

#[test]
fn a_finding_names_ends_owner_and_commands() {
    let mut findings = Findings::default();
    for _ in 0..3 {
        let full = drop(udp4(), "SOCKET_RCVBUFF", "udp_queue_rcv_one_skb").of(42, "slow");
        full.with(|event| findings.observe(event));
    }
    let found = findings.finish(&[], &Facts::default());
    let finding = found.first().unwrap();
    assert_eq!(finding.id, "udp-receive-buffer-full");
    assert!(
        finding.title.ends_with(
            "the receive buffer of 10.2.0.9:53 is full: slow (pid 42) does not read fast enough"
        ),
        "{}",
        finding.title
    );
    assert!(
        finding
            .evidence
            .iter()
            .any(|line| line == "the socket is held by slow, pid 42 (3)")
    );
    assert!(
        finding
            .remedy
            .iter()
            .any(|line| line.starts_with("ss -ulnmp 'sport = :53'"))
    );
    assert!(
        finding
            .remedy
            .iter()
            .any(|line| line.starts_with("top -H -p 42,"))
    );
}

#[test]
fn a_remedy_is_about_the_version_that_was_seen() {
    let of = |bytes| {
        let mut findings = Findings::default();
        drop(bytes, "IP_INADDRERRORS", "ip_error").with(|event| findings.observe(event));
        findings
            .finish(&[], &Facts::default())
            .remove(0)
            .remedy
            .join("\n")
    };
    let (v4, v6) = (of(udp4()), of(udp6()));
    assert!(
        v4.contains("net.ipv4.ip_forward") && !v4.contains("net.ipv6"),
        "{v4}"
    );
    assert!(
        !v6.contains("net.ipv4.ip_forward") && v6.contains("net.ipv6"),
        "{v6}"
    );
}

#[test]
fn a_captured_packet_is_no_drop() {
    for bytes in [udp4(), udp6(), segment(4, SYN, b""), segment(6, ACK, b"x")] {
        drop(bytes, "", "").with(|event| {
            let mut event = event.clone();
            (event.probe, event.function) = (None, None);
            assert_eq!(Findings::default().observe(&event), None);
        });
    }
}
