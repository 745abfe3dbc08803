//! Counters of UDP.

use crate::analysis::explain::{Entry, counter};

pub(super) const ENTRIES: &[Entry] = &[
    counter(
        "UdpNoPorts",
        "udp_rcv found no socket for address and port, and answered with ICMP \"port \
         unreachable\".",
    )
    .normal("Scans, and late answers to closed sockets (DNS).")
    .causes(&[
        "the service is down or listens on another address or in another namespace",
    ])
    .commands(&[
        "ss -lunp; netdiag drops --each --reason NO_SOCKET",
    ])
    .see(&[
        "NO_SOCKET",
        "Udp6NoPorts",
    ]),
    counter(
        "UdpInErrors",
        "The sum of what could not be delivered to an existing socket: bad length, bad checksum, \
         full receive buffer, memory, a filter. UdpRcvbufErrors, UdpInCsumErrors and \
         UdpMemErrors say which.",
    )
    .causes(&[
        "a slow reader (UdpRcvbufErrors), corruption (UdpInCsumErrors), udp_mem used up \
         (UdpMemErrors); none of them: a bad length, a socket filter, an IPsec policy",
    ])
    .commands(&[
        "nstat -az UdpInErrors UdpRcvbufErrors UdpInCsumErrors UdpMemErrors",
    ])
    .see(&[
        "SOCKET_RCVBUFF",
        "UDP_CSUM",
        "PROTO_MEM",
        "PKT_TOO_SMALL",
    ]),
    counter(
        "UdpInCsumErrors",
        "The checksum of a datagram is wrong, found at arrival or when the program reads.",
    )
    .causes(&[
        "corruption, or a sender or tunnel that never filled the checksum in",
    ])
    .commands(&[
        "netdiag drops --each --reason UDP_CSUM; ethtool -k DEVICE | grep checksum",
    ])
    .see(&[
        "UDP_CSUM",
    ]),
    counter(
        "UdpRcvbufErrors",
        "__udp_enqueue_schedule_skb: a program reads too slowly for its buffer. The most \
         frequent cause of lost UDP on a host.",
    )
    .causes(&[
        "the program stalls; bursts above SO_RCVBUF; net.core.rmem_max limits what it may ask \
         for",
    ])
    .commands(&[
        "ss -u -a -n -m -p  # d in skmem names the socket",
        "netdiag drops --each --reason SOCKET_RCVBUFF",
    ])
    .see(&[
        "SOCKET_RCVBUFF",
        "UdpInErrors",
    ]),
    counter(
        "UdpMemErrors",
        "All UDP sockets together are above net.ipv4.udp_mem, or a cgroup's sockets above its memory limit. 5.10 does not \
         have it, and counts such in UdpInErrors alone.",
    )
    .causes(&[
        "many sockets that nobody reads; udp_mem too small",
    ])
    .commands(&[
        "grep UDP /proc/net/sockstat; sysctl net.ipv4.udp_mem",
    ])
    .see(&[
        "PROTO_MEM",
        "udp-memory",
    ]),
    counter(
        "UdpSndbufErrors",
        "udp_send_skb, udp_sendmsg: sending failed with ENOBUFS, or the send buffer's memory \
         could not be had.",
    )
    .causes(&[
        "the queue of the device is full and IP_RECVERR tells the program; a send buffer above \
         what memory allows",
    ])
    .commands(&[
        "tc -s qdisc show dev DEVICE; ss -u -a -n -m -p",
    ])
    .see(&[
        "QDISC_DROP",
        "IpOutDiscards",
    ]),
    counter(
        "Udp6NoPorts",
        "As UdpNoPorts, for IPv6; the answer is ICMPv6 \"port unreachable\".",
    )
    .normal("Scans, and late answers to closed sockets.")
    .causes(&[
        "the service listens on IPv4 only, or on another address",
    ])
    .commands(&[
        "ss -6 -lunp; netdiag drops --each --reason NO_SOCKET",
    ])
    .see(&[
        "NO_SOCKET",
        "UdpNoPorts",
    ]),
    counter(
        "Udp6InErrors",
        "As UdpInErrors, for IPv6.",
    )
    .causes(&[
        "a slow reader (Udp6RcvbufErrors), corruption or a missing checksum (Udp6InCsumErrors), \
         udp_mem used up (Udp6MemErrors)",
    ])
    .commands(&[
        "nstat -az Udp6InErrors Udp6RcvbufErrors Udp6InCsumErrors Udp6MemErrors",
    ])
    .see(&[
        "SOCKET_RCVBUFF",
        "UDP_CSUM",
        "UdpInErrors",
    ]),
    counter(
        "Udp6InCsumErrors",
        "As UdpInCsumErrors; over IPv6 a datagram without a checksum (0) is refused, too, and \
         counts here.",
    )
    .causes(&[
        "corruption; a tunnel (VXLAN, Geneve) that sends checksum 0: udp6zerocsumrx on the \
         device, or udp6zerocsumtx off",
    ])
    .commands(&[
        "netdiag drops --each --reason UDP_CSUM; ip -d link show type vxlan",
    ])
    .see(&[
        "UDP_CSUM",
    ]),
    counter(
        "Udp6RcvbufErrors",
        "As UdpRcvbufErrors, for IPv6.",
    )
    .causes(&[
        "a program reads too slowly for its buffer",
    ])
    .commands(&[
        "ss -6 -u -a -n -m -p",
    ])
    .see(&[
        "SOCKET_RCVBUFF",
        "UdpRcvbufErrors",
    ]),
    counter(
        "Udp6MemErrors",
        "As UdpMemErrors; IPv4 and IPv6 share udp_mem.",
    )
    .causes(&[
        "many sockets that nobody reads; udp_mem too small",
    ])
    .commands(&[
        "grep UDP /proc/net/sockstat; sysctl net.ipv4.udp_mem",
    ])
    .see(&[
        "PROTO_MEM",
        "UdpMemErrors",
    ]),
    counter(
        "Udp6SndbufErrors",
        "As UdpSndbufErrors, for IPv6.",
    )
    .causes(&[
        "the queue of the device is full; memory",
    ])
    .commands(&[
        "tc -s qdisc show dev DEVICE",
    ])
    .see(&[
        "QDISC_DROP",
        "UdpSndbufErrors",
    ]),
];
