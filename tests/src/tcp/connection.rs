//! Both ends of one connection, in the hands of one thread.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustix::net::sockopt;

use super::{Dial, Listener, PORT, Pair, Side};

/// An established connection that nothing has happened to yet.
#[derive(Debug)]
pub struct Connection {
    /// The end that connected.
    pub client: TcpStream,
    /// The end that was accepted.
    pub server: TcpStream,
    /// The client's address.
    pub from: SocketAddr,
    /// The server's address.
    pub to: SocketAddr,
}

impl Connection {
    /// Connects the two sides by IPv4, TCP_NODELAY set; nobody listens any more.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn open(pair: &Pair) -> Self {
        Self::accepted(pair, &Listener::new(pair, Side::Server, PORT, 16))
    }

    /// Connects the client to a listener of the server's.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn accepted(pair: &Pair, listener: &Listener) -> Self {
        let dial = Dial::to(listener.address()).nodelay();
        let client = dial.connect(pair, Side::Client).expect("a connection");
        let server = listener.accept();
        server.set_nodelay(true).expect("a socket option");
        let from = client.local_addr().expect("an address");
        Self {
            client,
            server,
            from,
            to: listener.address(),
        }
    }

    /// The client says something small and the server says it back: all that was sent is acknowledged by then, but
    /// perhaps for the last answer.
    ///
    /// # Panics
    /// When it does not arrive.
    pub fn ping(&mut self) {
        self.send(4);
        self.receive(4);
        self.server.write_all(b"pong").expect("send");
        self.client.read_exact(&mut [0; 4]).expect("receive");
    }

    /// The client sends so many bytes, in one call.
    ///
    /// # Panics
    /// When it cannot.
    pub fn send(&mut self, bytes: usize) {
        self.client.write_all(&vec![b'x'; bytes]).expect("send");
    }

    /// The server reads so many bytes.
    ///
    /// # Panics
    /// When they do not come.
    pub fn receive(&mut self, bytes: usize) {
        let mut all = vec![0; bytes];
        self.server.read_exact(&mut all).expect("receive");
    }

    /// Ends it in order: first that side, then the other.
    ///
    /// # Panics
    /// When one of them cannot.
    pub fn close(self, first: Side) {
        let (first, mut second) = match first {
            Side::Client => (self.client, self.server),
            Side::Server => (self.server, self.client),
        };
        first.shutdown(Shutdown::Write).expect("shut down");
        let mut rest = Vec::new();
        second.read_to_end(&mut rest).expect("an orderly end");
        drop(second);
        let mut first = first;
        first.read_to_end(&mut rest).expect("an orderly end");
    }

    /// One side throws it away (SO_LINGER 0): the other gets a RST. Gives the other end.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn abort(self, side: Side) -> TcpStream {
        let (gone, left) = match side {
            Side::Client => (self.client, self.server),
            Side::Server => (self.server, self.client),
        };
        sockopt::set_socket_linger(&gone, Some(std::time::Duration::ZERO))
            .expect("a socket option");
        left
    }
}
