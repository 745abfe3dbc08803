//! Segments that TCP refuses.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::l3::{self, CLOSED_PORT, Ip, PACKETS, arriving, as_it_is, scenario};
use super::peer::{ACK, Peer, PSH, RST, SYN};
use super::udp::{OPEN_PORT, damaged};
use super::{Bench, Expectation, LabError, Namespace, Owner, Scenario, Told, Tun, frame, link, route, sockopt, traffic};

const RECEIVE: &[&str] = &["tcp_v4_rcv", "tcp_v6_rcv"];
/// Where a segment of a connection is dropped; what the compiler inlines goes by its caller's name.
const ESTABLISHED: &[&str] = &[
    "tcp_rcv_established",
    "tcp_validate_incoming",
    "tcp_data_queue",
    "tcp_ack",
    "tcp_drop",
    "tcp_rcv_state_process",
    "tcp_v4_do_rcv",
    "tcp_v6_do_rcv",
];

/// What a connection refuses. The segment has lost its device by then, and the socket that was found when it arrived
/// (`tcp_v4_rcv`, `skb_steal_sock`).
const fn established(id: &'static str, reasons: &'static [&'static str]) -> Expectation {
    Expectation::finding(id)
        .at(reasons, ESTABLISHED)
        .on(None)
        .of(Owner::Receiver)
        .told(Told::WithReasons)
}

const CLOSED: Expectation = Expectation::finding("tcp-port-closed").at(&["NO_SOCKET"], RECEIVE);
const CHECKSUM: Expectation = Expectation::finding("tcp-checksum")
    .counter("TcpInCsumErrors")
    .at(&["TCP_CSUM"], RECEIVE)
    .of(Owner::Process);
const SIGNATURE: Expectation = Expectation::finding("tcp-signature")
    .of(Owner::Receiver)
    .needs(&["TCP-MD5"]);
/// There is no IP header yet when the way is looked up, and hardly a socket any more.
const UNROUTED: Expectation = Expectation::finding("no-route").on(None).of(Owner::Unsaid);
const REFUSED: Expectation = Expectation::finding("route-discards").on(None).of(Owner::Unsaid);
const TTL: Expectation = Expectation::finding("tcp-ttl-too-low")
    .counter("TcpExtTCPMinTTLDrop")
    .at(&["TCP_MINTTL", "NOT_SPECIFIED"], RECEIVE)
    .of(Owner::Receiver);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "tcp-closed-port",
        "SYNs arrive for a port that nobody listens on",
        "The service is not running, or listens on another address. The kernel answers with a reset.",
        CLOSED,
        || knocking(Ip::V4),
    ),
    scenario(
        "tcp-closed-port6",
        "SYNs arrive over IPv6 for a port that nobody listens on",
        "As tcp-closed-port, with IPv6: often a service that listens on IPv4 alone.",
        CLOSED,
        || knocking(Ip::V6),
    ),
    scenario(
        "tcp-bad-checksum",
        "TCP segments arrive with a wrong checksum",
        "Something on the way changes the payload. TCP sends it again and again, and the connection crawls.",
        CHECKSUM,
        || corrupted(Ip::V4),
    ),
    scenario(
        "tcp-bad-checksum6",
        "TCP segments arrive over IPv6 with a wrong checksum",
        "As tcp-bad-checksum, with IPv6.",
        CHECKSUM,
        || corrupted(Ip::V6),
    ),
    scenario(
        "tcp-zero-window",
        "A peer goes on sending although the window is closed",
        "A program does not read its connection any more. Its window is closed, and what the peer sends all the same \
         is dropped.",
        // Newer kernels look at the window before they look for room, and count it as BeyondWindow.
        established("tcp-zero-window", &["TCP_ZEROWINDOW", "TCP_INVALID_END_SEQUENCE"])
            .told(Told::WithReceiver)
            .counted_alone("TcpExtTCPZeroWindowDrop"),
        stalled,
    ),
    scenario(
        "tcp-paws",
        "Segments arrive whose timestamps run backwards",
        "Several machines behind one address, or a load balancer, mix their clocks in one connection: what carries an \
         older timestamp than before is taken for a leftover of long ago (PAWS).",
        established("tcp-paws", &["TCP_RFC7323_PAWS"]).counter("TcpExtPAWSEstab").counted_alone("TcpExtPAWSEstab"),
        || {
            let younger = |peer: &mut Peer| {
                peer.stamps = Some((1_000_000, 0));
                peer.connect()?;
                peer.stamps = peer.stamps.map(|(_, echo)| (900_000, echo));
                Ok(())
            };
            conversation_from(Ip::V4, younger, |peer, _| peer.send(ACK | PSH, b"old"))
        },
    ),
    scenario(
        "tcp-old-data",
        "Segments arrive again that were received already",
        "The peer thinks that its data were lost, because the acknowledgement was late or lost, and sends them again.",
        established("tcp-old-data", &["TCP_OLD_DATA", "TCP_OLD_SEQUENCE"])
            .told(Told::WithReceiver)
            .counter("TcpExtDelayedACKLost")
            .counted_alone("TcpExtDelayedACKLost"),
        || conversation(Ip::V4, |peer| peer.send(ACK | PSH, b"once"), |peer, _| peer.send(ACK | PSH, b"once")),
    ),
    scenario(
        "tcp-out-of-window",
        "Segments arrive whose numbers are far away from what is expected",
        "A firewall or load balancer translates sequence numbers wrongly, or a connection was taken over without its \
         state.",
        established("tcp-out-of-window", &["TCP_INVALID_SEQUENCE", "TCP_INVALID_END_SEQUENCE"]),
        || {
            conversation(Ip::V4, |peer| {
                peer.seq = peer.seq.wrapping_add(100_000_000);
                Ok(())
            }, |peer, _| peer.send(ACK | PSH, b"far"))
        },
    ),
    scenario(
        "tcp-reset-refused",
        "Resets arrive that do not fit exactly",
        "Somebody forges resets, such as a middlebox that wants to end the connection and does not know its numbers \
         exactly. The kernel asks back (challenge ACK) and drops them.",
        established("tcp-reset-refused", &["TCP_RESET"]),
        || {
            conversation(Ip::V4, |peer| {
                peer.seq = peer.seq.wrapping_add(100);
                Ok(())
            }, |peer, _| peer.send(RST, &[]))
        },
    ),
    scenario(
        "tcp-flags-invalid",
        "Segments of a connection arrive without ACK, SYN and RST",
        "A port scanner, or a broken middlebox: no segment of a connection is without one of these flags.",
        established("tcp-flags-invalid", &["TCP_FLAGS"]),
        || conversation(Ip::V4, |_| Ok(()), |peer, _| peer.send(PSH, b"no flag")),
    ),
    scenario(
        "tcp-ack-invalid",
        "Segments arrive that acknowledge what was never sent",
        "The two ends disagree about what was sent: a middlebox changes numbers, or somebody guesses.",
        established("tcp-ack-invalid", &["TCP_ACK_UNSENT_DATA", "TCP_INVALID_ACK_SEQUENCE"]),
        || {
            conversation(Ip::V4, |peer| {
                peer.ack = peer.ack.wrapping_add(1_000_000);
                Ok(())
            }, |peer, _| peer.send(ACK | PSH, b"early"))
        },
    ),
    scenario(
        "tcp-signature-missing",
        "Segments arrive without the signature that the socket demands",
        "A BGP session is protected by a key (TCP-MD5), and the other end was not given it.",
        SIGNATURE.counter("TcpExtTCPMD5NotFound").at(&["TCP_MD5NOTFOUND"], RECEIVE),
        || signed(Ip::V4, |peer| peer.send(SYN, &[])),
    ),
    scenario(
        "tcp-signature-wrong6",
        "Segments arrive over IPv6 with a wrong signature",
        "As tcp-signature-missing, with IPv6, and the other end was given another key.",
        SIGNATURE.counter("TcpExtTCPMD5Failure").at(&["TCP_MD5FAILURE"], RECEIVE),
        || {
            signed(Ip::V6, |peer| {
                // Signature (kind 19, 18 bytes), which is not right; no operation, twice.
                let option = [&[19, 18][..], &[0x5a; 16], &[1, 1]].concat();
                peer.send_with(SYN, &option, &[])
            })
        },
    ),
    scenario(
        "tcp-ttl-too-low",
        "Segments come from further away than the socket allows",
        "A BGP session takes only packets of direct neighbours (TTL security), and one more router stands between.",
        TTL,
        || distant(Ip::V4),
    ),
    scenario(
        "tcp-ttl-too-low6",
        "Segments come over IPv6 from further away than the socket allows",
        "As tcp-ttl-too-low, with IPv6.",
        TTL,
        || distant(Ip::V6),
    ),
    scenario(
        "tcp-data-after-close",
        "Data arrive for connections that the program has closed",
        "A program closes its connections while the peer is still sending: what comes is dropped, and the peer is \
         told with a reset.",
        Expectation::finding("tcp-data-after-close")
            .counter("TcpExtTCPAbortOnData")
            .at(&["TCP_ABORT_ON_DATA", "NOT_SPECIFIED"], ESTABLISHED)
            .on(None),
        closed,
    ),
    scenario(
        "tcp-way-lost",
        "Connections go on when the device with their route is down",
        "A VPN or an interface goes down, and its routes with it, while programs still have connections that went that \
         way. What they send, the kernel has no route for.",
        UNROUTED.counter("IpOutNoRoutes").at(&["IP_OUTNOROUTES"], &["__ip_queue_xmit"]),
        || abandoned(Ip::V4, |_| link::set_down(l3::DEVICE)),
    ),
    scenario(
        "tcp-way-lost6",
        "Connections over IPv6 go on when the device with their route is down",
        "As tcp-way-lost, with IPv6: the addresses go as well.",
        UNROUTED.counter("Ip6OutNoRoutes").at(&["NOT_SPECIFIED", "IP_OUTNOROUTES"], &["inet6_csk_xmit"]),
        || abandoned(Ip::V6, |_| link::set_down(l3::DEVICE)),
    ),
    scenario(
        "tcp-way-refused",
        "Connections go on when a route of type unreachable takes their way",
        "A routing daemon or a security tool puts a route that discards in the way of connections that are open.",
        REFUSED
            .counter("IpOutNoRoutes")
            .at(&["IP_OUTNOROUTES"], &["__ip_queue_xmit"]),
        || abandoned(Ip::V4, refuse),
    ),
    scenario(
        "tcp-way-refused6",
        "Connections over IPv6 go on when a route of type unreachable takes their way",
        "As tcp-way-refused, with IPv6: nothing counts it.",
        REFUSED
            .at(&["NOT_SPECIFIED", "IP_OUTNOROUTES"], &["inet6_csk_xmit"]),
        || abandoned(Ip::V6, refuse),
    ),
];

fn knocking(ip: Ip) -> Result<Bench, LabError> {
    arriving(ip, as_it_is, |seq| syn(ip, 40_000 + seq, CLOSED_PORT))
}

/// A SYN from the other end.
fn syn(ip: Ip, sport: u16, dport: u16) -> Vec<u8> {
    let header = frame::TcpHeader {
        sport,
        dport,
        seq: 1000,
        flags: SYN,
        window: 65_000,
        ..frame::TcpHeader::default()
    };
    let segment = frame::tcp(ip.remote(), ip.here(), header, &[], &[]);
    ip.packet(frame::PROTO_TCP, &segment)
}

fn corrupted(ip: Ip) -> Result<Bench, LabError> {
    conversation(ip, |_| Ok(()), |peer, _| peer.write(&damaged(peer.segment(ACK | PSH, &[], b"data"))))
}

/// A service, and the device by which its clients come.
pub(super) struct Service {
    pub(super) namespace: Namespace,
    pub(super) tun: Arc<Tun>,
    pub(super) listener: TcpListener,
}

pub(super) fn serve(ip: Ip) -> Result<Service, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let address = SocketAddr::new(ip.here(), OPEN_PORT);
    let listener = namespace
        .run(move || TcpListener::bind(address))
        .map_err(|source| LabError::Socket {
            operation: "listen on",
            address: address.to_string(),
            source,
        })?;
    Ok(Service {
        namespace,
        tun: Arc::new(tun),
        listener,
    })
}

impl Service {
    /// Takes the connection that came.
    pub(super) fn accept(&self) -> Result<TcpStream, LabError> {
        let accepted = self.listener.accept().map_err(|source| LabError::Socket {
            operation: "accept a connection at",
            address: "the service".to_owned(),
            source,
        })?;
        Ok(accepted.0)
    }
}

/// A connection is opened, and prepared; then the peer says something, each time with the same numbers.
fn conversation(
    ip: Ip,
    prepare: fn(&mut Peer) -> Result<(), LabError>,
    say: fn(&mut Peer, u16) -> Result<(), LabError>,
) -> Result<Bench, LabError> {
    let begin = move |peer: &mut Peer| {
        peer.connect()?;
        prepare(peer)
    };
    conversation_from(ip, begin, say)
}

/// As [`conversation`], and the connection is opened by the caller.
fn conversation_from(
    ip: Ip,
    begin: impl FnOnce(&mut Peer) -> Result<(), LabError>,
    say: fn(&mut Peer, u16) -> Result<(), LabError>,
) -> Result<Bench, LabError> {
    let service = serve(ip)?;
    let mut peer = Peer::new(&service.tun, ip, 40_000, OPEN_PORT);
    begin(&mut peer)?;
    let stream = service.accept()?;
    let bench = Bench::each(service.namespace, PACKETS, move |seq| say(&mut peer, seq));
    Ok(bench.keeping((stream, service.listener)))
}

/// A connection whose window is closed, because nobody reads; the peer sends all the same.
fn stalled() -> Result<Bench, LabError> {
    /// A small receive buffer is full after so many segments.
    const MOST: usize = 100;
    const LARGEST: u16 = 1400;
    let service = serve(Ip::V4)?;
    traffic::shrink_receive_buffer(&service.listener)?;
    let mut peer = Peer::new(&service.tun, Ip::V4, 40_000, OPEN_PORT);
    peer.connect()?;
    let stream = service.accept()?;
    for _ in 0..MOST {
        if peer.window == 0 {
            break;
        }
        let size = peer.window.min(LARGEST);
        peer.send(ACK | PSH, &vec![0; usize::from(size)])?;
        peer.seq = peer.seq.wrapping_add(u32::from(size));
        peer.hear(ACK)?;
    }
    let bench = Bench::each(service.namespace, PACKETS, move |_| {
        // Not one byte: that would be a probe of the closed window.
        peer.send(ACK | PSH, b"now")
    });
    Ok(bench.keeping((stream, service.listener)))
}

fn signed(ip: Ip, say: fn(&mut Peer) -> Result<(), LabError>) -> Result<Bench, LabError> {
    let service = serve(ip)?;
    sockopt::signed_only(&service.listener, ip.remote())?;
    let mut peer = Peer::new(&service.tun, ip, 40_000, OPEN_PORT);
    let bench = Bench::each(service.namespace, PACKETS, move |_| say(&mut peer));
    Ok(bench.keeping((service.listener, service.tun)))
}

fn distant(ip: Ip) -> Result<Bench, LabError> {
    let service = serve(ip)?;
    sockopt::least_ttl(&service.listener, ip == Ip::V6, 255)?;
    let peer = Peer::new(&service.tun, ip, 40_000, OPEN_PORT);
    let bench = Bench::each(service.namespace, PACKETS, move |_| peer.send(SYN, &[]));
    Ok(bench.keeping((service.listener, service.tun)))
}

/// Several connections, each closed before its peer has sent all it wanted.
fn closed() -> Result<Bench, LabError> {
    let service = serve(Ip::V4)?;
    let mut open = Vec::new();
    for number in 0..PACKETS {
        let mut peer = Peer::new(&service.tun, Ip::V4, 40_000 + number, OPEN_PORT);
        peer.connect()?;
        open.push((peer, service.accept()?));
    }
    let bench = Bench::each(service.namespace, PACKETS, move |_| {
        let Some((peer, stream)) = open.pop() else {
            return Ok(());
        };
        drop(stream);
        peer.send(ACK | PSH, b"more")
    });
    Ok(bench.keeping((service.listener, service.tun)))
}

/// A route that discards, to the peer alone.
fn refuse(ip: Ip) -> Result<(), LabError> {
    route::add(ip.remote(), ip.host_prefix(), route::Target::Unreachable)
}

/// Several connections, whose programs give them up when they have lost their way: one packet each, which is not
/// repeated.
fn abandoned(ip: Ip, lose: fn(Ip) -> Result<(), LabError>) -> Result<Bench, LabError> {
    let service = serve(ip)?;
    let mut open = Vec::new();
    for number in 0..PACKETS {
        Peer::new(&service.tun, ip, 40_000 + number, OPEN_PORT).connect()?;
        let stream = service.accept()?;
        // A reset, and no goodbye that waits for an answer.
        sockopt::reset_when_closed(&stream)?;
        open.push(stream);
    }
    service.namespace.run(move || lose(ip))?;
    let bench = Bench::each(service.namespace, PACKETS, move |_| {
        drop(open.pop());
        Ok(())
    });
    Ok(bench.keeping((service.listener, service.tun)))
}
