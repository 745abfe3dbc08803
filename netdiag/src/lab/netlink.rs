//! Requests over netlink for which no library has the words: attributes, and waiting for the kernel's verdict.

use std::io;

use netlink_sys::{Socket, SocketAddr};

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `NLMSG_ERROR`: the verdict, good or bad.
const VERDICT: [u8; 2] = 2_u16.to_ne_bytes();
/// The length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Attributes: type, length and value, each at a multiple of four bytes.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// One that has a value.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// One whose value is a number in network byte order, as netfilter has them.
    pub(super) fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// One whose value is a string, and ends with a zero.
    pub(super) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.put(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// One that holds attributes.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.put(kind | NESTED, &inner.0)
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A message: `struct nlmsghdr`, and what follows it.
pub(super) fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Sends messages of which the last wants a verdict, and waits for the first verdict: of several messages, the first
/// that failed is told first.
pub(super) fn exchange(protocol: isize, messages: &[u8]) -> io::Result<()> {
    let answer = ask(protocol, messages)?;
    let code = answer
        .get(HEADER..)
        .and_then(|body| body.first_chunk())
        .copied()
        .map(i32::from_ne_bytes);
    match (answer.get(4..6), code) {
        (Some(kind), Some(0)) if kind == VERDICT => Ok(()),
        (Some(kind), Some(code)) if kind == VERDICT => {
            Err(io::Error::from_raw_os_error(code.saturating_neg()))
        }
        _ => Err(io::Error::other(
            "netlink answered something else than a verdict",
        )),
    }
}

/// Sends messages and waits for the first answer.
pub(super) fn ask(protocol: isize, messages: &[u8]) -> io::Result<Vec<u8>> {
    let socket = Socket::new(protocol)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(messages, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    Ok(answer)
}
