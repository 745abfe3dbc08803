//! Retransmissions at the edges: Fast Open, orphans, containers' cgroups, one port for two connections, no types, no
//! privilege.

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use netdiag_tests::tcp::{
    Connection, Dial, Hook, Listener, PORT, Pair, Side, eventually, scenario,
};
use netdiag_tests::{Live, Mounted, assert_nothing_attached, run, steadily};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn start(arguments: &[&str]) -> Live {
    Live::start_as("retrans", &[&["--host", "10.98.0.1"], arguments].concat())
}

fn syns() -> String {
    format!("tcp dport {PORT} tcp flags & (syn | ack) == syn")
}

#[test]
fn a_syn_with_data() {
    steadily(|| {
        let pair = Pair::new();
        pair.allow_fast_open();
        let listener = Listener::new(&pair, Side::Server, PORT, 8);
        let before = pair.snmp(Side::Client, "TcpRetransSegs");
        let live = start(&[]);
        let fault = pair.fault(Side::Server, Hook::Input, &[&format!("{} drop", syns())]);
        // The call returns when the connection is there.
        let (stream, accepted) = std::thread::scope(|scope| {
            let dial = Dial::to(listener.address());
            let pair = &pair;
            let stream = scope.spawn(move || dial.fast_open(pair, Side::Client, b"early data"));
            pair.await_counter(Side::Client, "TcpExtTCPSynRetrans", 1);
            drop(fault);
            let accepted = listener.accept();
            (
                stream.join().expect("a thread").expect("a connection"),
                accepted,
            )
        });
        drop((stream, accepted));
        let run = live.stop();
        let counted = pair.snmp(Side::Client, "TcpRetransSegs") - before;
        let netns = pair.netns(Side::Client).0;
        assert_eq!(
            run.counter("TcpRetransSegs", netns),
            (counted, counted),
            "{:#?}",
            run.drops
        );
        let first = &run.drops[0];
        assert_eq!(
            (&first["retrans"], &first["state"]),
            (&json!("syn"), &json!("SYN_SENT")),
            "{first:#}"
        );
    });
}

#[test]
fn a_socket_that_nobody_holds_any_more() {
    steadily(|| {
        let pair = Pair::new();
        let mut connection = Connection::open(&pair);
        connection.ping();
        let live = start(&[]);
        let rule = format!("tcp dport {PORT} drop");
        let fault = pair.fault(Side::Server, Hook::Input, &[&rule]);
        connection.send(500);
        let from = connection.from;
        // The process is done with it; the kernel is not.
        drop(connection.client);
        pair.await_counter(Side::Client, "TcpRetransSegs", 2);
        drop(fault);
        let mut rest = Vec::new();
        connection
            .server
            .read_to_end(&mut rest)
            .expect("the data, and the end");
        drop(connection.server);
        // It would go on for minutes, with its namespace.
        eventually("its end", || {
            let sockets = pair.ss(Side::Client);
            sockets.iter().all(|socket| socket.state == "TIME-WAIT")
        });
        let run = live.stop();
        assert!(run.drops.len() >= 2, "{:#?}", run.drops);
        let last = run
            .drops
            .iter()
            .rfind(|line| line["sport"] == from.port())
            .expect("one of the connection");
        assert_eq!(last["state"], "FIN_WAIT1", "{last:#}");
        // Nobody is named in its place.
        assert_eq!(
            (&last["pid"], &last["comm"]),
            (&Value::Null, &Value::Null),
            "{last:#}"
        );
        assert_eq!(last["uid"], 0, "{last:#}");
    });
}

#[test]
fn the_cgroup_is_that_of_the_socket() {
    steadily(|| {
        let directory = Mounted::new("cgroup2", None);
        let group = directory.path().join("netdiag-test");
        fs::create_dir(&group).expect("a cgroup");
        let enter = |group: &Path| {
            let pid = std::process::id().to_string();
            fs::write(group.join("cgroup.procs"), pid).expect("enter the cgroup");
        };
        let pair = Pair::new();
        let live = start(&[]);
        enter(&group);
        let inside = scenario::syn_lost(&pair);
        enter(directory.path());
        let outside = scenario::syn_lost(&pair);
        let run = live.stop();
        fs::remove_dir(&group).expect("an empty cgroup");
        let of = |port: u16| {
            let line = run.drops.iter().find(|line| line["sport"] == port);
            line.unwrap_or_else(|| panic!("none from {port}: {:#?}", run.drops))
        };
        let line = of(inside.client().port());
        assert_eq!(line["cgroup"], "/netdiag-test", "{line:#}");
        let line = of(outside.client().port());
        assert_eq!(line["cgroup"], "/", "{line:#}");
    });
}

#[test]
fn one_port_of_two_connections() {
    steadily(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let fault = pair.fault(
            Side::Server,
            Hook::Input,
            &["tcp flags & (syn | ack) == syn drop"],
        );
        let to = |port| {
            let address = SocketAddr::new(Side::Server.address(), port);
            Dial::to(address)
                .from_port(45_000)
                .start(&pair, Side::Client)
                .expect("an attempt")
        };
        let attempts = [to(PORT), to(PORT + 1)];
        pair.await_counter(Side::Client, "TcpExtTCPSynRetrans", 2);
        drop((attempts, fault));
        let run = live.stop();
        let mut ports: Vec<_> = run
            .drops
            .iter()
            .map(|line| line["dport"].as_u64().unwrap())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports, [u64::from(PORT), u64::from(PORT) + 1]);
        for line in &run.drops {
            assert_eq!(line["sport"], 45_000, "{line:#}");
        }
        // Both go to one host, and are one finding.
        assert_eq!(run.findings.len(), 1, "{:#?}", run.findings);
        assert_eq!(run.findings[0]["count"], run.ledger("reported"));
    });
}

#[test]
fn what_is_lost_is_told() {
    const ATTEMPTS: u64 = 600;
    steadily(|| {
        let pair = Pair::new();
        let live = start(&["--buffer-size", "64K", "--require-complete"]);
        let pid = i32::try_from(live.pid())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        let fault = pair.fault(Side::Server, Hook::Input, &[&format!("{} drop", syns())]);
        // A reader that does not read.
        kill_process(pid, Signal::STOP).expect("stop netdiag");
        let to = SocketAddr::new(Side::Server.address(), PORT);
        let attempts: Vec<_> = (0..ATTEMPTS)
            .map(|_| Dial::to(to).start(&pair, Side::Client).expect("an attempt"))
            .collect();
        pair.await_counter(Side::Client, "TcpExtTCPSynRetrans", ATTEMPTS);
        kill_process(pid, Signal::CONT).expect("let netdiag go on");
        drop((attempts, fault));
        let run = live.stop();
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.ledger("lost") > 0, "{}", run.summary);
        // Drops have filled the ring, too.
        assert!(
            run.summary["evidence_lost"]
                .as_u64()
                .is_some_and(|lost| lost > 0),
            "{}",
            run.summary
        );
        let netns = pair.netns(Side::Client).0;
        let (counted, explained) = run.counter("TcpRetransSegs", netns);
        // Each line is a SYN, and the ledger knows of the others.
        assert_eq!(explained, run.ledger("reported"));
        assert_eq!(counted, run.ledger("seen"), "{}", run.summary);
    });
}

#[test]
fn without_types_addresses_and_states_are_left() {
    steadily(|| {
        mount(
            "none",
            "/sys/kernel/btf",
            "tmpfs",
            MountFlags::empty(),
            None,
        )
        .expect("hide the BTF");
        for arguments in [
            &["--netns", "1"][..],
            &["--iface", "lo"],
            &["--kind", "syn"],
            &["--min-rto", "1s"],
        ] {
            let ended = run(&[&["retrans"], arguments].concat());
            assert_eq!(
                (ended.code, ended.stdout.as_str()),
                (Some(1), ""),
                "{arguments:?}"
            );
            assert!(ended.stderr.contains("--btf FILE"), "{}", ended.stderr);
        }
        let pair = Pair::new();
        let live = start(&[]);
        let syn = scenario::syn_lost(&pair);
        let rto = scenario::data_lost_rto(&pair);
        let run = live.stop();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(
            run.stderr
                .contains("without types (BTF) retransmissions are seen by tracepoint"),
            "{}",
            run.stderr
        );
        assert_eq!(run.hook("tcp_retransmit_skb"), Some("tracepoint"));
        assert_eq!(run.hook("tcp_retransmit_synack"), Some("tracepoint"));
        assert_eq!(run.drops.len(), 2, "{:#?}", run.drops);
        for (line, outcome, state) in [
            (&run.drops[0], &syn, "SYN_SENT"),
            (&run.drops[1], &rto, "ESTABLISHED"),
        ] {
            assert_eq!(line["state"], state, "{line:#}");
            assert_eq!(line["src"], "10.98.0.1", "{line:#}");
            assert_eq!(line["sport"], outcome.client().port(), "{line:#}");
            assert_eq!(
                (&line["dst"], &line["dport"]),
                (&json!("10.98.0.2"), &json!(PORT)),
                "{line:#}"
            );
            for unknown in [
                "seq", "len", "rto_us", "netns", "pid", "uid", "cgroup", "dropped",
            ] {
                assert_eq!(line[unknown], Value::Null, "{unknown}: {line:#}");
            }
        }
        assert_eq!(run.drops[0]["retrans"], "syn");
        // What kind it is cannot be told from a state alone.
        assert_eq!(run.drops[1]["retrans"], Value::Null);
        // Nor in whose namespace it was: no counter is said to be explained.
        let counters = run.summary["counters"].as_array().expect("counters");
        assert!(
            counters
                .iter()
                .all(|counter| counter["explained"].is_null()),
            "{:#}",
            run.summary
        );
    });
}

#[test]
fn refusals_and_wrong_command_lines() {
    steadily(|| {
        for (arguments, code, part) in [
            (&["retrans", "--kind", "slow"][..], 2, "slow"),
            (&["retrans", "--json", "--each"], 2, "--each"),
            (&["retrans", "--flows", "--json"], 2, "--flows"),
            (&["retrans", "--min-rto", "soon"], 2, "soon"),
            (&["retrans", "--snaplen", "100"], 2, "--snaplen"),
            (&["retrans", "--netns", "no-such"], 1, "no-such"),
            (&["retrans", "--iface", "no-such0"], 1, "no-such0"),
            (
                &["retrans", "-w", "/no/such/directory/x"],
                1,
                "/no/such/directory",
            ),
        ] {
            let ended = run(arguments);
            assert_eq!(
                (ended.code, ended.stdout.as_str()),
                (Some(code), ""),
                "{arguments:?}"
            );
            assert!(
                ended.stderr.contains(part),
                "{arguments:?}: {}",
                ended.stderr
            );
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
        let ended = crate::complaint::unprivileged(&["retrans"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.contains("CAP_BPF"), "{}", ended.stderr);
        assert_nothing_attached();
    });
}
