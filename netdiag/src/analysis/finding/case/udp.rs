use super::*;

/// With a UDP length that is beyond the packet.
fn overlong(mut bytes: Vec<u8>) -> Vec<u8> {
    let header = if bytes[0] >> 4 == 6 { 40 } else { 20 };
    bytes[header + 4] = 4;
    bytes
}

#[test]
fn a_port_is_closed() {
    check([
        (drop(udp4(), "NO_SOCKET", "udp_rcv"), "udp-port-closed"),
        (
            drop(udp4(), "NO_SOCKET", "__udp4_lib_rcv"),
            "udp-port-closed",
        ),
        (drop(udp4(), "", "__udp4_lib_rcv"), "udp-port-closed"),
        (
            drop(udp6(), "NO_SOCKET", "__udp6_lib_rcv"),
            "udp-port-closed",
        ),
        (drop(udp6(), "", "__udp6_lib_rcv"), "udp-port-closed"),
    ]);
    nothing([
        drop(between6(SRC6, GROUP6), "", "__udp6_lib_rcv"),
        drop(
            between(SRC.octets(), [224, 0, 0, 251]),
            "NO_SOCKET",
            "udp_rcv",
        ),
        drop(
            between(SRC.octets(), [255; 4]),
            "NOT_SPECIFIED",
            "__udp4_lib_rcv",
        ),
    ]);
}

#[test]
fn a_socket_is_full() {
    check([
        (
            drop(udp4(), "SOCKET_RCVBUFF", "udp_queue_rcv_one_skb"),
            "udp-receive-buffer-full",
        ),
        (
            drop(udp4(), "", "udp_queue_rcv_one_skb"),
            "udp-receive-buffer-full",
        ),
        (
            drop(udp6(), "SOCKET_RCVBUFF", "udpv6_queue_rcv_one_skb"),
            "udp-receive-buffer-full",
        ),
        (
            drop(udp6(), "", "udpv6_queue_rcv_one_skb"),
            "udp-receive-buffer-full",
        ),
        (
            drop(udp4(), "PROTO_MEM", "udp_queue_rcv_one_skb"),
            "udp-memory",
        ),
        (
            drop(udp6(), "PROTO_MEM", "udpv6_queue_rcv_one_skb"),
            "udp-memory",
        ),
    ]);
    // A ping's raw socket, and a netlink socket.
    nothing([
        drop(
            frame::ipv4(1, SRC, DST, &frame::icmp_echo_request(1, 1, b""), 64),
            "SOCKET_RCVBUFF",
            "raw_rcv",
        ),
        drop(Vec::new(), "SOCKET_RCVBUFF", "netlink_unicast"),
    ]);
}

#[test]
fn a_datagram_is_wrong_in_itself() {
    check([
        (
            drop(overlong(udp4()), "PKT_TOO_SMALL", "udp_rcv"),
            "udp-length",
        ),
        (drop(overlong(udp4()), "", "__udp4_lib_rcv"), "udp-length"),
        (
            drop(overlong(udp6()), "PKT_TOO_SMALL", "__udp6_lib_rcv"),
            "udp-length",
        ),
        (drop(overlong(udp6()), "", "__udp6_lib_rcv"), "udp-length"),
        (drop(spoilt(udp4()), "UDP_CSUM", "udp_rcv"), "udp-checksum"),
        (drop(spoilt(udp4()), "", "__udp4_lib_rcv"), "udp-checksum"),
        (
            drop(spoilt(udp4()), "", "udp_queue_rcv_one_skb"),
            "udp-checksum",
        ),
        (drop(udp4(), "", "first_packet_length"), "udp-checksum"),
        (
            drop(spoilt(udp6()), "UDP_CSUM", "__udp6_lib_rcv"),
            "udp-checksum",
        ),
        (drop(spoilt(udp6()), "", "__udp6_lib_rcv"), "udp-checksum"),
        (
            drop(spoilt(udp6()), "NO_SOCKET", "__udp6_lib_rcv"),
            "udp-checksum",
        ),
        (
            drop(spoilt(udp4()), "NO_SOCKET", "udp_rcv"),
            "udp-port-closed",
        ),
        // What this host made itself has no checksum yet.
        (
            drop(spoilt(udp4()), "", "__udp4_lib_rcv").sent(),
            "udp-port-closed",
        ),
    ]);
}

#[test]
fn an_icmp_checksum_is_wrong() {
    let echo4 = || frame::ipv4(1, SRC, DST, &frame::icmp_echo_request(1, 1, b"ping"), 64);
    let echo6 = || {
        frame::ipv6(
            58,
            SRC6,
            DST6,
            &frame::icmpv6_echo_request(SRC6, DST6, 1, 1, b"ping"),
            64,
        )
    };
    check([
        (
            drop(spoilt(echo4()), "ICMP_CSUM", "icmp_rcv"),
            "icmp-checksum",
        ),
        (drop(spoilt(echo4()), "", "icmp_rcv"), "icmp-checksum"),
        (
            drop(spoilt(echo6()), "ICMP_CSUM", "icmpv6_rcv"),
            "icmp-checksum",
        ),
        (drop(spoilt(echo6()), "", "icmpv6_rcv"), "icmp-checksum"),
    ]);
    nothing([
        drop(echo4(), "", "icmp_rcv"),
        drop(echo6(), "UNHANDLED_PROTO", "icmpv6_rcv"),
    ]);
}

#[test]
fn a_wrong_checksum_explains_its_counter_without_a_reason() {
    use crate::analysis::counter::explaining;
    let counters = |drop: Drop| drop.with(|event| explaining(&event.facts()).collect::<Vec<_>>());
    let spoilt4 = counters(drop(spoilt(udp4()), "", "__udp4_lib_rcv"));
    assert!(
        spoilt4.contains(&"UdpInCsumErrors") && !spoilt4.contains(&"UdpNoPorts"),
        "{spoilt4:?}"
    );
    let closed = counters(drop(udp4(), "", "__udp4_lib_rcv"));
    assert!(
        closed.contains(&"UdpNoPorts") && !closed.contains(&"UdpInCsumErrors"),
        "{closed:?}"
    );
}
