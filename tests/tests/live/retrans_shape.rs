//! What `netdiag retrans` shows of a retransmission, and what it leaves out.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use netdiag_tests::tcp::{Connection, Dial, Hook, ONCE, PORT, Pair, Side, eventually, scenario};
use netdiag_tests::{Attached, Live, await_asleep, netdiag, steadily};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::retrans::{assert_clean, start};

#[test]
fn the_numbers_are_those_of_ss() {
    steadily(|| {
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
    steadily(|| {
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
    steadily(|| {
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
    steadily(|| {
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
    steadily(|| {
        let pair = Pair::new();
        let live = Live::start_as("retrans", &["--iface", Side::Client.device()]);
        let _outcome = scenario::syn_ack_lost(&pair);
        let lost = scenario::syn_lost(&pair);
        let run = live.stop();
        assert_clean(&run);
        let from: Vec<_> = run.drops.iter().map(|line| &line["sport"]).collect();
        assert!(
            from.contains(&&json!(lost.client().port())),
            "{:#?}",
            run.drops
        );
        for line in &run.drops {
            // A handshake that is not over has no route, and is not hidden.
            let device = (line["retrans"] != "synack").then_some(Side::Client.device());
            assert_eq!(line["ifname"].as_str(), device, "{line:#}");
        }
        let synacks = run.drops.iter().filter(|line| line["retrans"] == "synack");
        assert_eq!(synacks.count(), 1, "{:#?}", run.drops);
        let run = {
            let live = Live::start_as("retrans", &["--iface", "lo"]);
            let _lost = scenario::syn_lost(&pair);
            live.stop()
        };
        assert_eq!(
            (run.drops.len(), run.ledger("filtered")),
            (0, 1),
            "{}",
            run.summary
        );
    });
}

#[test]
fn people_see_connections_lines_and_the_worst_of_them() {
    steadily(|| {
        let pair = Pair::new();
        for (arguments, expected) in [
            (&[][..], "RETRANS/SENT"),
            (&["--each"], "10.98.0.2:8000"),
            (&["--flows"], "PER S"),
        ] {
            let child = netdiag(&[&["retrans"], arguments].concat())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("netdiag");
            await_asleep(child.id());
            assert!(!Attached::by(child.id()).links.is_empty());
            let _outcome = scenario::syn_lost(&pair);
            std::thread::sleep(Duration::from_millis(500));
            kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
            let ended = child.wait_with_output().expect("its end");
            let text = |bytes| String::from_utf8(bytes).expect("text");
            let (stdout, stderr) = (text(ended.stdout), text(ended.stderr));
            assert_eq!(
                (ended.status.code(), stderr.as_str()),
                (Some(0), ""),
                "{stdout}"
            );
            assert!(stdout.contains(expected), "{arguments:?}: {stdout}");
            assert!(stdout.contains("Ledger: 1 seen = 1 reported"), "{stdout}");
            assert!(stdout.contains("TcpRetransSegs"), "{stdout}");
        }
    });
}

#[test]
fn a_firewall_of_the_own_shows_itself_in_the_first_syn() {
    steadily(|| {
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
