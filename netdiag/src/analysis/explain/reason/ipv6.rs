//! Reasons of IPv6 and its neighbour discovery.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_7_2},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "IPV6DISABLED",
        SINCE_6_1,
        "IPv6 is switched off on the device",
        "ip6_rcv_core: disable_ipv6 is set on the device, and an IPv6 packet came in.",
    )
    .normal(
        "Ordinary where IPv6 is meant to be off: router advertisements and multicast of the \
             neighbours still arrive.",
    )
    .causes(&[
        "disable_ipv6 was set by a profile or container runtime and IPv6 is wanted: \
         net.ipv6.conf.DEVICE.disable_ipv6=0",
        "duplicate address detection failed with accept_dad=2, which switches the device's IPv6 \
         off",
    ])
    .commands(&[
        "sysctl net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.DEVICE.disable_ipv6",
        "ip -6 addr show dev DEVICE; dmesg | grep -i 'duplicate address'",
    ])
    .see(&["Ip6InDiscards"]),
    reason(
        "IPV6_BAD_EXTHDR",
        SINCE_6_12,
        "an IPv6 extension header is malformed or not allowed",
        "ip6_parse_tlv, ipv6_destopt_rcv, ipv6_rthdr_rcv: an option with a wrong length, too \
         many options or too much padding, or an option that says that packets with it are to be \
         dropped where it is unknown.",
    )
    .causes(&[
        "crafted packets or scans",
        "a protocol (SRv6, IOAM, RPL) that has to be switched on here: seg6_enabled, \
         ioam6_enabled",
        "many options that are meant: net.ipv6.max_dst_opts_number, net.ipv6.max_hbh_opts_number",
    ])
    .commands(&[
        "tcpdump -n -vv -i DEVICE 'ip6[6] == 0 or ip6[6] == 43 or ip6[6] == 60'",
        "sysctl net.ipv6.max_dst_opts_number net.ipv6.max_hbh_opts_number \
         net.ipv6.conf.DEVICE.seg6_enabled",
    ])
    .see(&["IPV6_TOO_MANY_EXTHDRS", "Ip6InHdrErrors"]),
    reason(
        "IPV6_TOO_MANY_EXTHDRS",
        SINCE_7_2,
        "the IPv6 packet has more extension headers than this host goes through",
        "ip6_protocol_deliver_rcu counts the headers that it takes off, and stops at a limit.",
    )
    .causes(&["crafted packets: each header costs processor time"])
    .commands(&[
        "tcpdump -n -vv -i DEVICE 'ip6 proto 0 or ip6 proto 43 or ip6 proto 60'",
        "netdiag drops --each --reason IPV6_TOO_MANY_EXTHDRS  # from whom",
    ])
    .see(&["IPV6_BAD_EXTHDR"]),
    reason(
        "IPV6_NDISC_FRAG",
        SINCE_6_12,
        "a neighbour discovery message came in fragments",
        "ndisc_rcv, with suppress_frag_ndisc at 1 (the default): such messages are never that \
         long, and fragments hide them from filters (RFC 6980).",
    )
    .causes(&[
        "an attack on neighbour discovery",
        "a router whose advertisement is too long for the link: fewer prefixes and options",
    ])
    .commands(&[
        "sysctl net.ipv6.conf.DEVICE.suppress_frag_ndisc",
        "tcpdump -n -e -vv -i DEVICE 'ip6[6] == 44'",
    ])
    .see(&["IPV6_NDISC_HOP_LIMIT"]),
    reason(
        "IPV6_NDISC_HOP_LIMIT",
        SINCE_6_12,
        "a neighbour discovery message has come from beyond a router",
        "ndisc_rcv: the hop limit is not 255, so it was not sent on this link (RFC 4861).",
    )
    .causes(&[
        "forged messages from outside",
        "a tunnel, proxy or switch that changes the hop limit",
    ])
    .commands(&[
        "tcpdump -n -e -vv -i DEVICE 'icmp6 and ip6[40] >= 133 and ip6[40] <= 137 and ip6[7] != \
         255'",
    ])
    .see(&["IPV6_NDISC_BAD_CODE", "IPV6_NDISC_FRAG"]),
    reason(
        "IPV6_NDISC_BAD_CODE",
        SINCE_6_12,
        "a neighbour discovery message has an ICMPv6 code that is not 0",
        "ndisc_rcv follows RFC 4861: such a message is not valid.",
    )
    .causes(&["a device or program that builds it wrongly, or crafted packets"])
    .commands(&[
        "tcpdump -n -e -vv -i DEVICE 'icmp6 and ip6[40] >= 133 and ip6[40] <= 137 and ip6[41] != \
         0'",
    ])
    .see(&["IPV6_NDISC_BAD_OPTIONS"]),
    reason(
        "IPV6_NDISC_BAD_OPTIONS",
        SINCE_6_12,
        "the options of a neighbour discovery message are malformed",
        "ndisc_parse_options: an option of length 0 or longer than the message, or a link-layer \
         address of a wrong length.",
    )
    .causes(&[
        "a device or program that builds them wrongly: find it by its MAC address",
        "devices with other address lengths (InfiniBand, 6LoWPAN) bridged to Ethernet",
    ])
    .commands(&["tcpdump -n -e -vv -i DEVICE 'icmp6 and ip6[40] >= 133 and ip6[40] <= 137'"])
    .see(&["IPV6_NDISC_BAD_CODE"]),
    reason(
        "IPV6_NDISC_NS_OTHERHOST",
        SINCE_6_12,
        "a neighbour solicitation asks for another host",
        "ndisc_recv_ns: the target is no address of this host, and it is no proxy for it.",
    )
    .normal(
        "Ordinary: solicited-node groups are shared by addresses with the same last 24 bits, \
             and switches without MLD snooping flood all of them.",
    )
    .causes(&[
        "an address that was moved away from this host, while others still ask",
        "this host is to answer for it: net.ipv6.conf.DEVICE.proxy_ndp=1 and ip -6 neigh add \
         proxy ADDRESS dev DEVICE",
    ])
    .commands(&[
        "ip -6 addr show dev DEVICE; ip -6 neigh show proxy",
        "tcpdump -n -e -i DEVICE 'icmp6 and ip6[40] == 135'",
    ])
    .see(&["NEIGH_FAILED"]),
];
