//! Reasons of TCP: headers, flags, handshakes and acknowledgments.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "TCP_CSUM",
        SINCE_6_1,
        "the checksum of a TCP segment is wrong",
        "tcp_v4_rcv, tcp_v6_rcv or the socket's fast path added the segment up and did not get \
         what it must be. The sender repeats it, so the user sees a slow connection and no \
         error.",
    )
    .causes(&[
        "corruption on the way: bad memory or cable, mostly with CRC errors on some device",
        "a sender or virtual path with broken checksum offload: ethtool -K DEVICE tx off on the \
         sender proves it",
        "eBPF or NAT that rewrites headers without a new checksum",
    ])
    .commands(&[
        "nstat -az TcpInCsumErrors TcpInErrs",
        "ethtool -S DEVICE | grep -iE 'csum|crc|err'; ethtool -k DEVICE | grep checksum",
        "netdiag drops --each --reason TCP_CSUM  # from many peers, or from one",
    ])
    .see(&["TcpInCsumErrors", "TcpInErrs", "UDP_CSUM", "SKB_CSUM"]),
    reason(
        "TCP_FLAGS",
        SINCE_6_1,
        "the flags of the segment make no sense in the connection's state",
        "tcp_rcv_established and tcp_rcv_state_process: a segment without ACK, RST and SYN, a \
         segment without SYN while the answer to one is awaited, or SYN together with FIN to a \
         listening socket.",
    )
    .normal("A few are ordinary on hosts in the internet: scanners probe with strange flags.")
    .causes(&[
        "a port scan (null, FIN or Xmas scan)",
        "a middlebox that clears flags, or a user-space TCP stack with a bug",
    ])
    .commands(&[
        "netdiag drops --each --reason TCP_FLAGS  # the flags of each",
        "tcpdump -n -i DEVICE 'tcp[tcpflags] & (tcp-ack|tcp-rst|tcp-syn) == 0'",
    ])
    .see(&["TCP_INVALID_SYN", "TCP_RESET"]),
    reason(
        "TCP_RESET",
        SINCE_6_1,
        "a reset that was not believed, or that came to a listening socket",
        "tcp_validate_incoming takes a reset only when its sequence number is exactly the next \
         one expected (RFC 5961); one that is merely in the window is answered with a challenge \
         ACK and dropped. A listening socket ignores resets.",
    )
    .normal("Ordinary in small numbers: a reset that crosses data on the way is a little off.")
    .causes(&[
        "a firewall or middlebox that forges resets and does not know the exact sequence number",
        "an attempt to break connections from outside",
        "a peer that has restarted and answers with old numbers; the challenge ACK sorts it out",
    ])
    .commands(&[
        "nstat -az TcpExtTCPChallengeACK",
        "netdiag drops --each --reason TCP_RESET",
        "tcpdump -n -v -i DEVICE 'tcp[tcpflags] & tcp-rst != 0'  # a TTL that differs from the \
         peer's betrays a middlebox",
    ])
    .see(&["TCP_INVALID_SYN", "TCP_INVALID_SEQUENCE"]),
    reason(
        "TCP_INVALID_SYN",
        SINCE_6_1,
        "a SYN inside an existing connection",
        "tcp_validate_incoming answers it with a challenge ACK (RFC 5961) and drops it: the \
         connection stays.",
    )
    .causes(&[
        "the peer lost its connection (crash, restart) and reuses the same ports: the challenge \
         ACK makes it send a reset, and the next SYN works",
        "NAT that gives one port to two clients, or reuses it too early",
        "a half-open connection that this host never noticed has died: shorter keepalives",
    ])
    .commands(&[
        "nstat -az TcpExtTCPSYNChallenge TcpExtTCPChallengeACK TcpInErrs",
        "ss -t -n -o dst ADDRESS  # is the old connection still there",
    ])
    .see(&["TcpExtTCPSYNChallenge", "TCP_RESET", "TCP_RFC7323_PAWS"]),
    reason(
        "TCP_CLOSE",
        SINCE_6_1,
        "the segment is for a socket that is already closed",
        "The socket was found and is in state CLOSE by the time tcp_rcv_state_process looks at \
         it.",
    )
    .normal("Ordinary: the last segments of a connection that this side has just ended.")
    .causes(&[
        "the program closes or aborts while the peer still sends: ordinary, but see \
         TCP_ABORT_ON_DATA",
    ])
    .commands(&[
        "nstat -az TcpExtTCPAbortOnClose TcpExtTCPAbortOnData",
        "netdiag drops --each --reason TCP_CLOSE",
    ])
    .see(&["TCP_ABORT_ON_DATA", "NO_SOCKET"]),
    reason(
        "TCP_ABORT_ON_DATA",
        SINCE_6_12,
        "data came after the program had closed its side",
        "tcp_rcv_state_process: the socket is in FIN_WAIT or beyond, the program does not read \
         any more, and the peer sends data. It is dropped and the connection is reset.",
    )
    .causes(&[
        "the program closes before it has read the answer: a bug of the program, or a client \
         that loses patience",
        "a protocol where one side closes early on purpose (HTTP clients that cancel)",
    ])
    .commands(&[
        "nstat -az TcpExtTCPAbortOnData TcpEstabResets",
        "netdiag drops --each --reason TCP_ABORT_ON_DATA  # whose connection",
    ])
    .see(&["TCP_CLOSE"]),
    reason(
        "TCP_FASTOPEN",
        SINCE_6_1,
        "a segment does not fit the Fast Open handshake",
        "The socket was made by TCP Fast Open before the handshake was complete, and \
         tcp_check_req did not find what it needs in this segment.",
    )
    .causes(&[
        "the client repeats or changes its SYN, or the last ACK of the handshake is out of order",
        "a middlebox that takes Fast Open options out: switch it off (net.ipv4.tcp_fastopen) to \
         prove it",
    ])
    .commands(&[
        "nstat -az | grep TCPFastOpen",
        "sysctl net.ipv4.tcp_fastopen",
    ])
    .see(&["TCP_FLAGS"]),
    reason(
        "TCP_LISTEN_OVERFLOW",
        SINCE_6_18,
        "the accept queue is full: the program does not accept fast enough",
        "The handshake was complete, and there was no room for the connection in the listener's \
         queue (tcp_check_req). Without tcp_abort_on_overflow the client believes that it is \
         connected, and repeats its data. 6.12 still says NOT_SPECIFIED.",
    )
    .causes(&[
        "the program is stuck or too slow to call accept: look at it first",
        "the backlog is small: the smaller of listen(2)'s argument and net.core.somaxconn \
         counts; raise both",
        "many short connections: reuse them (keep-alive), or SO_REUSEPORT with several acceptors",
    ])
    .commands(&[
        "ss -l -n -t  # Recv-Q waits, Send-Q is the limit",
        "nstat -az TcpExtListenOverflows TcpExtListenDrops",
        "sysctl net.core.somaxconn net.ipv4.tcp_abort_on_overflow",
    ])
    .see(&[
        "TcpExtListenOverflows",
        "TcpExtListenDrops",
        "return-path-lost",
    ]),
    reason(
        "TCP_MINTTL",
        SINCE_6_12,
        "the TTL is below what the socket demands",
        "The program set IP_MINTTL or IPV6_MINHOPCOUNT (the TTL security of BGP, RFC 5082): \
         packets from farther away than agreed are dropped in tcp_v4_rcv and tcp_v6_rcv.",
    )
    .causes(&[
        "a peer that is more hops away than configured, or that does not send with TTL 255: set \
         ttl-security or ebgp-multihop alike on both ends",
        "forged packets from elsewhere: then it does its work",
    ])
    .commands(&[
        "nstat -az TcpExtTCPMinTTLDrop",
        "tcpdump -n -v -i DEVICE tcp port 179  # ttl in each line",
    ])
    .see(&["TcpExtTCPMinTTLDrop"]),
    reason(
        "TCP_OLD_ACK",
        SINCE_6_1,
        "an acknowledgment that says nothing new where a new one was needed",
        "tcp_rcv_state_process of older kernels (6.1 of those tested): while the connection \
         closes, the segment acknowledged only what was known. Later kernels accept such an ACK.",
    )
    .normal("Ordinary in small numbers: duplicates and reordering.")
    .causes(&[
        "duplicated or reordered segments on the way",
        "a connection that both sides see differently after a crash or failover",
    ])
    .commands(&[
        "nstat -az TcpExtTCPChallengeACK",
        "netdiag drops --each --reason TCP_OLD_ACK",
    ])
    .see(&["TCP_TOO_OLD_ACK", "TCP_ACK_UNSENT_DATA"]),
    reason(
        "TCP_TOO_OLD_ACK",
        SINCE_6_1,
        "an acknowledgment far older than anything in flight",
        "tcp_ack: it acknowledges data from more than a whole window ago, and is answered with a \
         challenge ACK (RFC 5961).",
    )
    .causes(&[
        "segments of an earlier connection with the same ports (NAT, load balancer that reuses \
         ports quickly)",
        "a path that holds packets back for long, then delivers them",
        "an attempt to inject data",
    ])
    .commands(&[
        "nstat -az TcpExtTCPChallengeACK",
        "netdiag drops --each --reason TCP_TOO_OLD_ACK",
    ])
    .see(&["TCP_OLD_ACK", "TCP_ACK_UNSENT_DATA"]),
    reason(
        "TCP_ACK_UNSENT_DATA",
        SINCE_6_1,
        "an acknowledgment of data that this host has never sent",
        "tcp_ack: the acknowledged number is beyond what was sent. It is answered with a \
         challenge ACK.",
    )
    .causes(&[
        "the two sides disagree: a firewall or proxy that rewrites sequence numbers on one way \
         only, failover of a load balancer, a restored virtual machine",
        "an attempt to inject segments",
    ])
    .commands(&[
        "nstat -az TcpExtTCPChallengeACK",
        "ss -t -i -n dst ADDRESS; conntrack -L -d ADDRESS",
    ])
    .see(&["TCP_INVALID_ACK_SEQUENCE", "TCP_TOO_OLD_ACK"]),
    reason(
        "TCP_INVALID_ACK_SEQUENCE",
        SINCE_6_12,
        "the answer to a SYN acknowledges something else",
        "tcp_rcv_synsent_state_process: a segment for a connection in SYN_SENT acknowledges a \
         number that was not sent. A reset goes back.",
    )
    .causes(&[
        "an old connection of the same ports is still alive on the peer: the reset clears it, \
         and the next SYN succeeds",
        "a SYN proxy or NAT that mixes up two attempts",
        "forged SYN-ACKs",
    ])
    .commands(&[
        "netdiag drops --each --reason TCP_INVALID_ACK_SEQUENCE",
        "sysctl net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse  # ports reused too quickly",
    ])
    .see(&["TCP_ACK_UNSENT_DATA", "TCP_INVALID_SEQUENCE"]),
];
