//! Counters of IPv6 and ICMPv6.

use super::{ANYWHERE, CounterRule, Family, HeaderFault, QDISC, any, missing, on, rule};
use crate::analysis::place::{EXTHDRS, ICMP6, IP6, IP6_LOCAL, IP6_ROUTE, TCP6_OUT};

const IP6_FORWARD: &[&str] = &["ip6_forward"];

/// Where the time for putting a packet together ends. 6.1 has no reason for it.
const EXPIRE: &[&str] = &["ip6_frag_expire", "ip6frag_expire_frag_queue"];

pub(super) static RULES: &[CounterRule] = &[
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
            // ip6_dst_lookup_tail counts where there is no route, and not where one discards; inet6_csk_xmit frees.
            any(TCP6_OUT),
            missing(IP6_ROUTE).choice("ip6_pkt_drop"),
        ],
        "IPv6 packets that this host had no route for",
    ),
    rule(
        "Ip6ReasmFails",
        Family::Ip6,
        &[
            on(&["FRAG_REASM_TIMEOUT"], ANYWHERE).version(6),
            on(&["NOT_SPECIFIED"], EXPIRE),
            missing(EXPIRE),
        ],
        "IPv6 packets that could not be put together from fragments",
    ),
    rule(
        "Ip6ReasmTimeout",
        Family::Ip6,
        &[
            on(&["FRAG_REASM_TIMEOUT"], ANYWHERE).version(6),
            on(&["NOT_SPECIFIED"], EXPIRE),
            missing(EXPIRE),
        ],
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
];
