//! `netdiag retrans`: each kind of retransmission by each rung, held against the kernel's counters and `ss`.

use std::net::SocketAddr;
use std::time::Duration;

use netdiag_tests::tcp::{
    Connection, Dial, Hook, ONCE, Outcome, PORT, Pair, Side, eventually, scenario,
};
use netdiag_tests::{Live, Run, every_rung, isolated, run};
use serde_json::{Value, json};

/// The rungs of retransmitted segments, best first.
const RUNGS: [&str; 5] = ["fexit", "tp_btf", "raw_tp", "kprobe", "tracepoint"];

/// Watches what the client's addresses are part of.
const CLIENT: [&str; 4] = ["--host", "10.98.0.1", "--host", "fd98::1"];

fn start(arguments: &[&str]) -> Live {
    Live::start_as("retrans", &[&CLIENT, arguments].concat())
}

/// Whether the hook tells of what could not be sent.
fn tells_failures(run: &Run) -> bool {
    match run.hook("tcp_retransmit_skb") {
        Some("fexit" | "kprobe") => true,
        _ => has_errors_in_tracepoint(),
    }
}

/// Since 6.18 the tracepoint fires for every call, and has its error.
fn has_errors_in_tracepoint() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6u32, 18u32)
}

fn of_kind<'a>(run: &'a Run, kind: &str) -> Vec<&'a Value> {
    run.drops
        .iter()
        .filter(|line| line["retrans"] == kind)
        .collect()
}

/// The sum of segments in a namespace, as the events tell it.
fn segments(run: &Run, netns: u32) -> u64 {
    let lines = run.drops.iter().filter(|line| line["netns"] == netns);
    lines.map(|line| line["segs"].as_u64().unwrap_or(1)).sum()
}

fn assert_clean(run: &Run) {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.ledger("lost"), 0, "{}", run.summary);
    for line in &run.drops {
        assert_eq!(line["kind"], "retrans");
    }
}

/// The events of a namespace are what its counters say, but for what the hook cannot know of.
fn assert_reconciled(run: &Run, pair: &Pair, outcomes: &[Outcome]) {
    for side in [Side::Client, Side::Server] {
        let netns = pair.netns(side).0;
        let counted: u64 = outcomes
            .iter()
            .map(|outcome| outcome.grew(side, "TcpRetransSegs"))
            .sum();
        let failed: u64 = outcomes
            .iter()
            .map(|it| it.grew(side, "TcpExtTCPRetransFail"))
            .sum();
        let known = if tells_failures(run) {
            counted
        } else {
            counted - failed
        };
        assert_eq!(
            segments(run, netns),
            known,
            "segments at {side:?}: {:#?}",
            run.drops
        );
        assert_eq!(
            run.counter("TcpRetransSegs", netns),
            (counted, known),
            "{:#}",
            run.summary
        );
        let syns: u64 = outcomes
            .iter()
            .map(|it| it.grew(side, "TcpExtTCPSynRetrans"))
            .sum();
        assert_eq!(
            run.counter("TcpExtTCPSynRetrans", netns),
            (syns, syns),
            "{:#}",
            run.summary
        );
    }
}

/// What every event of an outcome's connection has, whatever its kind.
fn assert_identity(line: &Value, side: Side, outcome: &Outcome, pair: &Pair) {
    let (from, to) = match side {
        Side::Client => (outcome.client(), outcome.server),
        Side::Server => (outcome.server, outcome.client()),
    };
    let end = |address: SocketAddr| json!([address.ip().to_string(), address.port()]);
    assert_eq!(json!([line["src"], line["sport"]]), end(from), "{line:#}");
    assert_eq!(json!([line["dst"], line["dport"]]), end(to), "{line:#}");
    assert_eq!(line["netns"], pair.netns(side).0, "{line:#}");
    // The process is looked up when the event is read: a socket that is closed at once has none any more.
    let pid = &line["pid"];
    assert!(pid.is_null() || *pid == std::process::id(), "{line:#}");
    assert!(line["cgroup"].is_string(), "{line:#}");
    assert_eq!(line["uid"], 0, "{line:#}");
    assert_eq!(line["result"], "ok", "{line:#}");
    assert!(
        line["time"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{line:#}"
    );
}

/// Every kind, in one run, by one rung.
fn every_kind(rung: &str) {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&["--hook", rung]);
        let syn = scenario::syn_lost(&pair);
        let synack = scenario::syn_ack_lost(&pair);
        let rto = scenario::data_lost_rto(&pair);
        let tlp = scenario::tail_lost_tlp(&pair);
        let fast = scenario::middle_lost_fast(&pair);
        let run = live.stop();
        assert_clean(&run);
        let standing = run.hook("tcp_retransmit_skb");
        if every_rung() {
            assert_eq!(standing, Some(rung), "{:#}", run.start);
        }

        let outcomes = [syn, synack, rto, tlp, fast];
        assert_reconciled(&run, &pair, &outcomes);
        let [syn, synack, rto, tlp, fast] = outcomes;
        // The client may have sent the SYN again at the moment when the server sent its answer again.
        let again = usize::try_from(synack.grew(Side::Client, "TcpExtTCPSynRetrans")).expect("few");
        let lines = of_kind(&run, "syn");
        assert_eq!(lines.len(), 1 + again, "{lines:#?}");
        assert_identity(lines[0], Side::Client, &syn, &pair);
        assert_eq!(lines[0]["state"], "SYN_SENT");
        assert_eq!(lines[0]["len"], 0);
        assert_eq!(lines[0]["tcp_flags"], "SYN");
        assert_eq!(lines[0]["rto_us"], 1_000_000, "RFC 6298: {:#}", lines[0]);

        let lines = of_kind(&run, "synack");
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert_identity(lines[0], Side::Server, &synack, &pair);
        assert_eq!(lines[0]["state"], "NEW_SYN_RECV");
        assert_eq!(lines[0]["tcp_flags"], "SYN|ACK");

        for (kind, outcome, len, ca_state) in [
            ("rto", &rto, 1000, "loss"),
            ("tlp", &tlp, 1000, "open"),
            ("fast", &fast, 1448, "recovery"),
        ] {
            let lines = of_kind(&run, kind);
            assert_eq!(lines.len(), 1, "{kind}: {lines:#?}");
            let line = lines[0];
            assert_identity(line, Side::Client, outcome, &pair);
            assert_eq!(line["state"], "ESTABLISHED");
            assert_eq!(line["len"], len, "{line:#}");
            assert_eq!(line["segs"].as_u64().unwrap_or(1), 1, "{line:#}");
            // A probe is sent in whatever state there is but recovery.
            if kind != "tlp" {
                assert_eq!(line["ca_state"], ca_state, "{line:#}");
            }
            assert_eq!(line["mss"], 1448, "{line:#}");
            for key in ["srtt_us", "cwnd", "seq", "peer_window", "rto_us"] {
                assert!(
                    line[key].as_u64().is_some_and(|value| value > 0),
                    "{key}: {line:#}"
                );
            }
            // What is lost is not on its way, and what is sent again not yet.
            assert!(line["in_flight"].is_u64(), "{line:#}");
        }
    });
}

#[test]
fn every_kind_by_fexit() {
    every_kind("fexit");
}

#[test]
fn every_kind_by_tp_btf() {
    every_kind("tp_btf");
}

#[test]
fn every_kind_by_raw_tp() {
    every_kind("raw_tp");
}

#[test]
fn every_kind_by_kprobe() {
    every_kind("kprobe");
}

#[test]
fn every_kind_by_tracepoint() {
    every_kind("tracepoint");
}

#[test]
fn what_cannot_be_sent_is_told_or_its_absence_is() {
    for rung in RUNGS {
        isolated(|| {
            let pair = Pair::new();
            let live = start(&["--hook", rung]);
            let outcome = scenario::local_drop(&pair);
            let run = live.stop();
            assert_clean(&run);
            assert_reconciled(&run, &pair, std::slice::from_ref(&outcome));
            let failed: Vec<_> = run
                .drops
                .iter()
                .filter(|line| line["result"] != "ok")
                .collect();
            if tells_failures(&run) {
                assert_eq!(failed.len(), 1, "{:#?}", run.drops);
                assert_eq!(failed[0]["result"], "EPERM");
                assert_eq!(failed[0]["segs"].as_u64().unwrap_or(1), 1);
                let netns = pair.netns(Side::Client).0;
                assert_eq!(run.counter("TcpExtTCPRetransFail", netns), (1, 1));
                assert_eq!(
                    failed[0]["finding"], "retransmission-dropped-here",
                    "{:#}",
                    failed[0]
                );
                assert_eq!(failed[0]["dropped"]["netns"], netns, "{:#}", failed[0]);
            } else {
                assert_eq!(failed.len(), 0, "{:#?}", run.drops);
            }
            // The original and what was sent again are the same segment: lost at the server, too.
            let found: Vec<_> = run.findings.iter().map(|finding| &finding["id"]).collect();
            assert_eq!(found, ["retransmission-dropped-here"]);
        });
    }
}

#[test]
fn segments_are_counted_and_not_calls() {
    for rung in RUNGS {
        isolated(|| {
            let pair = Pair::with_gso();
            let live = start(&["--hook", rung]);
            let outcome = scenario::window_lost_rto(&pair);
            let run = live.stop();
            assert_clean(&run);
            assert_eq!(outcome.grew(Side::Client, "TcpRetransSegs"), 10);
            assert!(run.drops.len() <= 10);
            let netns = pair.netns(Side::Client).0;
            assert_eq!(
                run.counter("TcpRetransSegs", netns),
                (10, 10),
                "{:#?}",
                run.drops
            );
            for line in &run.drops {
                assert_eq!(line["retrans"], "rto", "{line:#}");
            }
        });
    }
}

#[test]
fn the_numbers_are_those_of_ss() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let mut connection = Connection::open(&pair);
        connection.ping();
        let rule = format!("tcp dport {PORT} meta length > 200 drop");
        let fault = pair.fault(Side::Server, Hook::Input, &[&rule]);
        connection.send(1000);
        pair.await_counter(Side::Client, "TcpRetransSegs", 3);
        let ss = pair.ss(Side::Client);
        let socket = ss
            .iter()
            .find(|socket| socket.local == Some(connection.from))
            .expect("the connection");
        let (rto, total) = (socket.number("rto"), socket.retransmitted());
        let (cwnd, mss) = (socket.number("cwnd"), socket.number("mss"));
        let rtt: f64 = socket
            .value("rtt")
            .expect("a time")
            .split('/')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        // Some ways of congestion control have none, and ss leaves out what is infinite.
        let ssthresh: Option<f64> = socket.value("ssthresh").map(|text| text.parse().unwrap());
        let (sent, data) = (socket.number("segs_out"), socket.number("data_segs_out"));
        drop(fault);
        let (from, to) = (connection.from, connection.to);
        connection.receive(1000);
        connection.close(Side::Client);
        let run = live.stop();
        assert_clean(&run);
        let line = run
            .drops
            .iter()
            .find(|line| line["total_retrans"] == total)
            .unwrap_or_else(|| panic!("no event of {total} retransmissions: {:#?}", run.drops));
        let number = |key: &str| {
            line[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key}: {line:#}"))
        };
        // After a timeout the next one takes twice as long, but for the first, which follows a probe.
        let doubled = (number("rto_us") * 2.0 / 1000.0 - rto).abs() <= 1.0;
        assert!(
            doubled || (number("rto_us") / 1000.0 - rto).abs() <= 1.0,
            "{rto} ms: {line:#}"
        );
        assert!(
            (number("srtt_us") / 1000.0 - rtt).abs() < 0.002,
            "{rtt} ms: {line:#}"
        );
        for (key, value) in [
            ("cwnd", cwnd),
            ("mss", mss),
            ("segs_out", sent),
            ("data_segs_out", data),
        ] {
            assert!(
                (number(key) - value).abs() < 0.5,
                "{key} is {value}: {line:#}"
            );
        }
        assert_eq!(line["ssthresh"].as_f64(), ssthresh, "{line:#}");
        assert_eq!(line["sport"], from.port());
        assert_eq!(line["dport"], to.port());
        // Somebody held the socket all the time.
        assert_eq!(line["pid"], std::process::id(), "{line:#}");
        assert!(
            line["comm"].as_str().is_some_and(|comm| !comm.is_empty()),
            "{line:#}"
        );
    });
}

#[test]
fn ipv6_and_mapped_addresses() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let syns = format!("tcp dport {PORT} tcp flags & (syn | ack) == syn drop");
        let fault = pair.fault(Side::Server, Hook::Input, &[&syns]);
        let six = SocketAddr::new(Side::Server.address6(), PORT);
        let four = SocketAddr::new(Side::Server.address(), PORT);
        let attempts = [
            Dial::to(six)
                .start(&pair, Side::Client)
                .expect("an attempt"),
            Dial::to(four)
                .mapped()
                .start(&pair, Side::Client)
                .expect("an attempt"),
        ];
        pair.await_counter(Side::Client, "TcpExtTCPSynRetrans", 2);
        drop(attempts);
        drop(fault);
        let run = live.stop();
        assert_clean(&run);
        let to = |address: &str| run.drops.iter().find(|line| line["dst"] == address);
        let line = to("fd98::2").expect("the SYN over IPv6");
        assert_eq!(
            (&line["src"], &line["retrans"]),
            (&json!("fd98::1"), &json!("syn"))
        );
        assert_eq!(line["ipv4_mapped"], Value::Null);
        let line = to("10.98.0.2").expect("the SYN of the IPv6 socket");
        assert_eq!(
            (&line["src"], &line["ipv4_mapped"]),
            (&json!("10.98.0.1"), &json!(true))
        );
        for line in &run.drops {
            assert_eq!(
                line["dropped"]["netns"],
                pair.netns(Side::Server).0,
                "{line:#}"
            );
        }
    });
}

#[test]
fn filters_leave_out_and_count() {
    isolated(|| {
        let pair = Pair::new();
        let netns = pair.netns(Side::Client).0.to_string();
        let arguments = ["--netns", &netns, "--kind", "tlp", "--kind", "fast"];
        let live = Live::start_as("retrans", &arguments);
        let rto = scenario::data_lost_rto(&pair);
        let tlp = scenario::tail_lost_tlp(&pair);
        let synack = scenario::syn_ack_lost(&pair);
        let run = live.stop();
        assert_clean(&run);
        assert_eq!(run.drops.len(), 1, "{:#?}", run.drops);
        assert_eq!(run.drops[0]["sport"], tlp.client().port());
        let others =
            rto.grew(Side::Client, "TcpRetransSegs") + synack.grew(Side::Client, "TcpRetransSegs");
        // The server's, which the kernel side leaves out, is counted as well.
        assert_eq!(run.ledger("filtered"), others + 1, "{}", run.summary);
        // What is not shown explains its counter all the same.
        assert_eq!(
            run.counter("TcpRetransSegs", pair.netns(Side::Client).0),
            (others + 1, others + 1)
        );
    });
}

#[test]
fn ends_after_so_many() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&["--count", "1", "--min-rto", "500ms"]);
        let early = scenario::data_lost_rto(&pair);
        let late = scenario::syn_lost(&pair);
        let run = live.finish();
        assert_clean(&run);
        assert_eq!(run.drops.len(), 1);
        assert_eq!(run.drops[0]["sport"], late.client().port());
        assert_eq!(
            run.ledger("filtered"),
            early.grew(Side::Client, "TcpRetransSegs")
        );
    });
}

#[test]
fn a_device_is_that_of_the_route() {
    isolated(|| {
        let pair = Pair::new();
        let live = Live::start_as("retrans", &["--iface", Side::Client.device()]);
        let _outcome = scenario::syn_ack_lost(&pair);
        let lost = scenario::syn_lost(&pair);
        let run = live.stop();
        assert_clean(&run);
        assert!(!run.drops.is_empty());
        for line in &run.drops {
            assert_eq!(line["ifname"], Side::Client.device(), "{line:#}");
        }
        assert_eq!(
            run.drops[run.drops.len() - 1]["sport"],
            lost.client().port()
        );
        assert!(run.ledger("filtered") >= 1, "{}", run.summary);
    });
}

#[test]
fn people_see_connections_lines_and_the_worst_of_them() {
    isolated(|| {
        let pair = Pair::new();
        for (arguments, expected) in [
            (&[][..], "RETRANS/SENT"),
            (&["--each"], "10.98.0.2:8000"),
            (&["--flows"], "PER S"),
        ] {
            let command = [&["retrans", "--duration", "3s"], arguments].concat();
            let ended = std::thread::scope(|scope| {
                let netdiag = scope.spawn(|| run(&command));
                std::thread::sleep(Duration::from_millis(800));
                let _outcome = scenario::syn_lost(&pair);
                netdiag.join().expect("netdiag")
            });
            assert_eq!(
                (ended.code, ended.stderr.as_str()),
                (Some(0), ""),
                "{}",
                ended.stdout
            );
            assert!(
                ended.stdout.contains(expected),
                "{arguments:?}: {}",
                ended.stdout
            );
            assert!(
                ended.stdout.contains("Ledger: 1 seen = 1 reported"),
                "{}",
                ended.stdout
            );
            assert!(ended.stdout.contains("TcpRetransSegs"), "{}", ended.stdout);
        }
    });
}

#[test]
fn a_firewall_of_the_own_shows_itself_in_the_first_syn() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let rule = format!("tcp dport {PORT} tcp flags & (syn | ack) == syn {ONCE} drop");
        let fault = pair.fault(Side::Server, Hook::Input, &[&rule]);
        let attempt = Dial::to(SocketAddr::new(Side::Server.address(), PORT + 1));
        let other = attempt.connect(&pair, Side::Client);
        assert!(other.is_err(), "nobody listens there");
        let mut seen = false;
        let listener = netdiag_tests::tcp::Listener::new(&pair, Side::Server, PORT, 8);
        let stream = Dial::to(listener.address()).connect(&pair, Side::Client);
        eventually("the connection", || std::mem::replace(&mut seen, true));
        drop((stream, fault));
        let run = live.stop();
        assert_clean(&run);
        assert_eq!(run.drops.len(), 1, "{:#?}", run.drops);
        // It is the original that was dropped, and the retransmission that tells.
        assert!(
            run.drops[0]["dropped"]["location"].is_string(),
            "{:#}",
            run.drops[0]
        );
    });
}
