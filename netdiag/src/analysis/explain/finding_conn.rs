//! Findings about how connections come about: what each of them says, and the remedy where a rule fills it in.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "handshake-delayed",
        "one SYN or SYN-ACK was sent again before the connection went on",
        "The first SYN, or the answer to it, did not get through or came late, and was sent once \
         more after a second (RFC 6298). One such loss makes a connection a second slower, which \
         users notice; it does not yet say that the peer cannot be reached.",
    )
    .normal("A single one in thousands of connections is what any network loses.")
    .doubt("One of many says little, and what became of the connection is not seen here: netdiag conn tells.")
    .causes(&[
        "loss on the way there or back",
        "a listener whose accept queue was full for a moment",
        "a peer that was busy or asleep",
    ])
    .remedy(&["a single one is ordinary; many: look for loss on the way (mtr PEER)"])
    .commands(&[
        "mtr ADDRESS",
        "nstat -az TcpExtTCPSynRetrans TcpExtListenOverflows",
    ])
    .see(&["peer-unreachable", "TcpExtTCPSynRetrans", "slow-handshake"]),
    finding(
        "accept-queue-overflow",
        "a listener's accept queue is full, and SYNs to it are dropped silently",
        "Connections wait in the accept queue until the application takes them. When it holds \
         more than its limit (the smaller of the backlog of listen() and net.core.somaxconn), the \
         kernel drops further SYNs without an answer and without a drop event: the client sees \
         timeouts, the server nothing but ListenOverflows.",
    )
    .doubt("The counters are those of the namespace, not of one listener: which one it is, its queue says only while it is full. Of a single late acknowledgment the kernel drops some on purpose (TCP_DEFER_ACCEPT).")
    .causes(&[
        "the application accepts too slowly: it is busy, blocked or stopped",
        "a burst of connections, and a short backlog",
    ])
    .remedy(&[
        "ss -ltn: Recv-Q above Send-Q is a full queue; netdiag conn --listen names the process",
        "let the application accept faster; then a longer queue: its backlog, net.core.somaxconn",
    ])
    .commands(&[
        "netdiag conn --listen",
        "ss -ltn",
        "nstat -az TcpExtListenOverflows TcpExtListenDrops",
    ])
    .see(&["TcpExtListenOverflows", "TcpExtListenDrops", "handshake-delayed"]),
    finding(
        "connection-refused",
        "connections are answered with a reset",
        "A RST, or an ICMP port unreachable, answers the SYN: connect() fails with ECONNREFUSED at once. The way there and back works, and nobody takes connections at that address and port.",
    )
    .doubt("A firewall can answer with a reset in the server's name.")
    .causes(&["nothing listens on the port, or only on another address", "a firewall rejects with a reset"])
    .commands(&["ss -ltnp", "nft list ruleset"])
    .see(&["NO_SOCKET", "connection-filtered"]),
    finding(
        "connection-filtered",
        "connections time out without any answer",
        "SYNs are sent, sent again, and nothing comes back until the kernel or the application gives up (ETIMEDOUT).",
    )
    .doubt("Silence has no sender: a host that is off, a lost route back and a firewall look alike.")
    .causes(&["a firewall drops silently", "the host is down or the address is wrong", "the answers are lost on their way back"])
    .commands(&["ip route get ADDRESS; ip neigh show ADDRESS", "nft list ruleset", "mtr --tcp -P PORT ADDRESS"])
    .see(&["peer-unreachable", "NETFILTER_DROP"]),
    finding(
        "connection-no-route",
        "connections fail because there is no route",
        "connect() fails with ENETUNREACH or EHOSTUNREACH before a packet is sent: the routing table has no way to the address, or one that forbids it.",
    )
    .doubt("The route is asked for afterwards: it may have come, or gone, since.")
    .causes(&["the default route is missing", "an unreachable or prohibit route", "IPv6 is used where only IPv4 is connected"])
    .commands(&["ip route get ADDRESS", "ip route show table all; ip rule show"])
    .see(&["IpOutNoRoutes", "connection-filtered"]),
    finding(
        "ephemeral-ports-exhausted",
        "no local port is left for a connection",
        "connect() fails with EADDRNOTAVAIL: every port of net.ipv4.ip_local_port_range is taken for this destination, most of them often by connections in TIME_WAIT.",
    )
    .doubt("The error is the same where the program binds to an address that the host does not have.")
    .causes(&["many short connections to one address and port", "a narrow port range, or a program that binds before it connects"])
    .commands(&["ss -s; ss -tan state time-wait | wc -l", "sysctl net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse"])
    .see(&["connection-refused"]),
    finding(
        "connection-reset",
        "established connections end with a reset",
        "A RST ends the connection, and what was on its way is lost: read() or write() fails with ECONNRESET or EPIPE.",
    )
    .doubt("A middlebox can send a reset in the peer's name; and some programs end every connection so.")
    .causes(&["the peer closed with unread data, or was killed", "a firewall or load balancer has forgotten the connection", "data came after the socket was closed"])
    .commands(&["ss -ti", "nstat -az TcpEstabResets TcpOutRsts"])
    .see(&["connection-refused", "ephemeral-ports-exhausted"]),
    finding(
        "slow-handshake",
        "the handshake takes much longer than a round trip",
        "The time from connect() to ESTABLISHED is a multiple of the round trip that the connection measures later: a SYN or its answer was lost, or waited.",
    )
    .doubt("The time has that in it which a server with TCP_DEFER_ACCEPT waits for data, and a lost SYN's second attempt.")
    .causes(&["a lost SYN, sent again after a second", "a full accept queue", "a neighbour that had to be resolved first"])
    .commands(&["nstat -az TcpExtTCPSynRetrans", "ss -ti"])
    .see(&["handshake-delayed", "accept-queue-overflow"]),
    finding(
        "connection-forbidden",
        "this host forbids connections before a packet is sent",
        "connect() fails with EPERM or EACCES and no SYN is sent: something on this host decides about connections.",
    )
    .doubt("The error is the same for a netfilter rule, a BPF program and a security module.")
    .causes(&["a cgroup program (bpf), a security module", "a prohibit route"])
    .commands(&["bpftool cgroup tree", "ip route get ADDRESS", "journalctl -k"])
    .see(&["BPF_CGROUP_EGRESS", "connection-no-route"]),
    finding(
        "connection-rejected",
        "the network says no to connections: ICMP, or no neighbour that answers",
        "SYNs were sent, and an ICMP error came back, or the next hop did not answer ARP or \
         neighbour discovery: connect() fails with EHOSTUNREACH, ENETUNREACH, EACCES, EPERM or \
         ENOPROTOOPT.",
    )
    .doubt("The ICMP message may be of any router on the way, and can be forged.")
    .causes(&[
        "a firewall rejects with an ICMP message (host-prohibited, admin-prohibited)",
        "a router on the way has no route",
        "the host is down, or not in this network",
    ])
    .commands(&[
        "ip neigh show ADDRESS",
        "tcpdump -n 'icmp or icmp6'",
        "nft list ruleset",
    ])
    .see(&["connection-filtered", "connection-no-route", "NEIGH_FAILED"]),
    finding(
        "connection-timed-out",
        "established connections end because the peer no longer answers",
        "Data or keepalive probes were sent again and again without an acknowledgment, until the \
         kernel gave up: read() or write() fails with ETIMEDOUT.",
    )
    .doubt("Silence has no sender: the peer may be off, or either way lost.")
    .causes(&[
        "the peer is gone without a FIN: power, network or virtual machine",
        "a firewall has forgotten an idle connection and drops what follows",
    ])
    .commands(&[
        "ss -tio",
        "sysctl net.ipv4.tcp_retries2 net.ipv4.tcp_keepalive_time",
    ])
    .see(&["connection-reset", "packet-loss"]),
];
