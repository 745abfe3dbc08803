//! Reasons of sockets of all kinds, and of filters on them.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "NO_SOCKET",
        SINCE_6_1,
        "nobody listens on that port",
        "tcp_v4_rcv, udp_rcv and their IPv6 twins found no socket for addresses and ports. TCP \
         answers with a reset, UDP with ICMP \"port unreachable\".",
    )
    .normal(
        "Ordinary as background: port scans, late answers to closed UDP sockets, segments of \
             connections that are long closed.",
    )
    .causes(&[
        "the service is not running, or listens on another address (127.0.0.1) or port: start \
         it, or change its bind address",
        "the right socket is in another network namespace, or bound to another device \
         (SO_BINDTODEVICE, VRF)",
        "connections that a load balancer keeps alive longer than the server",
        "at cookie_v4_check or cookie_v6_check: a full accept queue with SYN cookies, and no \
         closed port",
    ])
    .commands(&[
        "ss -lntup  # what listens, and on which address",
        "ss -lntup -N NAMESPACE; ip netns list",
        "nstat -az UdpNoPorts Udp6NoPorts TcpOutRsts TcpExtListenOverflows",
        "netdiag drops --each --reason NO_SOCKET  # addresses and ports of each",
    ])
    .see(&["UdpNoPorts", "TCP_LISTEN_OVERFLOW", "TCP_CLOSE"]),
    reason(
        "SOCKET_CLOSE",
        SINCE_6_12,
        "the socket was closed with messages in its queue",
        "A Unix domain socket goes away (unix_release_sock) and its unread messages with it; \
         also messages with file descriptors that only point at each other, which the garbage \
         collector of Unix sockets finds (__unix_gc).",
    )
    .normal("Ordinary at the end of a process or a session.")
    .causes(&[
        "the reader exits before it has read all: ordinary, unless messages must not be lost",
        "a reader that crashes and is started again: see its log",
    ])
    .commands(&["ss -x -a -p  # who holds which Unix socket"])
    .see(&["QUEUE_PURGE", "UNIX_DISCONNECT"]),
    reason(
        "SOCKET_FILTER",
        SINCE_6_1,
        "a filter on the socket refused the packet",
        "sk_filter_trim_cap ran the socket's filter and it returned 0: a classic BPF filter \
         (SO_ATTACH_FILTER), an eBPF one (SO_ATTACH_BPF), or a cgroup ingress program \
         (cgroup_skb). Before SECURITY_HOOK existed, a refusal by a security module had this \
         reason, too.",
    )
    .normal(
        "Ordinary for programs that filter in the kernel on purpose: DHCP clients, mDNS, \
             netlink and packet sockets.",
    )
    .causes(&[
        "a cgroup_skb ingress program of systemd (IPAddressDeny=), Cilium or another agent: \
         change its policy",
        "a filter of the program itself: see its documentation",
    ])
    .commands(&[
        "bpftool cgroup tree  # programs on cgroups, with the way they hook",
        "systemctl show UNIT -p IPAddressAllow -p IPAddressDeny",
        "ss -tunap --bpf  # filters of packet sockets; the process of the others",
    ])
    .see(&["SECURITY_HOOK", "BPF_CGROUP_EGRESS"]),
    reason(
        "SOCKET_RCVBUFF",
        SINCE_6_1,
        "the socket's receive buffer is full: its program does not read fast enough",
        "__udp_enqueue_schedule_skb, sock_queue_rcv_skb and others compare what waits in the \
         socket with SO_RCVBUF, counted with the kernel's overhead (truesize), so small \
         datagrams fill it long before their bytes do.",
    )
    .causes(&[
        "the program is too slow or stalls: profile it; read with recvmmsg, more threads, \
         SO_REUSEPORT",
        "bursts larger than the buffer: raise SO_RCVBUF and net.core.rmem_max, or \
         net.core.rmem_default",
        "a program that has opened the socket and never reads it",
    ])
    .commands(&[
        "ss -u -a -n -m -p  # Recv-Q, and skmem: rb is the limit, r in use, d dropped",
        "nstat -az UdpRcvbufErrors Udp6RcvbufErrors",
        "sysctl net.core.rmem_max net.core.rmem_default",
    ])
    .see(&["UdpRcvbufErrors", "Udp6RcvbufErrors", "PROTO_MEM"]),
    reason(
        "SOCKET_BACKLOG",
        SINCE_6_1,
        "the socket was locked by its program, and the queue for that time is full",
        "While a process works in a TCP socket, segments wait in its backlog, up to the receive \
         and send buffers and 64 KiB more. tcp_add_backlog drops what is above that.",
    )
    .causes(&[
        "a process on a busy or overcommitted processor holds the socket for long: processor \
         time, cgroup quotas, steal time",
        "very large writes or reads in one call",
        "small segments with much overhead: raise net.ipv4.tcp_rmem, look at GRO (ethtool -k)",
    ])
    .commands(&[
        "nstat -az TcpExtTCPBacklogDrop",
        "ss -t -i -m -p  # bl in skmem is the backlog",
        "cat /proc/pressure/cpu; systemd-cgtop",
    ])
    .see(&["TcpExtTCPBacklogDrop", "CPU_BACKLOG"]),
    reason(
        "PROTO_MEM",
        SINCE_6_1,
        "the protocol has used up its memory for all sockets together",
        "The sum over all sockets is above net.ipv4.udp_mem or net.ipv4.tcp_mem (in pages), or \
         above the memory limit of the cgroup. __udp_enqueue_schedule_skb and tcp_data_queue \
         drop; for TCP also when the receive buffer itself is full.",
    )
    .causes(&[
        "many sockets whose programs do not read: find them and their queues",
        "udp_mem or tcp_mem too small for the load: raise them (they are in pages of 4 KiB)",
        "a cgroup near its memory limit",
    ])
    .commands(&[
        "cat /proc/net/sockstat  # mem in pages",
        "sysctl net.ipv4.udp_mem net.ipv4.tcp_mem",
        "nstat -az UdpMemErrors TcpExtTCPRcvQDrop TcpExtTCPOFODrop TcpExtTCPMemoryPressures",
        "ss -t -u -a -m -p -O | grep -E 'skmem:\\(r[1-9][0-9]{5,}'",
    ])
    .see(&["UdpMemErrors", "TcpExtTCPRcvQDrop", "SOCKET_RCVBUFF"]),
    reason(
        "UDP_CSUM",
        SINCE_6_1,
        "the checksum of a UDP datagram is wrong",
        "udp_rcv or the reader of the socket (udp_recvmsg, first_packet_length) added the \
         datagram up and did not get what it must be. UDP leaves the check to the reader where \
         it can, so the drop may be late.",
    )
    .causes(&[
        "corruption on the way, mostly with CRC errors on the device",
        "a sender whose checksum offload is broken, or a tunnel or container path where the \
         checksum was never filled in: ethtool -K DEVICE tx off on the sender proves it",
        "eBPF or NAT that rewrites addresses without the pseudo header's checksum",
    ])
    .commands(&[
        "nstat -az UdpInCsumErrors Udp6InCsumErrors",
        "ethtool -S DEVICE | grep -iE 'csum|crc'; ethtool -k DEVICE | grep checksum",
        "tcpdump -n -vv -i DEVICE udp port PORT | grep 'bad udp cksum'",
    ])
    .see(&["UdpInCsumErrors", "Udp6InCsumErrors", "TCP_CSUM"]),
    reason(
        "PACKET_SOCK_ERROR",
        SINCE_6_12,
        "a packet socket (a capture) could not take its copy",
        "packet_rcv or tpacket_rcv had no room in the socket's buffer or ring, or no memory. \
         What is lost is the copy for the program that captures, such as tcpdump or a DHCP \
         server: the packet itself goes on.",
    )
    .causes(&[
        "the capture does not keep up: a larger ring (tcpdump -B), a narrower filter, a shorter \
         snap length",
        "a program holds a packet socket without reading it",
    ])
    .commands(&[
        "ss -0 -p -m  # packet sockets, their process, d in skmem is dropped",
        "cat /proc/net/packet",
    ])
    .see(&["SOCKET_RCVBUFF", "SOCKET_FILTER"]),
    reason(
        "SECURITY_HOOK",
        SINCE_6_12,
        "a security module refused the packet",
        "security_sock_rcv_skb in sk_filter_trim_cap said no: SELinux, Smack, AppArmor or a BPF \
         LSM program does not let this socket receive this packet. Older kernels call it \
         SOCKET_FILTER.",
    )
    .causes(&[
        "SELinux labels of packets (SECMARK, NetLabel) against the process's policy: see the AVC \
         denial",
        "a BPF LSM program on socket_sock_rcv_skb",
    ])
    .commands(&[
        "ausearch -m avc -ts recent; journalctl -k -g 'avc:|apparmor='",
        "cat /sys/kernel/security/lsm; bpftool prog show | grep -w lsm",
    ])
    .see(&["SOCKET_FILTER"]),
    reason(
        "BPF_CGROUP_EGRESS",
        SINCE_6_1,
        "a BPF program of the sender's cgroup refused the packet",
        "A cgroup_skb egress program ran in ip_finish_output or ip6_finish_output and did not \
         let the packet of this process out; the program often sees EPERM.",
    )
    .causes(&[
        "IPAddressDeny= or a RestrictNetworkInterfaces= of the systemd unit: change the unit",
        "a policy of a container platform or security agent",
    ])
    .commands(&[
        "bpftool cgroup tree  # attach type cgroup_inet_egress",
        "systemctl show UNIT -p IPAddressAllow -p IPAddressDeny -p RestrictNetworkInterfaces",
    ])
    .see(&["SOCKET_FILTER", "TC_EGRESS"]),
    reason(
        "UNIX_DISCONNECT",
        SINCE_6_18,
        "a Unix datagram socket got another peer, and lost what the old one had sent",
        "unix_dgram_disconnected empties the receive queue when a connected Unix datagram socket \
         is connected to another address or disconnected; the old peer sees ECONNRESET.",
    )
    .normal("Ordinary for programs that use one socket with several peers.")
    .causes(&["a client that reconnects its log or control socket while answers are waiting"])
    .commands(&["ss -x -a -p"])
    .see(&["SOCKET_CLOSE", "UNIX_SKIP_OOB"]),
    reason(
        "UNIX_SKIP_OOB",
        SINCE_6_12,
        "an urgent byte of a Unix stream socket was passed over",
        "The peer sent out-of-band data (MSG_OOB) on a Unix stream socket; the reader went past \
         it without asking for it, so manage_oob frees that byte.",
    )
    .normal("Ordinary: it is how MSG_OOB works when the reader does not want it.")
    .causes(&["a program sends MSG_OOB to a reader that does not expect it"])
    .commands(&["ss -x -a -p"])
    .see(&["UNIX_DISCONNECT"]),
];
