//! Latencies, bytes and queues that `netdiag conn` tells, held against `ss` and the wire.

use std::time::Duration;

use netdiag_tests::tcp::{Connection, Pair, Side, scenario};
use netdiag_tests::{Live, every_rung, isolated};
use serde_json::json;

use crate::conn::{assert_caller, assert_clean, end_of, has_finding, only, start};

#[test]
fn conn_without_a_route() {
    isolated(|| {
        let pair = Pair::new();
        let live = Live::start_plain("conn", &["--host", "203.0.113.1", "--failed"]);
        let outcome = scenario::no_route(&pair);
        let run = live.stop();
        assert_clean(&run);
        let lines: Vec<_> = run.drops.iter().collect();
        let failed = only(&lines, "failed");
        assert_caller(failed);
        assert_eq!(failed["result"], "ENETUNREACH", "{failed:#}");
        assert_eq!(failed["evidence"], "no route", "{failed:#}");
        assert_eq!(
            (&failed["dst"], &failed["dport"]),
            (&json!("203.0.113.1"), &json!(outcome.server.port()))
        );
        assert!(
            failed.get("src").is_none() && failed.get("sport").is_none(),
            "{failed:#}"
        );
        assert_eq!(failed["netns"], pair.netns(Side::Client).0);
        has_finding(&run, "connection-no-route");
        assert_eq!(lines.len(), 1);
    });
}

#[test]
fn conn_accept_queue_overflow() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let outcome = scenario::accept_queue_full(&pair);
        let run = live.stop();
        assert_clean(&run);
        let finding = run
            .findings
            .iter()
            .find(|found| found["id"] == "accept-queue-overflow");
        let finding = finding.unwrap_or_else(|| panic!("{:#?}", run.findings));
        let overflows = outcome.grew(Side::Server, "TcpExtListenOverflows");
        assert_eq!(finding["count"], overflows, "{finding:#}");
        let (delta, explained) = run.counter("TcpExtListenOverflows", pair.netns(Side::Server).0);
        assert_eq!(delta, overflows);
        if run.hook("tcp_conn_request") == Some("deduced") {
            assert!(!every_rung(), "{:#}", run.start);
        } else {
            assert_eq!(explained, overflows, "{:#}", run.summary);
            let evidence = finding["evidence"].to_string();
            assert!(
                evidence.contains("found the queue full: 2 waiting, and 1 may"),
                "{evidence}"
            );
            assert!(
                evidence.contains("its listener on this host is full (2 wait, 1 may)"),
                "{evidence}"
            );
        }
        // The third attempt was given up.
        let third = end_of(
            &run,
            &pair,
            Side::Client,
            outcome.clients[2],
            outcome.server,
        );
        let failed = only(&third, "failed");
        assert!(failed.get("result").is_none(), "{failed:#}");
        assert!(
            failed["evidence"]
                .as_str()
                .is_some_and(|text| text.starts_with("given up by the process after 2 SYNs")),
            "{failed:#}"
        );
    });
}

#[test]
fn conn_latency_is_the_round_trip() {
    isolated(|| {
        let pair = Pair::wired();
        let one_way = Duration::from_millis(60);
        pair.wire().delay(one_way);
        let live = start(&[]);
        let mut connection = Connection::open(&pair);
        connection.ping();
        let (from, to) = (connection.from, connection.to);
        connection.close(Side::Client);
        let run = live.stop();
        assert_clean(&run);
        let round = 2 * u64::try_from(one_way.as_micros()).expect("short");
        for (side, local, remote) in [(Side::Client, from, to), (Side::Server, to, from)] {
            let lines = end_of(&run, &pair, side, local, remote);
            let established = only(&lines, "established");
            let latency = established["latency_us"].as_u64().expect("a latency");
            assert!(
                latency.abs_diff(round) * 10 <= round,
                "{round}: {established:#}"
            );
        }
    });
}

#[test]
fn conn_agrees_with_ss() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let mut connection = Connection::open(&pair);
        connection.ping();
        for _ in 0..20 {
            connection.send(5000);
            connection.receive(5000);
        }
        connection.ping();
        let (from, to) = (connection.from, connection.to);
        let ss = |side, local| {
            let all = pair.ss(side);
            let mut found = all.into_iter().filter(|socket| socket.local == Some(local));
            let socket = found
                .find(|socket| socket.state == "ESTAB")
                .expect("the socket");
            let number = |name| socket.number(name);
            (
                number("bytes_sent") - number("bytes_retrans"),
                number("bytes_received"),
            )
        };
        let said = [ss(Side::Client, from), ss(Side::Server, to)];
        connection.close(Side::Server);
        let run = live.stop();
        assert_clean(&run);
        for ((side, local, remote), (sent, received)) in
            [(Side::Client, from, to), (Side::Server, to, from)]
                .into_iter()
                .zip(said)
        {
            let lines = end_of(&run, &pair, side, local, remote);
            let closed = only(&lines, "closed");
            assert_eq!(closed["bytes_sent"].as_f64(), Some(sent), "{closed:#}");
            assert_eq!(
                closed["bytes_received"].as_f64(),
                Some(received),
                "{closed:#}"
            );
        }
    });
}
