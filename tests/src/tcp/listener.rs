//! Listening, and accepting or not.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{bind, listen, sockopt};

use super::dial::{ANY6, bounded, stream_socket};
use super::{PATIENCE, Pair, Side};

/// A listening socket. Connections wait until somebody accepts them.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// On a side's IPv4 address.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn new(pair: &Pair, side: Side, port: u16, backlog: i32) -> Self {
        let address = SocketAddr::new(side.address(), port);
        Self::on(pair, side, address, backlog, None).expect("a listener")
    }

    /// On a side's IPv6 address.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn new6(pair: &Pair, side: Side, port: u16, backlog: i32) -> Self {
        let address = SocketAddr::new(side.address6(), port);
        Self::on(pair, side, address, backlog, None).expect("a listener")
    }

    /// On every address of both families: its IPv4 connections are IPv6 sockets, and called `::ffff:a.b.c.d`.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn dual(pair: &Pair, side: Side, port: u16, backlog: i32) -> Self {
        Self::on(pair, side, SocketAddr::new(ANY6, port), backlog, None).expect("a listener")
    }

    /// On this address, with a receive buffer (SO_RCVBUF) that its connections inherit.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn on(
        pair: &Pair,
        side: Side,
        address: SocketAddr,
        backlog: i32,
        receive_buffer: Option<usize>,
    ) -> io::Result<Self> {
        let fd = stream_socket(pair, side, address)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&fd, !address.ip().is_unspecified())?;
        }
        if let Some(bytes) = receive_buffer {
            sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
        }
        bind(&fd, &address)?;
        listen(&fd, backlog)?;
        let socket = TcpListener::from(fd);
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    ///
    /// # Panics
    /// When none comes.
    #[must_use]
    pub fn accept(&self) -> TcpStream {
        let next = self.accept_within(PATIENCE).expect("accept");
        next.unwrap_or_else(|| panic!("no connection in {PATIENCE:?}"))
    }

    /// The next connection, if one comes so soon. For one thread at a time.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn accept_within(&self, patience: Duration) -> io::Result<Option<TcpStream>> {
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout))? == 0 {
            return Ok(None);
        }
        bounded(self.socket.accept()?.0).map(Some)
    }
}
