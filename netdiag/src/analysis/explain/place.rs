//! Places: functions that drop packets. Before 5.17 the kernel gives no reason, and the place has to tell.

use super::{Entry, place};

pub(super) const ENTRIES: &[Entry] = &[
    place(
        "ip_rcv_core",
        "the header check of every IPv4 packet that arrives",
        "Length, version, header length, checksum and total length of the IPv4 header are \
         checked here, before routing and before any firewall rule. Without a reason (before \
         5.17) the header itself tells: netdiag decodes it and names the fault.",
    )
    .causes(&[
        "a malformed header (IP_INHDR), a wrong checksum (IP_CSUM), a packet that was cut \
         (PKT_TOO_SMALL), a frame for another MAC address (OTHERHOST)",
    ])
    .commands(&["netdiag drops --each"])
    .see(&[
        "IP_INHDR",
        "IP_CSUM",
        "OTHERHOST",
        "PKT_TOO_SMALL",
        "IpInHdrErrors",
    ]),
    place(
        "ip6_rcv_core",
        "the header check of every IPv6 packet that arrives",
        "Version, addresses, payload length and the first extension header are checked here, \
         before routing.",
    )
    .causes(&[
        "a wrong version (UNHANDLED_PROTO), IPv6 disabled on the device, a forbidden address, a \
         packet that was cut",
    ])
    .commands(&["netdiag drops --each; nstat -az | grep Ip6In"])
    .see(&[
        "IP_INHDR",
        "IPV6DISABLED",
        "UNHANDLED_PROTO",
        "Ip6InHdrErrors",
    ]),
    place(
        "ip_rcv_finish_core",
        "routing of an IPv4 packet that arrived",
        "The route for the packet is looked up, and the source is validated.",
    )
    .causes(&["reverse path filtering, a martian source or destination, bad IP options"])
    .commands(&[
        "ip route get DESTINATION from SOURCE iif DEVICE; sysctl net.ipv4.conf.all.rp_filter",
    ])
    .see(&[
        "IP_RPFILTER",
        "IP_LOCAL_SOURCE",
        "IP_INHDR",
        "TcpExtIPReversePathFilter",
    ]),
    place(
        "ip_error",
        "the route of a received packet is an error",
        "The routing table says that this packet goes nowhere: no route, forwarding off, or a \
         route of type unreachable, prohibit or blackhole. The sender gets ICMP, but for a \
         blackhole.",
    )
    .causes(&[
        "IpInAddrErrors rises: forwarding is off; IpExtInNoRoutes rises: no route; neither: an \
         unreachable, prohibit or blackhole route",
    ])
    .commands(&["ip route get DESTINATION from SOURCE iif DEVICE"])
    .see(&["IP_INADDRERRORS", "IP_INNOROUTES", "NOT_SPECIFIED"]),
    place(
        "ip_forward",
        "an IPv4 packet that this host should forward",
        "The last checks before a packet is sent on: TTL, MTU, IPsec policy, strict source \
         routes.",
    )
    .causes(&[
        "the TTL has run out (a loop, or traceroute); the packet is larger than the MTU and has \
         DF set; no IPsec policy",
    ])
    .commands(&["nstat -az IpInHdrErrors IpFragFails IcmpOutTimeExcds IcmpOutDestUnreachs"])
    .see(&["IP_INHDR", "PKT_TOO_BIG", "XFRM_POLICY"]),
    place(
        "ip6_forward",
        "an IPv6 packet that this host should forward",
        "As ip_forward: hop limit, MTU, addresses that must not leave their link, IPsec policy.",
    )
    .causes(&[
        "the hop limit has run out; the packet is too big; a link-local or multicast address",
    ])
    .commands(&["nstat -az Ip6InHdrErrors Ip6InTooBigErrors Ip6InAddrErrors"])
    .see(&["IP_INHDR", "PKT_TOO_BIG", "IP_INADDRERRORS"]),
    place(
        "ip_protocol_deliver_rcu",
        "an IPv4 packet for this host goes to its protocol",
        "The protocol number selects TCP, UDP, ICMP or another handler, after an IPsec check.",
    )
    .causes(&["no handler for the protocol; an IPsec policy that the packet does not meet"])
    .commands(&["nstat -az IpInUnknownProtos; cat /proc/net/xfrm_stat"])
    .see(&["IP_NOPROTO", "XFRM_POLICY"]),
    place(
        "ip_expire",
        "fragments that waited too long for the rest",
        "The timer of a fragment queue ran out.",
    )
    .causes(&["lost fragments"])
    .commands(&["nstat -az IpReasmTimeout IpReasmFails"])
    .see(&["FRAG_REASM_TIMEOUT"]),
    place(
        "ip6_mc_input",
        "IPv6 multicast for a group that this host has not joined",
        "Every multicast frame that the NIC lets through comes here, and most are for others.",
    )
    .normal("Ordinary on every link with IPv6: neighbour discovery and mDNS of others.")
    .causes(&["much of it: a switch without MLD snooping"])
    .commands(&["ip maddr show dev DEVICE; tcpdump -n -e -i DEVICE 'ip6 multicast'"])
    .see(&["NOT_SPECIFIED", "Ip6InDiscards"]),
    place(
        "icmp_rcv",
        "an ICMP message for this host",
        "Checksum and type are checked before the handler of the type runs.",
    )
    .causes(&["a bad checksum, an unknown type, a broadcast ping"])
    .commands(&["nstat -az IcmpInErrors IcmpInCsumErrors"])
    .see(&["ICMP_CSUM", "INVALID_PROTO", "UNHANDLED_PROTO"]),
    place(
        "udp_rcv",
        "a UDP datagram is taken to its socket",
        "Also shown as __udp4_lib_rcv or udpv6_rcv. Length and checksum are checked and the \
         socket is looked up.",
    )
    .causes(&["nobody listens (UdpNoPorts), a bad length or checksum (UdpInErrors)"])
    .commands(&["nstat -az UdpNoPorts UdpInErrors UdpInCsumErrors"])
    .see(&["NO_SOCKET", "UDP_CSUM", "PKT_TOO_SMALL"]),
    place(
        "udp_queue_rcv_one_skb",
        "a UDP datagram is put into the queue of its socket",
        "Also udpv6_queue_rcv_one_skb and __udp_queue_rcv_skb.",
    )
    .causes(&[
        "the receive buffer is full, UDP's memory is used up, a socket filter, a bad checksum",
    ])
    .commands(&["nstat -az UdpRcvbufErrors UdpMemErrors; ss -u -a -n -m -p"])
    .see(&["SOCKET_RCVBUFF", "PROTO_MEM", "SOCKET_FILTER"]),
    place(
        "tcp_v4_rcv",
        "a TCP segment is taken to its socket",
        "tcp_v6_rcv does the same for IPv6. Header and checksum are checked and the socket is \
         looked up; a busy socket gets it into its backlog.",
    )
    .causes(&[
        "nobody listens, a bad checksum, a full backlog, a filter, a connection that is over",
    ])
    .commands(&["nstat -az TcpInErrs TcpInCsumErrors TcpOutRsts TcpExtTCPBacklogDrop"])
    .see(&["NO_SOCKET", "TCP_CSUM", "SOCKET_BACKLOG", "SOCKET_FILTER"]),
    place(
        "tcp_rcv_established",
        "a TCP segment in an established connection",
        "Flags, sequence and acknowledgment numbers are checked, and the data is queued.",
    )
    .causes(&[
        "repeated data (ordinary after loss), segments outside of the window, a full receive \
         buffer",
    ])
    .commands(&[
        "nstat -az | grep -E 'TcpExt(DelayedACKLost|PAWSEstab|TCPChallengeACK|TCPRcvQDrop)'",
    ])
    .see(&["TCP_OLD_DATA", "TCP_INVALID_SEQUENCE", "PROTO_MEM"]),
    place(
        "tcp_rcv_state_process",
        "a TCP segment in a handshake or at the end of a connection",
        "All states but ESTABLISHED and TIME_WAIT come here, listening sockets included.",
    )
    .causes(&["data after the program has closed, strange flags, a full accept queue"])
    .commands(&["nstat -az TcpExtTCPAbortOnData TcpExtListenOverflows"])
    .see(&[
        "TCP_ABORT_ON_DATA",
        "TCP_FLAGS",
        "TCP_CLOSE",
        "TCP_LISTEN_OVERFLOW",
    ]),
    place(
        "tcp_data_queue",
        "the data of a TCP segment is queued for the program",
        "What is in order is appended, what is not waits in a tree.",
    )
    .causes(&["data that is there already, a closed window, no memory"])
    .commands(&["nstat -az TcpExtDelayedACKLost TcpExtTCPZeroWindowDrop TcpExtTCPRcvQDrop"])
    .see(&["TCP_OLD_DATA", "TCP_ZEROWINDOW", "PROTO_MEM"]),
    place(
        "nf_hook_slow",
        "a netfilter hook dropped the packet",
        "iptables, conntrack, IPVS and nftables drop here; since 6.7 what a rule of nftables \
         drops is dropped in nft_do_chain.",
    )
    .causes(&["a firewall rule or policy; a full conntrack table"])
    .commands(&["nft list ruleset; iptables-save -c; conntrack -S"])
    .see(&["NETFILTER_DROP", "nft_do_chain"]),
    place(
        "nft_do_chain",
        "an nftables rule or policy dropped the packet",
        "The rule's verdict was drop, or the chain ended with policy drop.",
    )
    .causes(&["a rule: its counter tells which"])
    .commands(&["nft list ruleset; nft monitor trace"])
    .see(&["NETFILTER_DROP", "nf_hook_slow"]),
    place(
        "__netif_receive_skb_core",
        "a frame from a device is given to all that want it",
        "Taps, tc ingress, VLANs, bridges and protocols get the frame in turn; who is left over \
         is dropped.",
    )
    .causes(&["no protocol for the EtherType or VLAN; a tc filter"])
    .commands(&["netdiag drops --each; tc -s filter show dev DEVICE ingress"])
    .see(&["UNHANDLED_PROTO", "TC_INGRESS", "rx_dropped"]),
    place(
        "enqueue_to_backlog",
        "a packet is queued for a processor",
        "Packets of loopback, veth, tunnels and receive packet steering pass here.",
    )
    .causes(&["the queue is full (softnet_dropped), a flow limit, a device that is going down"])
    .commands(&["cat /proc/net/softnet_stat; sysctl net.core.netdev_max_backlog"])
    .see(&["CPU_BACKLOG", "DEV_READY"]),
    place(
        "__dev_queue_xmit",
        "a packet is given to the queue of a device",
        "Also as kfree_skb_list_reason, __dev_xmit_skb or sch_direct_xmit, by what the compiler \
         inlines.",
    )
    .causes(&["a full queue or shaper, a device that is down, a tc egress filter, a recursion"])
    .commands(&["tc -s qdisc show dev DEVICE; ip -s link show dev DEVICE"])
    .see(&["QDISC_DROP", "TC_EGRESS", "RECURSION_LIMIT", "tx_dropped"]),
    place(
        "__neigh_event_send",
        "a packet whose next hop is not known yet",
        "It asks for the address and keeps the packet until the answer comes.",
    )
    .causes(&["the next hop does not answer, or too many packets wait"])
    .commands(&["ip neigh show; ip -s ntable show"])
    .see(&["NEIGH_FAILED", "NEIGH_QUEUEFULL"]),
    place(
        "tun_net_xmit",
        "a packet is given to the program behind a TUN or TAP device",
        "It waits in a ring until the program reads it.",
    )
    .causes(&["the ring is full, no program has the device open, a filter of the program"])
    .commands(&["ip -s link show dev DEVICE; lsof /dev/net/tun"])
    .see(&["FULL_RING", "DEV_READY", "TAP_FILTER"]),
    place(
        "tun_get_user",
        "a packet that a program writes to a TUN or TAP device",
        "The write returns the error to the program, so its log says more.",
    )
    .causes(&[
        "no IP packet (the first nibble is neither 4 nor 6), a wrong virtio header, a device \
         that is down",
    ])
    .commands(&["strace -f -e trace=write,writev -p PID; ip -d tuntap show"])
    .see(&[
        "NOT_SPECIFIED",
        "DEV_HDR",
        "DEV_READY",
        "ethernet-on-l3-device",
    ]),
];
