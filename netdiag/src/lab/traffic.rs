//! Ordinary sockets inside a namespace: senders and receivers for scenarios and tests
//! (call these inside [`Namespace::run`](super::Namespace::run)).

use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, ipproto, socket, sockopt};

use super::sockopt::set as set_option;
use super::{LabError, Namespace, frame};

/// Sends `count` datagrams of `payload_len` bytes to `dst`:`port` as fast as it goes, and says how many went. The
/// socket is not connected, so that ICMP errors about earlier datagrams do not fail later ones.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses a datagram.
pub fn udp_flood(dst: IpAddr, port: u16, payload_len: usize, count: u64) -> Result<u64, LabError> {
    let to = SocketAddr::new(dst, port);
    let refused = |source: io::Error| LabError::Socket {
        operation: "send a UDP datagram to",
        address: to.to_string(),
        source,
    };
    let socket = UdpSocket::bind(any(dst)).map_err(refused)?;
    let payload = vec![0; payload_len];
    for _ in 0..count {
        socket.send_to(&payload, to).map_err(refused)?;
    }
    Ok(count)
}

/// A socket that can send to `to`.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses.
pub fn udp_socket(to: SocketAddr) -> Result<UdpSocket, LabError> {
    UdpSocket::bind(any(to.ip())).map_err(refused("open a UDP socket to send to", to))
}

/// A socket that receives what is sent to `address`.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses.
pub fn bind_udp(address: SocketAddr) -> Result<UdpSocket, LabError> {
    UdpSocket::bind(address).map_err(refused("bind a UDP socket to", address))
}

/// Whatever address and port of the version of `address`.
fn any(address: IpAddr) -> SocketAddr {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    SocketAddr::new(any, 0)
}

/// A UDP socket with the smallest receive buffer, which nobody reads: what exceeds the buffer is dropped.
#[derive(Debug)]
pub struct DeafUdpSocket {
    socket: UdpSocket,
}

impl DeafUdpSocket {
    /// Binds to `address`; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// [`LabError::Socket`] when the address cannot be had.
    pub fn bind(address: SocketAddr) -> Result<Self, LabError> {
        let refused = |source: io::Error| LabError::Socket {
            operation: "bind a UDP socket to",
            address: address.to_string(),
            source,
        };
        let socket = UdpSocket::bind(address).map_err(refused)?;
        shrink_receive_buffer(&socket)?;
        Ok(Self { socket })
    }

    /// Where datagrams must go to.
    ///
    /// # Errors
    /// [`LabError::Socket`] when the kernel does not tell.
    pub fn address(&self) -> Result<SocketAddr, LabError> {
        self.socket.local_addr().map_err(|source| LabError::Socket {
            operation: "read the address of",
            address: "a UDP socket".to_owned(),
            source,
        })
    }
}

/// Gives a socket the smallest receive buffer: the kernel raises it to SOCK_MIN_RCVBUF, about 2 KiB.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses.
pub fn shrink_receive_buffer(socket: impl AsFd) -> Result<(), LabError> {
    sockopt::set_socket_recv_buffer_size(socket, 1).map_err(|errno| LabError::Socket {
        operation: "shrink the receive buffer of",
        address: "a socket".to_owned(),
        source: errno.into(),
    })
}

/// Gives a socket a receive buffer of several mebibytes, whatever the limit.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses.
pub(super) fn grow_receive_buffer(socket: impl AsFd) -> Result<(), LabError> {
    const BYTES: libc::c_int = 32 << 20;
    // SAFETY: the kernel reads an int.
    unsafe { set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BYTES) }
}

/// Lets a socket send to everybody.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses.
pub(super) fn allow_broadcast(socket: &UdpSocket) -> Result<(), LabError> {
    socket
        .set_broadcast(true)
        .map_err(|source| LabError::Socket {
            operation: "allow broadcasts of",
            address: "a UDP socket".to_owned(),
            source,
        })
}

/// Sends one datagram.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses.
pub(super) fn send(socket: &UdpSocket, to: SocketAddr) -> Result<(), LabError> {
    socket
        .send_to(b"netdiag", to)
        .map(drop)
        .map_err(refused("send a UDP datagram to", to))
}

/// What two hosts say to each other.
const QUESTION: &[u8] = b"how are you?";
const ANSWER: &[u8] = b"well, thanks";

/// A socket that pings one address. It belongs to the namespace where it was opened, and works from any thread.
#[derive(Debug)]
pub struct Pinger {
    socket: UdpSocket,
    to: IpAddr,
}

impl Pinger {
    /// Opens the socket. The namespace's `ipv4/ping_group_range` must include this process's group.
    ///
    /// # Errors
    /// [`LabError::Socket`] when the kernel refuses.
    pub fn open(to: IpAddr) -> Result<Self, LabError> {
        let (family, protocol) = match to {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let opened = socket(family, SocketType::DGRAM, Some(protocol));
        let fd = opened.map_err(|errno| {
            refused("open a socket to ping", SocketAddr::new(to, 0))(errno.into())
        })?;
        Ok(Self {
            socket: UdpSocket::from(fd),
            to,
        })
    }

    /// Pings, and waits for the answer.
    ///
    /// # Errors
    /// [`LabError::Socket`] when the kernel refuses, or no answer comes in time.
    pub fn ping(&self, seq: u16, patience: Duration) -> Result<(), LabError> {
        let to = SocketAddr::new(self.to, 0);
        // The kernel puts in identifier and checksum (`ping_v4_sendmsg`, `ping_v6_sendmsg`).
        let echo = match self.to {
            IpAddr::V4(_) => frame::icmp_echo_request(0, seq, &[0; 56]),
            IpAddr::V6(to) => frame::icmpv6_echo_request(to, to, 0, seq, &[0; 56]),
        };
        let mut answer = vec![0; echo.len()];
        let mut exchange = || {
            self.socket.set_read_timeout(Some(patience))?;
            self.socket.send_to(&echo, to)?;
            self.socket.recv(&mut answer)
        };
        exchange().map(drop).map_err(refused("ping", to))
    }
}

/// `count` datagrams go from one namespace to a service in another, and are answered; says how many that were in all.
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses, or an answer does not come in time.
pub fn udp_exchange(
    server: &Namespace,
    client: &Namespace,
    address: SocketAddr,
    count: u16,
    patience: Duration,
) -> Result<u64, LabError> {
    let exchange = || {
        let service = server.run(move || UdpSocket::bind(address))?;
        let asking = client.run(move || UdpSocket::bind(any(address.ip())))?;
        asking.connect(address)?;
        for socket in [&service, &asking] {
            socket.set_read_timeout(Some(patience))?;
        }
        let mut buffer = [0; 64];
        for _ in 0..count {
            asking.send(QUESTION)?;
            let (_, from) = service.recv_from(&mut buffer)?;
            service.send_to(ANSWER, from)?;
            asking.recv(&mut buffer)?;
        }
        Ok(2 * u64::from(count))
    };
    exchange().map_err(refused("exchange UDP datagrams with", address))
}

/// A TCP connection from one namespace to a service in another: opened, used in both directions and closed by both,
/// the service first; says how many messages went.
///
/// Each end sends all that it has to say before the other closes: acknowledgements that arrive later, in CLOSE_WAIT, are
/// used and then freed as if they were dropped (`tcp_rcv_state_process`).
///
/// # Errors
/// [`LabError::Socket`] when the kernel refuses, or an answer does not come in time.
pub fn tcp_exchange(
    server: &Namespace,
    client: &Namespace,
    address: SocketAddr,
    patience: Duration,
) -> Result<u64, LabError> {
    let exchange = || {
        let listener = server.run(move || TcpListener::bind(address))?;
        let mut asking = client.run(move || TcpStream::connect_timeout(&address, patience))?;
        let (mut service, _) = listener.accept()?;
        for stream in [&service, &asking] {
            stream.set_read_timeout(Some(patience))?;
        }
        let mut question = vec![0; QUESTION.len()];
        let mut rest = Vec::new();
        asking.write_all(QUESTION)?;
        service.read_exact(&mut question)?;
        service.write_all(ANSWER)?;
        service.shutdown(Shutdown::Write)?;
        asking.read_to_end(&mut rest)?;
        drop(asking);
        service.read_to_end(&mut rest)?;
        Ok(2)
    };
    exchange().map_err(refused("use a TCP connection to", address))
}

fn refused(operation: &'static str, address: SocketAddr) -> impl FnOnce(io::Error) -> LabError {
    move |source| LabError::Socket {
        operation,
        address: address.to_string(),
        source,
    }
}
