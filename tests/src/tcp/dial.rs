//! Connecting, in every way that a program may.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, bind, connect, sendto, socket_with, sockopt,
};

use super::{PATIENCE, Pair, Side};

/// MSG_FASTOPEN.
const FAST_OPEN: SendFlags = SendFlags::from_bits_retain(0x2000_0000);

/// A connection to be made.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    to: SocketAddr,
    from: Option<u16>,
    mapped: bool,
    nodelay: bool,
    user_timeout: Option<Duration>,
    send_buffer: Option<usize>,
}

impl Dial {
    /// To this address, from a port that the kernel chooses.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self {
            to: address,
            from: None,
            mapped: false,
            nodelay: false,
            user_timeout: None,
            send_buffer: None,
        }
    }

    /// From this port, even one that an earlier connection still holds in TIME_WAIT.
    #[must_use]
    pub fn from_port(mut self, port: u16) -> Self {
        self.from = Some(port);
        self
    }

    /// To an IPv4 address by an IPv6 socket, which calls it `::ffff:a.b.c.d`.
    #[must_use]
    pub fn mapped(mut self) -> Self {
        self.mapped = true;
        self
    }

    /// Sends small segments at once (TCP_NODELAY).
    #[must_use]
    pub fn nodelay(mut self) -> Self {
        self.nodelay = true;
        self
    }

    /// Gives up after so long without an answer (TCP_USER_TIMEOUT); for a SYN, too.
    #[must_use]
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = Some(timeout);
        self
    }

    /// With a send buffer of so many bytes (SO_SNDBUF).
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Connects, and waits.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn connect(self, pair: &Pair, side: Side) -> io::Result<TcpStream> {
        let (fd, to) = self.socket(pair, side)?;
        // Bounds connect(), too.
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(PATIENCE))?;
        connect(&fd, &to)?;
        bounded(fd)
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// What the kernel says at once.
    pub fn start(self, pair: &Pair, side: Side) -> io::Result<Connecting> {
        let (fd, to) = self.socket(pair, side)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        match connect(&fd, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Connecting(fd)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Connects with data in the SYN, where the namespaces allow it
    /// (see [`allow_fast_open`](Pair::allow_fast_open)).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn fast_open(self, pair: &Pair, side: Side, data: &[u8]) -> io::Result<TcpStream> {
        let (fd, to) = self.socket(pair, side)?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(PATIENCE))?;
        sendto(&fd, data, FAST_OPEN, &to)?;
        bounded(fd)
    }

    /// A socket of the namespace, bound if a port was chosen, and how the socket calls the other end.
    fn socket(self, pair: &Pair, side: Side) -> io::Result<(OwnedFd, SocketAddr)> {
        let mut to = self.to;
        if let (IpAddr::V4(address), true) = (to.ip(), self.mapped) {
            to.set_ip(address.to_ipv6_mapped().into());
        }
        let fd = stream_socket(pair, side, to)?;
        sockopt::set_tcp_nodelay(&fd, self.nodelay)?;
        if let Some(timeout) = self.user_timeout {
            let timeout = u32::try_from(timeout.as_millis()).map_err(io::Error::other)?;
            sockopt::set_tcp_user_timeout(&fd, timeout)?;
        }
        if let Some(bytes) = self.send_buffer {
            sockopt::set_socket_send_buffer_size(&fd, bytes)?;
        }
        if let Some(port) = self.from {
            sockopt::set_socket_reuseaddr(&fd, true)?;
            let mut from = SocketAddr::new(side.address(), port);
            match (self.to.ip(), side.address()) {
                (IpAddr::V6(_), _) => from.set_ip(side.address6()),
                (_, IpAddr::V4(address)) if self.mapped => {
                    from.set_ip(address.to_ipv6_mapped().into());
                }
                _ => {}
            }
            // Leaving by loopback, a socket must not have the device's address.
            if self.to.ip().is_loopback() {
                from.set_ip(self.to.ip());
            }
            bind(&fd, &from)?;
        }
        Ok((fd, to))
    }
}

/// A connection that is being made. Dropping it gives up.
#[derive(Debug)]
pub struct Connecting(OwnedFd);

impl Connecting {
    /// The own address, as the kernel chose it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn local(&self) -> io::Result<SocketAddr> {
        let address = rustix::net::getsockname(&self.0)?;
        SocketAddr::try_from(address).map_err(io::Error::from)
    }

    /// Waits for what becomes of it.
    ///
    /// # Errors
    /// Why it failed.
    ///
    /// # Panics
    /// When nothing becomes of it.
    pub fn finish(self) -> io::Result<TcpStream> {
        let timeout = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        let mut fds = [PollFd::new(&self.0, PollFlags::OUT)];
        let ready = poll(&mut fds, Some(&timeout))?;
        assert_eq!(ready, 1, "nothing became of a connection in {PATIENCE:?}");
        sockopt::socket_error(&self.0)??;
        rustix::io::ioctl_fionbio(&self.0, false)?;
        bounded(self.0)
    }
}

impl Pair {
    /// Lets both namespaces send and take data in a SYN, without cookies, on every listener. It stays so.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn allow_fast_open(&self) {
        for side in [Side::Client, Side::Server] {
            // Client, server, both without a cookie, and listeners that did not ask for it.
            let flags = 0x1 | 0x2 | 0x4 | 0x200 | 0x400;
            let setting = self.set(side, "ipv4/tcp_fastopen", &flags.to_string());
            std::mem::forget(setting);
        }
    }
}

/// A socket of the namespace, for this kind of address.
pub(super) fn stream_socket(pair: &Pair, side: Side, address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let make = move || socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    Ok(pair.namespace(side).run(make)?)
}

/// A stream that never waits longer than [`PATIENCE`].
pub(super) fn bounded(fd: impl Into<TcpStream>) -> io::Result<TcpStream> {
    let stream = fd.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Every address of a family.
pub(super) const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
