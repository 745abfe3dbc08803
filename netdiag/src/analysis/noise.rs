//! Known noise: what the kernel frees as if it were dropped, and what every network drops all the time.

use super::{
    event::Event,
    place::{IP4_FINISH, RAW},
};
use crate::decode::TcpFlags;

/// Drops that say nothing of a fault. All that is given must hold.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// The reason, one of these; empty for any, and for none.
    reasons: &'static [&'static str],
    /// The function, one of these; empty for any.
    functions: &'static [&'static str],
    /// What the packet must be.
    packet: fn(&Event<'_>) -> bool,
    /// Whether a rule may know better.
    pub claimable: bool,
    /// Why it is no fault.
    pub why: &'static str,
}

const ANY: fn(&Event<'_>) -> bool = |_| true;

/// All of them.
pub const NOISE: &[Noise] = &[
    Noise {
        reasons: &["QUEUE_PURGE"],
        functions: &[],
        packet: ANY,
        claimable: false,
        why: "a queue is emptied, because its socket or device goes: a packet socket that closes has copies only",
    },
    Noise {
        // 6.1 and older give no reason of its own.
        reasons: &[],
        functions: &[
            "skb_queue_purge",
            "skb_queue_purge_reason",
            "__skb_queue_purge",
            "sk_stream_kill_queues",
            // What nobody read from a TUN device that its program closes.
            "tun_queue_purge",
        ],
        packet: ANY,
        claimable: false,
        why: "a queue is emptied, because its socket or device goes: a packet socket that closes has copies only",
    },
    Noise {
        reasons: &[],
        functions: &["nfnetlink_rcv_batch"],
        packet: ANY,
        claimable: false,
        why: "a transaction of nftables frees its own message",
    },
    Noise {
        reasons: &["", "NOT_SPECIFIED"],
        functions: &["inet_rtm_getroute", "inet6_rtm_getroute"],
        packet: ANY,
        claimable: false,
        why: "who asks for a route (ip route get) and gets an error makes the kernel free the packet that it tried it with",
    },
    Noise {
        reasons: &["SOCKET_FILTER"],
        functions: RAW,
        packet: ANY,
        // A program of its cgroup may refuse it as well.
        claimable: true,
        why: "raw sockets get a copy each, and a filter on one refuses what is for others: that of ping, for instance",
    },
    Noise {
        reasons: &["", "NOT_SPECIFIED"],
        functions: &["ip6_mc_input"],
        packet: ANY,
        claimable: false,
        why: "IPv6 multicast for a group that nobody here has joined",
    },
    Noise {
        reasons: &["", "NOT_SPECIFIED"],
        functions: IP4_FINISH,
        packet: is_multicast,
        // The source is looked at there as well.
        claimable: true,
        why: "IPv4 multicast for a group that nobody here has joined",
    },
    Noise {
        reasons: &["", "NOT_SPECIFIED"],
        // LAST_ACK and CLOSING in the first; in the others TIME_WAIT, which stands for FIN_WAIT2 as well
        // (`tcp_timewait_state_process`).
        functions: &["tcp_rcv_state_process", "tcp_v4_rcv", "tcp_v6_rcv"],
        packet: closes,
        // A full accept queue and other faults drop there, too.
        claimable: true,
        why: "the kernel frees the last segments of a connection that closes, which carry no data, as if they were dropped",
    },
    Noise {
        reasons: &["", "NOT_SPECIFIED", "PACKET_SOCK_ERROR"],
        functions: &["packet_rcv", "tpacket_rcv"],
        packet: ANY,
        claimable: false,
        why: "a packet socket, of a capture for instance, does not read its copies fast enough; whoever else wants the packets gets them",
    },
    Noise {
        reasons: &[],
        functions: &[],
        packet: link_control,
        claimable: false,
        why: "a frame of LLDP, spanning tree or another protocol between neighbouring switches",
    },
    Noise {
        reasons: &["", "NOT_SPECIFIED"],
        functions: &["icmpv6_rcv"],
        packet: |event| event.packet.icmp_type() == Some(ICMPV6_ECHO_REQUEST),
        // One with a bad checksum ends there as well.
        claimable: true,
        why: "up to 6.1 the kernel frees an echo request of ICMPv6 so when it has answered",
    },
];

/// Not for everybody, whom nobody has to join.
fn is_multicast(event: &Event<'_>) -> bool {
    event
        .packet
        .dst()
        .is_some_and(|address| address.is_multicast())
}

/// An ACK, or FIN and ACK, without data.
fn closes(event: &Event<'_>) -> bool {
    let acknowledges =
        |flags: TcpFlags| flags.has(TcpFlags::ACK) && !flags.has(TcpFlags::SYN | TcpFlags::RST);
    event.tcp().is_some_and(acknowledges) && event.payload() == 0
}

const ICMPV6_ECHO_REQUEST: u8 = 128;

/// 01:80:c2:00:00:00 to 0f: no bridge passes these on, and who does not speak the protocol drops them.
fn link_control(event: &Event<'_>) -> bool {
    let link = event.packet.link;
    link.is_some_and(|link| matches!(link.destination.0, [0x01, 0x80, 0xc2, 0, 0, 0..=0x0f]))
}

/// The noise that a drop is, if it is some.
#[must_use]
pub fn noise(event: &Event<'_>) -> Option<&'static Noise> {
    if !event.is_drop() {
        return None;
    }
    let reason = event.reason.as_deref().unwrap_or_default();
    let function = event.bare_function();
    NOISE.iter().find(|noise| {
        (noise.reasons.is_empty() || noise.reasons.contains(&reason))
            && (noise.functions.is_empty()
                || function.is_some_and(|name| noise.functions.contains(&name)))
            && (noise.packet)(event)
    })
}
