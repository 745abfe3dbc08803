//! Reasons of IPv4, its routing and its fragments, and of ICMP.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "OTHERHOST",
        SINCE_6_1,
        "the frame's destination MAC address is not this device's",
        "ip_rcv_core and ip6_rcv_core got a frame that eth_type_trans marked PACKET_OTHERHOST. \
         Such frames arrive only because the device is promiscuous or the switch floods, and \
         they are not for this host.",
    )
    .normal(
        "Ordinary on a device that is captured from (tcpdump), on a bridge port, and for a \
             few frames of unicast flooding.",
    )
    .causes(&[
        "the switch does not know the address and floods: MAC table full, asymmetric routing, or \
         ageing below the ARP timeout",
        "the frame carries a VLAN tag of a VLAN that has no device here: create the VLAN device",
        "the sender has an old ARP entry after a failover: send a gratuitous ARP, check VRRP or \
         keepalived",
        "a cloned virtual machine, or a device whose MAC address was changed",
    ])
    .commands(&[
        "netdiag drops --each --reason OTHERHOST  # which destination address, which VLAN",
        "ip -d link show dev DEVICE  # own address, promiscuity",
        "bridge fdb show; bridge vlan show",
    ])
    .see(&["rx_otherhost_dropped", "LOCAL_MAC"]),
    reason(
        "IP_CSUM",
        SINCE_6_1,
        "the checksum of the IPv4 header is wrong",
        "ip_rcv_core added up the header and did not get what it must be. One bit changed on the \
         way is enough; the payload does not count.",
    )
    .causes(&[
        "from many senders: a bad NIC, cable, memory or switch; look at CRC errors along the \
         path",
        "from one sender: its packets are rewritten without a new checksum (eBPF without \
         bpf_l3_csum_replace, a user-space stack, NAT in a middlebox)",
        "Ethernet frames on a layer-3 device whose first nibble happens to be 4",
    ])
    .commands(&[
        "nstat -az IpExtInCsumErrors",
        "ethtool -S DEVICE | grep -iE 'crc|csum|err'; ethtool -k DEVICE | grep -i checksum",
        "netdiag drops --each --reason IP_CSUM",
    ])
    .see(&[
        "IpExtInCsumErrors",
        "ip-header-checksum",
        "ethernet-on-l3-device",
    ]),
    reason(
        "IP_INHDR",
        SINCE_6_1,
        "the IP header is malformed, or its TTL has run out",
        "ip_rcv_core and ip6_rcv_core refuse a header with a wrong version, a header length \
         below 5 words or a total length below the header; ip_forward gives the same reason when \
         the TTL is used up, ip_rcv_options for bad options.",
    )
    .normal("At ip_forward a few are ordinary: traceroute works by it.")
    .causes(&[
        "at ip_rcv_core on a TUN, WireGuard or other layer-3 device: whole Ethernet frames are \
         delivered to it",
        "at ip_forward in a stream: a routing loop; follow it with traceroute",
        "a user-space network stack, eBPF program or tunnel that builds headers wrongly",
    ])
    .commands(&[
        "netdiag drops --each --reason IP_INHDR  # says which field is wrong",
        "traceroute -n DESTINATION  # the same two hops again and again are a loop",
        "ip -d link show dev DEVICE; bpftool net; tc filter show dev DEVICE ingress",
    ])
    .see(&[
        "IpInHdrErrors",
        "Ip6InHdrErrors",
        "ethernet-on-l3-device",
        "packet-info-left-on",
        "ip-header-length",
        "ip_rcv_core",
    ]),
    reason(
        "IP_RPFILTER",
        SINCE_6_1,
        "the packet came by another device than answers would leave by",
        "Reverse path filtering: __fib_validate_source looks up the way back to the source and \
         finds another device (strict, 1) or none at all (loose, 2). The larger of \
         net.ipv4.conf.all.rp_filter and the device's own value counts.",
    )
    .normal("Ordinary as protection against forged sources on an edge router.")
    .causes(&[
        "asymmetric routing or several uplinks: set rp_filter to 2 on the device, or route by \
         source (ip rule)",
        "policy routing by mark that the lookup does not see: \
         net.ipv4.conf.DEVICE.src_valid_mark=1",
        "the route back is missing or points elsewhere: VPN without return route, wrong metric",
        "a forged source address",
    ])
    .commands(&[
        "sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.DEVICE.rp_filter",
        "ip route get SOURCE from DESTINATION  # the way back: is it by DEVICE",
        "sysctl -w net.ipv4.conf.all.log_martians=1  # then: journalctl -k -g martian",
        "nstat -az TcpExtIPReversePathFilter",
    ])
    .see(&[
        "TcpExtIPReversePathFilter",
        "IP_LOCAL_SOURCE",
        "IP_INVALID_SOURCE",
    ]),
    reason(
        "UNICAST_IN_L2_MULTICAST",
        SINCE_6_1,
        "a broadcast frame carries a packet for a single address",
        "The frame went to a MAC broadcast or multicast address, and the IP destination is a \
         unicast address. ip_rcv_finish_core and ip6_rcv_core drop it where \
         drop_unicast_in_l2_multicast is set, as on wireless networks against forged group \
         frames.",
    )
    .causes(&[
        "the setting is on and a protocol wants this, such as a load balancer with a multicast \
         MAC (NLB): switch it off there",
        "an attack with the group key of a wireless network",
    ])
    .commands(&[
        "sysctl net.ipv4.conf.DEVICE.drop_unicast_in_l2_multicast \
         net.ipv6.conf.DEVICE.drop_unicast_in_l2_multicast",
        "tcpdump -e -n -i DEVICE 'ether multicast and ip and not ip multicast'",
    ])
    .see(&["OTHERHOST", "RX_DROP_U_AP_RX_GROUPCAST"]),
    reason(
        "IP_NOPROTO",
        SINCE_6_1,
        "nothing on this host handles the protocol number in the IP header",
        "ip_protocol_deliver_rcu and ip6_protocol_deliver_rcu found no handler and no raw socket \
         for it, and answered with ICMP \"protocol unreachable\" or ICMPv6 \"parameter \
         problem\".",
    )
    .causes(&[
        "GRE, IPIP, ESP, SCTP or the like without its module or tunnel here: modprobe, or set \
         the tunnel up",
        "a tunnel's far end has the wrong address",
        "a daemon with a raw socket (OSPF, VRRP, PIM) is not running",
        "a protocol scan",
    ])
    .commands(&[
        "cat /proc/net/protocols; lsmod | grep -E 'gre|ipip|sctp|esp|l2tp'",
        "ss -w -a -n  # raw sockets",
        "ip -d tunnel show; ip xfrm state",
    ])
    .see(&["IpInUnknownProtos", "Ip6InUnknownProtos", "UNHANDLED_PROTO"]),
    reason(
        "IP_OUTNOROUTES",
        SINCE_6_1,
        "this host has no route for a packet that it wants to send",
        "__ip_queue_xmit, ip6_pkt_drop, the tunnel code and (seen on 7.2, not on 6.18) inet6_csk_xmit looked up the way \
         out of an existing packet and found none, or a route that discards. For most traffic connect and sendto fail with ENETUNREACH \
         earlier, and no packet exists to be dropped.",
    )
    .causes(&[
        "the route or device was removed while connections were alive: VPN down, DHCP lease lost",
        "policy routing sends it to a table without a default route",
        "a tunnel's remote end is not reachable",
    ])
    .commands(&[
        "ip route get ADDRESS; ip rule show; ip route show table all",
        "ip monitor route  # while it happens",
        "nstat -az IpOutNoRoutes Ip6OutNoRoutes",
    ])
    .see(&["IpOutNoRoutes", "Ip6OutNoRoutes", "IP_INNOROUTES", "no-route", "route-discards", "namespace-removed"]),
    reason(
        "IP_INADDRERRORS",
        SINCE_6_1,
        "the packet is for an address that this host neither has nor forwards to",
        "ip_error gives it when forwarding is off on the device and the destination is not \
         local; for IPv6, ip6_forward and ip6_pkt_drop for addresses that must not be forwarded \
         or have no use.",
    )
    .normal(
        "Ordinary in small numbers: frames that a switch floods, or traffic to an address \
             that was just taken away.",
    )
    .causes(&[
        "this host is meant to route: net.ipv4.ip_forward=1, or net.ipv6.conf.all.forwarding=1",
        "the destination address is not configured here any more (VIP moved, container gone): \
         look at ip addr",
        "a neighbour uses this host as gateway by mistake: static route, proxy ARP, old ARP \
         entry",
    ])
    .commands(&[
        "sysctl net.ipv4.ip_forward net.ipv4.conf.DEVICE.forwarding net.ipv6.conf.all.forwarding",
        "ip route get DESTINATION from SOURCE iif DEVICE",
        "ip addr show; ip neigh show proxy",
    ])
    .see(&[
        "IpInAddrErrors",
        "Ip6InAddrErrors",
        "IP_INNOROUTES",
        "ip_error",
    ]),
    reason(
        "IP_INNOROUTES",
        SINCE_6_1,
        "there is no route for a packet that came in",
        "The lookup for a packet to forward ended with \"network unreachable\": ip_error drops \
         it, for IPv6 ip6_pkt_drop, and the sender gets ICMP \"destination unreachable\".",
    )
    .causes(&[
        "a missing route or default route on this router: add it",
        "the packet is marked or comes by a device that a rule sends to another table: ip rule",
        "the container or VPN subnet has gone and its peers still send",
    ])
    .commands(&[
        "ip route get DESTINATION from SOURCE iif DEVICE mark MARK",
        "ip rule show; ip route show table all | grep -v local",
        "nstat -az IpExtInNoRoutes Ip6InNoRoutes",
    ])
    .see(&[
        "IpExtInNoRoutes",
        "Ip6InNoRoutes",
        "IP_INADDRERRORS",
        "ip_error",
    ]),
    reason(
        "IP_LOCAL_SOURCE",
        SINCE_6_18,
        "the packet came from outside with one of this host's own addresses as source",
        "The lookup of the source (__fib_validate_source) found a local address. Older kernels \
         give NOT_SPECIFIED at the same place. The kernel calls it a martian source.",
    )
    .causes(&[
        "two hosts have the same address, often a virtual address (VRRP, keepalived) that is \
         active twice",
        "a loop brings the host's own packets back: bridge without spanning tree, two cables, a \
         mirror port",
        "forged packets",
        "a namespace or eBPF program redirects packets of this host into its own receive path: \
         accept_local=1 if it is meant",
    ])
    .commands(&[
        "arping -D -I DEVICE ADDRESS  # does somebody else answer for it",
        "sysctl net.ipv4.conf.DEVICE.accept_local net.ipv4.conf.all.log_martians",
        "tcpdump -e -n -i DEVICE src host ADDRESS  # whose MAC address is it",
    ])
    .see(&["IP_INVALID_SOURCE", "IP_RPFILTER", "LOCAL_MAC"]),
    reason(
        "IP_INVALID_SOURCE",
        SINCE_6_18,
        "the source address is one that no packet may have",
        "ip_route_input_slow refuses a multicast, broadcast or 0.0.0.0/8 source address (0.0.0.0 \
         itself is fine for DHCP to a broadcast). A martian source.",
    )
    .causes(&[
        "a host or program that builds packets wrongly, or a host that starts and has no address \
         yet",
        "forged or crafted packets",
    ])
    .commands(&[
        "sysctl -w net.ipv4.conf.all.log_martians=1  # then: journalctl -k -g martian",
        "netdiag drops --each --reason IP_INVALID_SOURCE",
    ])
    .see(&["IP_LOCAL_SOURCE", "IP_INVALID_DEST"]),
    reason(
        "IP_LOCALNET",
        SINCE_6_18,
        "an address of 127.0.0.0/8 on a device that is not the loopback",
        "ip_route_input_slow refuses packets from or to the loopback network on all other \
         devices, unless route_localnet is set there.",
    )
    .causes(&[
        "a NAT rule redirects traffic to 127.0.0.1: set net.ipv4.conf.DEVICE.route_localnet=1 \
         and filter what comes from outside, or redirect to an address of the host",
        "a container or proxy answers from 127.0.0.1 by a real device: bind it to a real address",
        "forged packets",
    ])
    .commands(&[
        "sysctl net.ipv4.conf.DEVICE.route_localnet",
        "nft list ruleset | grep -E 'dnat|redirect|127'",
    ])
    .see(&["IP_INVALID_SOURCE", "IP_INVALID_DEST"]),
    reason(
        "IP_INVALID_DEST",
        SINCE_6_18,
        "the destination address is one that no packet may have",
        "ip_route_input_slow refuses it: 0.0.0.0/8 as destination, or a combination of \
         destination and route type that is no way for a packet. A martian destination.",
    )
    .causes(&[
        "a program that sends before it knows where to, or reads its configuration as 0.0.0.0",
        "NAT or eBPF that writes an unset address into the packet",
    ])
    .commands(&[
        "netdiag drops --each --reason IP_INVALID_DEST",
        "sysctl -w net.ipv4.conf.all.log_martians=1",
    ])
    .see(&["IP_INVALID_SOURCE", "IP_LOCALNET"]),
    reason(
        "DUP_FRAG",
        SINCE_6_12,
        "a fragment that had already arrived",
        "ip_frag_queue, ip6_frag_queue and the conntrack defragmenter keep one copy of each \
         fragment; an exact duplicate is dropped, and the packet can still be completed.",
    )
    .normal("Ordinary where a link repeats frames, or packets are mirrored.")
    .causes(&[
        "a mirrored port, a bridge loop or two paths deliver everything twice",
        "a wireless or tunnelled link repeats frames",
    ])
    .commands(&[
        "netdiag drops --each --reason DUP_FRAG",
        "tcpdump -n -v -i DEVICE 'ip[6:2] & 0x3fff != 0'  # the same id and offset twice",
    ])
    .see(&["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR"]),
    reason(
        "FRAG_REASM_TIMEOUT",
        SINCE_6_12,
        "a fragment was thrown away because the others did not arrive in time",
        "The queue of a fragmented packet expired (ip_expire, ip6frag_expire_frag_queue): 30 s \
         by default for IPv4, 60 s for IPv6. Every fragment it held is dropped with this reason.",
    )
    .causes(&[
        "a fragment is lost on the way: a firewall that passes only first fragments, or plain \
         loss; send smaller packets",
        "fragments of one packet take different ways (ECMP with ports in the hash) and end on \
         different hosts",
        "the memory for fragments is full (ipfrag_high_thresh) and queues are evicted early",
        "a fragment flood",
    ])
    .commands(&[
        "nstat -az IpReasmFails IpReasmTimeout IpReasmReqds Ip6ReasmFails Ip6ReasmTimeout",
        "sysctl net.ipv4.ipfrag_time net.ipv4.ipfrag_high_thresh net.ipv6.ip6frag_high_thresh",
        "cat /proc/net/sockstat /proc/net/sockstat6 | grep FRAG",
    ])
    .see(&[
        "IpReasmFails",
        "IpReasmTimeout",
        "Ip6ReasmTimeout",
        "FRAG_TOO_FAR",
    ]),
    reason(
        "FRAG_TOO_FAR",
        SINCE_6_12,
        "too many other fragments came from that sender in between",
        "ip_frag_too_far: between two fragments of one packet more than net.ipv4.ipfrag_max_dist \
         (64) fragments of the same sender arrived. The identifier may have been used again \
         meanwhile, so the queue is given up instead of mixing two packets.",
    )
    .causes(&[
        "heavy reordering on the way, or many fragmented packets at once (large UDP over several \
         links): raise ipfrag_max_dist, 0 switches the check off",
        "better: keep datagrams below the path's MTU",
    ])
    .commands(&["sysctl net.ipv4.ipfrag_max_dist", "nstat -az IpReasmFails"])
    .see(&["FRAG_REASM_TIMEOUT", "IpReasmFails"]),
    reason(
        "ICMP_CSUM",
        SINCE_6_1,
        "the checksum of an ICMP message is wrong",
        "icmp_rcv or icmpv6_rcv added the message up and did not get what it must be.",
    )
    .causes(&[
        "corruption on the way, when TCP and UDP see it as well",
        "one sender with a broken ICMP implementation, or NAT that rewrites the quoted packet \
         without a new checksum",
    ])
    .commands(&[
        "nstat -az IcmpInCsumErrors Icmp6InCsumErrors",
        "netdiag drops --each --reason ICMP_CSUM",
    ])
    .see(&["IcmpInCsumErrors", "Icmp6InCsumErrors", "IP_CSUM"]),
];
