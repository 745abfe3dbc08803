//! What `netdiag retrans` concludes: each finding from a fault that shows nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use netdiag_tests::tcp::{
    Connection, Dial, Hook, Listener, PORT, Pair, Side, eventually, scenario,
};
use netdiag_tests::{Live, Run, steadily};

fn start(pair: &Pair, side: Side) -> Live {
    Live::start_as("retrans", &["--netns", &pair.netns(side).0.to_string()])
}

fn assert_found(run: &Run, expected: &[&str]) {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let found: Vec<_> = run
        .findings
        .iter()
        .filter_map(|finding| finding["id"].as_str())
        .collect();
    assert_eq!(
        found,
        expected,
        "{:#?}",
        (&run.drops, &run.findings, &run.summary)
    );
    for finding in &run.findings {
        assert!(finding["remedy"][0].is_string(), "{finding:#}");
        assert!(finding["evidence"][0].is_string(), "{finding:#}");
        let confidence = finding["confidence"].as_f64().expect("a number");
        assert!(confidence > 0.0 && confidence <= 1.0, "{finding:#}");
    }
}

fn server() -> SocketAddr {
    SocketAddr::new(Side::Server.address(), PORT)
}

/// TCP flags of an IPv4 packet.
fn flags(packet: &[u8]) -> u8 {
    let header = usize::from(packet.first().map_or(0, |byte| byte & 0x0f)) * 4;
    let tcp = packet.get(9) == Some(&6);
    packet
        .get(header + 13)
        .copied()
        .filter(|_| tcp)
        .unwrap_or(0)
}

#[test]
fn a_peer_that_never_answers() {
    steadily(|| {
        let pair = Pair::wired();
        pair.wire()
            .lose(|side, packet| side == Side::Client && flags(packet) & 2 != 0);
        let live = start(&pair, Side::Client);
        let attempts = [0, 1].map(|_| {
            Dial::to(server())
                .start(&pair, Side::Client)
                .expect("an attempt")
        });
        pair.await_counter(Side::Client, "TcpExtTCPSynRetrans", 4);
        let run = live.stop();
        drop(attempts);
        assert_found(&run, &["peer-unreachable"]);
        assert_eq!(run.findings[0]["count"], run.ledger("reported"));
        let title = run.findings[0]["title"].as_str().unwrap();
        assert!(title.contains("2 connections to 10.98.0.2:8000"), "{title}");
    });
}

#[test]
fn answers_that_never_come_back() {
    steadily(|| {
        let pair = Pair::wired();
        let listener = Listener::new(&pair, Side::Server, PORT, 8);
        let mut syns = 0;
        pair.wire().lose(move |side, packet| {
            // One SYN gets through, so that the client's do not make the server answer again.
            let syn = side == Side::Client && flags(packet) & 2 != 0;
            syns += u32::from(syn);
            side == Side::Server && flags(packet) & 0x12 == 0x12 || syn && syns > 1
        });
        let live = start(&pair, Side::Server);
        let attempt = Dial::to(server())
            .start(&pair, Side::Client)
            .expect("an attempt");
        pair.await_counter(Side::Server, "TcpExtTCPSynRetrans", 2);
        let run = live.stop();
        drop((attempt, listener));
        assert_found(&run, &["return-path-lost"]);
        assert_eq!(run.drops[0]["retrans"], "synack");
        assert_eq!(run.drops[0]["src"], "10.98.0.2");
    });
}

#[test]
fn a_first_syn_that_is_lost_is_no_unreachable_peer() {
    steadily(|| {
        let pair = Pair::wired();
        let mut lost = 0;
        pair.wire().lose(move |side, packet| {
            let first = side == Side::Client && flags(packet) & 2 != 0 && lost == 0;
            lost += u32::from(first);
            first
        });
        let live = start(&pair, Side::Client);
        let mut connection = Connection::open(&pair);
        connection.ping();
        connection.close(Side::Client);
        let run = live.stop();
        assert_found(&run, &["handshake-delayed"]);
        assert_eq!(run.findings[0]["severity"], "info");
    });
}

#[test]
fn a_syn_that_arrives_was_not_dropped_here() {
    steadily(|| {
        let pair = Pair::new();
        let listener = Listener::new(&pair, Side::Server, PORT, 8);
        let rule = format!("tcp sport {PORT} tcp flags & (syn | ack) == (syn | ack) drop");
        let fault = pair.fault(Side::Client, Hook::Input, &[&rule]);
        let live = start(&pair, Side::Client);
        let attempt = Dial::to(server())
            .start(&pair, Side::Client)
            .expect("an attempt");
        pair.await_counter(Side::Client, "TcpExtTCPSynRetrans", 2);
        let run = live.stop();
        drop((attempt, listener, fault));
        // Its receiver has freed it after it had answered once more.
        assert_found(&run, &["peer-unreachable"]);
        let evidence = run.findings[0]["evidence"].to_string();
        assert!(
            evidence.contains("seen to arrive at its receiver"),
            "{evidence}"
        );
    });
}

#[test]
fn a_full_accept_queue_of_the_same_namespace() {
    steadily(|| {
        let pair = Pair::new();
        let _cookies = pair.set(Side::Server, "ipv4/tcp_syncookies", "0");
        let listener = Listener::new(&pair, Side::Server, PORT, 1);
        let live = start(&pair, Side::Server);
        let attempts: Vec<_> = (0..4)
            .map(|_| {
                Dial::to(server())
                    .start(&pair, Side::Server)
                    .expect("an attempt")
            })
            .collect();
        pair.await_counter(Side::Server, "TcpExtTCPSynRetrans", 2);
        let run = live.stop();
        drop((attempts, listener));
        assert_found(&run, &["accept-queue-overflow"]);
    });
}

#[test]
fn a_queue_that_drops_is_no_firewall() {
    steadily(|| {
        let pair = Pair::new();
        let mut connection = Connection::open(&pair);
        connection.ping();
        let device = Side::Client.device();
        // A queue that holds one packet of a few bytes: acknowledgments pass, segments do not.
        let limit = [
            "qdisc", "add", "dev", device, "root", "bfifo", "limit", "200",
        ];
        let live = start(&pair, Side::Client);
        // What was never sent is not sent once more: the first transmission gets as far as the server.
        let rule = format!("tcp dport {PORT} meta length > 200 drop");
        let fault = pair.fault(Side::Server, Hook::Input, &[&rule]);
        connection.send(1000);
        pair.tc(Side::Client, &limit);
        drop(fault);
        pair.await_counter(Side::Client, "TcpRetransSegs", 2);
        pair.tc(Side::Client, &["qdisc", "del", "dev", device, "root"]);
        connection.receive(1000);
        connection.close(Side::Client);
        let run = live.stop();
        assert_found(&run, &["retransmission-dropped-here"]);
        for line in &run.drops {
            // What cannot be sent, not every hook tells.
            assert!(
                ["NET_XMIT_DROP", "ok"].contains(&line["result"].as_str().unwrap()),
                "{line:#}"
            );
        }
        let remedy = run.findings[0]["remedy"].to_string();
        assert!(remedy.contains("tc -s qdisc show dev"), "{remedy}");
    });
}

#[test]
fn a_last_segment_that_a_probe_brings_back() {
    steadily(|| {
        let pair = Pair::wired();
        let mut connection = Connection::open(&pair);
        connection.ping();
        let mut lost = 0;
        pair.wire().lose(move |side, packet| {
            let first = side == Side::Client && packet.len() > 200 && lost == 0;
            lost += u32::from(first);
            first
        });
        let live = start(&pair, Side::Client);
        connection.send(1000);
        connection.receive(1000);
        connection.close(Side::Client);
        let run = live.stop();
        assert_found(&run, &["tail-loss"]);
        assert_eq!(run.drops[0]["retrans"], "tlp");
    });
}

#[test]
fn a_path_that_takes_no_large_packets() {
    steadily(|| {
        let pair = Pair::wired();
        let mut connection = Connection::open(&pair);
        connection.ping();
        pair.wire().lose(|_, packet| packet.len() > 1300);
        let live = start(&pair, Side::Client);
        connection.send(1448);
        pair.await_counter(Side::Client, "TcpExtTCPTimeouts", 3);
        pair.wire().heal();
        connection.receive(1448);
        connection.close(Side::Client);
        let run = live.stop();
        assert_found(&run, &["path-mtu-black-hole"]);
    });
}

#[test]
fn data_that_the_peer_had_already() {
    steadily(|| {
        let pair = Pair::new();
        let live = start(&pair, Side::Client);
        let _outcome = scenario::spurious(&pair);
        let run = live.stop();
        assert_found(&run, &["spurious-retransmission"]);
    });
}

#[test]
fn a_window_that_stays_closed() {
    steadily(|| {
        let pair = Pair::new();
        let live = start(&pair, Side::Client);
        let outcome = scenario::zero_window(&pair);
        let run = live.stop();
        // Probes are no retransmissions: the counter alone tells.
        assert_eq!(run.drops.len(), 0, "{:#?}", run.drops);
        // Counters of a filtered run are of its namespaces all the same.
        assert_found(&run, &["zero-window-stall"]);
        assert_eq!(
            run.findings[0]["count"],
            outcome.grew(Side::Client, "TcpExtTCPWinProbe")
        );
    });
}

#[test]
fn plain_loss_is_called_loss() {
    steadily(|| {
        let pair = Pair::wired();
        let mut connection = Connection::open(&pair);
        connection.ping();
        let mut seen = 0;
        pair.wire().lose(move |side, packet| {
            let data = side == Side::Client && packet.len() > 200;
            seen += u32::from(data);
            data && seen == 3
        });
        let live = start(&pair, Side::Client);
        connection.send(14_480);
        connection.receive(14_480);
        connection.ping();
        connection.close(Side::Client);
        let run = live.stop();
        assert_found(&run, &["packet-loss"]);
        assert_eq!(run.drops[0]["retrans"], "fast", "{:#?}", run.drops);
    });
}

#[test]
fn healthy_traffic_says_nothing() {
    steadily(|| {
        let pair = Pair::wired();
        pair.wire().delay(Duration::from_millis(20));
        let live = start(&pair, Side::Client);
        let outcome = scenario::many_short(&pair, 20);
        assert_eq!(outcome.grew(Side::Client, "TcpRetransSegs"), 0);
        let mut rested = false;
        eventually("a moment to pass", || std::mem::replace(&mut rested, true));
        let run = live.stop();
        assert_found(&run, &[]);
        assert_eq!(run.drops.len(), 0, "{:#?}", run.drops);
    });
}
