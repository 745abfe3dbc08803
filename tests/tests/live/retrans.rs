//! `netdiag retrans`: each kind of retransmission by each rung, held against the kernel's counters and `ss`.

use std::net::SocketAddr;

use netdiag_tests::tcp::{Outcome, Pair, Side, scenario};
use netdiag_tests::{Live, Run, every_rung, steadily};
use serde_json::{Value, json};

/// The rungs of retransmitted segments, best first.
const RUNGS: [&str; 5] = ["fexit", "tp_btf", "raw_tp", "kprobe", "tracepoint"];

/// Watches what the client's addresses are part of.
const CLIENT: [&str; 4] = ["--host", "10.98.0.1", "--host", "fd98::1"];

pub(crate) fn start(arguments: &[&str]) -> Live {
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

pub(crate) fn assert_clean(run: &Run) {
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
    steadily(|| {
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
        let again = usize::try_from(synack.grew(Side::Client, "TcpExtTCPSynRetrans"));
        let again = again.expect("0 or 1");
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
        steadily(|| {
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
        steadily(|| {
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
