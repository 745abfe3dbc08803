//! Findings about TCP segments that were dropped.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "tcp-port-closed",
        "SYNs come in for a port that nobody listens on",
        "No socket listens on the address and port, and the client gets a reset: ECONNREFUSED. Only SYNs count: other segments without a socket are of connections that are over.",
    )
    .normal("Port scans.")
    .doubt("On a kernel without reasons an IPsec policy, a signature or IP_MINTTL drops a SYN in the same place, without a reset.")
    .causes(&["the service does not run, or has crashed", "it listens on another address, port or namespace", "a client with an old address"])
    .remedy(&[
        "ss -ltnp 'sport = :PORT': is there a listener, and on which address; DESTINATION or 0.0.0.0 or * should be it",
        "start the service, or let SOURCE use another address",
        "journalctl -e: did it end, and why",
    ])
    .commands(&["ss -ltnp", "nstat -az TcpOutRsts", "netdiag conn"])
    .see(&["NO_SOCKET", "connection-refused"]),
    finding(
        "syn-queue-full",
        "the queue of half-open connections is full",
        "A listener holds as many unfinished handshakes as its backlog allows (and tcp_max_syn_backlog without SYN cookies). Further SYNs get a SYN cookie, or are dropped without an event: TcpExtTCPReqQFullDoCookies and TCPReqQFullDrop count them.",
    )
    .doubt("The counter is that of the namespace: which listener it is, ss says while the handshakes wait. Many clients at once, after a restart, look like a flood.")
    .causes(&["a SYN flood", "clients whose last ACK does not arrive: the way back is broken", "a short backlog and many clients at once"])
    .remedy(&[
        "ss -Htan state syn-recv | awk '{sub(/:[0-9]+$/, \"\", $4); print $4}' | sort | uniq -c | sort -n: from a few clients, or from everywhere (a flood)",
        "sysctl net.ipv4.tcp_syncookies net.ipv4.tcp_max_syn_backlog net.core.somaxconn: cookies on, larger limits, and a larger backlog in the program",
        "netdiag retrans: repeated SYN-ACKs mean that the way back is broken",
    ])
    .commands(&["nstat -az TcpExtTCPReqQFullDrop TcpExtTCPReqQFullDoCookies", "ss -tan state syn-recv | wc -l", "sysctl net.ipv4.tcp_max_syn_backlog net.core.somaxconn net.ipv4.tcp_syncookies"])
    .see(&["TcpExtTCPReqQFullDrop", "accept-queue-overflow", "syncookie-failed"]),
    finding(
        "syncookie-failed",
        "acknowledgments finish no handshake that the listener knows",
        "With SYN cookies the listener keeps nothing of a SYN, and finds out by the number in the last ACK whether it was its own. This one does not hold: too old, or never given out. A reset goes back.",
    )
    .normal("After a restart of the service: segments of the connections from before meet the new listener.")
    .doubt("Segments of a connection from before a restart look the same; TcpExtSyncookiesFailed rises only after an overflow.")
    .causes(&["an ACK flood, or forged segments", "handshakes that take longer than the minutes that a cookie holds", "connections from before a restart, or balanced to another host"])
    .remedy(&[
        "nstat -az TcpExtSyncookiesSent TcpExtSyncookiesRecv TcpExtSyncookiesFailed: cookies at all means that a queue was full before",
        "ss -ltn 'sport = :PORT': a longer backlog, and a program that accepts faster, need no cookies",
        "where the service was restarted: nothing to do, SOURCE connects anew",
    ])
    .commands(&["nstat -az TcpExtSyncookiesSent TcpExtSyncookiesRecv TcpExtSyncookiesFailed", "ss -ltn"])
    .see(&["TcpExtSyncookiesFailed", "TCP_FLAGS", "syn-queue-full", "accept-queue-overflow"]),
    finding(
        "tcp-checksum",
        "the TCP checksum is wrong",
        "The sum over addresses, header and data is not what it must be. The sender repeats the segment, so users see a slow connection and no error.",
    )
    .doubt("A wrong checksum in a capture on the sender is no fault: the hardware fills it in later.")
    .causes(&["from many senders: a NIC, cable or receive offload of this host", "from one: eBPF or a user-space stack that changes packets without the checksum, NAT, a checksum offload that the virtual network does not carry out"])
    .remedy(&[
        "from many senders: ethtool -S DEVICE | grep -iE 'csum|crc', and try ethtool -K DEVICE rx off",
        "from SOURCE alone: there try ethtool -K DEVICE_OF_SOURCE tx off; then look for the program that rewrites packets",
        "tcpdump -n -vv -i DEVICE tcp and host SOURCE: says \"cksum incorrect\" and what it should be",
    ])
    .commands(&["nstat -az TcpInCsumErrors TcpInErrs", "ethtool -k DEVICE; ethtool -S DEVICE"])
    .see(&["TCP_CSUM", "TcpInCsumErrors", "udp-checksum"]),
    finding(
        "tcp-zero-window",
        "data comes in although the receive window is closed",
        "The receive buffer is full and this host has said so; what comes all the same is dropped, and sent again later. The program does not read.",
    )
    .normal("For moments under load.")
    .doubt("A peer that probes with more than one byte sends into a closed window as well, and means no harm.")
    .causes(&["the program is stopped, blocked or too slow", "a receive buffer fixed too small (SO_RCVBUF)", "a peer that sends against the window"])
    .remedy(&[
        "ss -tnmp 'sport = :PORT': Recv-Q is what waits for the program",
        "top -H -p PID, or strace -p PID: why COMM does not read",
        "sysctl net.ipv4.tcp_rmem: the largest buffer; a fixed SO_RCVBUF in the program switches its growth off",
    ])
    .commands(&["ss -tnmp", "nstat -az TcpExtTCPZeroWindowDrop TcpExtTCPToZeroWindowAdv"])
    .see(&["TCP_ZEROWINDOW", "TcpExtTCPZeroWindowDrop", "zero-window-stall"]),
    finding(
        "tcp-paws",
        "segments have an older timestamp than their connection, or somebody else's",
        "PAWS (RFC 7323): timestamps must not go backwards in a connection, and a handshake must echo the one that was sent. These do not, and are taken for old duplicates.",
    )
    .normal("A few: delayed duplicates are what the check is for.")
    .doubt("A duplicate that was delayed on its way is refused for the same reason, and rightly: a few say little.")
    .causes(&["several clients behind one NAT address with timestamps of their own, on the same ports", "a load balancer or SYN proxy that changes timestamps", "a host whose timestamp clock jumped (a migrated virtual machine)"])
    .remedy(&[
        "tcpdump -n -v -i DEVICE tcp and host SOURCE: do TS val go up and down",
        "on the NAT or proxy before SOURCE: keep timestamps per client, or take the option out",
        "as a test, for new connections of the whole namespace: sysctl -w net.ipv4.tcp_timestamps=0 takes the check \
         away, and round-trip times with it; then put it back",
    ])
    .commands(&["nstat -az TcpExtPAWSEstab TcpExtPAWSActive TcpExtTSEcrRejected", "sysctl net.ipv4.tcp_timestamps"])
    .see(&["TCP_RFC7323_PAWS", "TCP_RFC7323_TW_PAWS", "TCP_RFC7323_TSECR", "TcpExtPAWSEstab"]),
    finding(
        "tcp-old-data",
        "the peer sends data again that this host already has",
        "All of the segment was received before: the peer's acknowledgment was lost or late, or its timer is too short. Nothing is missing here.",
    )
    .normal("With any loss or reordering.")
    .doubt("Some peers probe an idle connection with old data (keepalive); netdiag leaves out those of one byte.")
    .causes(&["acknowledgments are lost or late on the way back", "reordering", "a retransmission timeout of the peer below the round trip"])
    .remedy(&[
        "ss -tni dst SOURCE: reordering, rtt; and the way back to SOURCE: ip route get SOURCE",
        "netdiag retrans on SOURCE: says why it repeats",
    ])
    .commands(&["nstat -az TcpExtDelayedACKLost TcpExtTCPDSACKOldSent TcpExtTCPOFOMerge", "ss -tni dst SOURCE"])
    .see(&["TCP_OLD_DATA", "TCP_OLD_SEQUENCE", "TCP_OFOMERGE", "TcpExtDelayedACKLost", "spurious-retransmission"]),
    finding(
        "tcp-out-of-window",
        "data lies outside the receive window",
        "The sequence numbers are beyond what this host has offered, so the data is dropped and an acknowledgment says what is expected.",
    )
    .doubt("Kernels before 6.6 have the same reason for data that lies before the window: a mere repetition.")
    .causes(&["the two ends no longer agree: a middlebox changed sequence numbers, a failover of a firewall or load balancer", "forged segments", "a peer that ignores the window"])
    .remedy(&[
        "tcpdump -n -S -i DEVICE tcp and host SOURCE: sequence numbers against this host's last ack and win",
        "a firewall, load balancer or proxy between SOURCE and this host that rewrites or takes over connections: does it lose their state",
    ])
    .commands(&["nstat -az TcpExtBeyondWindow TcpExtTCPChallengeACK TcpExtDelayedACKLost", "ss -tnmi"])
    .see(&["TCP_OVERWINDOW", "TCP_INVALID_SEQUENCE", "TCP_INVALID_END_SEQUENCE", "TcpExtBeyondWindow", "tcp-old-data"]),
    finding(
        "tcp-reset-refused",
        "resets are not believed",
        "A reset must have exactly the next sequence number (RFC 5961); one that is merely in the window gets a challenge ACK, and the connection stays. A listener ignores resets.",
    )
    .normal("In small numbers: a reset that crosses data is a little off, and a client that gives up sends one to the listener.")
    .doubt("The peer may really want to end the connection: then its next segment, or its silence, shows it.")
    .causes(&["a middlebox that ends connections with resets of its own making", "somebody who guesses: forged resets", "a peer that reset an old connection with the same ports"])
    .remedy(&[
        "tcpdump -n -S -v -i DEVICE 'tcp[tcpflags] & tcp-rst != 0' and host SOURCE: TTL and number against the connection's other segments; a different TTL is a middlebox",
        "tcpdump -n -S -v -i DEVICE 'ip6[6] = 6 and ip6[53] & 4 != 0' and host SOURCE: hop limit and number against the connection's other segments; a different hop limit is a middlebox",
        "nothing to change on this host: the connection is alive",
    ])
    .commands(&["nstat -az TcpExtTCPChallengeACK", "tcpdump -n -S -v -i DEVICE 'tcp[tcpflags] & tcp-rst != 0'"])
    .see(&["TCP_RESET", "connection-reset"]),
    finding(
        "tcp-flags-invalid",
        "segments have flags that make no sense, or an impossible header",
        "No ACK, SYN or RST in an established connection, SYN and FIN together, a SYN inside a connection that stands (answered with a challenge ACK), an ACK for a listener, or a header length below 20.",
    )
    .normal("A few on any host in the internet: scanners.")
    .doubt("An ACK for a listener is mostly of a connection from before a restart.")
    .causes(&["a scan (nmap -sN, -sX)", "a client that begins anew on ports whose old connection this host still has", "a middlebox or user-space stack that builds wrong headers"])
    .remedy(&[
        "tcpdump -n -S -i DEVICE tcp and host SOURCE: the flags, and the connection before them",
        "ss -tno src DESTINATION dst SOURCE: a connection that only this host still has; keepalive would end it",
        "from many ports or addresses: a scan, to be blocked or ignored",
    ])
    .commands(&["ss -tan dst SOURCE", "nstat -az TcpExtTCPChallengeACK TcpExtTCPSYNChallenge TcpInErrs"])
    .see(&["TCP_FLAGS", "TCP_INVALID_SYN", "TcpExtTCPSYNChallenge", "syncookie-failed"]),
    finding(
        "tcp-ack-invalid",
        "segments acknowledge what was never sent, or what is long past",
        "The acknowledgment number is beyond what this host has sent, more than a window behind it, or in the answer to a SYN that of another SYN. A challenge ACK or a reset goes back.",
    )
    .doubt("The late end of an earlier connection with the same ports looks alike.")
    .causes(&["the peer, or a middlebox, still has an old connection with the same ports", "a middlebox that changes sequence numbers in one direction only", "forged segments"])
    .remedy(&[
        "tcpdump -n -S -i DEVICE tcp and host SOURCE: ack against this host's seq",
        "a firewall or NAT before SOURCE with an old entry for these ports: shorter timeouts there, or a wider net.ipv4.ip_local_port_range here",
        "a firewall or NAT before SOURCE that rewrites sequence numbers: switch that off",
    ])
    .commands(&["nstat -az TcpExtTCPChallengeACK TcpExtTCPACKSkippedChallenge", "ss -tan dst SOURCE"])
    .see(&["TCP_ACK_UNSENT_DATA", "TCP_TOO_OLD_ACK", "TCP_INVALID_ACK_SEQUENCE"]),
    finding(
        "tcp-signature",
        "TCP signatures (MD5, TCP-AO) are missing, unexpected or wrong",
        "The socket and its peer do not agree on keys (TCP_MD5SIG, TCP_AO_ADD_KEY): BGP sessions that do not come up are the usual case. Such segments are dropped without an answer.",
    )
    .doubt("On a kernel without reasons a signed SYN to a closed port is dropped in the same place.")
    .causes(&["different passwords, or a password on one end only", "the key is set for another address than the one that the peer uses", "NAT or a proxy between the two: addresses are part of the signature"])
    .remedy(&[
        "tcpdump -n -v -M KEY -i DEVICE tcp and host SOURCE: says whether the MD5 signature is valid",
        "compare key, peer address and prefix on both ends; for BGP the neighbour's password",
        "dmesg | grep -iE 'md5|tcp-ao': the kernel logs what is missing",
    ])
    .commands(&["nstat -az TcpExtTCPMD5NotFound TcpExtTCPMD5Unexpected TcpExtTCPMD5Failure TcpExtTCPAOBad", "ss -tani dst SOURCE"])
    .see(&["TCP_MD5NOTFOUND", "TCP_MD5UNEXPECTED", "TCP_MD5FAILURE", "TCP_AOFAILURE", "TcpExtTCPMD5Failure"]),
    finding(
        "tcp-ttl-too-low",
        "segments come from farther away than the socket allows",
        "The program demands a TTL (IP_MINTTL) or hop limit (IPV6_MINHOPCOUNT): the TTL security of BGP, RFC 5082. What has less is dropped without an answer.",
    )
    .normal("As protection against forged segments from afar.")
    .doubt("6.1 has no name for it: there it is concluded from a SYN that is dropped without a name.")
    .causes(&["ttl-security on this end, and the peer sends with its ordinary TTL of 64", "one more router between the two than was counted"])
    .remedy(&[
        "the peer must send with TTL 255 (ttl-security, GTSM) as well: on SOURCE",
        "count the routers: traceroute -n SOURCE; and allow as many hops in the program's configuration",
    ])
    .commands(&["tcpdump -n -v -i DEVICE tcp and host SOURCE  # ttl, hlim", "nstat -az TcpExtTCPMinTTLDrop"])
    .see(&["TCP_MINTTL", "TcpExtTCPMinTTLDrop"]),
    finding(
        "tcp-memory",
        "there is no receive memory left for TCP segments",
        "The socket's receive buffer is full, all of TCP is above net.ipv4.tcp_mem, or the cgroup is at its limit: segments are dropped, out-of-order ones first.",
    )
    .doubt("The kernel has one reason for tcp_mem, the cgroup's limit and the socket's own buffer.")
    .causes(&["programs that do not read, on many connections", "tcp_mem or tcp_rmem too small for the traffic", "a cgroup's memory limit"])
    .remedy(&[
        "cat /proc/net/sockstat: TCP mem, in pages, against sysctl net.ipv4.tcp_mem",
        "ss -tnmp 'sport = :PORT': Recv-Q and rb of the socket; many with a full Recv-Q are programs that do not read",
        "sysctl net.ipv4.tcp_rmem net.ipv4.tcp_mem: larger, or cat /sys/fs/cgroupCGROUP/memory.events: the cgroup's limit",
        "sysctl net.ipv4.tcp_rmem net.ipv4.tcp_mem: larger, where the traffic needs it",
    ])
    .commands(&["cat /proc/net/sockstat; sysctl net.ipv4.tcp_mem net.ipv4.tcp_rmem", "nstat -az TcpExtTCPRcvQDrop TcpExtTCPOFODrop TcpExtOfoPruned TcpExtRcvPruned TcpExtTCPMemoryPressures"])
    .see(&["PROTO_MEM", "TCP_OFO_QUEUE_PRUNE", "TcpExtTCPRcvQDrop", "TcpExtOfoPruned"]),
    finding(
        "tcp-backlog-full",
        "the backlog of a TCP socket that its program holds locked is full",
        "While a process works in a socket, segments wait in its backlog, up to the sum of both buffers and 64 KiB. What is above is dropped.",
    )
    .doubt("A burst that is larger than the backlog fills it while the program holds the socket for a moment only.")
    .causes(&["a program that copies huge buffers in one call", "a starved processor: the process holds the lock and does not run", "buffers fixed too small (SO_RCVBUF, SO_SNDBUF)"])
    .remedy(&[
        "top -H -p PID, or perf trace -p PID: how long COMM stays in one call",
        "ss -tnm 'sport = :PORT': bl is the backlog, rb and tb the buffers that limit it",
        "larger buffers (net.ipv4.tcp_rmem, net.ipv4.tcp_wmem, no SO_RCVBUF in the program), smaller writes, more processor time for the cgroup",
    ])
    .commands(&["nstat -az TcpExtTCPBacklogDrop TcpExtTCPBacklogCoalesce", "ss -tnm"])
    .see(&["SOCKET_BACKLOG", "TcpExtTCPBacklogDrop"]),
    finding(
        "tcp-data-after-close",
        "the peer sends data after the program has closed the connection",
        "The program called close or shutdown and does not read any more; the peer did not know, or does not care. The data is lost, and a reset goes back.",
    )
    .normal("A client that hangs up in the middle of a download.")
    .doubt("On older kernels data for a listener, of a connection from before a restart, is dropped in the same place.")
    .causes(&["a server or client that closes before it has read everything: a timeout, an error, a limit", "a protocol in which both ends think that the other speaks last"])
    .remedy(&[
        "netdiag conn: who closed first, after how long and how many bytes",
        "in the program of DESTINATION port PORT: read to the end, or shutdown(SHUT_WR) and wait, before close",
    ])
    .commands(&["nstat -az TcpExtTCPAbortOnData TcpExtTCPAbortOnClose", "netdiag conn"])
    .see(&["TCP_ABORT_ON_DATA", "TCP_CLOSE", "connection-reset"]),
];
