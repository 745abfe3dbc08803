//! Findings about UDP and ICMP.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "udp-port-closed",
        "UDP packets come in for a port that nobody listens on",
        "No socket in this namespace is bound to the address and port. The sender gets ICMP \"port unreachable\", unless a rate limit or a firewall keeps that back.",
    )
    .normal("Port scans, and answers that come after the program has closed its socket.")
    .doubt("A service that is bound to another address, or with connect() to another peer, has a socket that does not count.")
    .causes(&["the service does not run, or has crashed", "it listens on another address, port, device or namespace", "late answers, for example of DNS"])
    .remedy(&[
        "ss -ulnp 'sport = :PORT': is there a socket, and on which address; DESTINATION or 0.0.0.0 or * should be it",
        "start the service, or let SOURCE stop sending",
        "a socket in another network namespace (a container's) does not count: lsns -t net, then nsenter -n -t its process ss -ulnp",
    ])
    .commands(&["ss -ulnp", "nstat -az UdpNoPorts Udp6NoPorts IcmpOutDestUnreachs"])
    .see(&["NO_SOCKET", "UdpNoPorts", "Udp6NoPorts"]),
    finding(
        "udp-receive-buffer-full",
        "the receive buffer of a UDP socket is full",
        "Datagrams arrive faster than the program reads them. What waits is counted with the kernel's overhead (truesize), so that small datagrams fill the buffer long before their bytes do.",
    )
    .doubt("On a kernel without reasons a filter on the socket drops in the same place: UdpRcvbufErrors rises only for a full buffer.")
    .causes(&["the program is too slow, blocked or stopped, or has one thread for all", "bursts larger than the buffer: rmem_default is 212992 bytes", "the program's SO_RCVBUF was cut to net.core.rmem_max"])
    .remedy(&[
        "ss -ulnmp 'sport = :PORT': Recv-Q is what waits, rb the buffer's size, d the drops",
        "top -H -p PID, or strace -c -p PID: why COMM does not read faster; several sockets with SO_REUSEPORT share the work",
        "a larger buffer for bursts: sysctl -w net.core.rmem_max=8388608, and SO_RCVBUF in the program",
    ])
    .commands(&["ss -uanmp", "nstat -az UdpRcvbufErrors Udp6RcvbufErrors", "sysctl net.core.rmem_default net.core.rmem_max"])
    .see(&["SOCKET_RCVBUFF", "UdpRcvbufErrors", "Udp6RcvbufErrors", "socket-filter-drop", "udp-memory"]),
    finding(
        "udp-memory",
        "all UDP sockets together have used up their memory",
        "The sum over all UDP sockets is above net.ipv4.udp_mem (in pages; IPv6 included), or above the memory limit of the cgroup: datagrams are dropped even where the socket's own buffer has room.",
    )
    .doubt("On a kernel without reasons a full buffer and a filter drop in the same place: UdpMemErrors rises only for this one.")
    .causes(&["many sockets with full buffers: programs that do not read", "udp_mem is too small for the buffers that were given out", "a cgroup's memory limit"])
    .remedy(&[
        "cat /proc/net/sockstat: UDP mem, in pages, against sysctl net.ipv4.udp_mem",
        "ss -uanmp | sort -k2 -n | tail: the sockets in which it waits",
        "sysctl -w net.ipv4.udp_mem=\"MIN PRESSURE MAX\" with larger numbers, in the initial namespace",
    ])
    .commands(&["cat /proc/net/sockstat; sysctl net.ipv4.udp_mem", "nstat -az UdpMemErrors Udp6MemErrors"])
    .see(&["PROTO_MEM", "UdpMemErrors", "Udp6MemErrors", "udp-receive-buffer-full"]),
    finding(
        "udp-length",
        "the length in the UDP header does not fit the packet",
        "The length is below 8, or beyond the end of the datagram. UdpInErrors rises, UdpInCsumErrors does not.",
    )
    .doubt("The bytes may be of another protocol that comes with UDP's number, such as UDP-Lite in a tunnel.")
    .causes(&["the sender builds its headers itself and wrongly: eBPF, a user-space stack, a tunnel", "the packet was cut or changed on the way"])
    .remedy(&[
        "tcpdump -n -vv -x -i DEVICE udp and host SOURCE: the length in the header against that of IP",
        "on SOURCE: the program or device that builds these packets",
    ])
    .commands(&["tcpdump -n -vv -x -i DEVICE udp", "nstat -az UdpInErrors Udp6InErrors"])
    .see(&["PKT_TOO_SMALL", "UdpInErrors", "Udp6InErrors", "udp-checksum"]),
    finding(
        "udp-checksum",
        "the UDP checksum is wrong",
        "The sum over addresses, header and data is not what it must be, or for IPv6 it was left out. UDP leaves the check to the reader where it can, so the drop may be late.",
    )
    .doubt("A wrong checksum in a capture on the sender is no fault: the hardware fills it in later.")
    .causes(&["from many senders: a NIC, cable or receive offload of this host", "from one: eBPF or a user-space stack that changes packets without the checksum, NAT, a checksum offload that the virtual network does not carry out"])
    .remedy(&[
        "from many senders: ethtool -S DEVICE | grep -iE 'csum|crc', and try ethtool -K DEVICE rx off",
        "from SOURCE alone: there try ethtool -K DEVICE_OF_SOURCE tx off; then look for the program that rewrites packets",
        "tcpdump -n -vv -i DEVICE udp and host SOURCE: says \"bad udp cksum\" and what it should be",
    ])
    .commands(&["nstat -az UdpInCsumErrors Udp6InCsumErrors", "ethtool -k DEVICE; ethtool -S DEVICE"])
    .see(&["UDP_CSUM", "UdpInCsumErrors", "Udp6InCsumErrors", "tcp-checksum"]),
    finding(
        "icmp-checksum",
        "the checksum of ICMP messages is wrong",
        "icmp_rcv or icmpv6_rcv added the message up and did not get what it must be. Lost ICMP errors show later: as path MTU black holes and timeouts.",
    )
    .doubt("Where it was captured on its way out, the checksum may not have been filled in yet.")
    .causes(&["from many senders: a NIC, cable or receive offload of this host", "from one: a program or middlebox that rewrites packets, NAT above all"])
    .remedy(&[
        "from many senders: ethtool -S DEVICE | grep -iE 'csum|crc', and try ethtool -K DEVICE rx off",
        "tcpdump -n -vv -i DEVICE 'icmp or icmp6': says \"wrong icmp cksum\"; the program or NAT that rewrites what SOURCE sends",
    ])
    .commands(&["nstat -az IcmpInCsumErrors Icmp6InCsumErrors", "ethtool -k DEVICE; ethtool -S DEVICE"])
    .see(&["ICMP_CSUM", "IcmpInCsumErrors", "Icmp6InCsumErrors", "udp-checksum"]),
];
