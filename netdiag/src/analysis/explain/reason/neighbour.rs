//! Reasons of the neighbour tables: ARP and neighbour discovery as the sender needs them.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "NEIGH_CREATEFAIL",
        SINCE_6_1,
        "no entry for the next hop could be made in the neighbour table",
        "ip_finish_output2 or ip6_finish_output2 asked for the neighbour and got none: the table \
         is full, or there was no memory. The log says \"neighbour: arp_cache: neighbor table \
         overflow!\".",
    )
    .causes(&[
        "more neighbours than gc_thresh3: raise gc_thresh1, 2 and 3 (large flat networks, many \
         containers)",
        "a scan of a directly connected network: every address tried makes an entry",
        "a route without gateway to a large network (scope link), so that every destination \
         becomes a neighbour",
    ])
    .commands(&[
        "ip -s neigh show | wc -l; sysctl net.ipv4.neigh.default.gc_thresh3 \
         net.ipv6.neigh.default.gc_thresh3",
        "dmesg | grep -i 'neighbor table overflow'",
        "ip -s ntable show  # table_fulls, allocs",
    ])
    .see(&["NEIGH_FAILED", "NEIGH_QUEUEFULL"]),
    reason(
        "NEIGH_FAILED",
        SINCE_6_1,
        "the next hop does not answer ARP or neighbour discovery",
        "Packets waited for the address of the next hop, and all requests stayed unanswered \
         (neigh_invalidate, arp_error_report) or the entry is known to have failed \
         (__neigh_event_send). The program gets EHOSTUNREACH.",
    )
    .causes(&[
        "the host is down, or its address is wrong or has moved",
        "the wrong VLAN, cable, security group or virtual switch port: ARP does not get there or \
         back",
        "the netmask is too wide: the address is behind a router, and this host looks for it on \
         the link",
        "ARP is suppressed or answered by nobody in an overlay (EVPN, VXLAN)",
    ])
    .commands(&[
        "ip neigh show to ADDRESS; ip route get ADDRESS",
        "arping -I DEVICE ADDRESS; ndisc6 ADDRESS DEVICE",
        "tcpdump -n -e -i DEVICE 'arp or icmp6[0] == 135 or icmp6[0] == 136'",
    ])
    .see(&["NEIGH_QUEUEFULL", "NEIGH_CREATEFAIL", "peer-unreachable"]),
    reason(
        "NEIGH_QUEUEFULL",
        SINCE_6_1,
        "too many packets wait for the address of the next hop",
        "__neigh_event_send keeps unres_qlen_bytes (212992 by default) for each unresolved \
         neighbour; the oldest is dropped for the newest.",
    )
    .normal("Ordinary for a burst of large datagrams to a neighbour that is not known yet.")
    .causes(&[
        "the neighbour does not answer at all: see NEIGH_FAILED",
        "bursts right after the entry went stale and was removed: raise unres_qlen_bytes, or a \
         permanent entry",
    ])
    .commands(&[
        "ip neigh show to ADDRESS",
        "sysctl net.ipv4.neigh.DEVICE.unres_qlen_bytes",
        "ip -s ntable show dev DEVICE  # unres_discards",
    ])
    .see(&["NEIGH_FAILED"]),
    reason(
        "NEIGH_DEAD",
        SINCE_6_1,
        "the entry of the next hop was deleted while a packet wanted to use it",
        "__neigh_event_send met an entry that is on its way out.",
    )
    .normal(
        "Ordinary when an entry or a device is removed under traffic; the next packet makes \
             a new one.",
    )
    .causes(&[
        "a device going down, or somebody who flushes the table again and again (ip neigh flush, \
         a network daemon)",
    ])
    .commands(&["ip monitor neigh link"])
    .see(&["NEIGH_FAILED", "NEIGH_CREATEFAIL"]),
    reason(
        "NEIGH_HH_FILLFAIL",
        SINCE_6_18,
        "the link-layer header could not be put before the packet",
        "neigh_resolve_output or neigh_connected_output: the address is known, and the device's \
         header function failed.",
    )
    .causes(&[
        "a device that is changing or going away at that moment",
        "a driver or virtual device that refuses the header: look at what kind it is",
    ])
    .commands(&[
        "ip -d link show dev DEVICE; ip neigh show dev DEVICE",
        "netdiag drops --each --reason NEIGH_HH_FILLFAIL",
    ])
    .see(&["NEIGH_FAILED", "DEV_HDR"]),
    reason(
        "ARP_PVLAN_DISABLE",
        SINCE_6_18,
        "an ARP request whose answer would be for the same device",
        "The routing lookup for proxy ARP (__mkroute_input) led back to the device that the \
         request came by, and proxy_arp_pvlan is off there, so this host does not answer for the \
         other one.",
    )
    .normal("Ordinary with proxy_arp: the asked host answers for itself.")
    .causes(&[
        "a private VLAN, where hosts cannot reach each other directly: \
         net.ipv4.conf.DEVICE.proxy_arp_pvlan=1",
    ])
    .commands(&["sysctl net.ipv4.conf.DEVICE.proxy_arp net.ipv4.conf.DEVICE.proxy_arp_pvlan"])
    .see(&["NEIGH_FAILED"]),
];
