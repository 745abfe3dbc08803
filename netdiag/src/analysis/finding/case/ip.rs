use super::*;

const FINISH: &str = "ip_rcv_finish_core.constprop.0";

/// With a No Operation option and its padding.
fn optioned() -> Vec<u8> {
    let mut bytes = udp4();
    bytes[0] = 0x46;
    bytes.splice(20..20, [0x83, 3, 4, 0]);
    let total = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    bytes[2..4].copy_from_slice(&total);
    resum(&mut bytes);
    bytes
}

fn resum(bytes: &mut [u8]) {
    let length = usize::from(bytes[0] & 0xf) * 4;
    bytes[10..12].fill(0);
    let sum = bytes[..length].chunks(2).fold(0u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair[1]]))
    });
    let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    bytes[10..12].copy_from_slice(&(!sum).to_be_bytes());
}

fn with_ttl(mut bytes: Vec<u8>, ttl: u8) -> Vec<u8> {
    if bytes[0] >> 4 == 6 {
        bytes[7] = ttl;
    } else {
        bytes[8] = ttl;
        resum(&mut bytes);
    }
    bytes
}

fn unfragmentable(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[6] |= 0x40;
    resum(&mut bytes);
    bytes
}

fn fragment4() -> Vec<u8> {
    let fragment = frame::Fragment {
        id: 1,
        offset: 0,
        more: true,
    };
    frame::ipv4_fragment(PROTO_UDP, SRC, DST, fragment, &[7; 64], 64)
}

fn fragment6() -> Vec<u8> {
    let fragment = [&[PROTO_UDP, 0, 0, 1, 0, 0, 0, 1][..], &[7; 64]].concat();
    frame::ipv6(44, SRC6, DST6, &fragment, 64)
}

#[test]
fn the_source_is_impossible() {
    let martian = |reason, source| drop(between(source, DST.octets()), reason, FINISH);
    check([
        (drop(udp4(), "IP_RPFILTER", FINISH), "reverse-path-filter"),
        (drop(udp4(), "", FINISH), "reverse-path-filter"),
        (
            drop(udp4(), "IP_LOCAL_SOURCE", "ip_rcv_finish_core"),
            "martian-source",
        ),
        (drop(udp4(), "NOT_SPECIFIED", FINISH), "martian-source"),
        (
            martian("IP_INVALID_SOURCE", [224, 0, 0, 9]),
            "martian-source",
        ),
        (martian("NOT_SPECIFIED", [224, 0, 0, 9]), "martian-source"),
        (martian("", [0, 1, 2, 3]), "martian-source"),
        (
            drop(between6(GROUP6, DST6), "IP_INHDR", "ip6_rcv_core"),
            "martian-source",
        ),
        (
            drop(between6(GROUP6, DST6), "", "ip6_rcv_core"),
            "martian-source",
        ),
        (
            drop(
                between6("fe80::1".parse().unwrap(), DST6),
                "IP_INADDRERRORS",
                "ip6_forward",
            ),
            "martian-source",
        ),
        (martian("IP_LOCALNET", [127, 0, 0, 1]), "loopback-on-wire"),
        (martian("NOT_SPECIFIED", [127, 0, 0, 1]), "loopback-on-wire"),
        (martian("", [127, 0, 0, 1]), "loopback-on-wire"),
        (
            drop(between(SRC.octets(), [127, 0, 0, 1]), "", FINISH),
            "loopback-on-wire",
        ),
        (
            drop(
                between6(Ipv6Addr::LOCALHOST, DST6),
                "IP_INHDR",
                "ip6_rcv_core",
            ),
            "loopback-on-wire",
        ),
        (
            drop(between6(SRC6, Ipv6Addr::LOCALHOST), "", "ip6_rcv_core"),
            "loopback-on-wire",
        ),
    ]);
    nothing([
        // A broadcast frame with a packet for one address, which drop_unicast_in_l2_multicast refuses.
        drop(udp4(), "UNICAST_IN_L2_MULTICAST", FINISH).framed([0xff; 6]),
        drop(udp4(), "", FINISH).framed([0xff; 6]),
    ]);
}

#[test]
fn options_and_extension_headers_are_refused() {
    let routing = frame::ipv6(43, SRC6, DST6, &[59, 0, 0, 1, 0, 0, 0, 0], 64);
    check([
        (drop(optioned(), "IP_INHDR", FINISH), "ip-option-refused"),
        (
            drop(optioned(), "NOT_SPECIFIED", FINISH),
            "ip-option-refused",
        ),
        (drop(optioned(), "", FINISH), "ip-option-refused"),
        (
            drop(routing.clone(), "IP_INHDR", "icmpv6_param_prob_reason"),
            "ip-option-refused",
        ),
        (drop(routing, "", "ipv6_rthdr_rcv"), "ip-option-refused"),
        (
            drop(optioned(), "IP_RPFILTER", FINISH),
            "reverse-path-filter",
        ),
    ]);
    assert_ne!(
        drop(fragment6(), "IP_INHDR", "icmpv6_param_prob_reason").finding(),
        Some("ip-option-refused")
    );
}

#[test]
fn the_route_is_an_error() {
    check([
        (
            drop(udp4(), "IP_INADDRERRORS", "ip_error"),
            "forwarding-off",
        ),
        (
            drop(udp6(), "IP_INADDRERRORS", "ip6_forward"),
            "forwarding-off",
        ),
        (drop(udp6(), "", "ip6_forward"), "forwarding-off"),
        (drop(udp4(), "IP_INNOROUTES", "ip_error"), "no-route"),
        (drop(udp6(), "IP_INNOROUTES", "ip6_pkt_drop"), "no-route"),
        (drop(udp6(), "", "ip6_pkt_drop"), "no-route"),
        (
            drop(segment(4, ACK, b"x"), "IP_OUTNOROUTES", "__ip_queue_xmit").sent(),
            "no-route",
        ),
        (
            drop(segment(4, ACK, b"x"), "", "__ip_queue_xmit").sent(),
            "no-route",
        ),
        (drop(udp4(), "NOT_SPECIFIED", "ip_error"), "route-discards"),
        (
            drop(udp6(), "NOT_SPECIFIED", "dst_discard_out"),
            "route-discards",
        ),
        (drop(udp6(), "", "dst_discard_out"), "route-discards"),
    ]);
    // Without reasons one function stands for three findings, and none of them is sure.
    let silent = drop(udp4(), "", "ip_error");
    for id in ["no-route", "forwarding-off", "route-discards"] {
        assert!(silent.claim(id).is_some_and(|claim| claim < 0.5), "{id}");
    }
    // A device that comes up asks for its neighbours before it has a route.
    nothing([drop(between6(SRC6, GROUP6), "IP_OUTNOROUTES", "ip6_pkt_drop").sent()]);
}

#[test]
fn the_packet_cannot_be_forwarded() {
    let large = || {
        frame::ipv6(
            PROTO_UDP,
            SRC6,
            DST6,
            &frame::udp6(SRC6, DST6, 1, 2, &[0; 1400]),
            64,
        )
    };
    check([
        (
            drop(with_ttl(udp4(), 1), "IP_INHDR", "ip_forward"),
            "ttl-expired",
        ),
        (drop(with_ttl(udp4(), 1), "", "ip_forward"), "ttl-expired"),
        (
            drop(with_ttl(udp6(), 1), "IP_INHDR", "ip6_forward"),
            "ttl-expired",
        ),
        (drop(with_ttl(udp6(), 1), "", "ip6_forward"), "ttl-expired"),
        (
            drop(unfragmentable(udp4()), "PKT_TOO_BIG", "ip_forward"),
            "packet-too-big",
        ),
        (
            drop(unfragmentable(udp4()), "", "ip_forward"),
            "packet-too-big",
        ),
        (
            drop(large(), "PKT_TOO_BIG", "ip6_forward"),
            "packet-too-big",
        ),
        (drop(large(), "", "ip6_forward"), "packet-too-big"),
        (
            drop(unfragmentable(with_ttl(udp4(), 1)), "", "ip_forward"),
            "ttl-expired",
        ),
    ]);
    // It may be cut, so neither its length nor its TTL was the matter.
    nothing([drop(udp4(), "", "ip_forward")]);
}

#[test]
fn fragments_wait_in_vain() {
    check([
        (
            drop(fragment4(), "FRAG_REASM_TIMEOUT", "ip_expire"),
            "fragments-missing",
        ),
        (
            drop(fragment4(), "FRAG_TOO_FAR", "ip_defrag"),
            "fragments-missing",
        ),
        (
            drop(fragment4(), "NOT_SPECIFIED", "ip_expire"),
            "fragments-missing",
        ),
        (
            drop(fragment4(), "", "inet_frag_rbtree_purge"),
            "fragments-missing",
        ),
        (
            drop(fragment6(), "FRAG_REASM_TIMEOUT", "ip6_frag_expire"),
            "fragments-missing",
        ),
        (
            drop(fragment6(), "", "ip6_frag_expire"),
            "fragments-missing",
        ),
    ]);
    nothing([drop(fragment4(), "DUP_FRAG", "ip_defrag")]);
}

#[test]
fn nothing_handles_the_protocol() {
    let sctp4 = || frame::ipv4(132, SRC, DST, &[0; 16], 64);
    let sctp6 = || frame::ipv6(132, SRC6, DST6, &[0; 16], 64);
    check([
        (
            drop(sctp4(), "IP_NOPROTO", "ip_local_deliver_finish"),
            "unknown-ip-protocol",
        ),
        (
            drop(sctp4(), "", "ip_local_deliver_finish"),
            "unknown-ip-protocol",
        ),
        (
            drop(sctp6(), "IP_NOPROTO", "ip6_protocol_deliver_rcu"),
            "unknown-ip-protocol",
        ),
        (
            drop(sctp6(), "", "ip6_protocol_deliver_rcu"),
            "unknown-ip-protocol",
        ),
        (drop(udp4(), "", "ip_local_deliver_finish"), "ipsec-policy"),
    ]);
    nothing([drop(udp6(), "", "ip6_protocol_deliver_rcu")]);
}

#[test]
fn ipv6_is_off() {
    check([
        (
            drop(udp6(), "IPV6DISABLED", "ip6_rcv_core"),
            "ipv6-disabled",
        ),
        (drop(udp6(), "", "ip6_rcv_core"), "ipv6-disabled"),
        (
            drop(udp6(), "", "ip6_rcv_core")
                .framed(OURS)
                .for_another_host(),
            "foreign-mac",
        ),
    ]);
    nothing([
        drop(between6(SRC6, GROUP6), "IPV6DISABLED", "ip6_rcv_core"),
        drop(udp4(), "", "ip_rcv_core"),
    ]);
}
