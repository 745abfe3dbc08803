//! A packet with everything that is known about it, names instead of numbers.

use super::counter::{DropFacts, HeaderFault};
use super::place::{ICMP, ICMP6, TCP, TCP_RECEIVE, UDP, UDP_QUEUE, UDP6, UDP6_QUEUE};
use crate::decode::{
    Checksum, Frame, HeaderCheck, Link, MalformedKind, Packet, Protocol, TcpFlags, Transport,
    Upper, is_layer3, tcp_payload,
};
use netdiag_common::NetnsId;
use std::{borrow::Cow, net::IpAddr};

/// A packet that a hook saw dropped, live or as a dump has kept it, or one of somebody's capture.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Nanoseconds since 1970 UTC; a capture may not tell.
    pub time_ns: Option<i128>,
    /// The hook that saw it dropped; `None` for a packet that was captured, of which nobody says that it was dropped.
    pub probe: Option<&'a str>,
    /// The kernel's name for the reason; `None` before 5.17.
    pub reason: Option<Cow<'a, str>>,
    /// `function+0xoffset [module]`; empty for a captured packet.
    pub location: &'a str,
    /// The function alone; `None` when the kernel hides its addresses.
    pub function: Option<&'a str>,
    /// The namespace of the device, or of the socket.
    pub netns: Option<NetnsId>,
    /// The device's index.
    pub ifindex: Option<u32>,
    /// The device's name.
    pub ifname: Option<&'a str>,
    /// The device's type (`ARPHRD_*`).
    pub dev_type: Option<u16>,
    /// The processor that dropped it; a capture does not tell.
    pub cpu: Option<u32>,
    /// The process that holds the packet's socket: id and name.
    pub owner: Option<(u32, &'a str)>,
    /// The socket's cgroup.
    pub cgroup_id: Option<u64>,
    /// Its path.
    pub cgroup: Option<&'a str>,
    /// The socket's owner.
    pub uid: Option<u32>,
    /// Whether it was for another host's MAC address, where the kernel gives no reason to say so.
    pub other_host: bool,
    /// Whether its socket was closed and is nobody's: the kernel finishes what it has begun.
    pub orphan: bool,
    /// Whether it came in by a device; others were made on this host. `None` where a capture does not tell.
    pub received: Option<bool>,
    /// What the check at `ip_rcv_core` or `ip6_rcv_core` saw.
    pub header_check: HeaderCheck,
    /// The id of the VLAN tag that the kernel took off the packet.
    pub vlan: Option<u16>,
    /// Whether nothing of the packet could be read but the protocol that the driver claimed.
    pub unread: bool,
    /// The bytes captured, and how they start.
    pub frame: Frame<'a>,
    /// Where in a capture file a packet is that no dump of netdiag's has kept.
    pub source: Option<Source<'a>>,
    /// The bytes, understood.
    pub packet: &'a Packet,
}

/// Where a packet of somebody's capture is from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Which packet of its file it is, from 1.
    pub number: u64,
    /// Which interface of its section, from 0.
    pub interface: u32,
    /// What its bytes start with (`LINKTYPE_*`).
    pub link_type: u16,
    /// What was written to it.
    pub comments: &'a [&'a str],
}

impl Event<'_> {
    /// The function without what the compiler appended (`.constprop.0`).
    pub fn bare_function(&self) -> Option<&str> {
        self.function
            .map(|name| name.split('.').next().unwrap_or(name))
    }

    /// Whether the kernel gave one of these reasons.
    pub fn reason_is(&self, names: &[&str]) -> bool {
        self.reason
            .as_deref()
            .is_some_and(|reason| names.contains(&reason))
    }

    /// Whether the kernel gives no reasons at all, as before 5.17.
    pub fn is_reasonless(&self) -> bool {
        self.is_drop() && self.reason.is_none()
    }

    /// Whether the kernel gave no reason, or none that says anything.
    pub fn is_unspecified(&self) -> bool {
        self.is_reasonless() || self.reason_is(&["NOT_SPECIFIED"])
    }

    /// Whether one of these functions dropped it.
    pub fn dropped_in(&self, functions: &[&str]) -> bool {
        self.is_drop()
            && self
                .bare_function()
                .is_some_and(|name| functions.contains(&name))
    }

    /// Whether it is IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.packet.protocol == Protocol::Ipv4
    }

    /// Whether it is IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.packet.protocol == Protocol::Ipv6
    }

    /// Whether it carries this protocol, by number.
    pub fn carries(&self, protocol: u8) -> bool {
        self.packet
            .ip_proto()
            .is_some_and(|found| found.0 == protocol)
    }

    /// Whether it carries UDP.
    pub fn is_udp(&self) -> bool {
        self.carries(17)
    }

    /// Whether it carries TCP.
    pub fn is_tcp(&self) -> bool {
        self.carries(6)
    }

    /// The flags of TCP.
    pub fn tcp(&self) -> Option<TcpFlags> {
        self.packet.tcp_flags()
    }

    /// Whether it asks for a connection: SYN without ACK.
    pub fn is_syn(&self) -> bool {
        self.tcp()
            .is_some_and(|flags| flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::ACK))
    }

    /// Whether it acknowledges, and neither opens nor ends a connection.
    pub fn is_plain_ack(&self) -> bool {
        let other = TcpFlags::SYN | TcpFlags::RST | TcpFlags::FIN;
        self.tcp()
            .is_some_and(|flags| flags.has(TcpFlags::ACK) && !flags.has(other))
    }

    /// Whether it may be the first packet of a conversation, which a firewall makes an entry for.
    pub fn opens(&self) -> bool {
        match self.packet.transport {
            Some(Transport::Udp { .. }) => true,
            Some(Transport::Icmp { kind, .. }) => kind == 8,
            Some(Transport::Icmpv6 { kind, .. }) => kind == 128,
            _ => self.is_syn(),
        }
    }

    /// Bytes of TCP payload.
    pub fn payload(&self) -> u32 {
        tcp_payload(&self.frame)
    }

    /// Whether source and destination are addresses that this is true of.
    pub fn either_end(&self, test: fn(IpAddr) -> bool) -> bool {
        self.packet
            .ip
            .is_some_and(|ip| test(ip.source) || test(ip.destination))
    }

    /// Whether it is for a group, or for everybody.
    pub fn is_for_group(&self) -> bool {
        self.packet.dst().is_some_and(|address| match address {
            IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
            IpAddr::V6(address) => address.is_multicast(),
        })
    }

    /// Whether its frame went to a group's MAC address.
    pub fn is_group_frame(&self) -> bool {
        self.packet
            .link
            .is_some_and(|link| link.destination.is_multicast())
    }

    /// The VLAN that it is tagged with. A tag with id 0 is for priority only.
    pub fn vlan_id(&self) -> Option<u16> {
        self.packet.vlans.ids().next().filter(|&id| id != 0)
    }

    /// What stands behind the IP header, for checksums and options.
    pub fn upper(&self) -> Option<Upper<'_>> {
        Upper::of(&self.frame, self.packet)
    }

    /// Whether the checksum of the transport header is wrong. What is made on this host gets its checksum last, so of
    /// that nothing can be said.
    pub fn has_wrong_checksum(&self) -> bool {
        self.received != Some(false)
            && self
                .upper()
                .is_some_and(|upper| upper.checksum() == Checksum::Wrong)
    }

    /// Whether a hook saw it dropped.
    pub fn is_drop(&self) -> bool {
        self.probe.is_some()
    }

    /// Whether the device carries packets without a link-layer header. A capture tells by its link type.
    pub fn on_layer3_device(&self) -> bool {
        match self.dev_type {
            Some(dev_type) => is_layer3(dev_type),
            None => !self.is_drop() && self.frame.link == Link::Ip,
        }
    }

    /// Whether the kernel dropped it where it judges IP headers, and not for another reason that comes before.
    pub fn judged_by_header(&self) -> bool {
        const FUNCTIONS: [&str; 4] = ["ip_rcv_core", "ip_rcv", "ip6_rcv_core", "ipv6_rcv"];
        const REASONS: [&str; 5] = [
            "IP_INHDR",
            "IP_CSUM",
            "PKT_TOO_SMALL",
            "UNHANDLED_PROTO",
            "NOT_SPECIFIED",
        ];
        !self.other_host
            && self
                .bare_function()
                .is_none_or(|name| FUNCTIONS.contains(&name))
            && self
                .reason
                .as_deref()
                .is_none_or(|name| REASONS.contains(&name))
    }

    /// What decides which counters this drop raised.
    pub fn facts(&self) -> DropFacts<'_> {
        let ip = self.packet.ip;
        let ip_version = match self.bare_function() {
            Some("ip_rcv_core") => Some(4),
            Some("ip6_rcv_core") => Some(6),
            _ => ip.map(|ip| match ip.source {
                IpAddr::V4(_) => 4,
                IpAddr::V6(_) => 6,
            }),
        };
        DropFacts {
            reason: self.reason.as_deref(),
            function: self.function,
            netns: self.netns,
            ifname: self.ifname,
            ip_version,
            received: self.received == Some(true),
            malformed: self.header_fault(),
            plain_ack: self.is_plain_ack(),
        }
    }

    /// What is wrong with the IP header, in the classes that the kernel's counters know.
    fn header_fault(&self) -> HeaderFault {
        let mut fault = HeaderFault::None;
        for found in self.packet.faults() {
            return match found.kind {
                MalformedKind::IpLengthBeyond => HeaderFault::LengthBeyond,
                MalformedKind::IpChecksum => HeaderFault::Checksum,
                // The header that the UDP functions check is UDP's.
                MalformedKind::UdpLength
                    if self.bare_function().is_some_and(|f| f.contains("udp")) =>
                {
                    HeaderFault::LengthBeyond
                }
                MalformedKind::IpTrailing | MalformedKind::UdpLength | MalformedKind::TcpOffset => {
                    continue;
                }
                MalformedKind::EthernetFrame
                | MalformedKind::PacketInfo
                | MalformedKind::IpNotEthernet => {
                    fault = HeaderFault::Header;
                    continue;
                }
                MalformedKind::IpVersion
                | MalformedKind::IpIhl
                | MalformedKind::IpTruncated
                | MalformedKind::IpLengthShort => HeaderFault::Header,
            };
        }
        if fault == HeaderFault::None && self.is_summed_here() && self.has_wrong_checksum() {
            return HeaderFault::Checksum;
        }
        fault
    }

    /// Whether the function that dropped it sums up the transport header, and the reason does not tell what it found.
    fn is_summed_here(&self) -> bool {
        let functions = [
            ICMP,
            ICMP6,
            TCP,
            TCP_RECEIVE,
            UDP,
            UDP_QUEUE,
            UDP6,
            UDP6_QUEUE,
        ];
        let silent = self.is_reasonless() || (self.reason_is(&["NO_SOCKET"]) && self.is_ipv6());
        silent && functions.iter().any(|names| self.dropped_in(names))
    }
}
