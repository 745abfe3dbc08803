//! Counters of IPv4 and ICMP.

use super::{ANYWHERE, CounterRule, Family, HeaderFault, QDISC, any, missing, on, rule};
use crate::analysis::place::{ICMP, IP_ERROR, IP4, IP4_FINISH, IP4_LOCAL, TCP_OUT};

const IP4_FORWARD: &[&str] = &["ip_forward"];

pub(super) static RULES: &[CounterRule] = &[
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
            // The header was not made yet.
            on(&["IP_OUTNOROUTES"], TCP_OUT),
            missing(TCP_OUT),
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
];
