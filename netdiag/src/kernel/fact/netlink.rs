//! One request, and all of its answer.

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
    NetlinkHeader, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr};
use std::{fs, io};

/// A message of the answer: its type, and what follows the header.
pub(super) type Message = (u16, Vec<u8>);

/// Larger than any message of a dump.
const BUFFER: usize = 64 * 1024;
/// More messages than this are not kept: memory stays bounded.
const MOST: usize = 1 << 14;
/// How often an interrupted dump is repeated.
const ATTEMPTS: u32 = 4;
/// `NLM_F_DUMP_INTR` of `linux/netlink.h`: the table changed while it was dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;
const HEADER: usize = 16;

/// Whether the kernel speaks the protocol in this namespace. A socket would load the module that does, if there is one
/// (`netlink_create`).
pub(super) fn is_spoken(protocol: isize) -> bool {
    let Ok(sockets) = fs::read_to_string("/proc/thread-self/net/netlink") else {
        return true;
    };
    sockets.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let spoken = columns.next().and_then(|column| column.parse().ok());
        // The kernel's own socket has no port.
        spoken == Some(protocol) && columns.next() == Some("0")
    })
}

/// Everything of a kind.
pub(super) fn dump(protocol: isize, kind: u16, payload: &[u8]) -> io::Result<Vec<Message>> {
    for _ in 0..ATTEMPTS {
        if let Some(messages) = ask(protocol, kind, NLM_F_DUMP, payload)? {
            return Ok(messages);
        }
    }
    Err(io::Error::from(io::ErrorKind::Interrupted))
}

/// One thing.
pub(super) fn get(protocol: isize, kind: u16, payload: &[u8]) -> io::Result<Option<Message>> {
    let messages = ask(protocol, kind, NLM_F_ACK, payload)?;
    Ok(messages.into_iter().flatten().next())
}

/// `None` where the table changed meanwhile.
fn ask(protocol: isize, kind: u16, flags: u16, payload: &[u8]) -> io::Result<Option<Vec<Message>>> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.send_to(&request(kind, flags, payload)?, &SocketAddr::new(0, 0), 0)?;
    let mut buffer = vec![0; BUFFER];
    let mut messages = Vec::new();
    let mut steady = true;
    loop {
        let mut rest = buffer.as_mut_slice();
        let length = match socket.recv(&mut rest, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let mut bytes = buffer.get(..length).unwrap_or_default();
        while !bytes.is_empty() {
            let message = NetlinkBuffer::new_checked(bytes).map_err(|_| short())?;
            let length = usize::try_from(message.length()).map_err(|_| short())?;
            steady &= message.flags() & NLM_F_DUMP_INTR == 0;
            match message.message_type() {
                // An error of 0 acknowledges what is no dump.
                NLMSG_DONE | NLMSG_ERROR => {
                    let code = message.payload().first_chunk().copied();
                    let code = i32::from_ne_bytes(code.unwrap_or_default());
                    if code < 0 {
                        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                    }
                    return Ok(steady.then_some(messages));
                }
                kind if messages.len() < MOST => messages.push((kind, message.payload().to_vec())),
                _ => {}
            }
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn request(kind: u16, flags: u16, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(HEADER + payload.len()).map_err(|_| short())?;
    header.message_type = kind;
    header.flags = NLM_F_REQUEST | flags;
    let mut bytes = vec![0; HEADER];
    header.emit(&mut bytes);
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

fn short() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Its type, without flags.
    pub(super) fn kind(self) -> u16 {
        self.kind
    }

    pub(super) fn value(self) -> &'a [u8] {
        self.value
    }
}

/// The attributes in some bytes; a malformed one ends the list, and what came before it stands.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    NlasIterator::new(bytes).map_while(|attribute| {
        let attribute = attribute.ok()?;
        let (kind, end) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(4..end)?;
        Some(Attribute { kind, value })
    })
}

/// The bytes of an attribute.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|attribute| attribute.kind() == kind)
        .map(Attribute::value)
}

/// An attribute for a request.
pub(super) fn push(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len() + 4) else {
        return;
    };
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A number in the machine's order.
pub(super) fn u32_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// See [`u32_of`].
pub(super) fn u16_of(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// A text, up to its zero; names are for strangers to choose.
pub(super) fn text_of(value: &[u8]) -> String {
    let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).replace(char::is_control, "\u{fffd}")
}

/// An address, by its length.
pub(super) fn ip_of(value: &[u8]) -> Option<std::net::IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(value) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(value).ok().map(Into::into)
}

/// The bytes of an address.
pub(super) fn ip_bytes(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(four) => four.octets().to_vec(),
        std::net::IpAddr::V6(six) => six.octets().to_vec(),
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family(address: std::net::IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}
