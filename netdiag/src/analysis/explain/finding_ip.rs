//! Findings about IP packets that a host does not accept.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "loopback-on-wire",
        "packets with a loopback address come in by a real device",
        "127.0.0.0/8 and ::1 are for a host alone. A packet from or to such an address that comes in by any device but the loopback is dropped: for IPv4 in the route lookup (IP_LOCALNET, NOT_SPECIFIED before 6.14), for IPv6 in the header check.",
    )
    .doubt("A device that is meant to carry them has net.ipv4.conf.DEVICE.route_localnet set, and then nothing is dropped.")
    .causes(&[
        "a DNAT or redirect rule to 127.0.0.1 on the sender, or here without route_localnet",
        "a program bound to 127.0.0.1 whose packets an eBPF program or a policy route sends out",
        "forged packets",
    ])
    .remedy(&[
        "nft list ruleset | grep -nE '127\\.|::1|redirect|dnat': a rule that rewrites to the loopback, here or on SOURCE",
        "where that is meant for IPv4: sysctl -w net.ipv4.conf.DEVICE.route_localnet=1, and a rule that protects the loopback services",
        "tcpdump -n -e -i DEVICE host SOURCE: the MAC address names the neighbour that sends them",
    ])
    .commands(&["tcpdump -n -e -i DEVICE 'net 127.0.0.0/8 or host ::1'", "sysctl net.ipv4.conf.DEVICE.route_localnet", "nft list ruleset"])
    .see(&["IP_LOCALNET", "martian-source"]),
    finding(
        "martian-source",
        "packets come from an address that no such packet can have",
        "The source is an address of this very host, a multicast or reserved address, or for IPv6 one that no router passes on. The kernel calls it a martian and drops it: in the route lookup (IP_LOCAL_SOURCE, IP_INVALID_SOURCE; NOT_SPECIFIED before 6.14), in ip6_rcv_core or in ip6_forward.",
    )
    .doubt("Where the kernel gives no name, an own address as source is what is left, and a source route that is refused looks the same.")
    .causes(&[
        "the same address on two hosts, or a virtual address (VRRP, keepalived) active on both",
        "a loop: this host's own packets come back by a bridge, a bond or a mirror port",
        "forged source addresses",
    ])
    .remedy(&[
        "ip -br address | grep -F SOURCE: is it this host's own? Then another host has it too, or the packets loop back",
        "arping -D -c 3 -I DEVICE SOURCE: who else has the address",
        "sysctl -w net.ipv4.conf.DEVICE.log_martians=1; dmesg | grep -A1 martian: the link-layer header names the sender",
        "where it is meant (two ports of one host connected): sysctl -w net.ipv4.conf.DEVICE.accept_local=1",
        "tcpdump -n -e -i DEVICE: the MAC addresses of these packets",
    ])
    .commands(&["sysctl net.ipv4.conf.all.log_martians net.ipv4.conf.DEVICE.accept_local", "ip address; bridge fdb show", "tcpdump -n -e -i DEVICE"])
    .see(&["IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_INVALID_DEST", "reverse-path-filter"]),
    finding(
        "reverse-path-filter",
        "packets come in by another device than answers would leave by",
        "The kernel looks up the way back to the source and finds another device than the packet's (rp_filter 1, strict) or no way at all (2, loose), and drops the packet. The larger of the settings for all and for the device counts. IPv6 has no such setting: there only a netfilter rule does it.",
    )
    .normal("As protection against forged sources at the edge of a network.")
    .doubt("A kernel without reasons drops packets with this host's own address as source in the same place; TcpExtIPReversePathFilter rises only for this one.")
    .causes(&[
        "asymmetric routing: several uplinks, policy routing, a VPN or tunnel next to the default route",
        "a source address that is not in the network of the device: a missing route, a wrong netmask",
        "forged source addresses",
    ])
    .remedy(&[
        "ip route get SOURCE: the device by which answers leave; these packets came by DEVICE",
        "sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.DEVICE.rp_filter: the larger one counts",
        "add the missing route to SOURCE by DEVICE, or accept other ways: sysctl -w net.ipv4.conf.DEVICE.rp_filter=2 (loose), and all.rp_filter not above it",
    ])
    .commands(&["ip route get SOURCE; ip rule show", "sysctl -a --pattern 'net.ipv4.conf.*.rp_filter'", "nstat -az TcpExtIPReversePathFilter"])
    .see(&["IP_RPFILTER", "TcpExtIPReversePathFilter", "martian-source"]),
    finding(
        "fragments-missing",
        "fragments wait in vain for the rest of their packet",
        "A packet in fragments is put together only when all of them arrive within ipfrag_time (30 s, for IPv6 60 s). What has come of an incomplete one is dropped then; with FRAG_TOO_FAR earlier, because many other fragments of the same sender came in between.",
    )
    .normal("A few, where there is any loss at all.")
    .doubt("The kernel gives fragments up for want of memory as well (net.ipv4.ipfrag_high_thresh), with the same reason.")
    .causes(&[
        "a firewall or NAT on the way lets only the first fragment through: the others have no ports",
        "loss on the way: one lost fragment loses the packet",
        "a sender that fragments a lot over a fast path, so that identifiers are used again",
    ])
    .remedy(&[
        "tcpdump -n -v -i DEVICE 'host SOURCE and ip[6:2] & 0x3fff != 0': which of the fragments arrive",
        "tcpdump -n -v -i DEVICE 'host SOURCE and ip6[6] = 44': which of the IPv6 fragments arrive",
        "let the sender send less at once: a smaller MTU, EDNS buffer or datagram; tracepath -n SOURCE shows the path's MTU",
        "let firewalls on the way put fragments together, or let them pass",
    ])
    .commands(&["nstat -az IpReasmFails IpReasmTimeout Ip6ReasmFails Ip6ReasmTimeout", "sysctl net.ipv4.ipfrag_time net.ipv4.ipfrag_high_thresh net.ipv4.ipfrag_max_dist", "tracepath -n SOURCE"])
    .see(&["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR", "IpReasmFails"]),
    finding(
        "unknown-ip-protocol",
        "packets carry an IP protocol that nothing on this host handles",
        "The packet reached this host, and neither the kernel nor a raw socket takes its protocol: a tunnel, SCTP, OSPF or VRRP whose module is not loaded or whose program does not run. The sender gets ICMP \"protocol unreachable\", or for IPv6 \"parameter problem\".",
    )
    .doubt("On a kernel without reasons an IPsec policy refuses in the same place.")
    .causes(&["the module is not loaded (ip_gre, ipip, sit, sctp, esp4)", "the program with the raw socket does not run (OSPF, VRRP)", "a tunnel's far end points to the wrong host"])
    .remedy(&[
        "lsmod | grep -E 'gre|ipip|sit|sctp|esp': is the module of PROTOCOL loaded; and for a tunnel its device, ip -d link show",
        "ss -w -a -n -p: the programs with raw sockets",
        "on SOURCE: should these packets go to DESTINATION at all",
    ])
    .commands(&["grep -w PROTOCOL /etc/protocols; lsmod | grep -E 'gre|ipip|sit|sctp|esp'", "ss -wanp; ip -d link", "nstat -az IpInUnknownProtos Ip6InUnknownProtos"])
    .see(&["IP_NOPROTO", "IpInUnknownProtos", "Ip6InUnknownProtos", "ipsec-policy"]),
    finding(
        "ipv6-disabled",
        "IPv6 packets come in by a device on which IPv6 is switched off",
        "disable_ipv6 is set on the device, or it has no IPv6 at all (an MTU below 1280), and a packet for a single address came in: somebody believes that this host has IPv6. Multicast of the neighbours is not counted here.",
    )
    .doubt("On a kernel without reasons it is also what is dropped for want of memory.")
    .causes(&["an AAAA record or a route points to a host whose IPv6 was switched off", "an MTU below 1280 on the device, which takes IPv6 away"])
    .remedy(&[
        "sysctl net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.DEVICE.disable_ipv6",
        "where IPv6 is wanted: sysctl -w net.ipv6.conf.DEVICE.disable_ipv6=0, and an MTU of 1280 or more",
        "where not: take DESTINATION out of DNS and routing, so that SOURCE uses IPv4",
    ])
    .commands(&["sysctl net.ipv6.conf.DEVICE.disable_ipv6; ip link show dev DEVICE", "nstat -az Ip6InDiscards"])
    .see(&["IPV6DISABLED", "Ip6InDiscards"]),
    finding(
        "ip-option-refused",
        "packets have IP options or extension headers that this host refuses",
        "IPv4 options that are malformed, a source route (accept_source_route is off by default), or a strict source route that cannot be kept; for IPv6 an unknown option that asks to be dropped, a routing header, or more options than the limits allow.",
    )
    .normal("As protection: hardly any honest traffic has source routes.")
    .doubt("On a kernel without reasons a packet with options may have been dropped in the same place for its addresses.")
    .causes(&["source routing, by hand or by an attacker", "an IPv6 extension header of another standard, or too many of them", "crafted packets"])
    .remedy(&[
        "tcpdump -n -v -x -i DEVICE 'host SOURCE and ip[0] & 0x0f > 5': which options they are",
        "tcpdump -n -v -x -i DEVICE host SOURCE: which extension headers they have, against sysctl net.ipv6.conf.DEVICE.accept_source_route and net.ipv6.max_dst_opts_number",
        "where a source route is meant: sysctl -w net.ipv4.conf.DEVICE.accept_source_route=1, and all.accept_source_route as well",
        "else let SOURCE send without them",
    ])
    .commands(&["sysctl net.ipv4.conf.DEVICE.accept_source_route net.ipv6.conf.DEVICE.accept_source_route", "sysctl net.ipv6.max_dst_opts_number net.ipv6.max_hbh_length", "nstat -az IpInHdrErrors Ip6InHdrErrors"])
    .see(&["IP_INHDR", "IPV6_BAD_EXTHDR", "IpInHdrErrors"]),
    finding(
        "ttl-expired",
        "packets to forward have no TTL left",
        "Every router takes one off the TTL (IPv6: hop limit). What comes with 1 ends here, and the sender gets ICMP \"time exceeded\".",
    )
    .normal("traceroute and mtr live on it: a few packets with rising ports.")
    .doubt("One sender with a handful of packets is traceroute; thousands with any address are a loop.")
    .causes(&["a routing loop: this host sends to a router that sends back", "traceroute", "a sender with a TTL that is too small (multicast defaults to 1)"])
    .remedy(&[
        "traceroute -n DESTINATION: two routers in turns are a loop",
        "ip route get DESTINATION from SOURCE iif DEVICE: does it leave by the device that it came in by",
        "sysctl net.ipv4.ip_default_ttl on SOURCE, where only its packets are concerned",
    ])
    .commands(&["traceroute -n DESTINATION", "ip route get DESTINATION from SOURCE iif DEVICE", "nstat -az IcmpOutTimeExcds Icmp6OutTimeExcds"])
    .see(&["IP_INHDR", "IpInHdrErrors", "ip_forward"]),
];
