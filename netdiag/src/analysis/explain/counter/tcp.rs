//! Counters of TCP that speak of drops.

use crate::analysis::explain::{Entry, counter};

pub(super) const ENTRIES: &[Entry] = &[
    counter(
        "TcpInErrs",
        "tcp_v4_rcv, tcp_v6_rcv: a bad checksum, a data offset below five words or beyond the \
         segment; tcp_validate_incoming: a SYN in an established connection.",
    )
    .causes(&["corruption (then TcpInCsumErrors), crafted packets, NAT that reuses ports"])
    .commands(&[
        "nstat -az TcpInCsumErrors TcpExtTCPSYNChallenge",
        "netdiag drops --each --reason TCP_CSUM --reason PKT_TOO_SMALL --reason TCP_INVALID_SYN",
    ])
    .see(&["TCP_CSUM", "PKT_TOO_SMALL", "TCP_INVALID_SYN"]),
    counter(
        "TcpInCsumErrors",
        "The checksum over header, data and addresses. The sender repeats what was lost, so it \
         shows as slowness.",
    )
    .causes(&[
        "bad hardware on the way, broken checksum offload, header rewriting without a new \
         checksum",
    ])
    .commands(&["netdiag drops --each --reason TCP_CSUM; ethtool -S DEVICE | grep -iE 'csum|crc'"])
    .see(&["TCP_CSUM"]),
    counter(
        "TcpExtIPReversePathFilter",
        "fib_validate_source refused the source by rp_filter. The name says TcpExt; it is of all \
         IPv4 packets.",
    )
    .causes(&["asymmetric routing with rp_filter=1: loose mode, or source routing"])
    .commands(&["sysctl net.ipv4.conf.all.rp_filter; netdiag drops --each --reason IP_RPFILTER"])
    .see(&["IP_RPFILTER"]),
    counter(
        "TcpExtListenOverflows",
        "tcp_conn_request and tcp_v4_syn_recv_sock: the accept queue is at its limit. A SYN is \
         then dropped without any event; of a completed handshake the last ACK is \
         (TCP_LISTEN_OVERFLOW; older kernels give no reason). Clients see connections that hang and then time out.",
    )
    .causes(&["the program accepts too slowly; its backlog or net.core.somaxconn is small"])
    .commands(&[
        "ss -l -n -t -p  # Recv-Q against Send-Q",
        "sysctl net.core.somaxconn",
    ])
    .see(&[
        "TCP_LISTEN_OVERFLOW",
        "TcpExtListenDrops",
        "return-path-lost",
    ]),
    counter(
        "TcpExtListenDrops",
        "Every connection attempt that a listener dropped: the overflows of \
         TcpExtListenOverflows, failed allocations, no route for the answer, a refusing security \
         module.",
    )
    .causes(&["mostly a full accept queue; what is above TcpExtListenOverflows has another cause"])
    .commands(&["nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDrop"])
    .see(&["TcpExtListenOverflows", "TcpExtTCPReqQFullDrop"]),
    counter(
        "TcpExtTCPReqQFullDoCookies",
        "tcp_conn_request: as many handshakes are unfinished as the listener may have, and the SYN is answered with a \
         SYN cookie. Nothing is lost, but such connections do without some options.",
    )
    .normal("For a moment, when many clients come at once: after a restart, for instance.")
    .causes(&["a SYN flood", "SYN-ACKs that do not arrive", "a small backlog on a busy service"])
    .commands(&[
        "ss -tan state syn-recv | wc -l",
        "sysctl net.ipv4.tcp_max_syn_backlog net.core.somaxconn",
    ])
    .see(&["TcpExtTCPReqQFullDrop", "syn-queue-full"]),
    counter(
        "TcpExtTCPReqQFullDrop",
        "tcp_syn_flood_action: the queue of half-open connections is full and SYN cookies are \
         off. The log says \"Possible SYN flooding\".",
    )
    .causes(&[
        "a SYN flood, or a backlog too small for the arrival rate: net.ipv4.tcp_syncookies=1, \
         larger backlog",
    ])
    .commands(&[
        "dmesg | grep -i 'SYN flooding'; ss -n -t state syn-recv | wc -l",
        "sysctl net.ipv4.tcp_syncookies net.ipv4.tcp_max_syn_backlog",
    ])
    .see(&["TcpExtListenDrops", "TcpExtSyncookiesFailed"]),
    counter(
        "TcpExtTCPBacklogDrop",
        "tcp_add_backlog: the socket was in use by its process, and the queue for that time \
         full.",
    )
    .causes(&["the process holds the socket for long: no processor time, very large writes"])
    .commands(&["ss -t -i -m -p  # bl in skmem"])
    .see(&["SOCKET_BACKLOG"]),
    counter(
        "TcpExtTCPRcvQDrop",
        "tcp_data_queue: data in order, and no memory to keep it (tcp_mem, the cgroup, or the \
         socket's buffer).",
    )
    .causes(&["TCP memory used up by sockets that nobody reads; a cgroup at its limit"])
    .commands(&["cat /proc/net/sockstat; sysctl net.ipv4.tcp_mem"])
    .see(&["PROTO_MEM", "TcpExtTCPOFODrop"]),
    counter(
        "TcpExtTCPOFODrop",
        "tcp_data_queue_ofo: data out of order, and no memory to keep it until the gap closes.",
    )
    .causes(&["loss with large windows; TCP memory used up"])
    .commands(&[
        "nstat -az TcpExtTCPOFOQueue TcpExtOfoPruned; sysctl net.ipv4.tcp_rmem net.ipv4.tcp_mem",
    ])
    .see(&["PROTO_MEM", "TCP_OFO_QUEUE_PRUNE"]),
    counter(
        "TcpExtOfoPruned",
        "tcp_prune_ofo_queue: one count, several segments.",
    )
    .causes(&["loss with large windows and too little receive buffer"])
    .commands(&["nstat -az TcpExtPruneCalled TcpExtTCPRcvCollapsed; ss -t -i -m -p"])
    .see(&["TCP_OFO_QUEUE_PRUNE", "TcpExtRcvPruned"]),
    counter(
        "TcpExtRcvPruned",
        "tcp_prune_queue: even after collapsing and dropping what was out of order the socket is \
         above its buffer, so new data has to go.",
    )
    .causes(&["a program that does not read; a receive buffer that was fixed too small"])
    .commands(&["ss -t -i -m -p; nstat -az TcpExtPruneCalled TcpExtOfoPruned"])
    .see(&["TCP_OFO_QUEUE_PRUNE", "SOCKET_RCVBUFF"]),
    counter(
        "TcpExtTCPZeroWindowDrop",
        "tcp_data_queue: data for a socket that has announced a window of 0.",
    )
    .normal("Window probes with a byte of data.")
    .causes(&["the local program does not read"])
    .commands(&["ss -t -m -i -p  # Recv-Q"])
    .see(&["TCP_ZEROWINDOW", "TcpExtTCPToZeroWindowAdv"]),
    counter(
        "TcpExtPAWSEstab",
        "The timestamp of a segment in an established connection went back (PAWS).",
    )
    .normal("Single ones, by reordering.")
    .causes(&["several hosts behind one address; a middlebox that mixes timestamps"])
    .commands(&["netdiag drops --each --reason TCP_RFC7323_PAWS"])
    .see(&["TCP_RFC7323_PAWS"]),
    counter(
        "TcpExtPAWSActive",
        "tcp_rcv_synsent_state_process: the answer to a SYN echoes a timestamp that this host did not send. It is \
         refused with a reset.",
    )
    .causes(&["an answer to an older SYN, or a middlebox that answers in the server's name"])
    .commands(&["netdiag conn --failed", "tcpdump -n -v 'tcp[13] == 18'  # SYN-ACKs"])
    .see(&["TCP_RFC7323_PAWS", "tcp-paws"]),
    counter(
        "TcpExtPAWSOldAck",
        "tcp_disordered_ack: a bare acknowledgment with an older timestamp than the last one: it was overtaken on its \
         way.",
    )
    .normal("Where packets take several ways, and overtake each other.")
    .causes(&["reordering on the way"])
    .commands(&["ss -tni  # reordering", "netdiag drops --each --reason TCP_RFC7323_PAWS_ACK"])
    .see(&["TCP_RFC7323_PAWS_ACK"]),
    counter(
        "TcpExtTSEcrRejected",
        "tcp_check_req: the last segment of a handshake echoes a timestamp that the SYN-ACK did not carry.",
    )
    .causes(&["a middlebox that changes timestamps, or a forged segment"])
    .commands(&["netdiag drops --each --reason TCP_RFC7323_TSECR"])
    .see(&["TCP_RFC7323_TSECR", "tcp-paws"]),
    counter(
        "TcpExtDelayedACKLost",
        "tcp_data_queue, tcp_send_dupack: the peer sent again what this host had; it thinks the \
         acknowledgment was lost.",
    )
    .normal("Keepalives do it on purpose.")
    .causes(&["loss or delay of acknowledgments on the way to the peer"])
    .commands(&[
        "nstat -az TcpExtTCPDSACKOldSent; netdiag drops --each --reason TCP_OLD_DATA --reason \
         TCP_OLD_SEQUENCE",
    ])
    .see(&[
        "TCP_OLD_DATA",
        "TCP_OLD_SEQUENCE",
        "spurious-retransmission",
    ]),
    counter(
        "TcpExtBeyondWindow",
        "tcp_validate_incoming, since 6.17: segments that start or end beyond the receive \
         window.",
    )
    .causes(&[
        "a peer or middlebox that does not respect the window; two sides that disagree about the \
         connection",
    ])
    .commands(&[
        "netdiag drops --each --reason TCP_INVALID_SEQUENCE --reason TCP_INVALID_END_SEQUENCE",
    ])
    .see(&["TCP_INVALID_SEQUENCE", "TCP_INVALID_END_SEQUENCE"]),
    counter(
        "TcpExtTCPOFOMerge",
        "tcp_data_queue_ofo: the bytes are in the out-of-order queue already.",
    )
    .normal("With any loss.")
    .causes(&["senders that repeat more than was lost; duplicated packets"])
    .commands(&["nstat -az TcpExtTCPOFOQueue TcpExtTCPDSACKOfoSent"])
    .see(&["TCP_OFOMERGE"]),
    counter(
        "TcpExtTCPSYNChallenge",
        "tcp_validate_incoming: a SYN in an existing connection, answered with a challenge ACK.",
    )
    .causes(&["a peer that restarted, NAT that reuses ports too early, an attack"])
    .commands(&["netdiag drops --each --reason TCP_INVALID_SYN"])
    .see(&["TCP_INVALID_SYN"]),
    counter(
        "TcpExtTCPMD5NotFound",
        "The socket has a key for this peer, and the segment carries no TCP-MD5 option.",
    )
    .causes(&["the password is missing on the peer"])
    .commands(&["ss -t -i -n  # md5keys, as root"])
    .see(&["TCP_MD5NOTFOUND"]),
    counter(
        "TcpExtTCPMD5Unexpected",
        "The segment carries a TCP-MD5 option, and no key is set for this peer.",
    )
    .causes(&["the password is missing here, or set for another address"])
    .commands(&["ss -t -l -n -i"])
    .see(&["TCP_MD5UNEXPECTED"]),
    counter(
        "TcpExtTCPMD5Failure",
        "Both sides have a key, and the signature does not fit.",
    )
    .causes(&["different passwords; NAT in between"])
    .commands(&["tcpdump -n -M PASSWORD -v tcp port 179"])
    .see(&["TCP_MD5FAILURE"]),
    counter(
        "TcpExtTCPAOBad",
        "The signature of TCP-AO (RFC 5925) does not fit: secret, algorithm or options differ.",
    )
    .causes(&["different secrets or settings on both ends; NAT in between"])
    .commands(&["nstat -az | grep TCPAO"])
    .see(&["TCP_AOFAILURE"]),
    counter(
        "TcpExtTCPAORequired",
        "The socket demands TCP-AO of this peer, and the segment has no signature.",
    )
    .causes(&["the peer was not configured, or lost its configuration", "somebody else speaks in its name"])
    .commands(&["netdiag drops --each --reason TCP_AONOTFOUND"])
    .see(&["TCP_AONOTFOUND", "tcp-signature"]),
    counter(
        "TcpExtOutOfWindowIcmps",
        "tcp_v4_err, tcp_v6_err: an ICMP error quotes data that the connection has not under way, and is ignored.",
    )
    .normal("A few: the error came late.")
    .causes(&["late errors", "forged ones, to break connections"])
    .commands(&["tcpdump -n -v 'icmp or icmp6'"])
    .see(&["TcpExtLockDroppedIcmps"]),
    counter(
        "TcpExtLockDroppedIcmps",
        "tcp_v4_err, tcp_v6_err: an ICMP error came while a program held the socket, and is ignored; one about the MTU is \
         remembered.",
    )
    .normal("On busy sockets.")
    .causes(&["a socket in use at that moment"])
    .commands(&["nstat -az TcpExtLockDroppedIcmps TcpExtOutOfWindowIcmps"])
    .see(&["TcpExtOutOfWindowIcmps"]),
    counter(
        "TcpExtTCPAOKeyNotFound",
        "The key number in the option is unknown here, or the socket has no TCP-AO keys at all.",
    )
    .causes(&["a key change that reached one end only; TCP-AO not configured here"])
    .commands(&["nstat -az | grep TCPAO; perf trace -a -e 'tcp:tcp_ao_*'"])
    .see(&["TCP_AOKEYNOTFOUND", "TCP_AOUNEXPECTED"]),
    counter(
        "TcpExtTCPMinTTLDrop",
        "tcp_v4_rcv, tcp_v6_rcv: the TTL or hop limit is below IP_MINTTL or IPV6_MINHOPCOUNT of \
         the socket.",
    )
    .causes(&["a peer more hops away than configured; forged packets"])
    .commands(&["tcpdump -n -v -i DEVICE tcp port 179"])
    .see(&["TCP_MINTTL"]),
    counter(
        "TcpExtPFMemallocDrop",
        "sk_filter_trim_cap: the packet's buffer is of the emergency reserve, and the socket may \
         not use it. The name says TcpExt; other sockets count as well.",
    )
    .causes(&["memory pressure on this host"])
    .commands(&["grep -E 'allocstall|oom_kill' /proc/vmstat; sysctl vm.min_free_kbytes"])
    .see(&["PFMEMALLOC"]),
    counter(
        "TcpExtTCPDeferAcceptDrop",
        "tcp_check_req: a listener with TCP_DEFER_ACCEPT ignores the bare ACK and waits for \
         data.",
    )
    .normal("Every connection to such a listener.")
    .causes(&[
        "web servers with deferred accept (\"listen ... deferred\" in nginx, AcceptFilter in \
         Apache)",
    ])
    .commands(&["ss -l -n -t -p"])
    .see(&["NOT_SPECIFIED"]),
    counter(
        "TcpExtSyncookiesFailed",
        "An ACK came to a listener without a matching request, and the cookie in it is not \
         valid.",
    )
    .normal("Stray ACKs of old connections.")
    .causes(&[
        "cookies older than two minutes; ACK floods and scans; a listener that got a \
         connection's segments after a restart",
    ])
    .commands(&["nstat -az TcpExtSyncookiesSent TcpExtSyncookiesRecv TcpExtSyncookiesFailed"])
    .see(&["NO_SOCKET", "TcpExtTCPReqQFullDrop"]),
    counter(
        "TcpExtTCPTimeWaitOverflow",
        "tcp_time_wait: more connections in TIME_WAIT than tcp_max_tw_buckets, or no memory. The \
         connection is destroyed at once, so late segments of it meet a closed port.",
    )
    .causes(&[
        "very many short connections that this host closes first: keep them alive, or let the \
         client close",
    ])
    .commands(&["ss -s; sysctl net.ipv4.tcp_max_tw_buckets"])
    .see(&["NO_SOCKET", "TCP_RFC7323_TW_PAWS"]),
];
