//! Findings about packets that have no way on, and about next hops.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "packet-too-big",
        "packets are larger than the MTU of their way, and may not be fragmented",
        "The packet has DF set, or is IPv6, and the way out takes less. The sender is told by ICMP \"fragmentation needed\" or ICMPv6 \"packet too big\" and should send less.",
    )
    .normal("One or two per path and sender: that is how path MTU discovery learns.")
    .doubt("On a kernel without reasons ip6_forward drops in the same place when forwarding is off.")
    .causes(&[
        "a tunnel, VPN or PPPoE behind this host takes its overhead off the MTU",
        "the sender does not hear the ICMP message: a firewall drops it, and it goes on with full size",
        "different MTUs on one link (jumbo frames)",
    ])
    .remedy(&[
        "ip route get DESTINATION: the MTU of the way out; these packets have LENGTH bytes",
        "let ICMP type 3 code 4 and ICMPv6 type 2 pass to SOURCE: a sender that hears them stops",
        "nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu: clamps the MSS of TCP to the way's MTU",
    ])
    .commands(&["ip route get DESTINATION; ip -d link", "tracepath -n DESTINATION", "nstat -az IpFragFails Ip6InTooBigErrors IcmpOutDestUnreachs"])
    .see(&["PKT_TOO_BIG", "IpFragFails", "Ip6InTooBigErrors", "path-mtu-black-hole"]),
    finding(
        "no-route",
        "this host has no route to where packets should go",
        "The lookup found nothing, not even a default route, and the sender gets ICMP \"network unreachable\". For IPv6 a route of type unreachable or prohibit looks the same.",
    )
    .doubt("On a kernel without reasons forwarding being off and a discarding route drop in the same function: IpExtInNoRoutes rises only for this one.")
    .causes(&["no default route, or one in another table or VRF than the packet is looked up in", "a route that went away with its device or its routing daemon", "packets that should not come to this host at all"])
    .remedy(&[
        "ip route get DESTINATION from SOURCE iif DEVICE: what the lookup says",
        "ip rule show; ip route show table all | grep -E 'default|unreachable|prohibit': the tables and what they lack",
        "ip route add DESTINATION via GATEWAY: the missing route, or a default route",
    ])
    .commands(&["ip route get DESTINATION from SOURCE iif DEVICE", "ip rule show; ip route show table all; ip -6 route show table all", "nstat -az IpExtInNoRoutes Ip6InNoRoutes"])
    .see(&["IP_INNOROUTES", "IP_OUTNOROUTES", "IpExtInNoRoutes", "Ip6InNoRoutes", "forwarding-off", "route-discards"]),
    finding(
        "forwarding-off",
        "packets should be forwarded, and forwarding is off",
        "A packet for another host's address came in, and the device it came by does not forward (net.ipv4.conf.DEVICE.forwarding; for IPv6 net.ipv6.conf.all.forwarding).",
    )
    .normal("In small numbers: a switch that floods, or an address that was just taken away.")
    .doubt("On a kernel without reasons a missing and a discarding route drop in the same function: IpInAddrErrors rises only for this one.")
    .causes(&["net.ipv4.ip_forward was never set on a router, container or virtual machine host, or was reset (a later sysctl file, a network manager)", "the destination address is missing on this host", "another host has this one as its gateway by mistake"])
    .remedy(&[
        "sysctl net.ipv4.conf.DEVICE.forwarding net.ipv4.ip_forward; to forward: sysctl -w net.ipv4.ip_forward=1, and a file in /etc/sysctl.d",
        "sysctl net.ipv6.conf.all.forwarding; to forward: sysctl -w net.ipv6.conf.all.forwarding=1 (router advertisements are then ignored unless accept_ra=2)",
        "if this host is no router: is DESTINATION an address that it should have? ip -br address",
        "or SOURCE has the wrong gateway",
    ])
    .commands(&["sysctl net.ipv4.ip_forward net.ipv4.conf.DEVICE.forwarding net.ipv6.conf.all.forwarding", "ip -br address; ip route get DESTINATION from SOURCE iif DEVICE", "nstat -az IpInAddrErrors Ip6InAddrErrors"])
    .see(&["IP_INADDRERRORS", "IpInAddrErrors", "no-route"]),
    finding(
        "route-discards",
        "a blackhole, unreachable or prohibit route drops packets",
        "The route to the destination exists, and says that the packet is to be dropped: silently (blackhole), with \"host unreachable\" (unreachable) or \"administratively prohibited\" (prohibit). No counter of IP rises, but IpOutNoRoutes for packets of this host's own IPv4 connections.",
    )
    .normal("Where it keeps private networks from leaving by the default route, or stops an attack.")
    .doubt("Routes of a device that is going away discard for a moment, too.")
    .causes(&["a route set by hand, by a routing daemon, by Kubernetes or a VPN, or an ip rule of such a type", "a more specific route is missing: the discarding one is only the fallback"])
    .remedy(&[
        "ip route get DESTINATION from SOURCE iif DEVICE: names the type of the route",
        "ip route show table all | grep -E 'blackhole|unreachable|prohibit'; ip rule show: the route or rule, to remove it or to add the more specific one that is missing",
    ])
    .commands(&["ip route get DESTINATION from SOURCE iif DEVICE", "ip route show table all | grep -E 'blackhole|unreachable|prohibit'", "ip -6 route show table all | grep -E 'blackhole|unreachable|prohibit'"])
    .see(&["NOT_SPECIFIED", "ip_error", "no-route"]),
    finding(
        "neighbour-unreachable",
        "the next hop does not answer ARP or neighbour discovery",
        "Packets waited for the link-layer address of the next hop, three requests stayed unanswered, and all that waited was dropped. Programs get EHOSTUNREACH.",
    )
    .doubt("The state is asked for afterwards: a neighbour that answers late is reachable by then.")
    .causes(&[
        "the host is down, or the address is not in this network: a wrong netmask or gateway",
        "the wrong VLAN, cable or bridge port",
        "a filter for ARP or ICMPv6 neighbour solicitations (types 135 and 136)",
    ])
    .remedy(&[
        "ip route get DESTINATION: the next hop and its device; ip neigh show: FAILED or INCOMPLETE is the one",
        "tcpdump -n -e -i DEVICE 'arp or icmp6': do the requests leave, does an answer come",
        "arping -c 3 -I DEVICE DESTINATION, or for a gateway its address",
        "ndisc6 DESTINATION DEVICE, or for a gateway its address",
    ])
    .commands(&["ip route get DESTINATION; ip neigh show dev DEVICE", "tcpdump -n -e -i DEVICE 'arp or icmp6'", "ip -s link show dev DEVICE; bridge vlan show"])
    .see(&["NEIGH_FAILED", "peer-unreachable", "neighbour-queue-full"]),
    finding(
        "neighbour-queue-full",
        "too many packets wait for the address of the next hop",
        "Until ARP or neighbour discovery has an answer, packets to a neighbour wait in a queue of unres_qlen_bytes. When it is full the oldest is dropped for the newest.",
    )
    .normal("At the start of a burst to a neighbour that is not known yet.")
    .doubt("On a kernel without reasons it may be a neighbour that has already failed.")
    .causes(&["a burst of large datagrams to a new neighbour", "a neighbour that does not answer, and a sender that does not stop"])
    .remedy(&[
        "ip neigh show dev DEVICE | grep -E 'INCOMPLETE|FAILED': a neighbour that never answers is the real fault",
        "sysctl net.ipv4.neigh.DEVICE.unres_qlen_bytes: larger for bursts to neighbours that do answer",
        "sysctl net.ipv6.neigh.DEVICE.unres_qlen_bytes: larger for bursts to neighbours that do answer",
        "ip neigh replace DESTINATION lladdr MAC dev DEVICE: a fixed entry for a neighbour that must not be waited for",
    ])
    .commands(&["ip -s neigh show dev DEVICE", "sysctl net.ipv4.neigh.default.unres_qlen_bytes"])
    .see(&["NEIGH_QUEUEFULL", "neighbour-unreachable"]),
    finding(
        "neighbour-table-full",
        "the neighbour table is full",
        "The kernel keeps at most gc_thresh3 (1024) neighbours for each of IPv4 and IPv6, for all namespaces together. When none can be freed, a packet to a new neighbour is dropped, and the log says \"neighbor table overflow\".",
    )
    .doubt("Without memory, or while the device goes away, no entry can be made either.")
    .causes(&["a large flat network, or many containers and VLANs on one host", "a scan of a network of this host: each address costs an entry", "a route with a wide prefix and no gateway, so that every destination is a neighbour"])
    .remedy(&[
        "ip neigh show nud all | wc -l against sysctl net.ipv4.neigh.default.gc_thresh3",
        "ip -6 neigh show nud all | wc -l against sysctl net.ipv6.neigh.default.gc_thresh3",
        "sysctl -w net.ipv4.neigh.default.gc_thresh1=4096 net.ipv4.neigh.default.gc_thresh2=8192 net.ipv4.neigh.default.gc_thresh3=16384, in the initial namespace",
        "sysctl -w net.ipv6.neigh.default.gc_thresh1=4096 net.ipv6.neigh.default.gc_thresh2=8192 net.ipv6.neigh.default.gc_thresh3=16384, in the initial namespace",
        "ip route get DESTINATION: a route without `via` to a wide network makes every address a neighbour",
    ])
    .commands(&["ip neigh show nud all | wc -l; ip -s ntable show name arp_cache", "sysctl net.ipv4.neigh.default.gc_thresh3 net.ipv6.neigh.default.gc_thresh3", "dmesg | grep -i 'table overflow'"])
    .see(&["NEIGH_CREATEFAIL"]),
    finding(
        "namespace-removed",
        "connections of a container that is gone still want to send",
        "When a container ends, its devices go and their routes with them, while the kernel still says goodbye for its connections and repeats what was not acknowledged. It finds no way for that, until it gives up. The socket is no process's any more, and the network namespace is gone: nobody misses these packets.",
    )
    .normal("Always, where containers come and go.")
    .doubt("A namespace that is held by a mount elsewhere, an open file or a thread alone is not found and looks gone.")
    .causes(&["a container, pod or namespace that ended with open connections"])
    .remedy(&[
        "nothing, if it was meant to end; else find out who ended it: journalctl, and the log of the container runtime",
        "let the program close its connections before the container ends: a grace period after SIGTERM",
    ])
    .commands(&["ip netns list; lsns -t net", "grep TCP: /proc/net/sockstat  # orphans of the whole host"])
    .see(&["IP_OUTNOROUTES", "no-route"]),
];
