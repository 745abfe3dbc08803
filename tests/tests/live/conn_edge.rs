//! Connections at the edges: open before, IPv6 and mapped addresses, Fast Open, thousands of short ones.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::Duration;

use netdiag_tests::tcp::{Connection, Dial, Listener, PORT, Pair, Side, scenario};
use netdiag_tests::{every_rung, isolated};
use serde_json::json;

use crate::conn::{
    assert_caller, assert_clean, assert_reconciled, count, end_of, named, only, start,
};

#[test]
fn conn_existing_ones_are_told_once() {
    isolated(|| {
        let pair = Pair::new();
        let mut connection = Connection::open(&pair);
        connection.ping();
        let (from, to) = (connection.from, connection.to);
        let live = start(&[]);
        std::thread::sleep(Duration::from_millis(300));
        connection.ping();
        connection.close(Side::Client);
        let run = live.stop();
        assert_clean(&run);
        for (side, local, remote) in [(Side::Client, from, to), (Side::Server, to, from)] {
            let lines = end_of(&run, &pair, side, local, remote);
            let existing = only(&lines, "existing");
            assert_eq!(existing["state"], "ESTABLISHED");
            assert_eq!(existing["pid"], std::process::id(), "{existing:#}");
            let closed = only(&lines, "closed");
            assert!(closed.get("duration_us").is_none(), "{closed:#}");
            assert_eq!(
                (&closed["bytes_sent"], &closed["bytes_received"]),
                (&json!(8), &json!(8)),
                "{closed:#}"
            );
            assert_eq!(closed["pid"], std::process::id(), "{closed:#}");
            assert_eq!(lines.len(), 2, "{lines:#?}");
        }
    });
}

#[test]
fn conn_of_ipv6_mapped_and_reused_ports() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let six = Listener::new6(&pair, Side::Server, PORT, 4);
        let connection = Connection::accepted(&pair, &six);
        let (from6, to6) = (connection.from, connection.to);
        connection.close(Side::Client);
        let dual = Listener::dual(&pair, Side::Server, PORT + 1, 4);
        let to: SocketAddr = (Side::Server.address(), PORT + 1).into();
        let from: SocketAddr = (Side::Client.address(), 4321).into();
        for dial in [Dial::to(to).mapped(), Dial::to(to)] {
            let mut client = dial
                .from_port(4321)
                .connect(&pair, Side::Client)
                .expect("a connection");
            let mut server = dual.accept();
            client.shutdown(Shutdown::Write).expect("the end");
            assert_eq!(server.read(&mut [0]).expect("the end"), 0);
            drop(server);
            assert_eq!(client.read(&mut [0]).expect("the end"), 0);
        }
        let run = live.stop();
        assert_clean(&run);
        assert!(matches!(from6.ip(), IpAddr::V6(_)));
        for (side, local, remote) in [(Side::Client, from6, to6), (Side::Server, to6, from6)] {
            assert_eq!(end_of(&run, &pair, side, local, remote).len(), 3);
        }
        let client = end_of(&run, &pair, Side::Client, from, to);
        for event in ["connect", "established", "closed"] {
            let mapped: Vec<_> = named(&client, event)
                .iter()
                .map(|line| line["ipv4_mapped"] == true)
                .collect();
            assert_eq!(mapped, [true, false], "{client:#?}");
        }
        // The port was chosen before.
        assert!(
            named(&client, "connect")
                .iter()
                .all(|line| line["sport"] == 4321),
            "{client:#?}"
        );
        let server = end_of(&run, &pair, Side::Server, to, from);
        for event in ["established", "accept", "closed"] {
            let mapped: Vec<_> = named(&server, event)
                .iter()
                .map(|line| line["ipv4_mapped"] == true)
                .collect();
            assert_eq!(mapped, [true, true], "{server:#?}");
        }
    });
}

#[test]
fn conn_with_data_in_the_syn() {
    isolated(|| {
        let pair = Pair::new();
        pair.allow_fast_open();
        let live = start(&[]);
        let listener = Listener::new(&pair, Side::Server, PORT, 4);
        let dial = Dial::to(listener.address());
        let mut client = dial
            .fast_open(&pair, Side::Client, b"early")
            .expect("a connection");
        let from = client.local_addr().expect("an address");
        let mut server = listener.accept();
        server.read_exact(&mut [0; 5]).expect("the data");
        server.write_all(b"late").expect("an answer");
        client.read_exact(&mut [0; 4]).expect("the answer");
        drop(client);
        assert_eq!(server.read(&mut [0]).expect("the end"), 0);
        drop(server);
        let to = listener.address();
        let run = live.stop();
        assert_clean(&run);
        for (side, local, remote, sent, received) in [
            (Side::Client, from, to, 5, 4),
            (Side::Server, to, from, 4, 5),
        ] {
            let lines = end_of(&run, &pair, side, local, remote);
            only(&lines, "established");
            let closed = only(&lines, "closed");
            assert_eq!(
                (&closed["bytes_sent"], &closed["bytes_received"]),
                (&json!(sent), &json!(received)),
                "{closed:#}"
            );
            assert_caller(closed);
        }
        let server = pair.netns(Side::Server).0;
        assert_eq!(
            run.counter("TcpPassiveOpens", server),
            (1, 1),
            "{:#}",
            run.summary
        );
    });
}

#[test]
fn conn_many_short_ones_are_all_told() {
    // Emulated, each costs a hundred times as much.
    let many: usize = if every_rung() { 4_000 } else { 20_000 };
    isolated(|| {
        let pair = Pair::with_gso();
        let _ports = pair.set(Side::Client, "ipv4/ip_local_port_range", "10000 65000");
        let live = start(&[]);
        let pid = live.pid();
        let outcome = scenario::many_short(&pair, many);
        let resident = resident_kib(pid);
        let run = live.stop();
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        // 7.2 lets a program be preempted, and skips it where another task comes by on the same processor meanwhile. It
        // says how often: those are lost, and told. Where it is emulated, every hundredth was.
        let lost = run.ledger("lost");
        assert!(lost <= 6 * many as u64 / 50, "{:#}", run.summary);
        let mut told = 0;
        for (side, event) in [
            (Side::Client, "connect"),
            (Side::Client, "established"),
            (Side::Client, "closed"),
            (Side::Server, "established"),
            (Side::Server, "accept"),
            (Side::Server, "closed"),
        ] {
            let count = count(&run, &pair, side, |line| line["event"] == event);
            let known = many as u64 - lost..=many as u64;
            assert!(
                known.contains(&count),
                "{count} {event} at {side:?}, {lost} lost"
            );
            told += count;
        }
        assert!(told + lost >= 6 * many as u64, "{told} and {lost} lost");
        if lost == 0 {
            let bytes = |side| {
                let here = pair.netns(side).0;
                let closed = run
                    .drops
                    .iter()
                    .filter(|line| line["event"] == "closed" && line["netns"] == here);
                closed
                    .map(|line| line["bytes_sent"].as_u64().unwrap_or(0))
                    .sum::<u64>()
            };
            let all = 10 * many as u64;
            assert_eq!((bytes(Side::Client), bytes(Side::Server)), (all, all));
            assert_reconciled(&run, &pair, &[&outcome]);
        }
        assert!(resident < 160 * 1024, "{resident} KiB");
    });
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("its size");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}
