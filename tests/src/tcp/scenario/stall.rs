//! Connections that get stuck.

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;

use super::without_probes;
use crate::tcp::{Connection, Hook, Listener, Outcome, PORT, Pair, Side, Watch, eventually};

/// Receive buffer of a server that does not read, in bytes.
const BUFFER: usize = 16 * 1024;

/// The server does not read until the client has asked twice whether there is room again; then it reads all.
///
/// The server's `TcpExtTCPToZeroWindowAdv` grows, and the client's `TcpExtTCPWinProbe` by 2 or more; nothing is
/// retransmitted.
#[must_use]
pub fn zero_window(pair: &Pair) -> Outcome {
    // A probe would overtake the acknowledgements that the server delays.
    let _timeout = without_probes(pair);
    let watch = Watch::new(pair);
    let address = SocketAddr::new(Side::Server.address(), PORT);
    let listener = Listener::on(pair, Side::Server, address, 1, Some(BUFFER)).expect("a listener");
    let mut connection = Connection::accepted(pair, &listener);
    connection.ping();
    connection.client.set_nonblocking(true).expect("an option");
    let mut sent = 0;
    eventually("a full buffer", || {
        match connection.client.write(&[b'x'; 4096]) {
            Ok(bytes) => sent += bytes,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        watch.grew(Side::Client, "TcpExtTCPWinProbe") >= 2
    });
    connection.client.set_nonblocking(false).expect("an option");
    connection.receive(sent);
    connection.ping();
    let (from, to) = (connection.from, connection.to);
    connection.close(Side::Client);
    watch.outcome(&[from], to)
}

/// Segments of more than 1000 bytes vanish on their way without an answer, and smaller ones pass: the handshake and
/// small requests work, and of what is larger only its small rest arrives. After three retransmissions the client
/// throws the connection away.
///
/// The client's `TcpRetransSegs` grows by 3 or more, its `TcpExtTCPTimeouts` by 1 or more.
#[must_use]
pub fn mtu_black_hole(pair: &Pair) -> Outcome {
    let watch = Watch::new(pair);
    let rule = format!("tcp dport {PORT} meta length > 1000 drop");
    let _hole = pair.fault(Side::Server, Hook::Input, &[&rule]);
    let mut connection = Connection::open(pair);
    connection.ping();
    connection.send(5000);
    watch.wait(Side::Client, "TcpRetransSegs", 3);
    let (from, to) = (connection.from, connection.to);
    drop(connection.abort(Side::Client));
    watch.outcome(&[from], to)
}
