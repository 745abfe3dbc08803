//! `netdiag conn`: connections and failures of the bench by each rung, held against the kernel's counters and `ss`.

use std::net::SocketAddr;

use netdiag_tests::tcp::{Outcome, Pair, Side, scenario};
use netdiag_tests::{Live, Run, assert_nothing_attached, every_rung, isolated};
use serde_json::{Value, json};

/// Watches what the client's addresses are part of.
const CLIENT: [&str; 4] = ["--host", "10.98.0.1", "--host", "fd98::1"];

pub(crate) fn start(arguments: &[&str]) -> Live {
    Live::start_plain("conn", &[&CLIENT, arguments].concat())
}

pub(crate) fn assert_clean(run: &Run) {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.ledger("lost"), 0, "{}", run.summary);
}

/// The events of one end of a connection, by its addresses and namespace.
pub(crate) fn end_of<'a>(
    run: &'a Run,
    pair: &Pair,
    side: Side,
    local: SocketAddr,
    remote: SocketAddr,
) -> Vec<&'a Value> {
    let here = |line: &&Value| line["netns"] == pair.netns(side).0;
    let ends = |line: &Value| {
        line["src"] == local.ip().to_string()
            && line["sport"] == local.port()
            && line["dst"] == remote.ip().to_string()
            && line["dport"] == remote.port()
    };
    let lines = run.drops.iter().filter(here);
    let ids: Vec<_> = lines
        .clone()
        .filter(|line| ends(line) && line["id"].is_u64())
        .map(|line| &line["id"])
        .collect();
    // Before the kernel has chosen a port, its number tells which connection it is.
    lines
        .filter(|line| ends(line) || line.get("sport").is_none() && ids.contains(&&line["id"]))
        .collect()
}

pub(crate) fn named<'a>(lines: &[&'a Value], event: &str) -> Vec<&'a Value> {
    let lines = lines.iter().copied();
    lines.filter(|line| line["event"] == event).collect()
}

/// The one event of a name.
#[track_caller]
pub(crate) fn only<'a>(lines: &[&'a Value], event: &str) -> &'a Value {
    match named(lines, event)[..] {
        [line] => line,
        _ => panic!("not one {event}: {lines:#?}"),
    }
}

pub(crate) fn count(run: &Run, pair: &Pair, side: Side, wanted: impl Fn(&Value) -> bool) -> u64 {
    let lines = run.drops.iter();
    let ours = lines.filter(|line| line["netns"] == pair.netns(side).0 && wanted(line));
    ours.count() as u64
}

/// What the kernel counted is what the events tell.
pub(crate) fn assert_reconciled(run: &Run, pair: &Pair, outcomes: &[&Outcome]) {
    for side in [Side::Client, Side::Server] {
        let grew = |name: &str| outcomes.iter().map(|it| it.grew(side, name)).sum::<u64>();
        let netns = pair.netns(side).0;
        for name in [
            "TcpActiveOpens",
            "TcpPassiveOpens",
            "TcpAttemptFails",
            "TcpEstabResets",
        ] {
            let grew = grew(name);
            assert_eq!(
                run.counter(name, netns),
                (grew, grew),
                "{name} at {side:?}: {:#?}",
                run.drops
            );
        }
        let passive = count(run, pair, side, |line| {
            line["event"] == "established" && line["side"] == "passive"
        });
        assert_eq!(passive, grew("TcpPassiveOpens"), "{side:?}");
        let sent = count(run, pair, side, |line| {
            line["side"] == "active"
                && (line["event"] == "established"
                    || line["event"] == "failed" && line["syns"].is_u64())
        });
        assert_eq!(sent, grew("TcpActiveOpens"), "{side:?}: {:#?}", run.drops);
    }
}

pub(crate) fn assert_caller(line: &Value) {
    assert_eq!(line["pid"], std::process::id(), "{line:#}");
    assert!(
        line["comm"].as_str().is_some_and(|comm| !comm.is_empty()),
        "{line:#}"
    );
    assert_eq!(line["uid"], 0, "{line:#}");
}

/// An orderly connection with four bytes each way.
fn assert_orderly(run: &Run, pair: &Pair, outcome: &Outcome, first: Side) {
    let (from, to) = (outcome.client(), outcome.server);
    let client = end_of(run, pair, Side::Client, from, to);
    let server = end_of(run, pair, Side::Server, to, from);
    let connect = only(&client, "connect");
    assert_caller(connect);
    assert!(
        connect["cgroup"].is_string() && connect["cgroup_id"].is_u64(),
        "{connect:#}"
    );
    let established = only(&client, "established");
    assert_caller(established);
    assert_eq!(
        (&established["side"], &established["result"]),
        (&json!("active"), &json!("ok"))
    );
    assert!(
        established["latency_us"].as_u64().is_some_and(|us| us > 0),
        "{established:#}"
    );
    assert_eq!(only(&server, "established")["side"], "passive");
    let accept = only(&server, "accept");
    assert_caller(accept);
    assert!(accept["latency_us"].is_u64(), "{accept:#}");
    for (side, lines) in [(Side::Client, &client), (Side::Server, &server)] {
        let closed = only(lines, "closed");
        let by = if side == first { "local" } else { "remote" };
        assert_eq!(closed["closed_by"], by, "{closed:#}");
        assert_eq!(closed["result"], "ok", "{closed:#}");
        assert_eq!(
            (&closed["bytes_sent"], &closed["bytes_received"]),
            (&json!(4), &json!(4)),
            "{closed:#}"
        );
        assert_eq!(closed["retrans"], 0, "{closed:#}");
        assert!(
            closed["duration_us"].as_u64().is_some_and(|us| us > 0),
            "{closed:#}"
        );
        assert!(closed.get("reset_reason").is_none(), "{closed:#}");
        assert_caller(closed);
    }
    assert_eq!((client.len(), server.len()), (3, 3));
}

fn assert_reset(run: &Run, pair: &Pair, outcome: &Outcome, by: Side) {
    let (from, to) = (outcome.client(), outcome.server);
    for side in [Side::Client, Side::Server] {
        let lines = match side {
            Side::Client => end_of(run, pair, side, from, to),
            Side::Server => end_of(run, pair, side, to, from),
        };
        let closed = only(&lines, "closed");
        if side == by {
            assert_eq!(closed["closed_by"], "local", "{closed:#}");
            assert_eq!(closed["evidence"], "RST sent by this host", "{closed:#}");
            if has_reset_reasons() {
                assert!(
                    closed["reset_reason"]
                        .as_str()
                        .is_some_and(|reason| reason.starts_with("TCP_")),
                    "{closed:#}"
                );
            }
        } else {
            assert_eq!(closed["closed_by"], "remote", "{closed:#}");
            assert_eq!(closed["result"], "ECONNRESET", "{closed:#}");
            assert_eq!(closed["evidence"], "RST received", "{closed:#}");
            assert_eq!(closed["finding"], "connection-reset", "{closed:#}");
        }
        assert_eq!(
            (&closed["bytes_sent"], &closed["bytes_received"]),
            (&json!(4), &json!(4)),
            "{closed:#}"
        );
    }
}

/// `tcp_send_reset` tells why since 6.10.
fn has_reset_reasons() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6u32, 10u32)
}

pub(crate) fn has_finding(run: &Run, id: &str) {
    assert!(
        run.findings.iter().any(|found| found["id"] == id),
        "no {id}: {:#?}",
        run.findings
    );
}

/// Whether the ladder of what `connect` returns stands on a hook.
fn sees_returns(run: &Run) -> bool {
    run.hook("connect") != Some("deduced")
}

/// Everything that the bench can do, on one rung of every ladder.
fn on(hook: &str) {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&["--hook", hook]);
        let client_first = scenario::closed_by(&pair, Side::Client);
        let server_first = scenario::closed_by(&pair, Side::Server);
        let reset_by_client = scenario::reset_by(&pair, Side::Client);
        let reset_by_server = scenario::reset_by(&pair, Side::Server);
        let lost = scenario::data_lost_rto(&pair);
        let refused = scenario::refused(&pair);
        let filtered = scenario::filtered(&pair);
        let filtered_here = scenario::filtered_here(&pair);
        let unreachable = scenario::icmp_unreachable(&pair);
        let exhausted = scenario::ports_exhausted(&pair);
        let slow = scenario::syn_lost(&pair);
        let no_route = scenario::no_route(&pair);
        let run = live.stop();
        assert_clean(&run);
        let states = run.hook("inet_sock_set_state").expect("a rung");
        assert!(
            states == hook || !["tp_btf", "raw_tp", "tracepoint"].contains(&hook),
            "{:#}",
            run.start
        );
        for (ladder, rungs) in [
            ("connect", ["fexit", "kprobe", "tracepoint"]),
            ("accept", ["fexit", "kprobe", "tracepoint"]),
        ] {
            if every_rung() && rungs.contains(&hook) {
                assert_eq!(run.hook(ladder), Some(hook), "{:#}", run.start);
            }
        }
        assert_orderly(&run, &pair, &client_first, Side::Client);
        assert_orderly(&run, &pair, &server_first, Side::Server);
        assert_reset(&run, &pair, &reset_by_client, Side::Client);
        assert_reset(&run, &pair, &reset_by_server, Side::Server);
        has_finding(&run, "connection-reset");

        let lines = end_of(&run, &pair, Side::Client, lost.client(), lost.server);
        let closed = only(&lines, "closed");
        assert_eq!(
            closed["retrans"],
            lost.grew(Side::Client, "TcpRetransSegs"),
            "{closed:#}"
        );
        assert_eq!(closed["bytes_sent"], 1000 + 2 * 4, "{closed:#}");

        for (outcome, result, evidence, syns, finding) in [
            (
                &refused,
                "ECONNREFUSED",
                "RST received",
                1,
                "connection-refused",
            ),
            (
                &filtered,
                "ETIMEDOUT",
                "timed out after 2 SYNs",
                2,
                "connection-filtered",
            ),
            (
                &filtered_here,
                "ETIMEDOUT",
                "timed out after 2 SYNs",
                2,
                "connection-filtered",
            ),
            (
                &unreachable,
                "EHOSTUNREACH",
                "ICMP unreachable",
                2,
                "connection-rejected",
            ),
        ] {
            let lines = end_of(&run, &pair, Side::Client, outcome.client(), outcome.server);
            let failed: Vec<_> = named(&lines, "failed")
                .into_iter()
                .filter(|line| line["result"] == result)
                .collect();
            let failed = failed
                .first()
                .unwrap_or_else(|| panic!("no {result}: {lines:#?}"));
            assert_caller(failed);
            assert_eq!(failed["syns"], syns, "{failed:#}");
            assert_eq!(failed["finding"], finding, "{failed:#}");
            let text = failed["evidence"].as_str().unwrap_or_default();
            assert!(text.starts_with(evidence), "{failed:#}");
            has_finding(&run, finding);
        }
        // Both the server's and the client's own firewall are on this host, and say so.
        let here = run.drops.iter().filter(|line| {
            line["event"] == "failed"
                && line["evidence"]
                    .as_str()
                    .is_some_and(|text| text.contains("dropped on this host"))
        });
        assert!(here.count() >= 2, "{:#?}", run.drops);

        if sees_returns(&run) {
            let nowhere = run
                .drops
                .iter()
                .filter(|line| line["dst"] == no_route.server.ip().to_string())
                .collect::<Vec<_>>();
            // The client has no address yet: the filter by host leaves it out.
            assert!(nowhere.is_empty(), "{nowhere:#?}");
            let failed = run
                .drops
                .iter()
                .filter(|line| line["result"] == "EADDRNOTAVAIL")
                .collect::<Vec<_>>();
            let [failed] = failed[..] else {
                panic!("not one: {failed:#?}")
            };
            assert_caller(failed);
            assert!(
                failed.get("sport").is_none() && failed.get("syns").is_none(),
                "{failed:#}"
            );
            assert_eq!(failed["finding"], "ephemeral-ports-exhausted");
            assert_eq!(exhausted.grew(Side::Client, "TcpActiveOpens"), 2);
        }
        let lines = end_of(&run, &pair, Side::Client, slow.client(), slow.server);
        let established = only(&lines, "established");
        assert_eq!(
            (&established["syns"], &established["finding"]),
            (&json!(2), &json!("slow-handshake")),
            "{established:#}"
        );
        assert!(
            established["latency_us"]
                .as_u64()
                .is_some_and(|us| us > 900_000),
            "{established:#}"
        );

        assert_reconciled(
            &run,
            &pair,
            &[
                &client_first,
                &server_first,
                &reset_by_client,
                &reset_by_server,
                &lost,
                &refused,
                &filtered,
                &filtered_here,
                &unreachable,
                &exhausted,
                &slow,
                &no_route,
            ],
        );
        assert_nothing_attached();
    });
}

#[test]
fn conn_by_tp_btf() {
    on("tp_btf");
}

#[test]
fn conn_by_raw_tracepoint() {
    on("raw_tp");
}

#[test]
fn conn_by_classic_tracepoint() {
    on("tracepoint");
}

#[test]
fn conn_by_kprobe() {
    on("kprobe");
}

#[test]
fn conn_by_fexit() {
    on("fexit");
}
