//! Functions that end up as the place of a drop, by what they do. What the compiler inlines goes by its caller's name, so
//! several stand together. The rules of findings and those of counters both go by them.

/// The header check of IPv4.
pub(super) const IP4: &[&str] = &["ip_rcv_core", "ip_rcv", "ip_list_rcv"];
/// The route lookup for IPv4 that came in.
pub(super) const IP4_FINISH: &[&str] = &[
    "ip_rcv_finish_core",
    "ip_rcv_finish",
    "ip_list_rcv_finish",
    "ip_sublist_rcv",
];
/// Where IPv4 is handed to its protocol.
pub(super) const IP4_LOCAL: &[&str] = &[
    "ip_protocol_deliver_rcu",
    "ip_local_deliver_finish",
    "ip_local_deliver",
];
/// The route of IPv4 that came in is an error.
pub(super) const IP_ERROR: &[&str] = &["ip_error"];
/// The header check of IPv6.
pub(super) const IP6: &[&str] = &["ip6_rcv_core", "ipv6_rcv", "ipv6_list_rcv"];
/// Extension headers of IPv6.
pub(super) const EXTHDRS: &[&str] = &[
    "ip6_parse_tlv",
    "icmpv6_param_prob_reason",
    "icmpv6_param_prob",
    "ipv6_destopt_rcv",
    "ipv6_rthdr_rcv",
];
/// ICMP.
pub(super) const ICMP: &[&str] = &["icmp_rcv"];
/// ICMPv6.
pub(super) const ICMP6: &[&str] = &["icmpv6_rcv"];
/// Where a UDP socket is looked for.
pub(super) const UDP: &[&str] = &["__udp4_lib_rcv", "udp_rcv"];
/// Where a datagram is put into its socket.
pub(super) const UDP_QUEUE: &[&str] = &[
    "udp_queue_rcv_one_skb",
    "__udp_queue_rcv_skb",
    "udp_queue_rcv_skb",
];
/// The same for both IP versions, since 6.18: what finds no memory is dropped with others in one go.
pub(super) const UDP_ENQUEUE: &[&str] = &["__udp_enqueue_schedule_skb"];
/// Where a reader finds a bad checksum late: the only drop there, with a reason since 6.15.
pub(super) const UDP_READ: &[&str] = &[
    "first_packet_length",
    "__first_packet_length",
    "udp_read_skb",
];
/// The same as [`UDP`] for IPv6.
pub(super) const UDP6: &[&str] = &["__udp6_lib_rcv", "udpv6_rcv"];
/// The same as [`UDP_QUEUE`] for IPv6.
pub(super) const UDP6_QUEUE: &[&str] = &[
    "udpv6_queue_rcv_one_skb",
    "__udpv6_queue_rcv_skb",
    "udpv6_queue_rcv_skb",
];
/// Where a raw socket gets its copy.
pub(super) const RAW: &[&str] = &[
    "raw_rcv",
    "raw_rcv_skb",
    "raw_v4_input",
    "raw_local_deliver",
    "rawv6_rcv",
    "rawv6_rcv_skb",
    "raw6_local_deliver",
];
/// Where a TCP socket is looked for.
pub(super) const TCP: &[&str] = &["tcp_v4_rcv", "tcp_v6_rcv"];
/// Where a segment is checked and put into its socket.
pub(super) const TCP_RECEIVE: &[&str] = &[
    "tcp_v4_rcv",
    "tcp_v6_rcv",
    "tcp_v4_do_rcv",
    "tcp_v6_do_rcv",
    "tcp_add_backlog",
    "tcp_rcv_established",
];
/// Where frames are handed to their protocol.
pub(super) const CORE: &[&str] = &["__netif_receive_skb_core"];
/// Where packets are put into the ring of a TUN or TAP device.
pub(super) const TUN: &[&str] = &["tun_net_xmit"];
/// Where a TCP connection looks up its way out, before there is an IP header.
pub(super) const TCP_OUT: &[&str] = &["__ip_queue_xmit", "ip_queue_xmit"];
/// The same for IPv6.
pub(super) const TCP6_OUT: &[&str] = &["inet6_csk_xmit"];
/// Where a route that discards ends: a blackhole, and what pointed to a device that is gone (`dst_dev_put`).
pub(super) const DISCARD: &[&str] = &["dst_discard_out", "dst_discard"];
/// What `__dev_xmit_skb` has to free goes through one of these.
pub(super) const QUEUE_FREED: &[&str] = &[
    "kfree_skb_list",
    "kfree_skb_list_reason",
    "__tcf_kfree_skb_list",
];
/// Where IPv6 is handed to its protocol.
pub(super) const IP6_LOCAL: &[&str] =
    &["ip6_protocol_deliver_rcu", "ip6_input_finish", "ip6_input"];
/// The route of IPv6 is an error.
pub(super) const IP6_ROUTE: &[&str] = &[
    "ip6_pkt_drop",
    "ip6_pkt_discard",
    "ip6_pkt_discard_out",
    "ip6_pkt_prohibit",
    "ip6_pkt_prohibit_out",
];
