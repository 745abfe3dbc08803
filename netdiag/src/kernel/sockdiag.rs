//! The TCP sockets of a network namespace: those that are open, and those that listen.
//!
//! From `sock_diag`, and where that is not built in and its module cannot be loaded, from `/proc/net/tcp` and `tcp6`,
//! which do not tell how long an accept queue may be.

use netdiag_common::record::{FAMILY_IPV4, FAMILY_IPV6};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
    NetlinkMessage, NlasIterator, Parseable,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// The local address; unspecified where it listens on all.
    pub local: IpAddr,
    /// The remote address.
    pub remote: IpAddr,
    /// The local port.
    pub sport: u16,
    /// The remote port.
    pub dport: u16,
    /// Whether it is one of IPv6 with mapped addresses.
    pub mapped: bool,
    /// `TCP_*` of `net/tcp_states.h`.
    pub state: u8,
    /// Whose it is.
    pub uid: u32,
    /// Its inode number; 0 where no process holds it.
    pub inode: u64,
    /// Of a listener, how many connections wait to be accepted.
    pub queued: u32,
    /// Of a listener, how many may.
    pub limit: Option<u32>,
    /// Packets dropped because of it (`sk_drops`).
    pub drops: Option<u32>,
}

/// The sockets could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("listing the TCP sockets: {operation}: {source}")]
pub struct SockDiagError {
    operation: &'static str,
    source: io::Error,
}

/// Which sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Connections, from the first SYN to the last FIN.
    Open,
    /// Listeners.
    Listening,
}

impl Which {
    fn states(self) -> StateFlags {
        match self {
            Self::Open => {
                StateFlags::ESTABLISHED
                    | StateFlags::SYN_SENT
                    | StateFlags::FIN_WAIT1
                    | StateFlags::FIN_WAIT2
                    | StateFlags::CLOSE_WAIT
                    | StateFlags::LAST_ACK
                    | StateFlags::CLOSING
            }
            Self::Listening => StateFlags::LISTEN,
        }
    }
}

/// Larger than any message of a dump.
const BUFFER: usize = 64 * 1024;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `struct inet_diag_msg`, before the attributes.
const INET_DIAG_MSG: usize = 72;
/// `INET_DIAG_SKMEMINFO` of `linux/inet_diag.h`.
const SKMEMINFO: u16 = 7;
/// `SK_MEMINFO_DROPS` of `linux/sock_diag.h`.
const DROPS: usize = 8;

/// The TCP sockets of the calling thread's namespace.
///
/// # Errors
/// Neither `sock_diag` nor `/proc` can tell.
pub fn list(which: Which) -> Result<Vec<TcpSocket>, SockDiagError> {
    match diag(which) {
        Ok(sockets) => Ok(sockets),
        Err(error) => procfs(which).map_err(|_| error),
    }
}

fn diag(which: Which) -> Result<Vec<TcpSocket>, SockDiagError> {
    let call = |operation| move |source| SockDiagError { operation, source };
    let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(call("opening a netlink socket"))?;
    socket
        .bind_auto()
        .map_err(call("binding a netlink socket"))?;
    let mut sockets = Vec::new();
    let mut buffer = vec![0; BUFFER];
    for family in [FAMILY_IPV4, FAMILY_IPV6] {
        socket
            .send_to(&request(family, which), &SocketAddr::new(0, 0), 0)
            .map_err(call("sending a request"))?;
        let mut done = false;
        while !done {
            let mut rest = buffer.as_mut_slice();
            let length = match socket.recv(&mut rest, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(call("receiving the answer"))?,
            };
            done = read(buffer.get(..length).unwrap_or_default(), &mut sockets)
                .map_err(call("the kernel answered"))?;
        }
    }
    Ok(sockets)
}

fn request(family: u16, which: Which) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(
        header,
        SockDiagMessage::InetRequest(InetRequest {
            family: u8::try_from(family).unwrap_or(0),
            protocol: TCP,
            extensions: ExtensionFlags::SKMEMINFO,
            states: which.states(),
            socket_id: if family == FAMILY_IPV4 {
                SocketId::new_v4()
            } else {
                SocketId::new_v6()
            },
        })
        .into(),
    );
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Takes in one datagram; tells whether it was the last.
fn read(mut bytes: &[u8], into: &mut Vec<TcpSocket>) -> io::Result<bool> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    while !bytes.is_empty() {
        let message = NetlinkBuffer::new_checked(bytes).map_err(|_| short())?;
        let length = usize::try_from(message.length()).map_err(|_| short())?;
        match message.message_type() {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = message.payload().first_chunk().copied();
                let code = i32::from_ne_bytes(code.unwrap_or_default());
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            SOCK_DIAG_BY_FAMILY => into.extend(parse(message.payload())),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// One socket; `None` when the message is shorter than its fixed part.
fn parse(payload: &[u8]) -> Option<TcpSocket> {
    let header = InetResponseHeader::parse(payload).ok()?;
    let attributes = NlasIterator::new(payload.get(INET_DIAG_MSG..)?);
    let meminfo = attributes
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == SKMEMINFO);
    let drops = meminfo.and_then(|attribute| {
        let (words, _) = attribute.value().as_chunks::<4>();
        words.get(DROPS).map(|word| u32::from_ne_bytes(*word))
    });
    let id = header.socket_id;
    let (local, mapped) = plain(id.source_address);
    let (remote, remote_mapped) = plain(id.destination_address);
    Some(TcpSocket {
        local,
        remote,
        sport: id.source_port,
        dport: id.destination_port,
        mapped: mapped || remote_mapped,
        state: header.state,
        uid: header.uid,
        inode: u64::from(header.inode),
        queued: header.recv_queue,
        limit: Some(header.send_queue),
        drops,
    })
}

/// A mapped address as what it is.
fn plain(address: IpAddr) -> (IpAddr, bool) {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => (IpAddr::V4(four), true),
            None => (address, false),
        },
        IpAddr::V4(_) => (address, false),
    }
}

fn procfs(which: Which) -> io::Result<Vec<TcpSocket>> {
    let mut sockets = rows(&fs::read_to_string("/proc/thread-self/net/tcp")?, which);
    match fs::read_to_string("/proc/thread-self/net/tcp6") {
        Ok(text) => sockets.extend(rows(&text, which)),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

/// The rows of `/proc/net/tcp`. Not through the `procfs` crate: it reads that of the whole process, which may be in
/// another namespace than the thread.
fn rows(text: &str, which: Which) -> Vec<TcpSocket> {
    let states = which.states().bits();
    let sockets = text.lines().skip(1).filter_map(row);
    sockets
        .filter(|socket| states >> socket.state & 1 == 1)
        .collect()
}

fn row(line: &str) -> Option<TcpSocket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (local, sport) = end(words.get(1)?)?;
    let (remote, dport) = end(words.get(2)?)?;
    let (_, queued) = words.get(4)?.split_once(':')?;
    let (local, mapped) = plain(local);
    let (remote, remote_mapped) = plain(remote);
    Some(TcpSocket {
        local,
        remote,
        sport,
        dport,
        mapped: mapped || remote_mapped,
        state: u8::from_str_radix(words.get(3)?, 16)
            .ok()
            .filter(|&state| state < 32)?,
        uid: words.get(7)?.parse().ok()?,
        inode: words.get(9)?.parse().ok()?,
        queued: u32::from_str_radix(queued, 16).ok()?,
        limit: None,
        drops: None,
    })
}

/// `0100007F:0016`: words in the machine's byte order.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::{TcpSocket, Which, list, parse, procfs, rows};
    use std::net::{TcpListener, TcpStream};

    fn diagnosed(which: Which) -> Vec<TcpSocket> {
        list(which).expect("sockets")
    }

    fn listed(which: Which) -> Vec<TcpSocket> {
        procfs(which).expect("sockets")
    }

    #[test]
    fn finds_a_listener_and_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let _client = TcpStream::connect(("127.0.0.1", port)).expect("client");
        for sockets in [diagnosed, listed] {
            let listening = sockets(Which::Listening);
            let found = listening
                .iter()
                .find(|socket| socket.sport == port)
                .expect("it");
            assert_eq!(found.queued, 1);
            assert!(found.limit.is_none_or(|limit| limit > 0));
            let open = sockets(Which::Open);
            assert_eq!(
                open.iter().filter(|socket| socket.dport == port).count(),
                1,
                "the client's end"
            );
        }
    }

    #[test]
    fn nonsense_is_no_socket() {
        for length in 0..72 {
            assert_eq!(parse(&vec![0xff; length]), None);
        }
        for text in [
            "",
            "head\n",
            "head\n 0: x:y z",
            "h\n 0: 00000000:0016 00000000:0000 FF",
        ] {
            assert!(rows(text, Which::Listening).is_empty());
        }
    }
}
