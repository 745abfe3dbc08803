//! Counters of TCP, for both IP versions.

use super::{ANYWHERE, CounterRule, Family, HeaderFault, missing, on, rule};
use crate::analysis::place::{IP4_FINISH, TCP, TCP_RECEIVE, UDP_QUEUE, UDP6_QUEUE};

const TCP_LISTEN: &[&str] = &["tcp_v4_do_rcv", "tcp_v6_do_rcv"];

pub(super) static RULES: &[CounterRule] = &[
    rule(
        "TcpInErrs",
        Family::Tcp,
        &[
            on(&["TCP_CSUM"], TCP_RECEIVE),
            on(
                &["PKT_TOO_SMALL"],
                &["tcp_v4_rcv", "tcp_v6_rcv", "tcp_rcv_established"],
            ),
            // tcp_validate_incoming counts it in an established connection only.
            on(&["TCP_INVALID_SYN"], ANYWHERE),
            missing(TCP).fault(HeaderFault::Header),
            missing(TCP_RECEIVE).fault(HeaderFault::Checksum),
        ],
        "TCP segments with a bad checksum, a bad header length, or a SYN in an established connection",
    ),
    rule(
        "TcpInCsumErrors",
        Family::Tcp,
        &[
            on(&["TCP_CSUM"], TCP_RECEIVE),
            missing(TCP_RECEIVE).fault(HeaderFault::Checksum),
        ],
        "TCP segments with a bad checksum",
    ),
    rule(
        "TcpExtIPReversePathFilter",
        Family::TcpExt,
        &[
            on(&["IP_RPFILTER"], ANYWHERE),
            missing(IP4_FINISH).choice("ip_rcv_finish_core"),
        ],
        "IPv4 packets that came in by another device than answers would leave by (rp_filter)",
    ),
    rule(
        "TcpExtListenOverflows",
        Family::TcpExt,
        // The last ACK of a handshake: without a reason of its own on older kernels (`tcp_check_req` returns nothing, and
        // `tcp_v4_rcv` discards). A refused SYN leaves no event on any kernel.
        &[
            on(&["TCP_LISTEN_OVERFLOW"], ANYWHERE),
            on(&["NOT_SPECIFIED"], TCP).plain_ack().choice("tcp_v4_rcv"),
            missing(TCP).plain_ack().choice("tcp_v4_rcv"),
        ],
        "connections refused because the accept queue was full",
    ),
    rule(
        "TcpExtListenDrops",
        Family::TcpExt,
        // Rises with the overflows, and has a budget of its own.
        &[
            on(&["TCP_LISTEN_OVERFLOW"], ANYWHERE),
            on(&["NOT_SPECIFIED"], TCP)
                .plain_ack()
                .choice("listen drop"),
            missing(TCP).plain_ack().choice("listen drop"),
        ],
        "connections refused by a listening socket, for whatever cause",
    ),
    rule(
        "TcpExtTCPReqQFullDrop",
        Family::TcpExt,
        &[],
        "SYNs dropped because the request queue was full",
    ),
    rule(
        "TcpExtTCPReqQFullDoCookies",
        Family::TcpExt,
        &[],
        "SYNs that found the request queue full, and were answered with a cookie",
    ),
    rule(
        "TcpExtTCPBacklogDrop",
        Family::TcpExt,
        &[
            on(&["SOCKET_BACKLOG"], TCP_RECEIVE),
            missing(TCP).choice("tcp_v4_rcv"),
        ],
        "TCP segments dropped because the backlog of a busy socket was full",
    ),
    rule(
        "TcpExtTCPRcvQDrop",
        Family::TcpExt,
        &[on(
            &["PROTO_MEM"],
            &[
                "tcp_data_queue",
                "tcp_rcv_established",
                "tcp_rcv_state_process",
            ],
        )],
        "TCP segments dropped because no receive memory was left",
    ),
    rule(
        "TcpExtTCPOFODrop",
        Family::TcpExt,
        &[on(&["PROTO_MEM"], &["tcp_data_queue_ofo"])],
        "out-of-order TCP segments dropped because no receive memory was left",
    ),
    rule(
        "TcpExtOfoPruned",
        Family::TcpExt,
        // One a pruning, which drops several segments.
        &[on(&["TCP_OFO_QUEUE_PRUNE"], ANYWHERE)],
        "times that queued out-of-order segments were dropped to free memory",
    ),
    rule(
        "TcpExtRcvPruned",
        Family::TcpExt,
        &[],
        "times that a receive queue could not be made smaller",
    ),
    rule(
        "TcpExtTCPZeroWindowDrop",
        Family::TcpExt,
        &[on(&["TCP_ZEROWINDOW"], ANYWHERE)],
        "TCP segments that came in although the window was closed",
    ),
    rule(
        "TcpExtPAWSEstab",
        Family::TcpExt,
        &[on(&["TCP_RFC7323_PAWS"], ANYWHERE)],
        "TCP segments with an old timestamp",
    ),
    rule(
        "TcpExtPAWSActive",
        Family::TcpExt,
        &[],
        "answers to a SYN that echo a timestamp which was not sent",
    ),
    rule(
        "TcpExtPAWSOldAck",
        Family::TcpExt,
        &[on(&["TCP_RFC7323_PAWS_ACK"], ANYWHERE)],
        "TCP acknowledgments with an old timestamp",
    ),
    rule(
        "TcpExtTSEcrRejected",
        Family::TcpExt,
        &[on(&["TCP_RFC7323_TSECR"], ANYWHERE)],
        "TCP segments that end a handshake and echo a timestamp which was not sent",
    ),
    rule(
        "TcpExtDelayedACKLost",
        Family::TcpExt,
        &[on(&["TCP_OLD_DATA", "TCP_OLD_SEQUENCE"], ANYWHERE)],
        "TCP segments that had already arrived: the peer repeated them",
    ),
    rule(
        "TcpExtBeyondWindow",
        Family::TcpExt,
        &[on(
            &["TCP_INVALID_SEQUENCE", "TCP_INVALID_END_SEQUENCE"],
            ANYWHERE,
        )],
        "TCP segments beyond the window",
    ),
    rule(
        "TcpExtTCPOFOMerge",
        Family::TcpExt,
        &[on(&["TCP_OFOMERGE"], ANYWHERE)],
        "duplicate out-of-order segments",
    ),
    rule(
        "TcpExtTCPSYNChallenge",
        Family::TcpExt,
        &[on(&["TCP_INVALID_SYN"], ANYWHERE)],
        "SYNs in an existing connection",
    ),
    rule(
        "TcpExtTCPMD5NotFound",
        Family::TcpExt,
        &[
            on(&["TCP_MD5NOTFOUND"], ANYWHERE),
            missing(TCP).choice("tcp_v4_rcv"),
        ],
        "TCP segments without the MD5 signature that was expected",
    ),
    rule(
        "TcpExtTCPMD5Unexpected",
        Family::TcpExt,
        &[
            on(&["TCP_MD5UNEXPECTED"], ANYWHERE),
            missing(TCP).choice("tcp_v4_rcv"),
        ],
        "TCP segments with an MD5 signature that was not expected",
    ),
    rule(
        "TcpExtTCPMD5Failure",
        Family::TcpExt,
        &[
            on(&["TCP_MD5FAILURE"], ANYWHERE),
            missing(TCP).choice("tcp_v4_rcv"),
        ],
        "TCP segments with a wrong MD5 signature",
    ),
    rule(
        "TcpExtTCPAOBad",
        Family::TcpExt,
        &[on(&["TCP_AOFAILURE"], ANYWHERE)],
        "TCP segments with a wrong TCP-AO signature",
    ),
    rule(
        "TcpExtTCPAORequired",
        Family::TcpExt,
        &[on(&["TCP_AONOTFOUND"], ANYWHERE)],
        "TCP segments without the TCP-AO signature that was expected",
    ),
    rule(
        "TcpExtOutOfWindowIcmps",
        Family::TcpExt,
        &[],
        "ICMP errors about data that the connection has not under way",
    ),
    rule(
        "TcpExtLockDroppedIcmps",
        Family::TcpExt,
        &[],
        "ICMP errors that came while a program held the socket",
    ),
    rule(
        "TcpExtTCPAOKeyNotFound",
        Family::TcpExt,
        &[on(&["TCP_AOKEYNOTFOUND"], ANYWHERE)],
        "TCP segments signed with an unknown TCP-AO key",
    ),
    rule(
        "TcpExtTCPMinTTLDrop",
        Family::TcpExt,
        // 6.1 has no reason for it.
        &[
            on(&["TCP_MINTTL"], ANYWHERE),
            on(&["NOT_SPECIFIED"], TCP).choice("tcp_v4_rcv"),
            missing(TCP).choice("tcp_v4_rcv"),
        ],
        "TCP segments whose TTL is below what the socket demands (IP_MINTTL)",
    ),
    rule(
        "TcpExtPFMemallocDrop",
        Family::TcpExt,
        &[
            on(&["PFMEMALLOC"], TCP_RECEIVE),
            on(&["PFMEMALLOC"], UDP_QUEUE),
            on(&["PFMEMALLOC"], UDP6_QUEUE),
        ],
        "packets from the memory reserve that a socket may not use",
    ),
    rule(
        "TcpExtTCPDeferAcceptDrop",
        Family::TcpExt,
        &[],
        "ACKs ignored because of TCP_DEFER_ACCEPT",
    ),
    rule(
        "TcpExtSyncookiesFailed",
        Family::TcpExt,
        // The listener then takes the ACK for one that belongs to no connection, and answers with a reset.
        &[
            on(&["TCP_FLAGS", "NOT_SPECIFIED"], TCP_LISTEN).choice("tcp_v4_do_rcv"),
            missing(TCP_LISTEN).choice("tcp_v4_do_rcv"),
        ],
        "ACKs with an invalid SYN cookie",
    ),
    rule(
        "TcpExtTCPTimeWaitOverflow",
        Family::TcpExt,
        &[],
        "connections without TIME_WAIT: tcp_max_tw_buckets reached",
    ),
];
