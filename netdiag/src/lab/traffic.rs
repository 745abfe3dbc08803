//! Ordinary sockets inside a namespace: senders and receivers for scenarios and tests
//! (call these inside [`Namespace::run`](super::Namespace::run)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::net::sockopt;

use super::LabError;

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
    let any: IpAddr = if dst.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).map_err(refused)?;
    let payload = vec![0; payload_len];
    for _ in 0..count {
        socket.send_to(&payload, to).map_err(refused)?;
    }
    Ok(count)
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
        // The kernel raises it to SOCK_MIN_RCVBUF (about 2 KiB).
        sockopt::set_socket_recv_buffer_size(&socket, 1).map_err(|errno| refused(errno.into()))?;
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
