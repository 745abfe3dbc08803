//! Counters of IPv6 and ICMPv6.

use crate::analysis::explain::{Entry, counter, named_counter};

pub(super) const ENTRIES: &[Entry] = &[
    counter(
        "Ip6InHdrErrors",
        "ip6_rcv_core: a wrong version, a forbidden address (loopback or multicast source), a \
         bad extension header; ip6_forward: no hop limit left.",
    )
    .normal("A few from traceroute through a router.")
    .causes(&["a routing loop, malformed packets, IPv4 sent as IPv6"])
    .commands(&[
        "netdiag drops --each --reason IP_INHDR --reason UNHANDLED_PROTO --reason \
         IPV6_BAD_EXTHDR",
    ])
    .see(&["IP_INHDR", "UNHANDLED_PROTO", "IPV6_BAD_EXTHDR"]),
    counter(
        "Ip6InTooBigErrors",
        "ip6_forward: routers do not fragment IPv6; the sender gets ICMPv6 \"packet too big\".",
    )
    .normal("One per path and sender.")
    .causes(&["the message does not reach the sender: let ICMPv6 type 2 pass"])
    .commands(&["netdiag drops --each --reason PKT_TOO_BIG; nstat -az Icmp6OutPktTooBigs"])
    .see(&["PKT_TOO_BIG", "Ip6FragFails"]),
    counter(
        "Ip6InNoRoutes",
        "ip6_pkt_drop: the lookup for a received packet ended with \"no route\"; the sender gets \
         ICMPv6.",
    )
    .causes(&["a missing route, forwarding without a default route, a withdrawn prefix"])
    .commands(&["ip -6 route get DESTINATION from SOURCE iif DEVICE"])
    .see(&["IP_INNOROUTES"]),
    counter(
        "Ip6InAddrErrors",
        "ip6_forward and ip6_pkt_drop: an address that must not be forwarded (link-local, \
         multicast), or forwarding is off.",
    )
    .causes(&["hosts that use this one as router; addresses of a link that leave it"])
    .commands(&[
        "sysctl net.ipv6.conf.all.forwarding; netdiag drops --each --reason IP_INADDRERRORS",
    ])
    .see(&["IP_INADDRERRORS"]),
    counter(
        "Ip6InUnknownProtos",
        "ip6_protocol_deliver_rcu found no handler for the next header; the sender gets \
         \"parameter problem\".",
    )
    .causes(&["a tunnel or protocol module is missing"])
    .commands(&["netdiag drops --each --reason IP_NOPROTO"])
    .see(&["IP_NOPROTO"]),
    counter(
        "Ip6InTruncatedPkts",
        "ip6_rcv_core: the payload length is more than what arrived.",
    )
    .causes(&["a NIC, driver or tunnel that cuts packets"])
    .commands(&["netdiag drops --each --reason PKT_TOO_SMALL"])
    .see(&["PKT_TOO_SMALL", "ip-length-beyond-packet"]),
    counter(
        "Ip6InDiscards",
        "ip6_rcv_core with IPv6 disabled on the device, ip6_input for a group that nobody \
         joined, IPsec policy, or no memory.",
    )
    .normal("Multicast for others, and devices where IPv6 is off on purpose.")
    .causes(&["disable_ipv6 is set where IPv6 is wanted; memory pressure"])
    .commands(&[
        "sysctl net.ipv6.conf.DEVICE.disable_ipv6; netdiag drops --each --reason IPV6DISABLED",
    ])
    .see(&["IPV6DISABLED", "XFRM_POLICY"]),
    counter(
        "Ip6OutDiscards",
        "As IpOutDiscards, for IPv6: an OUTPUT rule (EPERM) or a full queue; also packets for a \
         device with IPv6 disabled.",
    )
    .causes(&["a firewall rule for outgoing packets; a shaper or full queue"])
    .commands(&["nft list ruleset; tc -s qdisc show"])
    .see(&["NETFILTER_DROP", "QDISC_DROP"]),
    counter(
        "Ip6OutNoRoutes",
        "Packets of this host without a route (ip6_pkt_drop).",
    )
    .causes(&["no router advertisement was received, or its lifetime is over; a VPN that is down"])
    .commands(&["ip -6 route; ip -6 route get ADDRESS"])
    .see(&["IP_OUTNOROUTES"]),
    counter(
        "Ip6ReasmFails",
        "Fragment queues that were given up. One a queue, however many fragments were in it.",
    )
    .causes(&[
        "lost fragments, fragments filtered on the way (many networks do), a full fragment \
         memory",
    ])
    .commands(&["nstat -az Ip6ReasmReqds Ip6ReasmOKs; grep FRAG /proc/net/sockstat6"])
    .see(&["FRAG_REASM_TIMEOUT"]),
    counter(
        "Ip6ReasmTimeout",
        "Fragment queues that waited ip6frag_time (60 s) and were not complete.",
    )
    .causes(&["lost or filtered fragments: many networks drop IPv6 fragments"])
    .commands(&["sysctl net.ipv6.ip6frag_time; tcpdump -n -v -i DEVICE 'ip6[6] == 44'"])
    .see(&["FRAG_REASM_TIMEOUT", "Ip6ReasmFails"]),
    counter(
        "Ip6FragFails",
        "A packet was larger than the MTU: to forward (routers do not cut), or of this host and \
         not to be fragmented.",
    )
    .normal("A few while senders learn the path MTU.")
    .causes(&["\"packet too big\" does not reach the sender"])
    .commands(&["ip -6 route get ADDRESS  # its MTU"])
    .see(&["PKT_TOO_BIG", "Ip6InTooBigErrors"]),
    counter(
        "Icmp6InErrors",
        "icmpv6_rcv: bad checksum, too short, or a neighbour discovery message that is not \
         valid.",
    )
    .causes(&["corruption, crafted packets"])
    .commands(&["netdiag drops --each --reason ICMP_CSUM"])
    .see(&["ICMP_CSUM", "IPV6_NDISC_BAD_OPTIONS"]),
    counter(
        "Icmp6InCsumErrors",
        "icmpv6_rcv: the checksum over message and addresses.",
    )
    .causes(&[
        "corruption; NAT64 or eBPF that rewrites addresses without the pseudo header's checksum",
    ])
    .commands(&["netdiag drops --each --reason ICMP_CSUM"])
    .see(&["ICMP_CSUM"]),
    counter(
        "Icmp6OutErrors",
        "icmpv6_push_pending_frames, ndisc_send_skb: the message could not be built or sent.",
    )
    .causes(&["no route back, memory pressure"])
    .commands(&["ip -6 route get ADDRESS"])
    .see(&["IcmpOutErrors"]),
    named_counter(
        "Icmp6InPktTooBigs",
        "ICMPv6 \"packet too big\" messages received",
        "A router on the way tells this host that its packets are larger than a link takes. \
         netdiag retrans holds it against a suspected path MTU black hole.",
    )
    .normal("One per path: it is how the size is learned.")
    .causes(&["a tunnel or smaller link on the way"])
    .commands(&["ip -6 route get ADDRESS  # mtu, expires"])
    .see(&["path-mtu-black-hole", "PKT_TOO_BIG"]),
];
