//! Connections that nothing is wrong with, and how they end.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::thread;

use crate::tcp::{Answer, Connection, Dial, Listener, Outcome, PORT, Pair, Server, Side, Watch};

/// How many threads make connections.
const CLIENTS: usize = 4;

/// Something is said, and said back, and one side closes first: it is left in TIME_WAIT.
#[must_use]
pub fn closed_by(pair: &Pair, first: Side) -> Outcome {
    let watch = Watch::new(pair);
    let mut connection = Connection::open(pair);
    connection.ping();
    let (from, to) = (connection.from, connection.to);
    connection.close(first);
    watch.outcome(&[from], to)
}

/// Something is said, and said back, and one side throws the connection away: the other, which reads, is told.
///
/// ECONNRESET; the `TcpEstabResets` of both grow by 1, and the `TcpOutRsts` of that side.
#[must_use]
pub fn reset_by(pair: &Pair, side: Side) -> Outcome {
    let watch = Watch::new(pair);
    let mut connection = Connection::open(pair);
    connection.ping();
    let (from, to) = (connection.from, connection.to);
    let mut left = connection.abort(side);
    let error = left.read(&mut [0]).expect_err("a reset");
    drop(left);
    watch.failed(from, to, &error)
}

/// So many connections as fast as four threads can, each with ten bytes that are said back, closed by the client.
#[must_use]
pub fn many_short(pair: &Pair, count: usize) -> Outcome {
    let watch = Watch::new(pair);
    let server = Server::new(Listener::new(pair, Side::Server, PORT, 128), Answer::Echo);
    let to = server.address();
    let clients = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|first| {
                let share = (first..count).step_by(CLIENTS);
                scope.spawn(move || share.map(|_| short(pair, to)).collect::<Vec<_>>())
            })
            .collect();
        let all = threads.into_iter().map(thread::ScopedJoinHandle::join);
        all.flat_map(|addresses| addresses.expect("a client's thread"))
            .collect::<Vec<_>>()
    });
    let served = server.stop();
    assert_eq!((clients.len(), served), (count, count), "connections");
    watch.outcome(&clients, to)
}

fn short(pair: &Pair, to: SocketAddr) -> SocketAddr {
    let dial = Dial::to(to).nodelay();
    let mut stream = dial.connect(pair, Side::Client).expect("a connection");
    let from = stream.local_addr().expect("an address");
    stream.write_all(b"ten bytes.").expect("send");
    stream.shutdown(Shutdown::Write).expect("shut down");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an orderly end");
    assert_eq!(answer, b"ten bytes.");
    from
}
