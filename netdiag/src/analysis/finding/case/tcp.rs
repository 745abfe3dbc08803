use super::*;

const RECEIVE: [(u8, &str, &str); 2] = [
    (4, "tcp_v4_rcv", "tcp_v4_do_rcv"),
    (6, "tcp_v6_rcv", "tcp_v6_do_rcv"),
];

/// With an MD5 signature (RFC 2385).
fn signed() -> Vec<u8> {
    let mut option = [0; 20];
    option[..4].copy_from_slice(&[1, 1, 19, 18]);
    let tcp = PacketBuilder::ipv4(SRC.octets(), DST.octets(), 64)
        .tcp(4000, 179, 1000, 512)
        .syn();
    let mut bytes = Vec::new();
    tcp.options_raw(&option)
        .unwrap()
        .write(&mut bytes, &[])
        .unwrap();
    bytes
}

#[test]
fn a_connection_is_not_taken() {
    for (version, receive, do_rcv) in RECEIVE {
        let at = |flags, payload: &[u8], reason, function| {
            drop(segment(version, flags, payload), reason, function)
        };
        check([
            (at(SYN, b"", "NO_SOCKET", receive), "tcp-port-closed"),
            (at(SYN, b"", "", receive), "tcp-port-closed"),
            (at(SYN, b"", "TCP_MINTTL", receive), "tcp-ttl-too-low"),
            (at(SYN, b"", "NOT_SPECIFIED", receive), "tcp-ttl-too-low"),
            (
                at(ACK, b"", "TCP_LISTEN_OVERFLOW", "tcp_check_req"),
                "accept-queue-overflow",
            ),
            (
                at(ACK, b"", "NOT_SPECIFIED", receive),
                "accept-queue-overflow",
            ),
            (at(ACK, b"", "", do_rcv), "syncookie-failed"),
            (at(ACK, b"", "NOT_SPECIFIED", do_rcv), "syncookie-failed"),
            (at(ACK, b"", "TCP_FLAGS", do_rcv), "syncookie-failed"),
            (at(SYN | FIN, b"", "TCP_FLAGS", do_rcv), "tcp-flags-invalid"),
            (
                at(0, b"", "TCP_FLAGS", "tcp_rcv_established"),
                "tcp-flags-invalid",
            ),
            (
                at(SYN, b"", "TCP_INVALID_SYN", "tcp_validate_incoming"),
                "tcp-flags-invalid",
            ),
            (at(SYN | ACK, b"", "", do_rcv), "tcp-ack-invalid"),
            (
                at(SYN | ACK, b"", "TCP_INVALID_ACK_SEQUENCE", do_rcv),
                "tcp-ack-invalid",
            ),
            (
                at(ACK, b"", "TCP_ACK_UNSENT_DATA", "tcp_ack"),
                "tcp-ack-invalid",
            ),
            (at(ACK, b"x", "TCP_MD5NOTFOUND", receive), "tcp-signature"),
            (at(SYN, b"", "TCP_AOFAILURE", receive), "tcp-signature"),
        ]);
        // Segments of connections that are over.
        nothing([
            at(ACK, b"late", "NO_SOCKET", receive),
            at(RST, b"", "NO_SOCKET", receive),
            at(FIN | ACK, b"", "", receive),
            at(SYN | ACK, b"", "NO_SOCKET", receive),
            at(ACK, b"", "", receive),
        ]);
    }
    for cookie in ["cookie_v4_check", "cookie_v6_check"] {
        check([(
            drop(segment(4, ACK, b""), "NO_SOCKET", cookie),
            "accept-queue-overflow",
        )]);
    }
    check([(drop(signed(), "", "tcp_v4_rcv"), "tcp-signature")]);
}

#[test]
fn a_segment_is_wrong_in_itself() {
    for (version, receive, do_rcv) in RECEIVE {
        let bad = || spoilt(segment(version, ACK, b"data"));
        check([
            (drop(bad(), "TCP_CSUM", receive), "tcp-checksum"),
            (drop(bad(), "", receive), "tcp-checksum"),
            (drop(bad(), "", do_rcv), "tcp-checksum"),
        ]);
        let mut short = segment(version, SYN, b"");
        let offset = if version == 4 { 32 } else { 52 };
        short[offset] = 3 << 4;
        check([(drop(short, "PKT_TOO_SMALL", receive), "tcp-flags-invalid")]);
    }
    // An offload artefact on the way out is no fault.
    assert_ne!(
        drop(spoilt(segment(4, ACK, b"data")), "", "tcp_v4_rcv")
            .sent()
            .finding(),
        Some("tcp-checksum")
    );
}

#[test]
fn a_connection_does_not_take_a_segment() {
    for version in [4, 6] {
        let at = |flags, payload: &[u8], reason, function| {
            drop(segment(version, flags, payload), reason, function)
        };
        let data = |reason| at(ACK, b"some data", reason, "tcp_data_queue");
        let do_rcv = if version == 4 {
            "tcp_v4_do_rcv"
        } else {
            "tcp_v6_do_rcv"
        };
        check([
            (data("TCP_ZEROWINDOW"), "tcp-zero-window"),
            (data("TCP_RFC7323_PAWS"), "tcp-paws"),
            (data("TCP_RFC7323_TW_PAWS"), "tcp-paws"),
            (data("TCP_OVERWINDOW"), "tcp-out-of-window"),
            (data("TCP_INVALID_SEQUENCE"), "tcp-out-of-window"),
            (data("TCP_INVALID_END_SEQUENCE"), "tcp-zero-window"),
            (data("TCP_OLD_DATA"), "tcp-old-data"),
            (data("TCP_OLD_SEQUENCE"), "tcp-old-data"),
            (data("TCP_OFOMERGE"), "tcp-old-data"),
            (
                at(RST, b"", "TCP_RESET", "tcp_validate_incoming"),
                "tcp-reset-refused",
            ),
            (data("PROTO_MEM"), "tcp-memory"),
            (data("TCP_OFO_QUEUE_PRUNE"), "tcp-memory"),
            (
                at(ACK, b"data", "SOCKET_BACKLOG", "tcp_add_backlog"),
                "tcp-backlog-full",
            ),
            (data("TCP_ABORT_ON_DATA"), "tcp-data-after-close"),
            (
                at(ACK, b"data", "NOT_SPECIFIED", do_rcv),
                "tcp-data-after-close",
            ),
            (at(ACK, b"data", "", do_rcv), "tcp-data-after-close"),
            (data("TCP_CLOSE"), "tcp-data-after-close"),
        ]);
        nothing([
            // Window and keepalive probes, and the ends of connections.
            at(ACK, b"x", "TCP_ZEROWINDOW", "tcp_data_queue"),
            at(ACK, b"", "TCP_OLD_SEQUENCE", "tcp_validate_incoming"),
            at(ACK, b"x", "TCP_OLD_SEQUENCE", "tcp_validate_incoming"),
            at(ACK, b"", "TCP_INVALID_SEQUENCE", "tcp_validate_incoming"),
            at(
                FIN | ACK,
                b"",
                "TCP_INVALID_SEQUENCE",
                "tcp_validate_incoming",
            ),
            at(ACK, b"", "TCP_CLOSE", "tcp_rcv_state_process"),
            at(FIN | ACK, b"", "TCP_CLOSE", "tcp_rcv_state_process"),
            at(ACK, b"", "TCP_OLD_ACK", "tcp_rcv_state_process"),
            at(ACK, b"", "TCP_RFC7323_PAWS_ACK", "tcp_validate_incoming"),
        ]);
    }
}
