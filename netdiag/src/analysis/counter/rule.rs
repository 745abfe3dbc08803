//! The map from counters to the drop events that raise them.
//!
//! The Ip, IpExt, Icmp, Udp and device entries were read in the kernel's source or measured; of the TcpExt ones and
//! the rarer extension headers some are general knowledge and wait for a lab scenario. Functions are those that end up
//! as the drop's location: what the compiler inlines goes by its caller's name, so several stand together. One table, and long for that reason alone.

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
const IP4: &[&str] = &["ip_rcv_core", "ip_rcv", "ip_list_rcv"];
const IP4_FORWARD: &[&str] = &["ip_forward"];
const IP4_FINISH: &[&str] = &[
    "ip_rcv_finish_core",
    "ip_rcv_finish",
    "ip_list_rcv_finish",
    "ip_sublist_rcv",
];
const IP4_LOCAL: &[&str] = &[
    "ip_protocol_deliver_rcu",
    "ip_local_deliver_finish",
    "ip_local_deliver",
];
const IP_ERROR: &[&str] = &["ip_error"];
const IP6: &[&str] = &["ip6_rcv_core", "ipv6_rcv", "ipv6_list_rcv"];
const IP6_FORWARD: &[&str] = &["ip6_forward"];
const IP6_LOCAL: &[&str] = &["ip6_protocol_deliver_rcu", "ip6_input_finish", "ip6_input"];
const IP6_ROUTE: &[&str] = &[
    "ip6_pkt_drop",
    "ip6_pkt_discard",
    "ip6_pkt_discard_out",
    "ip6_pkt_prohibit",
    "ip6_pkt_prohibit_out",
];
const EXTHDRS: &[&str] = &[
    "ip6_parse_tlv",
    "icmpv6_param_prob_reason",
    "icmpv6_param_prob",
    "ipv6_destopt_rcv",
    "ipv6_rthdr_rcv",
];
const ICMP: &[&str] = &["icmp_rcv"];
const ICMP6: &[&str] = &["icmpv6_rcv"];
const UDP: &[&str] = &["__udp4_lib_rcv", "udp_rcv"];
const UDP_QUEUE: &[&str] = &[
    "udp_queue_rcv_one_skb",
    "__udp_queue_rcv_skb",
    "udp_queue_rcv_skb",
];
/// Where a reader finds a bad checksum late: the only drop there, with a reason since 6.15.
const UDP_READ: &[&str] = &[
    "first_packet_length",
    "__first_packet_length",
    "udp_read_skb",
];
const UDP6: &[&str] = &["__udp6_lib_rcv", "udpv6_rcv"];
const UDP6_QUEUE: &[&str] = &[
    "udpv6_queue_rcv_one_skb",
    "__udpv6_queue_rcv_skb",
    "udpv6_queue_rcv_skb",
];
const TCP: &[&str] = &["tcp_v4_rcv", "tcp_v6_rcv"];
const TCP_RECEIVE: &[&str] = &[
    "tcp_v4_rcv",
    "tcp_v6_rcv",
    "tcp_v4_do_rcv",
    "tcp_v6_do_rcv",
    "tcp_add_backlog",
    "tcp_rcv_established",
];
const TCP_LISTEN: &[&str] = &["tcp_v4_do_rcv", "tcp_v6_do_rcv"];
const CORE: &[&str] = &["__netif_receive_skb_core"];
const TUN: &[&str] = &["tun_net_xmit"];

/// Every counter that speaks of drops.
pub static RULES: &[CounterRule] = &[
    rule(
        "IpInHdrErrors",
        Family::Ip,
        &[
            // ip_rcv_core: `csum_error` falls through to `inhdr_error`.
            on(&["IP_INHDR", "IP_CSUM"], IP4),
            // ip_forward: the TTL ran out. ip_rcv_options: bad options, in the caller's name.
            on(&["IP_INHDR"], IP4_FORWARD),
            on(&["IP_INHDR"], IP4_FINISH),
            missing(IP4).fault(HeaderFault::Header),
            missing(IP4).fault(HeaderFault::Checksum),
            missing(IP4_FORWARD).choice("ip_forward"),
            missing(IP4_FINISH).choice("ip_rcv_finish_core"),
        ],
        "IPv4 packets with a bad header, a bad header checksum, bad options or no TTL left",
    ),
    rule(
        "IpInAddrErrors",
        Family::Ip,
        &[
            on(&["IP_INADDRERRORS"], IP_ERROR),
            missing(IP_ERROR).choice("ip_error"),
        ],
        "IPv4 packets for an address that is not ours, with forwarding off",
    ),
    rule(
        "IpInUnknownProtos",
        Family::Ip,
        &[on(&["IP_NOPROTO"], IP4_LOCAL), missing(IP4_LOCAL)],
        "IPv4 packets for a protocol that nothing here handles",
    ),
    rule(
        "IpInDiscards",
        Family::Ip,
        // ip_rcv_core: pskb_trim_rcsum failed. A failed skb_share_check leaves no event.
        &[on(&["NOT_SPECIFIED"], IP4)],
        "IPv4 packets dropped for want of memory",
    ),
    rule(
        "IpOutDiscards",
        Family::Ip,
        // ip_send_skb counts what an OUTPUT rule refused. The same reason on the way in raises nothing.
        &[
            on(&["NETFILTER_DROP"], ANYWHERE).version(4).sent(),
            missing(&["nf_hook_slow"]).version(4).sent(),
            // A full queue counts for datagrams (ip_send_skb) and not for TCP; netem's loss counts for none.
            on(QDISC, ANYWHERE).version(4).sent().choice("ip_send_skb"),
            missing(&["kfree_skb_list"])
                .version(4)
                .sent()
                .choice("ip_send_skb"),
        ],
        "IPv4 packets that this host could not send: a netfilter OUTPUT rule, or a full queue",
    ),
    rule(
        "IpOutNoRoutes",
        Family::Ip,
        &[
            on(&["IP_OUTNOROUTES"], ANYWHERE).version(4),
            missing(&["__ip_queue_xmit"]),
        ],
        "IPv4 packets that this host had no route for; most are refused before there is a packet",
    ),
    rule(
        "IpFragFails",
        Family::Ip,
        &[
            on(&["PKT_TOO_BIG"], IP4_FORWARD),
            any(&["ip_fragment", "ip_do_fragment"]),
            missing(IP4_FORWARD).choice("ip_forward"),
        ],
        "IPv4 packets larger than the path, that may not be fragmented",
    ),
    rule(
        "IpReasmFails",
        Family::Ip,
        // One a queue: several fragments' events may stand for it. DUP_FRAG raises nothing. 6.1 has no such reasons.
        &[
            on(&["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR"], ANYWHERE).version(4),
            on(&["NOT_SPECIFIED"], &["ip_expire"]),
            missing(&["ip_expire"]),
        ],
        "IPv4 packets that could not be put together from fragments",
    ),
    rule(
        "IpReasmTimeout",
        Family::Ip,
        &[
            on(&["FRAG_REASM_TIMEOUT"], ANYWHERE).version(4),
            on(&["NOT_SPECIFIED"], &["ip_expire"]),
            missing(&["ip_expire"]),
        ],
        "IPv4 packets of which fragments did not arrive in time",
    ),
    rule(
        "IpExtInCsumErrors",
        Family::IpExt,
        &[
            on(&["IP_CSUM"], IP4),
            missing(IP4).fault(HeaderFault::Checksum),
        ],
        "IPv4 packets with a bad header checksum",
    ),
    rule(
        "IpExtInTruncatedPkts",
        Family::IpExt,
        &[
            on(&["PKT_TOO_SMALL"], IP4),
            missing(IP4).fault(HeaderFault::LengthBeyond),
        ],
        "IPv4 packets shorter than their header says",
    ),
    rule(
        "IpExtInNoRoutes",
        Family::IpExt,
        &[
            on(&["IP_INNOROUTES"], IP_ERROR),
            missing(IP_ERROR).choice("ip_error"),
        ],
        "IPv4 packets to forward that there was no route for",
    ),
    rule(
        "IpExtReasmOverlaps",
        Family::IpExt,
        &[],
        "IPv4 fragments that overlap others: an error or an attack",
    ),
    rule(
        "IcmpInErrors",
        Family::Icmp,
        &[
            on(&["ICMP_CSUM", "UNHANDLED_PROTO", "INVALID_PROTO"], ICMP),
            missing(ICMP),
        ],
        "ICMP messages with a bad checksum, of an unknown type, or malformed",
    ),
    rule(
        "IcmpInCsumErrors",
        Family::Icmp,
        &[
            on(&["ICMP_CSUM"], ICMP),
            missing(ICMP).fault(HeaderFault::Checksum),
        ],
        "ICMP messages with a bad checksum",
    ),
    rule(
        "IcmpOutErrors",
        Family::Icmp,
        &[],
        "ICMP messages that this host could not send",
    ),
    rule(
        "IcmpOutRateLimitGlobal",
        Family::Icmp,
        &[],
        "ICMP errors not sent: limit of the host (icmp_msgs_per_sec)",
    ),
    rule(
        "IcmpOutRateLimitHost",
        Family::Icmp,
        &[],
        "ICMP errors not sent: limit per destination (icmp_ratelimit)",
    ),
    rule(
        "UdpNoPorts",
        Family::Udp,
        // Without a reason this is a guess: it is what nearly all drops there are, once length and checksum are right.
        &[
            on(&["NO_SOCKET"], UDP),
            missing(UDP).fault(HeaderFault::None),
        ],
        "UDP packets for a port that nobody listens on",
    ),
    rule(
        "UdpInErrors",
        Family::Udp,
        &[
            on(&["UDP_CSUM", "PKT_TOO_SMALL", "XFRM_POLICY"], UDP),
            // Whatever fails at the socket ends in UDP_MIB_INERRORS.
            any(UDP_QUEUE),
            any(UDP_READ),
            on(&["UDP_CSUM"], &["udp_recvmsg"]),
            missing(UDP).fault(HeaderFault::Header),
            missing(UDP).fault(HeaderFault::LengthBeyond),
            missing(UDP).fault(HeaderFault::Checksum),
        ],
        "UDP packets not delivered: bad length or checksum, a socket filter, a full receive buffer",
    ),
    rule(
        "UdpInCsumErrors",
        Family::Udp,
        &[
            on(&["UDP_CSUM"], UDP),
            on(&["UDP_CSUM"], UDP_QUEUE),
            any(UDP_READ),
            on(&["UDP_CSUM"], &["udp_recvmsg"]),
            missing(UDP).fault(HeaderFault::Checksum),
            missing(UDP_QUEUE).fault(HeaderFault::Checksum),
        ],
        "UDP packets with a bad checksum",
    ),
    rule(
        "UdpRcvbufErrors",
        Family::Udp,
        // Without a reason, a socket filter drops at the same place.
        &[
            on(&["SOCKET_RCVBUFF"], UDP_QUEUE),
            missing(UDP_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp_queue"),
        ],
        "UDP packets dropped because the socket's receive buffer was full",
    ),
    rule(
        "UdpMemErrors",
        Family::Udp,
        &[
            on(&["PROTO_MEM"], UDP_QUEUE),
            missing(UDP_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp_queue"),
        ],
        "UDP packets dropped because all UDP sockets together used up udp_mem",
    ),
    rule(
        "UdpSndbufErrors",
        Family::Udp,
        &[],
        "UDP packets that could not be sent: ENOBUFS of a device or queue",
    ),
    rule(
        "TcpInErrs",
        Family::Tcp,
        &[
            on(&["TCP_CSUM"], TCP_RECEIVE),
            on(
                &["PKT_TOO_SMALL"],
                &["tcp_v4_rcv", "tcp_v6_rcv", "tcp_rcv_established"],
            ),
            // tcp_validate_incoming counts it in an established connection only.
            on(&["TCP_INVALID_SYN"], ANYWHERE),
            missing(TCP).fault(HeaderFault::Header),
            missing(TCP_RECEIVE).fault(HeaderFault::Checksum),
        ],
        "TCP segments with a bad checksum, a bad header length, or a SYN in an established connection",
    ),
    rule(
        "TcpInCsumErrors",
        Family::Tcp,
        &[
            on(&["TCP_CSUM"], TCP_RECEIVE),
            missing(TCP_RECEIVE).fault(HeaderFault::Checksum),
        ],
        "TCP segments with a bad checksum",
    ),
    rule(
        "TcpExtIPReversePathFilter",
        Family::TcpExt,
        &[
            on(&["IP_RPFILTER"], ANYWHERE),
            missing(IP4_FINISH).choice("ip_rcv_finish_core"),
        ],
        "IPv4 packets that came in by another device than answers would leave by (rp_filter)",
    ),
    rule(
        "TcpExtListenOverflows",
        Family::TcpExt,
        // 6.18, for the last ACK of the handshake. A refused SYN leaves no event on any kernel.
        &[on(&["TCP_LISTEN_OVERFLOW"], ANYWHERE)],
        "connections refused because the accept queue was full",
    ),
    rule(
        "TcpExtListenDrops",
        Family::TcpExt,
        &[on(&["TCP_LISTEN_OVERFLOW"], ANYWHERE)],
        "connections refused by a listening socket, for whatever cause",
    ),
    rule(
        "TcpExtTCPReqQFullDrop",
        Family::TcpExt,
        &[],
        "SYNs dropped because the request queue was full",
    ),
    rule(
        "TcpExtTCPBacklogDrop",
        Family::TcpExt,
        &[on(&["SOCKET_BACKLOG"], TCP_RECEIVE)],
        "TCP segments dropped because the backlog of a busy socket was full",
    ),
    rule(
        "TcpExtTCPRcvQDrop",
        Family::TcpExt,
        &[on(
            &["PROTO_MEM"],
            &[
                "tcp_data_queue",
                "tcp_rcv_established",
                "tcp_rcv_state_process",
            ],
        )],
        "TCP segments dropped because no receive memory was left",
    ),
    rule(
        "TcpExtTCPOFODrop",
        Family::TcpExt,
        &[on(&["PROTO_MEM"], &["tcp_data_queue_ofo"])],
        "out-of-order TCP segments dropped because no receive memory was left",
    ),
    rule(
        "TcpExtOfoPruned",
        Family::TcpExt,
        // One a pruning, which drops several segments.
        &[on(&["TCP_OFO_QUEUE_PRUNE"], ANYWHERE)],
        "times that queued out-of-order segments were dropped to free memory",
    ),
    rule(
        "TcpExtRcvPruned",
        Family::TcpExt,
        &[],
        "times that a receive queue could not be made smaller",
    ),
    rule(
        "TcpExtTCPZeroWindowDrop",
        Family::TcpExt,
        &[on(&["TCP_ZEROWINDOW"], ANYWHERE)],
        "TCP segments that came in although the window was closed",
    ),
    rule(
        "TcpExtPAWSEstab",
        Family::TcpExt,
        &[on(&["TCP_RFC7323_PAWS"], ANYWHERE)],
        "TCP segments with an old timestamp",
    ),
    rule(
        "TcpExtDelayedACKLost",
        Family::TcpExt,
        &[on(&["TCP_OLD_DATA", "TCP_OLD_SEQUENCE"], ANYWHERE)],
        "TCP segments that had already arrived: the peer repeated them",
    ),
    rule(
        "TcpExtBeyondWindow",
        Family::TcpExt,
        &[on(
            &["TCP_INVALID_SEQUENCE", "TCP_INVALID_END_SEQUENCE"],
            ANYWHERE,
        )],
        "TCP segments beyond the window",
    ),
    rule(
        "TcpExtTCPOFOMerge",
        Family::TcpExt,
        &[on(&["TCP_OFOMERGE"], ANYWHERE)],
        "duplicate out-of-order segments",
    ),
    rule(
        "TcpExtTCPSYNChallenge",
        Family::TcpExt,
        &[on(&["TCP_INVALID_SYN"], ANYWHERE)],
        "SYNs in an existing connection",
    ),
    rule(
        "TcpExtTCPMD5NotFound",
        Family::TcpExt,
        &[on(&["TCP_MD5NOTFOUND"], ANYWHERE)],
        "TCP segments without the MD5 signature that was expected",
    ),
    rule(
        "TcpExtTCPMD5Unexpected",
        Family::TcpExt,
        &[on(&["TCP_MD5UNEXPECTED"], ANYWHERE)],
        "TCP segments with an MD5 signature that was not expected",
    ),
    rule(
        "TcpExtTCPMD5Failure",
        Family::TcpExt,
        &[on(&["TCP_MD5FAILURE"], ANYWHERE)],
        "TCP segments with a wrong MD5 signature",
    ),
    rule(
        "TcpExtTCPAOBad",
        Family::TcpExt,
        &[on(&["TCP_AOFAILURE"], ANYWHERE)],
        "TCP segments with a wrong TCP-AO signature",
    ),
    rule(
        "TcpExtTCPAOKeyNotFound",
        Family::TcpExt,
        &[on(&["TCP_AOKEYNOTFOUND"], ANYWHERE)],
        "TCP segments signed with an unknown TCP-AO key",
    ),
    rule(
        "TcpExtTCPMinTTLDrop",
        Family::TcpExt,
        &[on(&["TCP_MINTTL"], ANYWHERE)],
        "TCP segments whose TTL is below what the socket demands (IP_MINTTL)",
    ),
    rule(
        "TcpExtPFMemallocDrop",
        Family::TcpExt,
        &[
            on(&["PFMEMALLOC"], TCP_RECEIVE),
            on(&["PFMEMALLOC"], UDP_QUEUE),
            on(&["PFMEMALLOC"], UDP6_QUEUE),
        ],
        "packets from the memory reserve that a socket may not use",
    ),
    rule(
        "TcpExtTCPDeferAcceptDrop",
        Family::TcpExt,
        &[],
        "ACKs ignored because of TCP_DEFER_ACCEPT",
    ),
    rule(
        "TcpExtSyncookiesFailed",
        Family::TcpExt,
        // The listener then takes the ACK for one that belongs to no connection, and answers with a reset.
        &[
            on(&["TCP_FLAGS", "NOT_SPECIFIED"], TCP_LISTEN).choice("tcp_v4_do_rcv"),
            missing(TCP_LISTEN).choice("tcp_v4_do_rcv"),
        ],
        "ACKs with an invalid SYN cookie",
    ),
    rule(
        "TcpExtTCPTimeWaitOverflow",
        Family::TcpExt,
        &[],
        "connections without TIME_WAIT: tcp_max_tw_buckets reached",
    ),
    rule(
        "Ip6InHdrErrors",
        Family::Ip6,
        &[
            // ip6_rcv_core: all of these end at `err`. A wrong version is UNHANDLED_PROTO.
            on(
                &["IP_INHDR", "UNHANDLED_PROTO", "UNICAST_IN_L2_MULTICAST"],
                IP6,
            ),
            on(&["IP_INHDR"], IP6_FORWARD),
            on(&["IPV6_BAD_EXTHDR", "IP_INHDR", "UNHANDLED_PROTO"], EXTHDRS),
            missing(IP6).fault(HeaderFault::Header),
            missing(IP6).fault(HeaderFault::None).choice("ip6_rcv_core"),
            missing(IP6_FORWARD).choice("ip6_forward"),
        ],
        "IPv6 packets with a bad header, a forbidden address, bad extension headers or no hop limit left",
    ),
    rule(
        "Ip6InTooBigErrors",
        Family::Ip6,
        &[
            on(&["PKT_TOO_BIG"], IP6_FORWARD),
            missing(IP6_FORWARD).choice("ip6_forward"),
        ],
        "IPv6 packets to forward that are larger than the path",
    ),
    rule(
        "Ip6InNoRoutes",
        Family::Ip6,
        &[
            on(&["IP_INNOROUTES"], IP6_ROUTE),
            missing(IP6_ROUTE).choice("ip6_pkt_drop"),
        ],
        "IPv6 packets that there was no route for",
    ),
    rule(
        "Ip6InAddrErrors",
        Family::Ip6,
        &[
            on(&["IP_INADDRERRORS"], IP6_FORWARD),
            on(&["IP_INADDRERRORS"], IP6_ROUTE),
            missing(IP6_FORWARD).choice("ip6_forward"),
            missing(IP6_ROUTE).choice("ip6_pkt_drop"),
        ],
        "IPv6 packets with an address that is not ours or not allowed, or with forwarding off",
    ),
    rule(
        "Ip6InUnknownProtos",
        Family::Ip6,
        &[
            on(&["IP_NOPROTO"], IP6_LOCAL),
            missing(IP6_LOCAL).choice("ip6_local"),
        ],
        "IPv6 packets for a protocol that nothing here handles",
    ),
    rule(
        "Ip6InTruncatedPkts",
        Family::Ip6,
        &[
            on(&["PKT_TOO_SMALL"], IP6),
            missing(IP6).fault(HeaderFault::LengthBeyond),
        ],
        "IPv6 packets shorter than their header says",
    ),
    rule(
        "Ip6InDiscards",
        Family::Ip6,
        &[
            on(&["IPV6DISABLED", "NOT_SPECIFIED"], IP6),
            on(
                &["IP_INADDRERRORS", "XFRM_POLICY", "NOT_SPECIFIED"],
                IP6_LOCAL,
            ),
            on(&["XFRM_POLICY"], IP6_FORWARD),
            missing(IP6).fault(HeaderFault::None).choice("ip6_rcv_core"),
            missing(IP6_LOCAL).choice("ip6_local"),
        ],
        "IPv6 packets dropped with IPv6 disabled on the device, for a group not joined, or for want of memory",
    ),
    rule(
        "Ip6OutDiscards",
        Family::Ip6,
        &[
            on(&["NETFILTER_DROP"], ANYWHERE).version(6).sent(),
            missing(&["nf_hook_slow"]).version(6).sent(),
            on(QDISC, ANYWHERE).version(6).sent().choice("ip6_send_skb"),
            missing(&["kfree_skb_list"])
                .version(6)
                .sent()
                .choice("ip6_send_skb"),
        ],
        "IPv6 packets that this host could not send: a netfilter OUTPUT rule, or a full queue",
    ),
    rule(
        "Ip6OutNoRoutes",
        Family::Ip6,
        &[
            on(&["IP_OUTNOROUTES"], ANYWHERE).version(6),
            missing(IP6_ROUTE).choice("ip6_pkt_drop"),
        ],
        "IPv6 packets that this host had no route for",
    ),
    rule(
        "Ip6ReasmFails",
        Family::Ip6,
        &[on(&["FRAG_REASM_TIMEOUT"], ANYWHERE).version(6)],
        "IPv6 packets that could not be put together from fragments",
    ),
    rule(
        "Ip6ReasmTimeout",
        Family::Ip6,
        &[on(&["FRAG_REASM_TIMEOUT"], ANYWHERE).version(6)],
        "IPv6 packets of which fragments did not arrive in time",
    ),
    rule(
        "Ip6FragFails",
        Family::Ip6,
        &[
            on(&["PKT_TOO_BIG"], IP6_FORWARD),
            any(&["ip6_fragment"]),
            missing(IP6_FORWARD).choice("ip6_forward_too_big"),
        ],
        "IPv6 packets larger than the path",
    ),
    rule(
        "Icmp6InErrors",
        Family::Icmp6,
        &[on(&["ICMP_CSUM"], ICMP6), missing(ICMP6)],
        "ICMPv6 messages with a bad checksum, or malformed",
    ),
    rule(
        "Icmp6InCsumErrors",
        Family::Icmp6,
        &[
            on(&["ICMP_CSUM"], ICMP6),
            missing(ICMP6).fault(HeaderFault::Checksum),
        ],
        "ICMPv6 messages with a bad checksum",
    ),
    rule(
        "Icmp6OutErrors",
        Family::Icmp6,
        &[],
        "ICMPv6 messages that this host could not send",
    ),
    rule(
        "Udp6NoPorts",
        Family::Udp6,
        // __udp6_lib_rcv says NO_SOCKET even when it then finds the checksum bad, and counts that instead.
        &[
            on(&["NO_SOCKET"], UDP6).fault(HeaderFault::None),
            missing(UDP6).fault(HeaderFault::None),
        ],
        "UDP packets over IPv6 for a port that nobody listens on",
    ),
    rule(
        "Udp6InErrors",
        Family::Udp6,
        &[
            on(&["UDP_CSUM", "PKT_TOO_SMALL", "XFRM_POLICY"], UDP6),
            on(&["NO_SOCKET"], UDP6).fault(HeaderFault::Checksum),
            any(UDP6_QUEUE),
            on(&["UDP_CSUM"], &["udpv6_recvmsg"]),
            missing(UDP6).fault(HeaderFault::Header),
            missing(UDP6).fault(HeaderFault::LengthBeyond),
            missing(UDP6).fault(HeaderFault::Checksum),
        ],
        "UDP packets over IPv6 not delivered: bad length or checksum, a socket filter, a full receive buffer",
    ),
    rule(
        "Udp6InCsumErrors",
        Family::Udp6,
        &[
            on(&["UDP_CSUM"], UDP6),
            on(&["UDP_CSUM"], UDP6_QUEUE),
            on(&["UDP_CSUM"], &["udpv6_recvmsg"]),
            on(&["NO_SOCKET"], UDP6).fault(HeaderFault::Checksum),
            missing(UDP6).fault(HeaderFault::Checksum),
            missing(UDP6_QUEUE).fault(HeaderFault::Checksum),
        ],
        "UDP packets over IPv6 with a bad checksum",
    ),
    rule(
        "Udp6RcvbufErrors",
        Family::Udp6,
        &[
            on(&["SOCKET_RCVBUFF"], UDP6_QUEUE),
            missing(UDP6_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp6_queue"),
        ],
        "UDP packets over IPv6 dropped because the socket's receive buffer was full",
    ),
    rule(
        "Udp6MemErrors",
        Family::Udp6,
        &[
            on(&["PROTO_MEM"], UDP6_QUEUE),
            missing(UDP6_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp6_queue"),
        ],
        "UDP packets over IPv6 dropped because all UDP sockets together used up udp_mem",
    ),
    rule(
        "Udp6SndbufErrors",
        Family::Udp6,
        &[],
        "UDP packets over IPv6 that could not be sent: ENOBUFS",
    ),
    rule(
        "rx_dropped",
        Family::Device,
        &[
            // __netif_receive_skb_core raises rx_nohandler instead where only an exact match was sought.
            on(&["UNHANDLED_PROTO", "PFMEMALLOC"], CORE).choice("netif_receive"),
            on(&["CPU_BACKLOG"], ANYWHERE),
            // A GRE packet that belongs to no tunnel. Seen in 7.2; 6.12 raises nothing.
            any(&["gre_rcv"]).choice("gre_rcv"),
            // TC ingress drops here as well, and raises nothing.
            missing(CORE).choice("netif_receive"),
            // enqueue_to_backlog: the device is going down, since 6.10 not in softnet's count.
            on(&["DEV_READY"], &["enqueue_to_backlog", "netif_rx_internal"]),
            missing(&["enqueue_to_backlog", "netif_rx_internal"]),
        ],
        "received packets dropped: no protocol wants them, a full backlog, or the driver",
    ),
    rule(
        "rx_nohandler",
        Family::Device,
        &[
            on(&["UNHANDLED_PROTO"], CORE).choice("netif_receive"),
            missing(CORE).choice("netif_receive"),
        ],
        "packets received on an inactive device, such as the backup of a bond",
    ),
    rule(
        "rx_otherhost_dropped",
        Family::Device,
        // ip_rcv_core and ip6_rcv_core, since 5.19.
        &[on(&["OTHERHOST"], ANYWHERE)],
        "packets for another MAC address: flooding, or a VLAN device that is missing",
    ),
    rule(
        "tx_dropped",
        Family::Device,
        &[
            // noop_enqueue (a device that is down) counts since 6.11; other qdiscs count in their own statistics.
            on(&["QDISC_DROP"], ANYWHERE).choice("noop_enqueue"),
            any(TUN),
            any(&["validate_xmit_skb"]),
        ],
        "packets that a device could not send: it is down, or its queue is full",
    ),
    rule(
        "rx_errors",
        Family::Device,
        &[],
        "received packets that the device found bad",
    ),
    rule(
        "tx_errors",
        Family::Device,
        &[],
        "packets that the device failed to send",
    ),
    rule(
        "rx_length_errors",
        Family::Device,
        &[],
        "received packets of a wrong length",
    ),
    rule(
        "rx_over_errors",
        Family::Device,
        &[],
        "received packets that overran the device's buffer",
    ),
    rule(
        "rx_crc_errors",
        Family::Device,
        &[],
        "received packets with a bad CRC: cable or transceiver",
    ),
    rule(
        "rx_frame_errors",
        Family::Device,
        &[],
        "received packets that were misaligned",
    ),
    rule(
        "rx_fifo_errors",
        Family::Device,
        &[],
        "received packets that overran the device's FIFO",
    ),
    rule(
        "rx_missed_errors",
        Family::Device,
        &[],
        "packets that the device had no room for: ring too small",
    ),
    rule(
        "tx_aborted_errors",
        Family::Device,
        &[],
        "transmissions that the device gave up",
    ),
    rule(
        "tx_carrier_errors",
        Family::Device,
        &[],
        "transmissions without a carrier: cable, or the far end",
    ),
    rule(
        "tx_fifo_errors",
        Family::Device,
        &[],
        "transmissions that underran the device's FIFO",
    ),
    rule(
        "softnet_dropped",
        Family::Softnet,
        &[
            on(&["CPU_BACKLOG"], ANYWHERE),
            missing(&["enqueue_to_backlog", "netif_rx_internal"]),
        ],
        "packets dropped because a processor's backlog was full (netdev_max_backlog)",
    ),
    rule(
        "softnet_time_squeeze",
        Family::Softnet,
        &[],
        "times that a processor ran out of its budget: work waited",
    ),
    rule(
        "softnet_flow_limit",
        Family::Softnet,
        // Such a packet also raises softnet_dropped, and its event is the same.
        &[on(&["CPU_BACKLOG"], ANYWHERE)],
        "packets of a large flow dropped to keep the backlog free for others",
    ),
];
