//! Counters of IPv4 and ICMP.

use crate::analysis::explain::{Entry, counter, named_counter};

pub(super) const ENTRIES: &[Entry] = &[
    counter(
        "IpInHdrErrors",
        "ip_rcv_core counts a wrong version, header length, total length or checksum; ip_forward \
         a TTL that has run out; ip_rcv_options bad options. IPVS and bridge netfilter count \
         here as well.",
    )
    .normal("A few from traceroute through a router.")
    .causes(&[
        "a routing loop (TTL), Ethernet frames on a layer-3 device, corruption (then \
         IpExtInCsumErrors rises, too)",
    ])
    .commands(&["netdiag drops --each --reason IP_INHDR --reason IP_CSUM"])
    .see(&[
        "IP_INHDR",
        "IP_CSUM",
        "ethernet-on-l3-device",
        "Ip6InHdrErrors",
    ]),
    counter(
        "IpInAddrErrors",
        "ip_error: packets for an address that is not ours while forwarding is off on the \
         device.",
    )
    .causes(&[
        "forwarding is meant to be on; an address has moved away; a neighbour takes this host \
         for a router",
    ])
    .commands(&[
        "sysctl net.ipv4.ip_forward; ip addr show",
        "netdiag drops --each --reason IP_INADDRERRORS",
    ])
    .see(&["IP_INADDRERRORS"]),
    counter(
        "IpInUnknownProtos",
        "ip_protocol_deliver_rcu found neither a handler nor a raw socket for the protocol \
         number.",
    )
    .causes(&["a tunnel or protocol module is missing, or its far end has the wrong address"])
    .commands(&["netdiag drops --each --reason IP_NOPROTO"])
    .see(&["IP_NOPROTO"]),
    counter(
        "IpInDiscards",
        "Good packets that ip_rcv_core had to drop because memory for a copy or for trimming was \
         missing.",
    )
    .causes(&["memory pressure: see who uses it, raise vm.min_free_kbytes"])
    .commands(&["grep -E 'allocstall|oom_kill' /proc/vmstat; dmesg | grep 'allocation failure'"])
    .see(&["NOT_SPECIFIED", "NOMEM"]),
    counter(
        "IpOutDiscards",
        "ip_send_skb and the raw sockets count datagrams that were refused after routing: by a \
         rule of the OUTPUT or POSTROUTING hook (the program sees EPERM) or by a full queue \
         (ENOBUFS). TCP's own drops in a queue do not count here.",
    )
    .causes(&["a firewall rule for outgoing packets; a shaper or full queue"])
    .commands(&[
        "nft list ruleset; tc -s qdisc show",
        "netdiag drops --each --reason NETFILTER_DROP --reason QDISC_DROP",
    ])
    .see(&["NETFILTER_DROP", "QDISC_DROP"]),
    counter(
        "IpOutNoRoutes",
        "Route look-ups for sending that failed: in udp_sendmsg, tcp_v4_connect and others \
         before a packet exists, and in __ip_queue_xmit with one.",
    )
    .causes(&["a missing default route, a VPN that is down, policy routing to an empty table"])
    .commands(&["ip route get ADDRESS; ip rule show"])
    .see(&["IP_OUTNOROUTES"]),
    counter(
        "IpFragFails",
        "A packet was larger than the MTU and could not be cut: it has DF set (ip_forward \
         answers with ICMP), or cutting failed.",
    )
    .normal("A few while senders learn the path MTU.")
    .causes(&["senders do not get the ICMP message: let ICMP type 3 code 4 pass, clamp the MSS"])
    .commands(&["netdiag drops --each --reason PKT_TOO_BIG"])
    .see(&["PKT_TOO_BIG", "path-mtu-black-hole"]),
    counter(
        "IpReasmFails",
        "Fragment queues that were given up: timeout, too many other fragments between, \
         overlaps, no memory. One a queue, however many fragments were in it.",
    )
    .causes(&[
        "lost fragments, ECMP that sends fragments to different hosts, a full fragment memory",
    ])
    .commands(&["nstat -az IpReasmReqds IpReasmOKs IpReasmTimeout; grep FRAG /proc/net/sockstat"])
    .see(&["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR", "IpReasmTimeout"]),
    counter(
        "IpReasmTimeout",
        "Fragment queues that waited ipfrag_time (30 s) and were not complete.",
    )
    .causes(&["a firewall that passes first fragments only; loss; an MTU mismatch"])
    .commands(&[
        "sysctl net.ipv4.ipfrag_time",
        "tcpdump -n -v -i DEVICE 'ip[6:2] & 0x3fff != 0'",
    ])
    .see(&["FRAG_REASM_TIMEOUT", "IpReasmFails"]),
    counter(
        "IpExtInCsumErrors",
        "The header's own checksum; the payload is not looked at. IpInHdrErrors rises with it.",
    )
    .causes(&["corruption on the way, or a program that rewrites headers without a new checksum"])
    .commands(&["netdiag drops --each --reason IP_CSUM; ethtool -S DEVICE | grep -iE 'crc|csum'"])
    .see(&["IP_CSUM", "ip-header-checksum"]),
    counter(
        "IpExtInTruncatedPkts",
        "ip_rcv_core: the total length in the header is more than what arrived.",
    )
    .causes(&["a NIC, driver or tunnel that cuts packets"])
    .commands(&["netdiag drops --each --reason PKT_TOO_SMALL"])
    .see(&["PKT_TOO_SMALL", "ip-length-beyond-packet"]),
    counter(
        "IpExtInNoRoutes",
        "ip_error and ip_forward: the lookup for a received packet ended with \"network \
         unreachable\"; the sender gets ICMP.",
    )
    .causes(&["a missing route on this router, or a rule that sends packets to another table"])
    .commands(&["ip route get DESTINATION from SOURCE iif DEVICE"])
    .see(&["IP_INNOROUTES"]),
    counter(
        "IpExtReasmOverlaps",
        "inet_frag_queue_insert: fragments that overlap in part. The whole queue is thrown away, \
         because such fragments hide things from filters; exact duplicates are only ignored.",
    )
    .causes(&[
        "an attack or scanner, or a sender with a fault; two senders with the same address and \
         id",
    ])
    .commands(&["tcpdump -n -v -i DEVICE 'ip[6:2] & 0x3fff != 0'  # same id, overlapping offsets"])
    .see(&["DUP_FRAG", "IpReasmFails"]),
    counter(
        "IcmpInErrors",
        "icmp_rcv: bad checksum, unknown type, or a type that must not be broadcast; and errors \
         that quote too little of the packet they speak of.",
    )
    .normal("Broadcast pings, which icmp_echo_ignore_broadcasts refuses.")
    .causes(&["corruption (then IcmpInCsumErrors), scanners"])
    .commands(&[
        "nstat -az IcmpInCsumErrors; netdiag drops --each --reason ICMP_CSUM --reason \
         INVALID_PROTO",
    ])
    .see(&["ICMP_CSUM", "INVALID_PROTO", "UNHANDLED_PROTO"]),
    counter(
        "IcmpInCsumErrors",
        "icmp_rcv: the checksum over the whole message.",
    )
    .causes(&["corruption on the way, or NAT that rewrites quoted packets without a new checksum"])
    .commands(&["netdiag drops --each --reason ICMP_CSUM"])
    .see(&["ICMP_CSUM"]),
    counter(
        "IcmpOutErrors",
        "icmp_push_reply and icmp_send found no way to send the message: no memory, or no route \
         back.",
    )
    .causes(&["no route to the senders of refused packets, memory pressure"])
    .commands(&["ip route get ADDRESS"])
    .see(&["IcmpOutRateLimitGlobal"]),
    counter(
        "IcmpOutRateLimitGlobal",
        "icmpv4_global_allow: more than icmp_msgs_per_sec (1000) ICMP messages a second, on \
         older kernels of the whole host, on newer of the namespace. Path MTU and \"port \
         unreachable\" messages then stay out, so peers run into timeouts.",
    )
    .causes(&[
        "a scan or flood that asks for many errors; raise icmp_msgs_per_sec and icmp_msgs_burst \
         if it is legitimate",
    ])
    .commands(&["sysctl net.ipv4.icmp_msgs_per_sec net.ipv4.icmp_msgs_burst"])
    .see(&["IcmpOutRateLimitHost", "PKT_TOO_BIG"]),
    counter(
        "IcmpOutRateLimitHost",
        "icmpv4_xrlim_allow: one ICMP error per destination in icmp_ratelimit milliseconds \
         (1000), with a burst of six.",
    )
    .normal("Ordinary for traceroute and scans.")
    .causes(&["one peer causes many errors: closed port under load, packets that are too big"])
    .commands(&["sysctl net.ipv4.icmp_ratelimit net.ipv4.icmp_ratemask"])
    .see(&["IcmpOutRateLimitGlobal", "NO_SOCKET"]),
    named_counter(
        "IcmpInDestUnreachs",
        "ICMP \"destination unreachable\" messages received",
        "Somebody on the way or the peer says that packets of this host do not arrive: network, \
         host, protocol or port unreachable, filtered, or fragmentation needed. netdiag retrans \
         holds it against a suspected path MTU black hole.",
    )
    .causes(&[
        "a closed port or host on the other side; a router without a route; a path with a \
         smaller MTU (code 4)",
    ])
    .commands(&[
        "nstat -az | grep -E 'IcmpMsgInType3|IcmpInDestUnreachs'",
        "tcpdump -n -v -i DEVICE 'icmp[0] == 3'",
    ])
    .see(&["path-mtu-black-hole", "PKT_TOO_BIG"]),
];
