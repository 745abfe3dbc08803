//! The interface of `netdiag conn`: listeners, filters, ends, complaints, no types, processes that are gone.

use netdiag_tests::tcp::{Dial, Listener, PORT, Pair, Side, scenario};
use netdiag_tests::{Live, isolated, run};
use serde_json::{Value, json};

use crate::conn::{assert_caller, assert_clean, end_of, only, start};

#[test]
fn conn_listeners_and_their_queues() {
    isolated(|| {
        let pair = Pair::new();
        let listener = Listener::new(&pair, Side::Server, PORT, 3);
        let waiting = [0, 1].map(|_| {
            Dial::to(listener.address())
                .connect(&pair, Side::Client)
                .expect("a connection")
        });
        let netns = pair.netns(Side::Server).0.to_string();
        let ended = run(&["conn", "--listen", "--json", "--netns", &netns]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let lines: Vec<Value> = ended
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let [line] = &lines[..] else {
            panic!("{lines:#?}")
        };
        let expected = json!({
            "kind": "listener", "netns": pair.netns(Side::Server).0, "src": "10.98.0.2", "sport": PORT, "used": 2,
            "limit": 3, "drops": 0, "pid": std::process::id(), "comm": line["comm"], "uid": 0,
        });
        assert_eq!(line, &expected);
        let table = run(&["conn", "--listen", "--port", &PORT.to_string()]);
        assert!(
            table.stdout.contains("10.98.0.2:8000") && table.stdout.contains("LIMIT"),
            "{}",
            table.stdout
        );
        drop(waiting);
    });
}

#[test]
fn conn_of_one_namespace() {
    isolated(|| {
        let pair = Pair::new();
        let live = Live::start_plain("conn", &["--netns", "server"]);
        let outcome = scenario::closed_by(&pair, Side::Client);
        let run = live.stop();
        assert_clean(&run);
        let lines = end_of(&run, &pair, Side::Server, outcome.server, outcome.client());
        assert_eq!((lines.len(), run.drops.len()), (3, 3), "{:#?}", run.drops);
        // What the client's end had, the kernel side left out.
        assert!(run.ledger("filtered") >= 3, "{:#}", run.summary);
    });
}

#[test]
fn conn_complains_like_drops() {
    isolated(|| {
        for (arguments, code, part) in [
            (&["--nonsense"][..], 2, "--nonsense"),
            (&["-w", "x"], 2, "-w"),
            (&["--listen", "--failed"], 2, "--failed"),
            (&["--count", "0"], 2, "--count"),
            (&["--netns", "no-such"], 1, "no-such"),
        ] {
            let ended = run(&[&["conn"], arguments].concat());
            assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
            assert!(
                ended.stderr.contains(part),
                "{arguments:?}: {}",
                ended.stderr
            );
            assert_eq!(ended.stdout, "", "{arguments:?}");
        }
    });
}

#[test]
fn conn_stops_after_a_count_and_filters_failures() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&["--failed", "--count", "1"]);
        let _fine = scenario::closed_by(&pair, Side::Client);
        let _refused = scenario::refused(&pair);
        let run = live.finish();
        assert_clean(&run);
        assert_eq!(run.drops.len(), 1);
        assert_eq!(run.drops[0]["event"], "failed");
        assert!(run.ledger("filtered") >= 6, "{:#}", run.summary);
    });
}

#[test]
fn conn_without_btf() {
    isolated(|| {
        crate::no_btf::hide_btf();
        let pair = Pair::new();
        let live = start(&[]);
        let fine = scenario::closed_by(&pair, Side::Client);
        let refused = scenario::refused(&pair);
        let run = live.stop();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stderr.contains("without types (BTF)"), "{}", run.stderr);
        assert_eq!(run.hook("inet_sock_set_state"), Some("tracepoint"));
        let client: Vec<_> = run
            .drops
            .iter()
            .filter(|line| line["src"] == "10.98.0.1")
            .collect();
        let closed = only(&client, "closed");
        assert_caller(closed);
        assert_eq!(closed["closed_by"], "local", "{closed:#}");
        assert_eq!(closed["sport"], fine.client().port());
        for unknown in ["netns", "bytes_sent", "bytes_received", "result", "retrans"] {
            assert_eq!(closed.get(unknown), None, "{closed:#}");
        }
        assert!(only(&client, "established")["latency_us"].is_u64());
        let failed = only(&client, "failed");
        assert_eq!(failed["dport"], refused.server.port());
        assert_eq!(failed["evidence"], "RST received", "{failed:#}");
        let ended = run_conn(&["--netns", &pair.netns(Side::Client).0.to_string()]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("--btf FILE"), "{}", ended.stderr);
    });
}

fn run_conn(arguments: &[&str]) -> netdiag_tests::Ended {
    run(&[&["conn"], arguments].concat())
}

/// Of a process that is gone before anybody looks, everything is known all the same: it is taken down in its context.
#[test]
fn conn_of_a_process_that_exits_at_once() {
    isolated(|| {
        let pair = Pair::new();
        let listener = Listener::new(&pair, Side::Server, PORT, 4);
        let live = start(&[]);
        // It has nothing to say, and leaves as soon as it is connected and has said so.
        let (address, port) = (Side::Server.address().to_string(), PORT.to_string());
        let ended = std::thread::scope(|scope| {
            let accepting = scope.spawn(|| drop(listener.accept()));
            let ended = pair.command(Side::Client, "busybox", &["nc", &address, &port], "");
            accepting.join().expect("a thread");
            ended
        });
        let run = live.stop();
        assert_clean(&run);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let client: Vec<_> = run
            .drops
            .iter()
            .filter(|line| line["netns"] == pair.netns(Side::Client).0)
            .collect();
        let pid = &only(&client, "connect")["pid"];
        let gone = !std::path::Path::new(&format!("/proc/{pid}")).exists();
        assert!(gone, "it is still there: {pid}");
        assert!(pid.is_u64() && *pid != std::process::id(), "{client:#?}");
        for event in ["connect", "established", "closed"] {
            let line = only(&client, event);
            assert_eq!(
                (&line["pid"], &line["comm"]),
                (pid, &json!("busybox")),
                "{client:#?}"
            );
        }
    });
}
