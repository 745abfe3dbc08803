use super::*;

#[test]
fn a_frame_is_written_where_packets_belong() {
    let raw = || drop(udp4(), "NOT_SPECIFIED", "tun_get_user").framed(OURS);
    let found = |drop: &Drop, ifname| {
        drop.with(|event| {
            let event = Event {
                ifname,
                dev_type: None,
                ..event.clone()
            };
            Findings::default().observe(&event)
        })
    };
    assert_eq!(found(&raw(), None), Some("ethernet-on-l3-device"));
    // A TAP device takes frames, and what it drops is another matter.
    assert_ne!(found(&raw(), Some("tap0")), Some("ethernet-on-l3-device"));
    let packet = drop(udp4(), "NOT_SPECIFIED", "tun_get_user");
    assert_ne!(found(&packet, None), Some("ethernet-on-l3-device"));
}

const CORE: &str = "__netif_receive_skb_core.constprop.0";

fn other(ethertype: u16, destination: frame::Mac) -> Vec<u8> {
    frame::ethernet(destination, THEIRS, ethertype, &[7; 46])
}

#[test]
fn frames_are_for_somebody_else() {
    check([
        (
            drop(udp4(), "OTHERHOST", "ip_rcv_core").framed(OURS),
            "foreign-mac",
        ),
        (
            drop(udp6(), "OTHERHOST", "ip6_rcv_core").framed(OURS),
            "foreign-mac",
        ),
        (
            drop(udp4(), "", "ip_rcv_core")
                .framed(OURS)
                .for_another_host(),
            "foreign-mac",
        ),
        (
            drop(udp6(), "", "ip6_rcv_core.isra.0")
                .framed(OURS)
                .for_another_host(),
            "foreign-mac",
        ),
        (
            drop(udp4(), "OTHERHOST", "ip_rcv_core")
                .framed(OURS)
                .tagged(0),
            "foreign-mac",
        ),
        (
            drop(udp4(), "OTHERHOST", "ip_rcv_core")
                .framed(OURS)
                .tagged(20),
            "vlan-device-missing",
        ),
        (
            drop(udp6(), "", "ip6_rcv_core")
                .framed(OURS)
                .for_another_host()
                .tagged(20),
            "vlan-device-missing",
        ),
        (
            drop(udp4(), "UNHANDLED_PROTO", CORE)
                .framed(OURS)
                .tagged(20),
            "vlan-device-missing",
        ),
        (
            drop(udp4(), "", CORE).framed(OURS).tagged(20),
            "vlan-device-missing",
        ),
        (
            drop(
                frame::ethernet(
                    OURS,
                    THEIRS,
                    ETHERTYPE_VLAN,
                    &frame::vlan(30, ETHERTYPE_IPV4, &udp4()),
                ),
                "OTHERHOST",
                "ip_rcv_core",
            )
            .ethernet(),
            "vlan-device-missing",
        ),
    ]);
}

#[test]
fn nothing_takes_the_ethertype() {
    let unknown = |reason| drop(other(0x88b5, OURS), reason, CORE).ethernet();
    check([
        (unknown("UNHANDLED_PROTO"), "unhandled-ethertype"),
        (unknown(""), "unhandled-ethertype"),
    ]);
    for (ethertype, destination) in [
        (0x88cc, [1, 0x80, 0xc2, 0, 0, 0x0e]),
        (0x88cc, [0xff; 6]),
        (0x8809, [1, 0x80, 0xc2, 0, 0, 2]),
        (38, [1, 0x80, 0xc2, 0, 0, 0]),
        (0x0200, [1, 0, 0x0c, 0xcc, 0xcc, 0xcc]),
        (0x88b5, [1, 0x80, 0xc2, 0, 0, 3]),
        (0x9000, OURS),
    ] {
        for reason in ["UNHANDLED_PROTO", ""] {
            nothing([drop(other(ethertype, destination), reason, CORE).ethernet()]);
        }
    }
    // The backup of a bond takes no IP, whoever it is for.
    for to in [OURS, [0xff; 6]] {
        nothing([drop(udp4(), "UNHANDLED_PROTO", CORE).framed(to)]);
        nothing([drop(udp6(), "UNHANDLED_PROTO", CORE).framed(to)]);
    }
}

#[test]
fn queues_of_devices_are_full() {
    check([
        (
            drop(udp4(), "FULL_RING", "tun_net_xmit").sent(),
            "tun-queue-full",
        ),
        (drop(udp6(), "", "tun_net_xmit").sent(), "tun-queue-full"),
        (
            drop(udp4(), "DEV_READY", "tun_net_xmit").sent(),
            "link-down",
        ),
        (drop(udp6(), "DEV_READY", "enqueue_to_backlog"), "link-down"),
        (
            drop(udp4(), "NOT_SPECIFIED", "enqueue_to_backlog"),
            "link-down",
        ),
        (
            drop(udp4(), "CPU_BACKLOG", "enqueue_to_backlog"),
            "cpu-backlog",
        ),
        (drop(udp6(), "", "enqueue_to_backlog"), "cpu-backlog"),
        (
            drop(udp4(), "QDISC_DROP", "__dev_queue_xmit"),
            "queue-overflow",
        ),
        (
            drop(udp6(), "QDISC_OVERLIMIT", "__dev_queue_xmit"),
            "queue-overflow",
        ),
        (
            drop(udp6(), "QDISC_DROP", "__tcf_kfree_skb_list"),
            "queue-overflow",
        ),
        (drop(udp4(), "", "kfree_skb_list"), "queue-overflow"),
    ]);
    nothing([
        drop(udp4(), "TAP_FILTER", "tun_net_xmit"),
        // What a packet in several buffers ends with.
        drop(vec![0; 20], "", "kfree_skb_list"),
    ]);
}

#[test]
fn one_reason_of_queues_stands_for_three_findings() {
    for drop in [
        drop(udp4(), "QDISC_DROP", "__dev_queue_xmit"),
        drop(udp6(), "", "kfree_skb_list"),
    ] {
        let claims =
            ["queue-overflow", "queue-random-loss", "link-down"].map(|id| drop.claim(id).unwrap());
        assert!(
            claims[0] < 0.7 && claims[1] < 0.5 && claims[2] < 0.5,
            "{claims:?}"
        );
    }
    let sure = drop(udp4(), "FQ_FLOW_LIMIT", "__dev_queue_xmit");
    assert!(sure.claim("queue-overflow") > Some(0.9) && sure.claim("link-down").is_none());
}

#[test]
fn no_tunnel_has_the_identifier() {
    let inner = frame::ethernet(OURS, THEIRS, ETHERTYPE_IPV4, &udp4());
    let vxlan = frame::vxlan(42, &inner);
    let v4 = frame::ipv4(
        PROTO_UDP,
        SRC,
        DST,
        &frame::udp4(SRC, DST, 4000, 4789, &vxlan),
        64,
    );
    let v6 = frame::ipv6(
        PROTO_UDP,
        SRC6,
        DST6,
        &frame::udp6(SRC6, DST6, 4000, 4789, &vxlan),
        64,
    );
    check([
        (
            drop(v4.clone(), "VXLAN_VNI_NOT_FOUND", "vxlan_rcv"),
            "tunnel-id-unknown",
        ),
        (
            drop(v4.clone(), "NOT_SPECIFIED", "vxlan_rcv"),
            "tunnel-id-unknown",
        ),
        (drop(v6, "", "vxlan_rcv"), "tunnel-id-unknown"),
        (drop(v4, "NO_SOCKET", "udp_rcv"), "udp-port-closed"),
    ]);
    nothing([drop(udp4(), "", "vxlan_rcv")]);
}

#[test]
fn the_next_hop_is_silent() {
    check([
        (
            drop(udp4(), "NEIGH_FAILED", "neigh_invalidate"),
            "neighbour-unreachable",
        ),
        (
            drop(udp4(), "", "neigh_invalidate").sent(),
            "neighbour-unreachable",
        ),
        (
            drop(udp6(), "NEIGH_FAILED", "__neigh_event_send"),
            "neighbour-unreachable",
        ),
        (
            drop(udp6(), "", "ndisc_error_report"),
            "neighbour-unreachable",
        ),
        (
            drop(udp6(), "NOT_SPECIFIED", "ndisc_error_report"),
            "neighbour-unreachable",
        ),
        (
            drop(udp4(), "NEIGH_QUEUEFULL", "__neigh_event_send"),
            "neighbour-queue-full",
        ),
        (
            drop(udp6(), "", "__neigh_event_send"),
            "neighbour-queue-full",
        ),
        (
            drop(udp4(), "NEIGH_CREATEFAIL", "ip_finish_output2"),
            "neighbour-table-full",
        ),
        (
            drop(udp6(), "", "ip6_finish_output2"),
            "neighbour-table-full",
        ),
    ]);
    nothing([
        drop(udp4(), "NEIGH_DEAD", "__neigh_event_send"),
        drop(between6(SRC6, GROUP6), "", "ip6_finish_output2").sent(),
    ]);
}
