//! Reasons of TCP: data, sequence numbers and timestamps.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "TCP_ZEROWINDOW",
        SINCE_6_1,
        "data came although this host had closed its receive window",
        "tcp_data_queue: the receive buffer is full and the window was announced as 0. The data \
         is dropped, and the peer has to send it again.",
    )
    .normal(
        "A window probe that carries a byte is ordinary: it asks whether there is room \
             again.",
    )
    .causes(&[
        "the local program does not read: look at its socket and at what it does",
        "a receive buffer too small for the delay and rate: net.ipv4.tcp_rmem, or SO_RCVBUF that \
         the program fixed too low",
    ])
    .commands(&[
        "ss -t -m -i -p  # Recv-Q that stays large",
        "nstat -az TcpExtTCPZeroWindowDrop TcpExtTCPToZeroWindowAdv TcpExtTCPWantZeroWindowAdv",
    ])
    .see(&[
        "TcpExtTCPZeroWindowDrop",
        "zero-window-stall",
        "TCP_OVERWINDOW",
    ]),
    reason(
        "TCP_OLD_DATA",
        SINCE_6_1,
        "data that this host already has: the peer repeated it",
        "tcp_data_queue: all bytes of the segment were received before. The peer repeated too \
         early, or its acknowledgment was lost or late. This host answers with D-SACK.",
    )
    .normal("Ordinary in small numbers with any loss or reordering.")
    .causes(&[
        "acknowledgments are lost or delayed on the way back",
        "reordering on the way (ECMP per packet, bonding in round robin)",
        "a retransmission timeout below the real delay on the peer",
    ])
    .commands(&[
        "nstat -az TcpExtDelayedACKLost TcpExtTCPDSACKOldSent",
        "netdiag retrans  # on the sending host",
    ])
    .see(&[
        "TcpExtDelayedACKLost",
        "TCP_OLD_SEQUENCE",
        "spurious-retransmission",
    ]),
    reason(
        "TCP_OVERWINDOW",
        SINCE_6_1,
        "data beyond the window that this host has offered",
        "tcp_data_queue: the segment starts behind the right edge of the receive window.",
    )
    .causes(&[
        "a peer, middlebox or proxy that does not respect the window, such as one that lost the \
         window scale option",
        "the window was made smaller after it was announced (SO_RCVBUF lowered, memory pressure)",
    ])
    .commands(&[
        "ss -t -i -m -n  # rcv_space, rcv_ssthresh",
        "tcpdump -n -v -i DEVICE 'tcp[tcpflags] & tcp-syn != 0'  # wscale on both SYNs",
    ])
    .see(&["TCP_ZEROWINDOW", "TCP_INVALID_END_SEQUENCE"]),
    reason(
        "TCP_OFOMERGE",
        SINCE_6_1,
        "an out-of-order segment that is already queued",
        "tcp_data_queue_ofo: other segments in the out-of-order queue cover the same bytes.",
    )
    .normal("Ordinary with loss or reordering: the peer repeats a whole range.")
    .causes(&[
        "loss before this host, and a sender that repeats more than was lost",
        "duplicated packets (mirror, bridge loop)",
    ])
    .commands(&["nstat -az TcpExtTCPOFOMerge TcpExtTCPOFOQueue TcpExtTCPDSACKOfoSent"])
    .see(&["TcpExtTCPOFOMerge", "TCP_OFO_DROP"]),
    reason(
        "TCP_OFO_QUEUE_PRUNE",
        SINCE_6_1,
        "waiting out-of-order segments were thrown away to free memory",
        "tcp_prune_ofo_queue: the socket is over its receive buffer, or TCP as a whole over \
         tcp_mem, and data that cannot be delivered yet goes first. The peer sends it again.",
    )
    .causes(&[
        "much loss with a large window: the gap does not close while data piles up; find the \
         loss",
        "a receive buffer that is too small: net.ipv4.tcp_rmem",
        "TCP memory used up: net.ipv4.tcp_mem",
    ])
    .commands(&[
        "nstat -az TcpExtOfoPruned TcpExtPruneCalled TcpExtRcvPruned TcpExtTCPMemoryPressures",
        "ss -t -i -m -p  # skmem: r against rb",
        "cat /proc/net/sockstat; sysctl net.ipv4.tcp_mem net.ipv4.tcp_rmem",
    ])
    .see(&["TcpExtOfoPruned", "TcpExtRcvPruned", "PROTO_MEM"]),
    reason(
        "TCP_OFO_DROP",
        SINCE_6_1,
        "a waiting out-of-order segment became useless: its data has come in order",
        "tcp_ofo_queue: the gap is closed, and what this segment holds has been received \
         meanwhile by another one.",
    )
    .normal("Ordinary after loss or reordering: the sender repeated what had only been late.")
    .causes(&["reordering on the way, or a sender that repeats too much"])
    .commands(&["nstat -az TcpExtTCPOFOQueue TcpExtTCPOFOMerge TcpExtTCPDSACKOfoSent"])
    .see(&["TCP_OFOMERGE", "TCP_OLD_DATA"]),
    reason(
        "TCP_OLD_SEQUENCE",
        SINCE_6_12,
        "the segment lies wholly before what is expected: a repetition",
        "tcp_sequence in tcp_validate_incoming: the segment ends before the last acknowledged \
         byte. This host answers with a duplicate ACK. Kernels before 6.6 call it \
         TCP_INVALID_SEQUENCE.",
    )
    .normal(
        "Ordinary: keepalive probes are sent like this on purpose, and early repetitions \
             look so.",
    )
    .causes(&[
        "keepalives of idle connections: nothing to do",
        "acknowledgments that are lost or late on the way back",
        "a peer that has not noticed that the connection went on",
    ])
    .commands(&[
        "nstat -az TcpExtDelayedACKLost TcpExtTCPACKSkippedSeq TcpExtTCPDSACKOldSent",
        "ss -t -o -n  # timer:(keepalive,...)",
    ])
    .see(&[
        "TCP_OLD_DATA",
        "TCP_INVALID_SEQUENCE",
        "TcpExtDelayedACKLost",
    ]),
    reason(
        "TCP_INVALID_SEQUENCE",
        SINCE_6_1,
        "the segment starts beyond the receive window",
        "tcp_sequence in tcp_validate_incoming: the sequence number is not acceptable, and a \
         duplicate ACK tells the peer what is expected. Before 6.6 also given for segments that \
         are too old.",
    )
    .causes(&[
        "the two sides disagree about the connection: firewall or NAT that rewrites sequence \
         numbers one way, failover",
        "an old connection of the same ports",
        "segments injected from outside",
    ])
    .commands(&[
        "nstat -az TcpExtBeyondWindow TcpExtTCPChallengeACK TcpExtTCPACKSkippedSeq",
        "netdiag drops --each --reason TCP_INVALID_SEQUENCE",
        "conntrack -L -p tcp -d ADDRESS; nft list ruleset | grep -i synproxy",
    ])
    .see(&[
        "TcpExtBeyondWindow",
        "TCP_INVALID_END_SEQUENCE",
        "TCP_OLD_SEQUENCE",
    ]),
    reason(
        "TCP_INVALID_END_SEQUENCE",
        SINCE_6_18,
        "the segment ends beyond the receive window",
        "tcp_sequence, since 6.17: it starts inside the window and goes beyond its right edge. \
         Earlier kernels took such data. While the receive queue is empty it is still accepted, \
         for the sake of peers with this fault.",
    )
    .causes(&[
        "a peer that sends more than was offered: a TCP stack or middlebox with a fault",
        "the window was made smaller meanwhile",
    ])
    .commands(&["nstat -az TcpExtBeyondWindow", "ss -t -i -m -n dst ADDRESS"])
    .see(&[
        "TcpExtBeyondWindow",
        "TCP_INVALID_SEQUENCE",
        "TCP_OVERWINDOW",
    ]),
    reason(
        "TCP_RFC7323_PAWS",
        SINCE_6_1,
        "the segment's timestamp is older than the last one: taken for an old duplicate",
        "PAWS, tcp_validate_incoming: TCP timestamps must not go backwards within a connection.",
    )
    .normal("A few are ordinary: a delayed duplicate is exactly what the check is for.")
    .causes(&[
        "several clients behind one NAT address reach the same port pair, each with its own \
         timestamps",
        "a load balancer or proxy that mixes the timestamps of two hosts",
        "strong reordering with fast timestamps",
    ])
    .commands(&[
        "nstat -az TcpExtPAWSEstab TcpExtPAWSActive",
        "tcpdump -n -v -i DEVICE host ADDRESS and tcp  # TS val that goes back",
        "sysctl net.ipv4.tcp_timestamps",
    ])
    .see(&[
        "TcpExtPAWSEstab",
        "TCP_RFC7323_PAWS_ACK",
        "TCP_RFC7323_TW_PAWS",
    ]),
    reason(
        "TCP_RFC7323_PAWS_ACK",
        SINCE_6_18,
        "a pure acknowledgment with an old timestamp, out of order",
        "tcp_disordered_ack_check: the same as TCP_RFC7323_PAWS for an ACK without data that was \
         overtaken by others.",
    )
    .normal("Ordinary: reordered ACKs carry nothing that is missing.")
    .causes(&["reordering on the way; only a concern when throughput suffers"])
    .commands(&[
        "nstat -az TcpExtPAWSOldAck",
        "ss -t -i -n  # reordering, reord_seen",
    ])
    .see(&["TCP_RFC7323_PAWS", "TCP_OLD_ACK"]),
    reason(
        "TCP_RFC7323_TW_PAWS",
        SINCE_6_18,
        "a segment with an old timestamp for a connection in TIME_WAIT",
        "tcp_timewait_state_process: the connection is over, and what still comes has an older \
         timestamp than its last segment. A new SYN from the same ports is refused like this as \
         well.",
    )
    .normal("Ordinary for late duplicates.")
    .causes(&[
        "clients behind one NAT address reuse the ports of a connection that has just ended, \
         with lower timestamps: their SYN gets no SYN-ACK until TIME_WAIT is over; spread \
         clients over more addresses",
    ])
    .commands(&[
        "nstat -az TcpExtPAWSTimewait TcpExtTW",
        "ss -t -a -n state time-wait dst ADDRESS",
    ])
    .see(&["TCP_RFC7323_PAWS"]),
    reason(
        "TCP_RFC7323_TSECR",
        SINCE_6_18,
        "the last ACK of a handshake echoes a timestamp that was never sent",
        "tcp_check_req: the echoed timestamp is not between those of the SYN-ACKs of this \
         handshake.",
    )
    .causes(&[
        "a middlebox that rewrites timestamps one way only, or a client with a broken TCP stack",
        "forged ACKs that try to complete a handshake blindly",
    ])
    .commands(&[
        "nstat -az TcpExtTSEcrRejected",
        "tcpdump -n -v -i DEVICE 'host ADDRESS and (tcp[tcpflags] & tcp-syn != 0 or \
         tcp[tcpflags] == tcp-ack)'",
    ])
    .see(&["TCP_RFC7323_PAWS"]),
];
