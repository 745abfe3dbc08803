//! Counters of TCP that speak of retransmissions.

use crate::analysis::explain::{Entry, named_counter};

pub(super) const ENTRIES: &[Entry] = &[
    named_counter(
        "TcpRetransSegs",
        "TCP segments that were sent again",
        "__tcp_retransmit_skb and tcp_rtx_synack count segments, not calls: a call may send \
         several. netdiag retrans explains each of them.",
    )
    .normal(
        "Below one in a thousand of TcpOutSegs on the internet, far less within a data \
             centre.",
    )
    .causes(&["loss on the way or on this host, late acknowledgments, a peer that does not answer"])
    .commands(&["netdiag retrans", "nstat TcpRetransSegs TcpOutSegs"])
    .see(&["packet-loss", "TcpExtTCPTimeouts", "TcpExtTCPSynRetrans"]),
    named_counter(
        "TcpExtTCPSynRetrans",
        "SYNs and SYN-ACKs that were sent again",
        "The handshake gets no answer: SYNs of this host's own connections, SYN-ACKs of those \
         that come in.",
    )
    .causes(&["a filter, a dead peer, a full accept queue on either side, forged clients"])
    .commands(&[
        "ss -n -t state syn-sent; ss -n -t state syn-recv",
        "netdiag retrans",
    ])
    .see(&["peer-unreachable", "return-path-lost"]),
    named_counter(
        "TcpExtTCPRetransFail",
        "retransmissions that failed on this host",
        "__tcp_retransmit_skb: the packet could not be handed to the device.",
    )
    .causes(&["EPERM of a netfilter rule, no route, ENOBUFS of a queue"])
    .commands(&["netdiag retrans; nft list ruleset; ip route get ADDRESS"])
    .see(&["retransmission-failed-here"]),
    named_counter(
        "TcpExtTCPSpuriousRtxHostQueues",
        "retransmissions put off: the first transmission has not left the host",
        "skb_still_in_host_queue: qdisc or driver still hold the segment.",
    )
    .causes(&["a slow shaper, a paused device, a virtual device that nobody empties"])
    .commands(&["tc -s qdisc show; ethtool -S DEVICE | grep -i pause"])
    .see(&["host-queue-delay"]),
    named_counter(
        "TcpExtTCPTimeouts",
        "times that a retransmission timer ran out",
        "tcp_retransmit_timer: nothing was heard for a whole timeout; the connection starts \
         slowly again. The worst kind for latency.",
    )
    .normal("Single ones when peers vanish.")
    .causes(&["loss of whole bursts, or of the last segments; a peer or path that is gone"])
    .commands(&["netdiag retrans; ss -t -o -n  # timer:(on,...) and its backoff"])
    .see(&["packet-loss", "peer-unreachable", "TcpRetransSegs"]),
    named_counter(
        "TcpExtTCPLossProbes",
        "probes sent because the end of a burst was not acknowledged",
        "tcp_send_loss_probe: the last segment is sent again, to learn of a loss without waiting \
         for the timer.",
    )
    .normal("Ordinary for request and answer traffic with delayed acknowledgments.")
    .causes(&["loss at the end of bursts; a peer that holds acknowledgments back"])
    .commands(&["nstat -az TcpExtTCPLossProbes TcpExtTCPLossProbeRecovery"])
    .see(&["tail-loss", "TcpExtTCPLossProbeRecovery"]),
    named_counter(
        "TcpExtTCPLossProbeRecovery",
        "probes that brought a lost segment back",
        "tcp_process_tlp_ack: the probe itself repaired a loss; the rest of TcpExtTCPLossProbes \
         were not needed, or led to fast retransmission.",
    )
    .causes(&["loss at the end of bursts"])
    .commands(&["nstat -az TcpExtTCPLossProbes TcpExtTCPLossProbeRecovery"])
    .see(&["tail-loss", "TcpExtTCPLossProbes"]),
    named_counter(
        "TcpExtTCPFastRetrans",
        "segments sent again because acknowledgments showed a gap",
        "The cheap way to repair a loss, within a round trip.",
    )
    .normal("A little with any congestion control: it finds the rate by loss.")
    .causes(&["congestion or loss on the way; reordering that looks like loss"])
    .commands(&["ss -t -i -n  # retrans, reordering"])
    .see(&["packet-loss", "TcpExtTCPSlowStartRetrans"]),
    named_counter(
        "TcpExtTCPSlowStartRetrans",
        "segments sent again after a timeout, while starting slowly",
        "What follows a timeout: everything outstanding is taken for lost.",
    )
    .causes(&[
        "whatever made the timer run out: loss of a whole burst, a path that was gone for a \
         while",
    ])
    .commands(&["nstat -az TcpExtTCPTimeouts TcpExtTCPSlowStartRetrans"])
    .see(&["TcpExtTCPTimeouts", "packet-loss"]),
    named_counter(
        "TcpExtTCPLostRetransmit",
        "segments that were lost again after having been sent again",
        "tcp_mark_skb_lost and RACK saw that the repetition did not arrive either.",
    )
    .causes(&["heavy loss: a policer, a full queue, a bad link"])
    .commands(&["mtr -n ADDRESS; netdiag retrans"])
    .see(&["packet-loss"]),
    named_counter(
        "TcpExtTCPSpuriousRTOs",
        "timeouts that turned out to be needless (F-RTO)",
        "tcp_process_loss: what the timer took for lost was only late.",
    )
    .causes(&["delay that jumps: wireless links, deep queues, virtual machines that pause"])
    .commands(&["ss -t -i -n  # rtt, rttvar, rto"])
    .see(&["spurious-retransmission"]),
    named_counter(
        "TcpExtTCPDSACKRecv",
        "reports of peers that something arrived twice",
        "tcp_check_dsack: the peer had the data already, so a retransmission was needless, or \
         the network duplicated it.",
    )
    .normal("A few with any reordering.")
    .causes(&["acknowledgments lost or late on the way back; reordering"])
    .commands(&["ss -t -i -n  # dsack_dups, reord_seen"])
    .see(&["spurious-retransmission", "TcpExtTCPDSACKOfoRecv"]),
    named_counter(
        "TcpExtTCPDSACKOfoRecv",
        "reports of peers that an out-of-order segment arrived twice",
        "As TcpExtTCPDSACKRecv, for data beyond a gap.",
    )
    .causes(&["reordering, or a sender that repeats more than was lost"])
    .commands(&["nstat -az | grep DSACK"])
    .see(&["spurious-retransmission", "TcpExtTCPDSACKRecv"]),
    named_counter(
        "TcpExtTCPDSACKOldSent",
        "reports to peers that they sent something twice",
        "tcp_send_dupack, tcp_data_queue: this host is the receiver of needless repetitions.",
    )
    .causes(&["acknowledgments of this host are lost or late on their way"])
    .commands(&["nstat -az TcpExtDelayedACKLost TcpExtTCPDSACKOldSent"])
    .see(&["TCP_OLD_DATA", "TcpExtDelayedACKLost"]),
    named_counter(
        "TcpExtTCPDSACKOfoSent",
        "reports to peers that they sent an out-of-order segment twice",
        "tcp_data_queue_ofo.",
    )
    .causes(&["a sender that repeats more than was lost; duplicated packets"])
    .commands(&["nstat -az TcpExtTCPOFOMerge TcpExtTCPDSACKOfoSent"])
    .see(&["TCP_OFOMERGE"]),
    named_counter(
        "TcpExtTCPWinProbe",
        "probes of a closed window",
        "tcp_send_probe0: the peer has no room, and this host asks from time to time.",
    )
    .normal("For moments under load.")
    .causes(&["the peer's application does not read"])
    .commands(&["ss -t -i -n dst ADDRESS  # rwnd_limited; timer:(persist,...) with -o"])
    .see(&["zero-window-stall"]),
    named_counter(
        "TcpExtTCPToZeroWindowAdv",
        "times that this host closed its own receive window",
        "tcp_select_window: the receive buffer is full, the local program does not read.",
    )
    .causes(&["a program that is too slow or stopped; a small fixed SO_RCVBUF"])
    .commands(&["ss -t -m -p  # Recv-Q"])
    .see(&["TCP_ZEROWINDOW", "TcpExtTCPZeroWindowDrop"]),
    named_counter(
        "TcpExtTCPMTUPFail",
        "path MTU probes that were lost",
        "tcp_mtup_probe_failed (net.ipv4.tcp_mtu_probing): a larger segment did not get through.",
    )
    .normal("It is how probing finds the limit.")
    .causes(&["a path with a smaller MTU than the device has"])
    .commands(&["sysctl net.ipv4.tcp_mtu_probing; tracepath -n ADDRESS"])
    .see(&["path-mtu-black-hole", "TcpExtTCPMTUPSuccess"]),
    named_counter(
        "TcpExtTCPMTUPSuccess",
        "path MTU probes that arrived",
        "tcp_mtup_probe_success: the segment size was raised.",
    )
    .normal("Ordinary with tcp_mtu_probing.")
    .causes(&["probing is on, and the path takes larger segments than was thought"])
    .commands(&["sysctl net.ipv4.tcp_mtu_probing; ss -t -i -n  # pmtu, mss"])
    .see(&["TcpExtTCPMTUPFail"]),
];
