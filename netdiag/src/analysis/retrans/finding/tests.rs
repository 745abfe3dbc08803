use super::{rule::EBUSY, *};
use crate::{
    analysis::{
        counter::CounterKey,
        retrans::{LocalDrop, RetransEvent},
    },
    decode::{Retrans, Socket, TcpState},
};

fn retrans(kind: RetransKind) -> Retrans {
    Retrans {
        socket: Socket {
            local: Some("10.0.0.1".parse().unwrap()),
            local_port: Some(4711),
            remote: Some("10.0.0.2".parse().unwrap()),
            remote_port: Some(80),
            netns: Some(NetnsId(1)),
            state: Some(match kind {
                RetransKind::Syn => TcpState::SynSent,
                RetransKind::SynAck => TcpState::NewSynRecv,
                _ => TcpState::Established,
            }),
            ..Socket::default()
        },
        kind: Some(kind),
        segs: Some(1),
        len: Some(100),
        mss: Some(1448),
        peer_window: Some(65_535),
        result: Some(0),
        duplicates: Some(0),
        ..Retrans::default()
    }
}

fn flows(events: &[(&Retrans, Option<&LocalDrop>)]) -> Flows {
    let mut flows = Flows::default();
    for (retrans, dropped) in events {
        flows.observe(&RetransEvent {
            time_ns: None,
            probe: "tcp_retransmit_skb",
            retrans,
            owner: None,
            cgroup: None,
            dropped: *dropped,
        });
    }
    flows
}

fn counter(name: &str, netns: u32, delta: u64) -> Correlated {
    Correlated {
        key: CounterKey {
            netns: Some(NetnsId(netns)),
            ifname: None,
            name: name.to_owned(),
        },
        delta,
        explained: None,
        gap: None,
    }
}

fn found(events: &[(&Retrans, Option<&LocalDrop>)], counters: &[Correlated]) -> Vec<&'static str> {
    let findings = findings(&flows(events), counters, true);
    findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn each_kind_alone_says_something() {
    let of = |kind| found(&[(&retrans(kind), None)], &[]);
    assert_eq!(of(RetransKind::Syn), ["handshake-delayed"]);
    assert_eq!(of(RetransKind::SynAck), ["handshake-delayed"]);
    let twice = |kind| {
        let first = retrans(kind);
        found(&[(&first, None), (&first, None)], &[])
    };
    assert_eq!(twice(RetransKind::Syn), ["peer-unreachable"]);
    assert_eq!(twice(RetransKind::SynAck), ["return-path-lost"]);
    assert_eq!(of(RetransKind::Tlp), ["tail-loss"]);
    assert_eq!(of(RetransKind::Rto), ["packet-loss"]);
    assert_eq!(of(RetransKind::Fast), ["packet-loss"]);
}

#[test]
fn a_drop_on_this_host_outweighs_all_else() {
    let drop = LocalDrop {
        reason: Some("NETFILTER_DROP".to_owned()),
        location: "nft_do_chain+0x1".to_owned(),
        ..LocalDrop::default()
    };
    let syn = retrans(RetransKind::Syn);
    let flows = flows(&[(&syn, Some(&drop)), (&syn, None)]);
    let findings = findings(&flows, &[], true);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].id, "retransmission-dropped-here");
    assert_eq!(findings[0].count, 2);
    let evidence = findings[0].evidence.join("\n");
    assert!(
        evidence.contains(
            "1 of 2 retransmissions were seen dropped: NETFILTER_DROP at nft_do_chain+0x1"
        )
    );
    assert!(findings[0].remedy[0].contains("nft list ruleset"));
}

#[test]
fn a_duplicate_at_the_receiver_is_no_loss() {
    let drop = LocalDrop {
        reason: Some("TCP_OLD_DATA".to_owned()),
        ..LocalDrop::default()
    };
    let rto = retrans(RetransKind::Rto);
    assert_eq!(
        found(&[(&rto, Some(&drop))], &[]),
        ["spurious-retransmission"]
    );
    // The peer says so itself, or its namespace's counter does.
    let later = Retrans {
        duplicates: Some(1),
        ..rto.clone()
    };
    assert_eq!(
        found(&[(&rto, None), (&later, None)], &[]),
        ["spurious-retransmission"]
    );
    let dsack = |netns| [counter("TcpExtTCPDSACKRecv", netns, 1)];
    assert_eq!(
        found(&[(&rto, None)], &dsack(1)),
        ["spurious-retransmission"]
    );
    assert_eq!(found(&[(&rto, None)], &dsack(2)), ["packet-loss"]);
}

#[test]
fn full_segments_without_icmp_are_a_black_hole() {
    let full = Retrans {
        len: Some(1448),
        retransmits: Some(2),
        ..retrans(RetransKind::Rto)
    };
    let twice = [(&full, None), (&full, None)];
    assert_eq!(found(&twice, &[]), ["path-mtu-black-hole"]);
    assert_eq!(
        found(&twice, &[counter("IcmpInDestUnreachs", 1, 1)]),
        ["packet-loss"]
    );
    let small = retrans(RetransKind::Rto);
    assert_eq!(
        found(&[(&full, None), (&full, None), (&small, None)], &[]),
        ["packet-loss"]
    );
}

#[test]
fn a_closed_window_is_a_stall_with_and_without_retransmission() {
    let stalled = Retrans {
        peer_window: Some(0),
        ..retrans(RetransKind::Rto)
    };
    assert_eq!(found(&[(&stalled, None)], &[]), ["zero-window-stall"]);
    assert_eq!(
        found(&[], &[counter("TcpExtTCPWinProbe", 1, 3)]),
        ["zero-window-stall"]
    );
    // A SYN knows no window yet.
    let syn = Retrans {
        peer_window: Some(0),
        ..retrans(RetransKind::Syn)
    };
    assert_eq!(found(&[(&syn, None)], &[]), ["handshake-delayed"]);
}

#[test]
fn local_failures_and_queues_are_told_apart() {
    let failed = |result| Retrans {
        result: Some(result),
        ..retrans(RetransKind::Rto)
    };
    assert_eq!(
        found(&[(&failed(-1), None)], &[]),
        ["retransmission-failed-here"]
    );
    assert_eq!(found(&[(&failed(EBUSY), None)], &[]), ["host-queue-delay"]);
    let queued = [counter("TcpExtTCPSpuriousRtxHostQueues", 1, 1)];
    assert_eq!(
        found(&[(&retrans(RetransKind::Fast), None)], &queued),
        ["host-queue-delay"]
    );
}

#[test]
fn counters_of_other_retransmissions_say_nothing() {
    let rto = retrans(RetransKind::Rto);
    let counters = [counter("TcpExtTCPDSACKRecv", 1, 1)];
    let findings = findings(&flows(&[(&rto, None)]), &counters, false);
    assert_eq!(findings[0].id, "packet-loss");
}

#[test]
fn connections_to_one_place_are_told_together() {
    let first = retrans(RetransKind::Syn);
    let mut second = first.clone();
    second.socket.local_port = Some(4712);
    let together = findings(&flows(&[(&first, None), (&second, None)]), &[], true);
    assert!(
        together[0]
            .title
            .starts_with("2 segments retransmitted by 2 connections to 10.0.0.2:80: ")
    );
}
