//! Connections that do not come about because a queue of the listening socket is full, and cookies that are wrong.
//! A SYN that finds a queue full leaves no drop event on any kernel.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

use super::l3::{self, Ip, PACKETS, scenario};
use super::peer::{ACK, Peer, SYN};
use super::tcp::serve;
use super::udp::OPEN_PORT;
use super::{Bench, Expectation, LabError, Namespace, Owner, Scenario, Tun, sysctl};

/// The smallest backlog of which a queue can be full: one more connection than it says may wait.
const BACKLOG: u16 = 1;

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "accept-queue-full",
        "SYNs arrive for a program that does not accept connections any more",
        "A service hangs, or is too slow: its accept queue is full. The kernel ignores further SYNs, without an \
         answer and without a trace other than a counter.",
        Expectation::counter_alone("accept-queue-overflow", "TcpExtListenOverflows"),
        || accept_queue(Ip::V4),
    ),
    scenario(
        "accept-queue-full6",
        "SYNs arrive over IPv6 for a program that does not accept connections any more",
        "As accept-queue-full, with IPv6.",
        Expectation::counter_alone("accept-queue-overflow", "TcpExtListenOverflows"),
        || accept_queue(Ip::V6),
    ),
    scenario(
        "accept-queue-full-ack",
        "Handshakes come to their end when the accept queue is full",
        "A service hangs while clients connect: their SYNs were answered, and then the accept queue was full. The kernel \
         drops the last ACK of each, and the client takes the connection for established.",
        LATE,
        || accept_queue_late(Ip::V4),
    ),
    scenario(
        "accept-queue-full-ack6",
        "Handshakes over IPv6 come to their end when the accept queue is full",
        "As accept-queue-full-ack, with IPv6.",
        LATE,
        || accept_queue_late(Ip::V6),
    ),
    scenario(
        "syn-queue-full",
        "More SYNs arrive than may wait for the end of their handshake",
        "A SYN flood, or a return path that loses the SYN-ACKs: half-open connections fill the queue. SYN cookies, \
         which would help, are off.",
        Expectation::counter_alone("syn-queue-full", "TcpExtTCPReqQFullDrop"),
        || syn_queue("0"),
    ),
    scenario(
        "syn-flood",
        "More SYNs arrive than may wait, and get SYN cookies",
        "As syn-queue-full, with SYN cookies on, as they are by default: the service stays reachable, and the flood shows \
         in one counter.",
        Expectation::counter_alone("syn-queue-full", "TcpExtTCPReqQFullDoCookies"),
        || syn_queue("1"),
    ),
    scenario(
        "syncookie-failed",
        "Acknowledgements arrive that carry a wrong SYN cookie",
        "The service answers with SYN cookies, and what comes back is not what it gave out: it is too old, a load \
         balancer sent it to another machine, or somebody guesses.",
        Expectation::finding("syncookie-failed")
            .counter("TcpExtSyncookiesFailed")
            .at(
                &["NO_SOCKET", "NOT_SPECIFIED", "TCP_FLAGS"],
                &["tcp_v4_rcv", "tcp_v4_do_rcv", "cookie_v4_check"],
            )
            // The segment has lost its device on its way to the listener.
            .on(None)
            .of(Owner::Receiver),
        cookies,
    ),
];

const LATE: Expectation = Expectation::finding("accept-queue-overflow")
    .counter("TcpExtListenOverflows")
    .at(
        &["TCP_LISTEN_OVERFLOW", "NOT_SPECIFIED"],
        &["tcp_v4_rcv", "tcp_v6_rcv"],
    )
    .of(Owner::Receiver);

/// A listener with a short queue.
fn short_listener(namespace: &Namespace, ip: Ip, backlog: u16) -> Result<TcpListener, LabError> {
    let address = SocketAddr::new(ip.here(), OPEN_PORT);
    let family = match ip {
        Ip::V4 => AddressFamily::INET,
        Ip::V6 => AddressFamily::INET6,
    };
    namespace
        .run(move || {
            let socket = socket(family, SocketType::STREAM, None)?;
            bind(&socket, &address)?;
            listen(&socket, i32::from(backlog))?;
            Ok(socket.into())
        })
        .map_err(|errno: rustix::io::Errno| LabError::Socket {
            operation: "listen on",
            address: address.to_string(),
            source: errno.into(),
        })
}

fn peer(tun: &Arc<Tun>, ip: Ip, number: u16) -> Peer {
    Peer::new(tun, ip, 40_000 + number, OPEN_PORT)
}

fn accept_queue(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let tun = Arc::new(tun);
    let listener = short_listener(&namespace, ip, BACKLOG)?;
    for number in 0..=BACKLOG {
        peer(&tun, ip, number).connect()?;
    }
    let bench = Bench::each(namespace, PACKETS, move |seq| {
        peer(&tun, ip, BACKLOG + seq).send(SYN, &[])
    });
    Ok(bench.keeping(listener))
}

fn accept_queue_late(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let tun = Arc::new(tun);
    // The half-open ones must not fill a queue of their own, which is as long.
    let backlog = 2 * PACKETS;
    let listener = short_listener(&namespace, ip, backlog)?;
    let mut late = Vec::new();
    for number in 0..PACKETS {
        let mut half_open = peer(&tun, ip, number);
        half_open.half_open()?;
        late.push(half_open);
    }
    for number in 0..=backlog {
        peer(&tun, ip, PACKETS + number).connect()?;
    }
    let mut late = late.into_iter();
    let bench = Bench::each(namespace, PACKETS, move |_| {
        late.next().map_or(Ok(()), |peer| peer.send(ACK, &[]))
    });
    Ok(bench.keeping((listener, tun)))
}

fn syn_queue(cookies: &'static str) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(false)?;
    let tun = Arc::new(tun);
    namespace.run(|| sysctl::write("ipv4/tcp_syncookies", cookies))?;
    let listener = short_listener(&namespace, Ip::V4, BACKLOG)?;
    // The queue is full with as many as the backlog says, and of late with one more.
    for number in 0..=BACKLOG {
        peer(&tun, Ip::V4, number).send(SYN, &[])?;
    }
    let bench = Bench::each(namespace, PACKETS, move |seq| {
        peer(&tun, Ip::V4, BACKLOG + seq).send(SYN, &[])
    });
    Ok(bench.keeping(listener))
}

fn cookies() -> Result<Bench, LabError> {
    let service = serve(Ip::V4)?;
    // Always, and not only when a queue is full.
    service
        .namespace
        .run(|| sysctl::write("ipv4/tcp_syncookies", "2"))?;
    // A listener that gave none out lately looks at none.
    peer(&service.tun, Ip::V4, 0).send(SYN, &[])?;
    let tun = Arc::clone(&service.tun);
    let bench = Bench::each(service.namespace, PACKETS, move |seq| {
        let mut guess = peer(&tun, Ip::V4, seq);
        guess.ack = 0x1234_5678;
        guess.send(ACK, &[])
    });
    Ok(bench.keeping(service.listener))
}
