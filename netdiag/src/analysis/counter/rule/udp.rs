//! Counters of UDP, for both IP versions.

use super::{CounterRule, Family, HeaderFault, any, missing, on, rule};
use crate::analysis::place::{UDP, UDP_ENQUEUE, UDP_QUEUE, UDP_READ, UDP6, UDP6_QUEUE};

pub(super) static RULES: &[CounterRule] = &[
    rule(
        "UdpNoPorts",
        Family::Udp,
        // Without a reason this is a guess: it is what nearly all drops there are, once length and checksum are right.
        &[
            on(&["NO_SOCKET"], UDP),
            missing(UDP).fault(HeaderFault::None),
        ],
        "UDP packets for a port that nobody listens on",
    ),
    rule(
        "UdpInErrors",
        Family::Udp,
        &[
            on(&["UDP_CSUM", "PKT_TOO_SMALL", "XFRM_POLICY"], UDP),
            // Whatever fails at the socket ends in UDP_MIB_INERRORS.
            any(UDP_QUEUE),
            any(UDP_ENQUEUE).version(4),
            any(UDP_READ),
            on(&["UDP_CSUM"], &["udp_recvmsg"]),
            missing(UDP).fault(HeaderFault::Header),
            missing(UDP).fault(HeaderFault::LengthBeyond),
            missing(UDP).fault(HeaderFault::Checksum),
        ],
        "UDP packets not delivered: bad length or checksum, a socket filter, a full receive buffer",
    ),
    rule(
        "UdpInCsumErrors",
        Family::Udp,
        &[
            on(&["UDP_CSUM"], UDP),
            on(&["UDP_CSUM"], UDP_QUEUE),
            any(UDP_READ),
            on(&["UDP_CSUM"], &["udp_recvmsg"]),
            missing(UDP).fault(HeaderFault::Checksum),
            missing(UDP_QUEUE).fault(HeaderFault::Checksum),
        ],
        "UDP packets with a bad checksum",
    ),
    rule(
        "UdpRcvbufErrors",
        Family::Udp,
        // Without a reason, a socket filter drops at the same place.
        &[
            on(&["SOCKET_RCVBUFF"], UDP_QUEUE),
            missing(UDP_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp_queue"),
        ],
        "UDP packets dropped because the socket's receive buffer was full",
    ),
    rule(
        "UdpMemErrors",
        Family::Udp,
        &[
            on(&["PROTO_MEM"], UDP_QUEUE),
            on(&["PROTO_MEM"], UDP_ENQUEUE).version(4),
            missing(UDP_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp_queue"),
        ],
        "UDP packets dropped because all UDP sockets together used up udp_mem, or a cgroup's its memory",
    ),
    rule(
        "UdpSndbufErrors",
        Family::Udp,
        &[],
        "UDP packets that could not be sent: ENOBUFS of a device or queue",
    ),
    rule(
        "Udp6NoPorts",
        Family::Udp6,
        // __udp6_lib_rcv says NO_SOCKET even when it then finds the checksum bad, and counts that instead.
        &[
            on(&["NO_SOCKET"], UDP6).fault(HeaderFault::None),
            missing(UDP6).fault(HeaderFault::None),
        ],
        "UDP packets over IPv6 for a port that nobody listens on",
    ),
    rule(
        "Udp6InErrors",
        Family::Udp6,
        &[
            on(&["UDP_CSUM", "PKT_TOO_SMALL", "XFRM_POLICY"], UDP6),
            on(&["NO_SOCKET"], UDP6).fault(HeaderFault::Checksum),
            any(UDP6_QUEUE),
            any(UDP_ENQUEUE).version(6),
            on(&["UDP_CSUM"], &["udpv6_recvmsg"]),
            missing(UDP6).fault(HeaderFault::Header),
            missing(UDP6).fault(HeaderFault::LengthBeyond),
            missing(UDP6).fault(HeaderFault::Checksum),
        ],
        "UDP packets over IPv6 not delivered: bad length or checksum, a socket filter, a full receive buffer",
    ),
    rule(
        "Udp6InCsumErrors",
        Family::Udp6,
        &[
            on(&["UDP_CSUM"], UDP6),
            on(&["UDP_CSUM"], UDP6_QUEUE),
            on(&["UDP_CSUM"], &["udpv6_recvmsg"]),
            on(&["NO_SOCKET"], UDP6).fault(HeaderFault::Checksum),
            missing(UDP6).fault(HeaderFault::Checksum),
            missing(UDP6_QUEUE).fault(HeaderFault::Checksum),
        ],
        "UDP packets over IPv6 with a bad checksum",
    ),
    rule(
        "Udp6RcvbufErrors",
        Family::Udp6,
        &[
            on(&["SOCKET_RCVBUFF"], UDP6_QUEUE),
            missing(UDP6_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp6_queue"),
        ],
        "UDP packets over IPv6 dropped because the socket's receive buffer was full",
    ),
    rule(
        "Udp6MemErrors",
        Family::Udp6,
        &[
            on(&["PROTO_MEM"], UDP6_QUEUE),
            on(&["PROTO_MEM"], UDP_ENQUEUE).version(6),
            missing(UDP6_QUEUE)
                .fault(HeaderFault::None)
                .choice("udp6_queue"),
        ],
        "UDP packets over IPv6 dropped because all UDP sockets together used up udp_mem",
    ),
    rule(
        "Udp6SndbufErrors",
        Family::Udp6,
        &[],
        "UDP packets over IPv6 that could not be sent: ENOBUFS",
    ),
];
