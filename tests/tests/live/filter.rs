//! What the user asked for and nothing else, with books that balance; and a flood.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netdiag::lab::{self, Bench, Namespace, traffic};
use netdiag_tests::{Live, closed_port, every_rung, has_reasons, isolated};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn bench(name: &str) -> Bench {
    lab::find(name)
        .expect("a scenario")
        .prepare()
        .expect("the lab")
}

#[test]
fn by_port() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let mut live = Live::within(&namespace, &["--port", "4243", "--port", "4244"]);
        closed_port(&namespace, 4242, 7);
        closed_port(&namespace, 4243, 5);
        closed_port(&namespace, 4244, 1);
        live.await_drops(6);
        let run = live.stop();
        assert_eq!((run.ledger("reported"), run.ledger("lost")), (6, 0));
        assert!(run.ledger("filtered") >= 7, "{:#}", run.summary);
        assert!(run.drops.iter().all(|drop| drop["packet"]["dport"] != 4242));
        // What is not shown is counted all the same.
        assert_eq!(run.counter("UdpNoPorts", namespace.id().0), (13, 13));
    });
}

/// A misdelivered frame matches by the addresses inside it.
#[test]
fn by_a_host_inside_a_misdelivered_frame() {
    isolated(|| {
        for (host, reported) in [("10.99.0.2", 57), ("10.99.0.7", 0)] {
            let mut bench = bench("ethernet-on-l3-device");
            let mut live = Live::within(bench.namespace(), &["--host", host]);
            bench.inject(Duration::ZERO).expect("the lab's packets");
            live.await_drops(reported);
            let run = live.stop();
            assert_eq!(run.drops.len(), reported, "{host}");
            // Other namespaces' drops are seen too, and filtered.
            assert!(run.ledger("seen") >= 57, "{host}: {:#}", run.summary);
            assert_eq!(run.findings.len(), usize::from(reported > 0), "{host}");
            assert_eq!(run.counter("IpInHdrErrors", bench.netns().0), (57, 57));
        }
    });
}

#[test]
fn by_reason() {
    isolated(|| {
        if !has_reasons() {
            // `complaint::unknown_reason` has the whole message.
            let ended = netdiag_tests::run(&["drops", "--reason", "NO_SOCKET"]);
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            return;
        }
        for (reason, reported) in [("NO_SOCKET", 0), ("IP_INHDR", 57)] {
            let mut bench = bench("ethernet-on-l3-device");
            let mut live = Live::within(bench.namespace(), &["--reason", reason]);
            bench.inject(Duration::ZERO).expect("the lab's packets");
            live.await_drops(reported);
            let run = live.stop();
            assert_eq!(run.drops.len(), reported, "{reason}");
            assert!(
                run.ledger("filtered") + run.ledger("reported") >= 57,
                "{:#}",
                run.summary
            );
        }
    });
}

#[test]
fn by_device() {
    isolated(|| {
        let mut bench = bench("ethernet-on-l3-device");
        let mut live = Live::within(bench.namespace(), &["--iface", "lo"]);
        bench.inject(Duration::ZERO).expect("the lab's packets");
        closed_port(bench.namespace(), 4242, 3);
        live.await_drops(3);
        let run = live.stop();
        assert_eq!(run.ledger("reported"), 3);
        assert!(run.ledger("filtered") >= 57, "{:#}", run.summary);
        assert!(run.drops.iter().all(|drop| drop["ifname"] == "lo"));
        assert!(
            run.findings
                .iter()
                .all(|finding| finding["id"] != "ethernet-on-l3-device")
        );
    });
}

#[test]
fn up_to_a_count() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let live = Live::within(&namespace, &["--count", "10"]);
        closed_port(&namespace, 4242, 50);
        let run = live.finish();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(run.ledger("reported"), 10);
        assert!(run.ledger("seen") <= 50, "{:#}", run.summary);
    });
}

#[test]
fn for_a_while() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let run = Live::within(&namespace, &["--duration", "300ms"]).finish();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(run.ledger("reported"), 0, "{:#?}", run.drops);
    });
}

/// Cut by the snap length is not cut on the way.
#[test]
fn the_snap_length_is_no_fault_of_the_packet() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let mut live = Live::within(&namespace, &["--snaplen", "64", "--hex"]);
        let sent = namespace.run(|| traffic::udp_flood(HERE, 4242, 500, 5));
        assert_eq!(sent.expect("datagrams"), 5);
        live.await_drops(5);
        let run = live.stop();
        assert_eq!(run.drops.len(), 5);
        for drop in &run.drops {
            let caplen = drop["packet"]["caplen"].as_u64().expect("a number");
            assert!((28..=64).contains(&caplen), "{drop:#}");
            let digits = drop["packet"]["hex"].as_str().expect("digits").len() as u64;
            assert_eq!(digits, 2 * caplen, "{drop:#}");
            assert!(
                drop["len"].as_u64().is_some_and(|len| len >= 528),
                "{drop:#}"
            );
            assert_eq!(drop["packet"].get("malformed"), None, "{drop:#}");
            assert_eq!(drop["packet"]["dport"], 4242, "{drop:#}");
            assert_eq!(drop["finding"], "udp-port-closed", "{drop:#}");
        }
    });
}

/// Nothing is lost, and every packet is reported once.
#[test]
fn a_flood() {
    // Emulated, each costs a hundred times as much.
    let packets: u64 = if every_rung() { 4_000 } else { 20_000 };
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let mut live = Live::within(&namespace, &["--require-complete"]);
        closed_port(&namespace, 4242, packets);
        live.await_drops(usize::try_from(packets).expect("a small number"));
        let run = live.stop();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let other = run
            .drops
            .iter()
            .find(|drop| drop["packet"]["dport"] != 4242);
        assert_eq!(other, None);
        assert_eq!((run.ledger("reported"), run.ledger("lost")), (packets, 0));
        assert_eq!(
            run.counter("UdpNoPorts", namespace.id().0),
            (packets, packets)
        );
    });
}
