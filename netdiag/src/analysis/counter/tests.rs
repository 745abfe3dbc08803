use super::*;

fn names(facts: DropFacts<'_>) -> Vec<&'static str> {
    explaining(&facts).collect()
}

fn drop<'a>(reason: &'a str, function: &'a str) -> DropFacts<'a> {
    DropFacts {
        reason: Some(reason),
        function: Some(function),
        ..DropFacts::default()
    }
}

fn old(function: &str, malformed: HeaderFault) -> DropFacts<'_> {
    DropFacts {
        function: Some(function),
        malformed,
        ..DropFacts::default()
    }
}

fn key(netns: Option<u32>, ifname: Option<&str>, name: &str) -> CounterKey {
    CounterKey {
        netns: netns.map(NetnsId),
        ifname: ifname.map(str::to_owned),
        name: name.to_owned(),
    }
}

fn snapshot(entries: &[(CounterKey, u64)]) -> Snapshot {
    entries.iter().cloned().collect()
}

#[test]
fn every_counter_has_one_rule_and_a_meaning() {
    let counters: BTreeSet<&str> = rules().map(|rule| rule.counter).collect();
    assert_eq!(counters.len(), rules().count());
    for rule in rules() {
        assert!(!rule.meaning.is_empty(), "{}", rule.counter);
    }
    assert!(is_drop_related("IpInHdrErrors") && is_drop_related("softnet_time_squeeze"));
    assert!(!is_drop_related("IpInReceives") && !is_drop_related("rx_packets"));
}

#[test]
fn one_packet_can_raise_several_counters() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("IP_INHDR", "ip_rcv_core", &["IpInHdrErrors"]),
        (
            "IP_CSUM",
            "ip_rcv_core",
            &["IpInHdrErrors", "IpExtInCsumErrors"],
        ),
        ("PKT_TOO_SMALL", "ip_rcv_core", &["IpExtInTruncatedPkts"]),
        ("IP_INHDR", "ip_forward", &["IpInHdrErrors"]),
        ("PKT_TOO_BIG", "ip_forward", &["IpFragFails"]),
        ("IP_INNOROUTES", "ip_error", &["IpExtInNoRoutes"]),
        ("NOT_SPECIFIED", "ip_error", &[]),
        ("NO_SOCKET", "udp_rcv", &["UdpNoPorts"]),
        (
            "UDP_CSUM",
            "__udp4_lib_rcv",
            &["UdpInErrors", "UdpInCsumErrors"],
        ),
        ("PKT_TOO_SMALL", "__udp4_lib_rcv", &["UdpInErrors"]),
        (
            "SOCKET_RCVBUFF",
            "udp_queue_rcv_one_skb",
            &["UdpInErrors", "UdpRcvbufErrors"],
        ),
        ("SOCKET_FILTER", "udp_queue_rcv_one_skb", &["UdpInErrors"]),
        ("NO_SOCKET", "tcp_v4_rcv", &[]),
        ("NOT_SPECIFIED", "tcp_v6_rcv", &["TcpExtTCPMinTTLDrop"]),
        (
            "NOT_SPECIFIED",
            "first_packet_length",
            &["UdpInErrors", "UdpInCsumErrors"],
        ),
        ("PKT_TOO_SMALL", "tcp_rcv_established", &["TcpInErrs"]),
        ("DEV_READY", "enqueue_to_backlog", &["rx_dropped"]),
        ("TCP_CSUM", "tcp_v4_rcv", &["TcpInErrs", "TcpInCsumErrors"]),
        ("UNHANDLED_PROTO", "ip6_rcv_core", &["Ip6InHdrErrors"]),
        ("PKT_TOO_SMALL", "ip6_rcv_core", &["Ip6InTruncatedPkts"]),
        (
            "PKT_TOO_BIG",
            "ip6_forward",
            &["Ip6InTooBigErrors", "Ip6FragFails"],
        ),
        (
            "ICMP_CSUM",
            "icmp_rcv",
            &["IcmpInErrors", "IcmpInCsumErrors"],
        ),
        (
            "ICMP_CSUM",
            "icmpv6_rcv",
            &["Icmp6InErrors", "Icmp6InCsumErrors"],
        ),
        (
            "UNHANDLED_PROTO",
            "__netif_receive_skb_core.constprop.0",
            &["rx_dropped", "rx_nohandler"],
        ),
        ("TC_INGRESS", "__netif_receive_skb_core", &[]),
        ("OTHERHOST", "ip_rcv_core", &["rx_otherhost_dropped"]),
        ("DUP_FRAG", "ip_defrag", &[]),
    ];
    for &(reason, function, expected) in cases {
        assert_eq!(
            names(drop(reason, function)),
            expected,
            "{reason} @ {function}"
        );
    }
}

#[test]
fn without_reasons_function_and_fault_decide() {
    let cases: &[(&str, HeaderFault, &[&str])] = &[
        (
            "ip_rcv_core.isra.0",
            HeaderFault::Header,
            &["IpInHdrErrors"],
        ),
        (
            "ip_rcv_core",
            HeaderFault::Checksum,
            &["IpInHdrErrors", "IpExtInCsumErrors"],
        ),
        (
            "ip_rcv_core",
            HeaderFault::LengthBeyond,
            &["IpExtInTruncatedPkts"],
        ),
        ("ip6_rcv_core", HeaderFault::Header, &["Ip6InHdrErrors"]),
        (
            "ip6_rcv_core",
            HeaderFault::LengthBeyond,
            &["Ip6InTruncatedPkts"],
        ),
        ("__udp4_lib_rcv", HeaderFault::None, &["UdpNoPorts"]),
        (
            "__udp4_lib_rcv",
            HeaderFault::LengthBeyond,
            &["UdpInErrors"],
        ),
        (
            "__udp6_lib_rcv",
            HeaderFault::Checksum,
            &["Udp6InErrors", "Udp6InCsumErrors"],
        ),
        (
            "ip_error",
            HeaderFault::None,
            &["IpInAddrErrors", "IpExtInNoRoutes"],
        ),
        (
            "tcp_v4_rcv",
            HeaderFault::None,
            &[
                "TcpExtTCPBacklogDrop",
                "TcpExtTCPMD5NotFound",
                "TcpExtTCPMD5Unexpected",
                "TcpExtTCPMD5Failure",
                "TcpExtTCPMinTTLDrop",
            ],
        ),
    ];
    for &(function, fault, expected) in cases {
        assert_eq!(
            names(old(function, fault)),
            expected,
            "{function}, {fault:?}"
        );
    }
}

#[test]
fn an_unknown_function_explains_nothing_that_needs_one() {
    assert_eq!(
        names(DropFacts {
            reason: Some("PKT_TOO_SMALL"),
            ..DropFacts::default()
        }),
        Vec::<&str>::new()
    );
    assert_eq!(names(DropFacts::default()), Vec::<&str>::new());
}

#[test]
fn deltas_of_what_appeared_vanished_moved_and_went_back() {
    let ip = |netns| key(Some(netns), None, "IpInHdrErrors");
    let rx = |netns, ifname| key(Some(netns), Some(ifname), "rx_dropped");
    let before = snapshot(&[
        (ip(1), 5),
        (ip(2), 9),
        (rx(1, "eth0"), 7),
        (rx(1, "veth1"), 40),
        (rx(1, "gone"), 1),
    ]);
    let after = snapshot(&[
        (ip(1), 8),
        (ip(2), 3),
        (ip(3), 100),
        (rx(1, "eth0"), 7),
        (rx(1, "new"), 2),
        (rx(2, "veth1"), 41),
    ]);
    let found = deltas(&before, &after);
    let expected = [
        Delta {
            key: ip(1),
            before: 5,
            after: 8,
            delta: 3,
        },
        Delta {
            key: rx(1, "new"),
            before: 0,
            after: 2,
            delta: 2,
        },
    ];
    assert_eq!(found, expected);
}

fn rose(key: CounterKey, delta: u64) -> Delta {
    Delta {
        key,
        before: 0,
        after: delta,
        delta,
    }
}

#[test]
fn events_explain_counters_of_their_own_namespace_and_device() {
    let mut correlator = Correlator::new();
    let here = DropFacts {
        netns: Some(NetnsId(1)),
        ifname: Some("eth0"),
        ..drop("OTHERHOST", "ip_rcv_core")
    };
    correlator.observe(&here, 1);
    correlator.observe(&here, 1);
    let backlog = DropFacts {
        netns: Some(NetnsId(2)),
        ifname: Some("eth0"),
        ..drop("CPU_BACKLOG", "enqueue_to_backlog")
    };
    correlator.observe(&backlog, 1);
    let found = correlator.finish(&[
        rose(key(None, None, "softnet_dropped"), 4),
        rose(key(Some(1), None, "IpInReceives"), 50),
        rose(key(Some(1), Some("eth0"), "rx_otherhost_dropped"), 1),
        rose(key(Some(1), Some("eth1"), "rx_otherhost_dropped"), 1),
        rose(key(Some(2), Some("eth0"), "rx_dropped"), 1),
    ]);
    let explained: Vec<_> = found
        .iter()
        .map(|entry| {
            (
                entry.key.name.as_str(),
                entry.delta,
                entry.explained.unwrap(),
            )
        })
        .collect();
    let expected = [
        ("softnet_dropped", 4, 1),
        ("rx_otherhost_dropped", 1, 1),
        ("rx_otherhost_dropped", 1, 0),
        ("rx_dropped", 1, 1),
    ];
    assert_eq!(explained, expected);
}

#[test]
fn the_last_acknowledgment_of_a_handshake_raises_two_counters() {
    for drop in [
        drop("NOT_SPECIFIED", "tcp_v6_rcv"),
        old("tcp_v4_rcv", HeaderFault::None),
    ] {
        let ack = DropFacts {
            plain_ack: true,
            ..drop
        };
        let raised = ["TcpExtListenOverflows", "TcpExtListenDrops"];
        assert!(raised.iter().all(|name| names(ack).contains(name)));
        assert!(raised.iter().all(|name| !names(drop).contains(name)));
        let mut correlator = Correlator::new();
        let here = DropFacts {
            netns: Some(NetnsId(1)),
            ..ack
        };
        correlator.observe(&here, 2);
        let rose = raised.map(|name| rose(key(Some(1), None, name), 3));
        let explained: Vec<_> = correlator
            .finish(&rose)
            .iter()
            .map(|entry| entry.explained)
            .collect();
        assert_eq!(explained, [Some(2), Some(2)]);
    }
}

#[test]
fn an_event_with_a_choice_is_spent_once() {
    let mut correlator = Correlator::new();
    for _ in 0..3 {
        correlator.observe(
            &DropFacts {
                netns: Some(NetnsId(1)),
                ..old("ip_error", HeaderFault::None)
            },
            1,
        );
    }
    let found = correlator.finish(&[
        rose(key(Some(1), None, "IpExtInNoRoutes"), 2),
        rose(key(Some(1), None, "IpInAddrErrors"), 2),
    ]);
    assert_eq!(
        found
            .iter()
            .map(|entry| entry.explained.unwrap())
            .collect::<Vec<_>>(),
        [2, 1]
    );
}
