//! Attempts to connect that fail.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::syn;
use crate::tcp::{Connection, Dial, Hook, Listener, Outcome, PORT, Pair, Side, Watch, eventually};

/// The one port that the kernel may choose: an attempt that failed does not tell which it was.
const FROM: u16 = 41001;

fn client() -> SocketAddr {
    SocketAddr::new(Side::Client.address(), FROM)
}

fn server() -> SocketAddr {
    SocketAddr::new(Side::Server.address(), PORT)
}

/// Connects to where it cannot.
fn fail(pair: &Pair, dial: Dial, to: SocketAddr) -> Outcome {
    let watch = Watch::new(pair);
    let _port = pair.only_port(Side::Client, FROM);
    let error = dial.connect(pair, Side::Client).expect_err("a failure");
    watch.failed(client(), to, &error)
}

/// Nobody listens: the answer is a RST.
///
/// ECONNREFUSED; the client's `TcpAttemptFails` and the server's `TcpOutRsts` grow by 1.
#[must_use]
pub fn refused(pair: &Pair) -> Outcome {
    fail(pair, Dial::to(server()), server())
}

/// Every SYN is dropped without a word; the client gives up after a second and a half, and one retransmission.
///
/// ETIMEDOUT; the client's `TcpExtTCPSynRetrans` grows by 1, and its `TcpAttemptFails`.
#[must_use]
pub fn filtered(pair: &Pair) -> Outcome {
    let _filter = pair.fault(Side::Server, Hook::Input, &[&format!("{} drop", syn())]);
    let dial = Dial::to(server()).user_timeout(Duration::from_millis(1500));
    fail(pair, dial, server())
}

/// A firewall of the client's own drops every SYN. connect() is not told, and waits: as [`filtered`], but what is sent
/// again does not leave.
///
/// ETIMEDOUT; the client's `TcpRetransSegs` and `TcpExtTCPRetransFail` grow by 1.
#[must_use]
pub fn filtered_here(pair: &Pair) -> Outcome {
    let _filter = pair.fault(Side::Client, Hook::Output, &[&format!("{} drop", syn())]);
    let dial = Dial::to(server()).user_timeout(Duration::from_millis(1500));
    fail(pair, dial, server())
}

/// There is no way to the address.
///
/// ENETUNREACH; nothing is sent.
#[must_use]
pub fn no_route(pair: &Pair) -> Outcome {
    let nowhere = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), PORT));
    fail(pair, Dial::to(nowhere), nowhere)
}

/// A firewall at the server answers with ICMP "host unreachable".
///
/// EHOSTUNREACH. The first answer comes while connect() still holds the socket, and is no more than noted: the attempt
/// fails by the answer to the second SYN, a second later.
#[must_use]
pub fn icmp_unreachable(pair: &Pair) -> Outcome {
    let rule = format!("{} reject with icmp type host-unreachable", syn());
    let _firewall = pair.fault(Side::Server, Hook::Input, &[&rule]);
    fail(pair, Dial::to(server()), server())
}

/// A listener with a backlog of 1 accepts nobody: two connections wait, and the third attempt's SYNs are dropped. The
/// client gives up after the second, and the two that wait are reset.
///
/// The server's `TcpExtListenOverflows` and `TcpExtListenDrops` grow by 2, the client's `TcpExtTCPSynRetrans` by 1.
/// The third of the clients is the one that failed.
#[must_use]
pub fn accept_queue_full(pair: &Pair) -> Outcome {
    let watch = Watch::new(pair);
    // A SYN to a full queue would be answered with a cookie on some kernels.
    let _cookies = pair.set(Side::Server, "ipv4/tcp_syncookies", "0");
    let listener = Listener::new(pair, Side::Server, PORT, 1);
    let dial = Dial::to(listener.address());
    let waiting = [0, 1].map(|_| dial.connect(pair, Side::Client).expect("a connection"));
    eventually("a full queue", || {
        let sockets = pair.ss(Side::Server);
        sockets
            .iter()
            .any(|socket| socket.state == "LISTEN" && socket.recv_q == 2)
    });
    let third = dial.start(pair, Side::Client).expect("an attempt");
    let mut clients = waiting
        .each_ref()
        .map(|stream| stream.local_addr().expect("an address"))
        .to_vec();
    clients.push(third.local().expect("an address"));
    watch.wait(Side::Server, "TcpExtListenOverflows", 2);
    drop(third);
    let to = listener.address();
    drop(listener);
    drop(waiting);
    watch.outcome(&clients, to)
}

/// The kernel may choose from two ports, both have connections to the server, and a third is asked for.
///
/// EADDRNOTAVAIL; nothing is sent. The clients are the two that have connections; these are closed in order.
#[must_use]
pub fn ports_exhausted(pair: &Pair) -> Outcome {
    let watch = Watch::new(pair);
    let _ports = pair.set(Side::Client, "ipv4/ip_local_port_range", "41010 41011");
    let listener = Listener::new(pair, Side::Server, PORT, 16);
    let open = [0, 1].map(|_| Connection::accepted(pair, &listener));
    let error = Dial::to(listener.address())
        .connect(pair, Side::Client)
        .expect_err("no port to be left");
    let clients = open.each_ref().map(|connection| connection.from);
    for connection in open {
        connection.close(Side::Client);
    }
    let mut outcome = watch.failed(clients[0], listener.address(), &error);
    outcome.clients = clients.to_vec();
    outcome
}
