//! What `netdiag conn` could mistake for another: sockets at the address of an older one, ends that look like others.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use netdiag_tests::tcp::{Dial, Hook, Listener, PORT, Pair, Side};
use netdiag_tests::{Live, await_asleep, isolated, netdiag, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::conn::{assert_clean, end_of, only, start};

#[test]
fn conn_given_up_and_then_without_a_route() {
    const TIMES: usize = 25;
    isolated(|| {
        let pair = Pair::new();
        let netns = pair.netns(Side::Client).0;
        let to: SocketAddr = (Side::Server.address(), PORT).into();
        let nowhere: SocketAddr = ([203, 0, 113, 1], PORT).into();
        let _filter = pair.fault(
            Side::Server,
            Hook::Input,
            &[&format!(
                "tcp dport {PORT} tcp flags & (syn | ack) == syn drop"
            )],
        );
        let live = Live::start_plain("conn", &["--netns", &netns.to_string()]);
        for _ in 0..TIMES {
            drop(Dial::to(to).start(&pair, Side::Client).expect("an attempt"));
            let failed = Dial::to(nowhere).connect(&pair, Side::Client);
            failed.expect_err("no route");
        }
        let run = live.stop();
        assert_clean(&run);
        let failed = |dst: SocketAddr| -> Vec<&Value> {
            let lines = run.drops.iter().filter(|line| line["event"] == "failed");
            let there = lines.filter(|line| line["dst"] == dst.ip().to_string());
            there.collect()
        };
        let given_up = failed(to);
        assert_eq!(given_up.len(), TIMES, "{:#?}", run.drops);
        for line in given_up {
            assert!(
                line.get("result").is_none() && line["syns"] == 1,
                "{line:#}"
            );
        }
        assert_eq!(run.counter("TcpActiveOpens", netns), (25, 25));
        if run.hook("connect") != Some("deduced") {
            let unreachable = failed(nowhere);
            assert_eq!(unreachable.len(), TIMES, "{:#?}", run.drops);
            for line in unreachable {
                assert_eq!(line["result"], "ENETUNREACH", "{line:#}");
                assert_eq!(line["finding"], "connection-no-route", "{line:#}");
            }
        }
    });
}

#[test]
fn conn_reset_before_it_was_accepted() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let listener = Listener::new(&pair, Side::Server, PORT, 4);
        let to = listener.address();
        let client = Dial::to(to)
            .connect(&pair, Side::Client)
            .expect("a connection");
        let from = client.local_addr().expect("an address");
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("linger");
        drop(client);
        drop(listener.accept());
        let run = live.stop();
        assert_clean(&run);
        let server = end_of(&run, &pair, Side::Server, to, from);
        let (established, closed) = (only(&server, "established"), only(&server, "closed"));
        assert_eq!(established["id"], closed["id"]);
        // Nothing was on the way: somebody only looked whether it answers.
        assert!(closed.get("finding").is_none(), "{closed:#}");
        assert_eq!(closed["result"], "ECONNRESET", "{closed:#}");
        if run.hook("accept") != Some("deduced") {
            let accept = only(&server, "accept");
            assert_eq!(accept["id"], established["id"], "{accept:#}");
            assert!(accept["latency_us"].is_u64(), "{accept:#}");
        }
    });
}

#[test]
fn conn_data_after_the_end() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let listener = Listener::new(&pair, Side::Server, PORT, 4);
        let to = listener.address();
        let client = Dial::to(to)
            .connect(&pair, Side::Client)
            .expect("a connection");
        let from = client.local_addr().expect("an address");
        let mut server = listener.accept();
        client.shutdown(Shutdown::Both).expect("the end");
        std::thread::sleep(Duration::from_millis(50));
        server.write_all(b"too late..").expect("data");
        std::thread::sleep(Duration::from_millis(50));
        let run = live.stop();
        assert_clean(&run);
        let lines = end_of(&run, &pair, Side::Client, from, to);
        let closed = only(&lines, "closed");
        assert_eq!(closed["closed_by"], "local", "{closed:#}");
        if run.hook("tcp_send_reset") != Some("deduced") {
            assert_eq!(
                closed["evidence"], "data came after this end had closed; RST sent by this host",
                "{closed:#}"
            );
        }
    });
}

#[test]
fn conn_listeners_on_every_address_and_until_stopped() {
    isolated(|| {
        let pair = Pair::new();
        let _listener = Listener::dual(&pair, Side::Server, PORT, 3);
        let netns = pair.netns(Side::Server).0.to_string();
        let watch = ["conn", "--listen", "--json", "--netns", &netns, "--host"];
        for host in ["10.98.0.2", "fd98::2"] {
            let ended = run(&[&watch[..], &[host]].concat());
            assert_eq!(ended.stdout.lines().count(), 1, "{host}: {}", ended.stdout);
        }
        let mut command = netdiag(&["conn", "--listen", "--duration", "20s", "--netns", &netns]);
        let began = std::time::Instant::now();
        let child = command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("netdiag");
        await_asleep(child.id());
        kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
        let ended = child.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{said}");
        let (_, watched) = said.split_once("DROPS IN ").expect("how long it watched");
        let (seconds, _) = watched.split_once(" S").expect("seconds");
        let seconds: f64 = seconds.parse().expect("a number");
        assert!(
            seconds < 10.0 && began.elapsed().as_secs_f64() >= seconds,
            "{said}"
        );
    });
}

/// Where no hook tells of full queues, the counter and the listener that is still full do.
#[test]
fn conn_given_up_while_the_queue_is_full() {
    isolated(|| {
        let pair = Pair::new();
        let _cookies = pair.set(Side::Server, "ipv4/tcp_syncookies", "0");
        // Not 0: 5.10.223 answers no SYN then (inet_csk_reqsk_queue_is_full, "allow a connection when
        // sk_max_ack_backlog is zero").
        let listener = Listener::new(&pair, Side::Server, PORT, 1);
        let dial = Dial::to(listener.address());
        let waiting = [0, 1].map(|_| dial.connect(&pair, Side::Client).expect("a connection"));
        let live = start(&[]);
        let before = pair.snmp(Side::Server, "TcpExtListenOverflows");
        let second = dial.start(&pair, Side::Client).expect("an attempt");
        pair.await_counter(Side::Server, "TcpExtListenOverflows", before + 2);
        drop(second);
        let run = live.stop();
        assert_clean(&run);
        let found = |id: &str| run.findings.iter().find(|found| found["id"] == id);
        let queue = found("accept-queue-overflow").expect("a finding");
        let evidence = queue["evidence"].to_string();
        assert!(evidence.contains("2 waiting, and 1 may"), "{queue:#}");
        if let Some(filtered) = found("connection-filtered") {
            let confidence = filtered["confidence"].as_f64();
            assert!(confidence.is_some_and(|it| it <= 0.5), "{filtered:#}");
            assert_eq!(run.hook("tcp_conn_request"), Some("deduced"));
        }
        drop(waiting);
    });
}
