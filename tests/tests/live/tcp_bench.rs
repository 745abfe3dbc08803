//! The TCP bench itself, without netdiag: each scenario does what it says, by the kernel's own counters.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use netdiag_tests::isolated;
use netdiag_tests::tcp::Side::{Client, Server};
use netdiag_tests::tcp::{
    Answer, Connection, Dial, Listener, Outcome, PORT, Pair, Side, Watch, eventually, scenario,
};
use rustix::io::Errno;

/// By how much counters grew; 0 for one that must not.
type Grew<'a> = &'a [(&'a str, u64)];

/// What no healthy connection has.
const HEALTHY: Grew = &[
    ("TcpRetransSegs", 0),
    ("TcpExtTCPTimeouts", 0),
    ("TcpExtTCPLossProbes", 0),
    ("TcpExtTCPSynRetrans", 0),
    ("TcpAttemptFails", 0),
    ("TcpEstabResets", 0),
    ("TcpOutRsts", 0),
];

/// Runs a scenario alone, and looks at what grew at the client and at the server.
fn check(
    scenario: impl FnOnce(&Pair) -> Outcome + Send,
    client: Grew<'_>,
    server: Grew<'_>,
) -> Outcome {
    isolated(|| {
        let outcome = scenario(&Pair::new());
        assert_grew(&outcome, Client, client);
        assert_grew(&outcome, Server, server);
        outcome
    })
}

fn assert_grew(outcome: &Outcome, side: Side, expected: Grew<'_>) {
    for &(name, by) in expected {
        assert_eq!(outcome.grew(side, name), by, "{name}: {outcome:#?}");
    }
}

#[test]
fn syn_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPSynRetrans", 1),
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 0),
    ];
    let server = [("TcpRetransSegs", 0), ("TcpPassiveOpens", 1)];
    check(scenario::syn_lost, &client, &server);
}

#[test]
fn syn_ack_lost() {
    let client = [("TcpActiveOpens", 1), ("TcpAttemptFails", 0)];
    let server = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPSynRetrans", 1),
        ("TcpPassiveOpens", 1),
    ];
    let outcome = check(scenario::syn_ack_lost, &client, &server);
    // Both ends wait for a second: who is first is not said.
    let again = outcome.grew(Client, "TcpRetransSegs");
    assert!(again <= 1, "{outcome:#?}");
    assert_eq!(outcome.grew(Client, "TcpExtTCPSynRetrans"), again);
}

#[test]
fn data_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPLossProbes", 0),
        ("TcpExtTCPFastRetrans", 0),
        ("TcpExtTCPSynRetrans", 0),
    ];
    check(scenario::data_lost_rto, &client, HEALTHY);
}

#[test]
fn window_lost() {
    let client = [
        ("TcpRetransSegs", 10),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPSlowStartRetrans", 9),
        ("TcpExtTCPLossProbes", 0),
    ];
    check(scenario::window_lost_rto, &client, HEALTHY);
}

#[test]
fn tail_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPLossProbes", 1),
        ("TcpExtTCPTimeouts", 0),
        ("TcpExtTCPFastRetrans", 0),
    ];
    check(scenario::tail_lost_tlp, &client, HEALTHY);
}

#[test]
fn middle_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPFastRetrans", 1),
        ("TcpExtTCPTimeouts", 0),
        ("TcpExtTCPLossProbes", 0),
    ];
    check(scenario::middle_lost_fast, &client, HEALTHY);
}

#[test]
fn local_drop() {
    let client = [
        ("TcpRetransSegs", 2),
        ("TcpExtTCPRetransFail", 1),
        ("TcpExtTCPTimeouts", 2),
    ];
    check(scenario::local_drop, &client, HEALTHY);
}

#[test]
fn spurious() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPDSACKRecv", 1),
    ];
    let server = [("TcpRetransSegs", 0), ("TcpExtTCPDSACKOldSent", 1)];
    check(scenario::spurious, &client, &server);
}

#[test]
fn zero_window() {
    let outcome = check(scenario::zero_window, HEALTHY, HEALTHY);
    assert!(outcome.grew(Client, "TcpExtTCPWinProbe") >= 2);
    assert!(outcome.grew(Server, "TcpExtTCPToZeroWindowAdv") >= 1);
}

#[test]
fn mtu_black_hole() {
    let client = [("TcpEstabResets", 1), ("TcpOutRsts", 1)];
    let outcome = check(scenario::mtu_black_hole, &client, &[("TcpEstabResets", 1)]);
    assert!(outcome.grew(Client, "TcpRetransSegs") >= 3);
    assert!(outcome.grew(Client, "TcpExtTCPTimeouts") >= 1);
}

#[test]
fn refused() {
    let client = [
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 0),
    ];
    let outcome = check(scenario::refused, &client, &[("TcpOutRsts", 1)]);
    assert_eq!(outcome.error, Some(Errno::CONNREFUSED));
}

#[test]
fn filtered() {
    let client = [
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 1),
        ("TcpExtTCPSynRetrans", 1),
    ];
    let outcome = check(scenario::filtered, &client, &[("TcpOutRsts", 0)]);
    assert_eq!(outcome.error, Some(Errno::TIMEDOUT));
}

#[test]
fn no_route() {
    let client = [("TcpActiveOpens", 0), ("TcpOutSegs", 0)];
    let outcome = check(scenario::no_route, &client, HEALTHY);
    assert_eq!(outcome.error, Some(Errno::NETUNREACH));
}

#[test]
fn icmp_unreachable() {
    let client = [
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 1),
    ];
    let outcome = check(scenario::icmp_unreachable, &client, &[("TcpOutRsts", 0)]);
    assert_eq!(outcome.error, Some(Errno::HOSTUNREACH));
}

#[test]
fn accept_queue_full() {
    let client = [("TcpActiveOpens", 3), ("TcpExtTCPSynRetrans", 1)];
    let server = [
        ("TcpPassiveOpens", 2),
        ("TcpExtListenOverflows", 2),
        ("TcpExtListenDrops", 2),
        ("TcpOutRsts", 2),
    ];
    let outcome = check(scenario::accept_queue_full, &client, &server);
    assert_eq!(outcome.clients.len(), 3);
}

#[test]
fn ports_exhausted() {
    let client = [("TcpActiveOpens", 2), ("TcpAttemptFails", 0)];
    let outcome = check(
        scenario::ports_exhausted,
        &client,
        &[("TcpPassiveOpens", 2)],
    );
    assert_eq!(outcome.error, Some(Errno::ADDRNOTAVAIL));
}

#[test]
fn reset() {
    for side in [Client, Server] {
        let sent = |by| [("TcpEstabResets", 1), ("TcpOutRsts", u64::from(side == by))];
        let (client, server) = (sent(Client), sent(Server));
        let outcome = check(|pair| scenario::reset_by(pair, side), &client, &server);
        assert_eq!(outcome.error, Some(Errno::CONNRESET));
    }
}

/// Who closes first is left in TIME_WAIT.
#[test]
fn closed() {
    for side in [Client, Server] {
        isolated(|| {
            let pair = Pair::new();
            let outcome = scenario::closed_by(&pair, side);
            for side in [Client, Server] {
                assert_grew(&outcome, side, HEALTHY);
            }
            assert_eq!(outcome.grew(Client, "TcpActiveOpens"), 1);
            assert_eq!(outcome.grew(Server, "TcpPassiveOpens"), 1);
            let left = |side| pair.ss(side).into_iter().map(|socket| socket.state);
            assert_eq!(left(side).collect::<Vec<_>>(), ["TIME-WAIT"]);
            assert_eq!(left(side.other()).count(), 0);
        });
    }
}

#[test]
fn many_short() {
    let outcome = check(|pair| scenario::many_short(pair, 100), HEALTHY, HEALTHY);
    assert_eq!(outcome.grew(Client, "TcpActiveOpens"), 100);
    assert_eq!(outcome.grew(Server, "TcpPassiveOpens"), 100);
}

/// IPv6, IPv4 by IPv6 sockets, a chosen port again while it is in TIME_WAIT, and without waiting.
#[test]
fn ways_to_connect() {
    isolated(|| {
        let pair = Pair::new();
        let watch = Watch::new(&pair);
        let six = Listener::new6(&pair, Server, PORT, 4);
        let connection = Connection::accepted(&pair, &six);
        assert_eq!(connection.from.ip(), Client.address6());
        connection.close(Client);

        let dual = Listener::dual(&pair, Server, PORT + 1, 4);
        let to = (Server.address(), PORT + 1).into();
        for dial in [Dial::to(to).mapped(), Dial::to(to)] {
            let client = dial.from_port(4321).start(&pair, Client).expect("a start");
            let local = client.local().expect("an address");
            assert_eq!(
                (local.ip().to_canonical(), local.port()),
                (Client.address(), 4321)
            );
            let mut client = client.finish().expect("a connection");
            let mut server = dual.accept();
            let IpAddr::V6(peer) = server.peer_addr().expect("an address").ip() else {
                panic!("the listener's sockets are of IPv6")
            };
            assert_eq!(
                peer.to_ipv4_mapped().map(IpAddr::V4),
                Some(Client.address())
            );
            client.shutdown(std::net::Shutdown::Write).expect("the end");
            assert_eq!(server.read(&mut [0]).expect("the end"), 0);
            drop(server);
            assert_eq!(client.read(&mut [0]).expect("the end"), 0);
        }
        let outcome = watch.outcome(&[], to);
        assert_grew(&outcome, Client, HEALTHY);
        assert_grew(&outcome, Server, HEALTHY);
    });
}

#[test]
fn data_in_the_syn() {
    isolated(|| {
        let pair = Pair::new();
        pair.allow_fast_open();
        let watch = Watch::new(&pair);
        let listener = Listener::new(&pair, Server, PORT, 4);
        let server = netdiag_tests::tcp::Server::new(listener, Answer::Echo);
        let dial = Dial::to(server.address());
        let mut client = dial
            .fast_open(&pair, Client, b"early")
            .expect("a connection");
        let mut answer = [0; 5];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"early");
        drop(client);
        assert_eq!(server.stop(), 1);
        let outcome = watch.outcome(&[], (Server.address(), PORT).into());
        assert_grew(&outcome, Client, &[("TcpExtTCPFastOpenActive", 1)]);
        assert_grew(&outcome, Server, &[("TcpExtTCPFastOpenPassive", 1)]);
    });
}

/// `ss` sees the same sockets, and what became of their bytes.
#[test]
fn sockets() {
    isolated(|| {
        let pair = Pair::new();
        let mut connection = Connection::open(&pair);
        connection.ping();
        connection.send(1000);
        let find = |side, port: u16| {
            let sockets = pair.ss(side);
            let found = sockets.into_iter().find(|socket| {
                socket.state == "ESTAB" && socket.local.is_some_and(|local| local.port() == port)
            });
            found.expect("a connection")
        };
        // The acknowledgement may be delayed.
        eventually("an acknowledgement", || {
            find(Client, connection.from.port()).send_q == 0
        });
        let client = find(Client, connection.from.port());
        assert_eq!(client.peer, Some(connection.to));
        assert_eq!(client.number("bytes_sent"), 1004.0, "{client:?}");
        assert!(client.number("rto") >= 200.0 && client.number("cwnd") >= 10.0);
        assert_eq!(client.retransmitted(), 0);
        let server = find(Server, PORT);
        assert_eq!(server.recv_q, 1000, "{server:?}");
        connection.receive(1000);
        connection.close(Client);
    });
}

/// Where the kernel has it.
#[test]
fn netem_delays() {
    isolated(|| {
        let pair = Pair::with_gso();
        if !pair.has_netem() {
            return;
        }
        let mut connection = Connection::open(&pair);
        connection.ping();
        let delay = pair.netem(Client, "delay 50ms");
        let start = std::time::Instant::now();
        connection.client.write_all(b"x").expect("send");
        connection.receive(1);
        assert!(start.elapsed() >= Duration::from_millis(50));
        drop(delay);
        connection.close(Client);
    });
}
