//! What `ss` says about sockets.

use std::net::SocketAddr;

/// A TCP socket, as `ss -tinao` shows it.
#[derive(Clone, Debug)]
pub struct Ss {
    /// `ESTAB`, `SYN-SENT`, `LISTEN`, ...
    pub state: String,
    /// Bytes that nobody has read; of a listener, connections that nobody has accepted.
    pub recv_q: u64,
    /// Bytes that are not acknowledged; of a listener, its backlog.
    pub send_q: u64,
    /// Its own address; `None` when there is a `*` in it.
    pub local: Option<SocketAddr>,
    /// The other end's; `None` when there is a `*` in it.
    pub peer: Option<SocketAddr>,
    /// All the rest.
    words: Vec<String>,
}

impl Ss {
    /// Reads lines without a header, each a socket.
    pub(super) fn parse(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse_line).collect()
    }

    fn parse_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let state = words.next()?.to_owned();
        let (recv_q, send_q) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (local, peer) = (address(words.next()?), address(words.next()?));
        Some(Self {
            state,
            recv_q,
            send_q,
            local,
            peer,
            words: words.map(str::to_owned).collect(),
        })
    }

    /// A value as it is printed: `rtt` is `0.03/0.015`, `timer` is `(on,200ms,0)`, `retrans` is `0/1`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut words = self.words.iter();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))
    }

    /// A value that is a number (`rto`, `cwnd`, `bytes_sent`, `bytes_acked`, `bytes_retrans`); of `retrans` and `rtt`
    /// the first of the two. `ss` leaves most out when they are 0.
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        let first = self.value(name).and_then(|value| value.split('/').next());
        first.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// How many segments were ever sent again.
    #[must_use]
    pub fn retransmitted(&self) -> u64 {
        let all = self
            .value("retrans")
            .and_then(|value| value.split_once('/'));
        all.and_then(|(_, all)| all.parse().ok()).unwrap_or(0)
    }
}

/// `10.98.0.1:8000`, `[fd98::1]:8000`, `[::ffff:10.98.0.1]:8000`; a device may be written after the address.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.split('%').next()?;
    let closed = host.starts_with('[') && !host.ends_with(']');
    let host = if closed {
        format!("{host}]")
    } else {
        host.to_owned()
    };
    format!("{host}:{port}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_socket() {
        let line = "ESTAB 0 1000 10.98.0.1:41000 [::ffff:10.98.0.2]:8000 timer:(on,200ms,1) cubic rto:204 \
                    rtt:0.05/0.02 cwnd:10 bytes_sent:5 send 231Mbps retrans:1/3";
        let [socket] = &Ss::parse(line)[..] else {
            panic!("not one socket")
        };
        assert_eq!((socket.recv_q, socket.send_q), (0, 1000));
        assert_eq!(socket.local, Some(([10, 98, 0, 1], 41000).into()));
        assert_eq!(socket.peer.map(|peer| peer.port()), Some(8000));
        assert_eq!(socket.value("timer"), Some("(on,200ms,1)"));
        assert_eq!((socket.number("rtt"), socket.number("cwnd")), (0.05, 10.0));
        assert_eq!((socket.number("retrans"), socket.retransmitted()), (1.0, 3));
        assert_eq!(socket.number("absent"), 0.0);
    }

    #[test]
    fn a_listener_may_have_no_address() {
        let socket = Ss::parse("LISTEN 1 4 [fe80::1%lo]:80 0.0.0.0:* cubic\n");
        assert_eq!(socket[0].local, Some("[fe80::1]:80".parse().unwrap()));
        assert_eq!(socket[0].peer, None);
    }
}
