//! The TCP bench's sockets and judges, without netdiag.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown};
use std::time::{Duration, Instant};

use netdiag_tests::isolated;
use netdiag_tests::tcp::Side::{Client, Server};
use netdiag_tests::tcp::{
    self, Answer, Connection, Dial, HEALTHY, Listener, PORT, Pair, Watch, eventually,
};

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
            client.shutdown(Shutdown::Write).expect("the end");
            assert_eq!(server.read(&mut [0]).expect("the end"), 0);
            drop(server);
            assert_eq!(client.read(&mut [0]).expect("the end"), 0);
        }
        let outcome = watch.outcome(&[], to);
        outcome.assert_grew(Client, HEALTHY);
        outcome.assert_grew(Server, HEALTHY);
    });
}

#[test]
fn data_in_the_syn() {
    isolated(|| {
        let pair = Pair::new();
        pair.allow_fast_open();
        let watch = Watch::new(&pair);
        let listener = Listener::new(&pair, Server, PORT, 4);
        let server = tcp::Server::new(listener, Answer::Echo);
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
        outcome.assert_grew(Client, &[("TcpExtTCPFastOpenActive", 1)]);
        outcome.assert_grew(Server, &[("TcpExtTCPFastOpenPassive", 1)]);
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
        let start = Instant::now();
        connection.client.write_all(b"x").expect("send");
        connection.receive(1);
        assert!(start.elapsed() >= Duration::from_millis(50));
        drop(delay);
        connection.close(Client);
    });
}
