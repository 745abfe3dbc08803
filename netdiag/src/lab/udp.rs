//! Datagrams and ICMP messages that reach this host and no reader.

use std::net::{SocketAddr, UdpSocket};

use super::l3::{self, CLOSED_PORT, Ip, arriving, as_it_is, scenario};
use super::traffic::{self, DeafUdpSocket};
use super::{Bench, Expectation, LabError, Owner, Scenario, frame};

/// Where somebody listens.
pub(super) const OPEN_PORT: u16 = 20_007;

/// Since 7.0 one function for both versions of UDP's receive path.
const UDP4: &[&str] = &["__udp4_lib_rcv", "udp_rcv"];
const UDP6: &[&str] = &["__udp6_lib_rcv", "udpv6_rcv", "udp_rcv"];
/// Where a datagram is put into its socket's queue.
pub(super) const QUEUE4: &[&str] =
    &["udp_queue_rcv_one_skb", "__udp_queue_rcv_skb", "__udp_enqueue_schedule_skb"];
pub(super) const QUEUE6: &[&str] = &["udpv6_queue_rcv_one_skb", "__udpv6_queue_rcv_skb"];

pub(super) const UDP_PORT_CLOSED: Expectation = Expectation::finding("udp-port-closed")
    .counter("UdpNoPorts")
    .at(&["NO_SOCKET"], UDP4);

/// How many datagrams fill the smallest receive buffer, and more.
const FILL: u16 = 40;

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "udp-closed-port",
        "Correct UDP datagrams arrive for a port that nobody listens on",
        "The packets are right in every byte; the service is not running. The kernel answers that the port is \
         unreachable.",
        UDP_PORT_CLOSED,
        || arriving(Ip::V4, as_it_is, |seq| Ip::V4.datagram(seq, CLOSED_PORT)),
    ),
    scenario(
        "udp-closed-port6",
        "Correct UDP datagrams arrive over IPv6 for a port that nobody listens on",
        "As udp-closed-port, with IPv6.",
        Expectation::finding("udp-port-closed")
            .counter("Udp6NoPorts")
            .at(&["NO_SOCKET"], UDP6),
        || arriving(Ip::V6, as_it_is, |seq| Ip::V6.datagram(seq, CLOSED_PORT)),
    ),
    scenario(
        "udp-buffer-full",
        "Datagrams arrive faster than the application reads them",
        "A program has a UDP socket and does not come round to reading it. Its receive buffer is full, and whatever \
         arrives is dropped.",
        Expectation::finding("udp-receive-buffer-full")
            .counter("UdpRcvbufErrors")
            .at(&["SOCKET_RCVBUFF"], QUEUE4)
            .of(Owner::Receiver),
        || deaf(Ip::V4),
    ),
    scenario(
        "udp-buffer-full6",
        "Datagrams arrive over IPv6 faster than the application reads them",
        "As udp-buffer-full, with IPv6.",
        Expectation::finding("udp-receive-buffer-full")
            .counter("Udp6RcvbufErrors")
            .at(&["SOCKET_RCVBUFF"], QUEUE6)
            .of(Owner::Receiver),
        || deaf(Ip::V6),
    ),
    scenario(
        "udp-bad-checksum",
        "UDP datagrams arrive with a wrong checksum",
        "Something on the way changes the payload: bad memory, a broken offload, or address translation that forgets \
         the checksum.",
        Expectation::finding("udp-checksum")
            .counter("UdpInCsumErrors")
            .at(&["UDP_CSUM"], UDP4),
        || arriving(Ip::V4, as_it_is, |seq| damaged(Ip::V4.datagram(seq, CLOSED_PORT))),
    ),
    scenario(
        "udp-bad-checksum6",
        "UDP datagrams arrive over IPv6 with a wrong checksum",
        "As udp-bad-checksum, with IPv6.",
        Expectation::finding("udp-checksum")
            .counter("Udp6InCsumErrors")
            .at(&["UDP_CSUM"], UDP6),
        || arriving(Ip::V6, as_it_is, |seq| damaged(Ip::V6.datagram(seq, CLOSED_PORT))),
    ),
    scenario(
        "udp-bad-length",
        "UDP datagrams claim to be longer than the packet that carries them",
        "The length in UDP's header goes beyond the end of the packet: the sender or a tunnel fills it wrongly.",
        Expectation::finding("udp-length")
            .counter("UdpInErrors")
            .at(&["PKT_TOO_SMALL"], UDP4),
        || arriving(Ip::V4, as_it_is, |seq| overlong(Ip::V4, seq)),
    ),
    scenario(
        "udp-bad-length6",
        "UDP datagrams over IPv6 claim to be longer than the packet that carries them",
        "As udp-bad-length, with IPv6.",
        Expectation::finding("udp-length")
            .counter("Udp6InErrors")
            .at(&["PKT_TOO_SMALL"], UDP6),
        || arriving(Ip::V6, as_it_is, |seq| overlong(Ip::V6, seq)),
    ),
    scenario(
        "icmp-bad-checksum",
        "ICMP messages arrive with a wrong checksum",
        "As udp-bad-checksum, with pings, which are never answered.",
        Expectation::finding("icmp-checksum")
            .counter("IcmpInCsumErrors")
            .at(&["ICMP_CSUM"], &["icmp_rcv"]),
        || arriving(Ip::V4, as_it_is, |seq| damaged(l3::echo(seq))),
    ),
    scenario(
        "icmp-bad-checksum6",
        "ICMPv6 messages arrive with a wrong checksum",
        "As icmp-bad-checksum, with IPv6.",
        Expectation::finding("icmp-checksum")
            .counter("Icmp6InCsumErrors")
            .at(&["ICMP_CSUM"], &["icmpv6_rcv"]),
        || arriving(Ip::V6, as_it_is, |seq| damaged(l3::echo6(seq))),
    ),
    scenario(
        "no-route-local",
        "A program sends to where this host has no route",
        "There is no route to 203.0.113.9, not even a default route. The program is told at once (ENETUNREACH); there \
         never is a packet, so only a counter tells.",
        Expectation::counter_alone("no-route", "IpOutNoRoutes"),
        || nowhere(Ip::V4),
    ),
    scenario(
        "no-route-local6",
        "A program sends over IPv6 to where this host has no route",
        "As no-route-local, with IPv6.",
        Expectation::counter_alone("no-route", "Ip6OutNoRoutes"),
        || nowhere(Ip::V6),
    ),
];

/// A socket that somebody listens on.
pub(super) fn listening(ip: Ip, namespace: &super::Namespace) -> Result<UdpSocket, LabError> {
    let address = SocketAddr::new(ip.here(), OPEN_PORT);
    namespace.run(move || traffic::bind_udp(address))
}

fn deaf(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let address = SocketAddr::new(ip.here(), OPEN_PORT);
    let socket = namespace.run(move || DeafUdpSocket::bind(address))?;
    for seq in 1..=FILL {
        tun.write(ip.ethertype(), &ip.datagram(seq, OPEN_PORT))?;
    }
    let packets = l3::repeat(ip.ethertype(), |seq| ip.datagram(seq, OPEN_PORT));
    Ok(Bench::writing(namespace, tun, packets).keeping(socket))
}

/// The last byte of the payload, changed.
pub(super) fn damaged(mut packet: Vec<u8>) -> Vec<u8> {
    if let Some(byte) = packet.last_mut() {
        *byte ^= 0x55;
    }
    packet
}

/// The length in UDP's header goes beyond the packet.
fn overlong(ip: Ip, seq: u16) -> Vec<u8> {
    /// Where the upper byte of the length is in UDP's header.
    const LENGTH_AT: usize = 4;
    let (src, dst) = (ip.remote(), ip.here());
    let mut datagram = frame::udp(src, dst, 40_000 + seq, CLOSED_PORT, b"netdiag");
    if let Some(byte) = datagram.get_mut(LENGTH_AT) {
        *byte = 4;
    }
    ip.packet(frame::PROTO_UDP, &datagram)
}

fn nowhere(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let to = SocketAddr::new(ip.far(), OPEN_PORT);
    Ok(l3::sending(namespace, to, l3::PACKETS)?.keeping(tun))
}
