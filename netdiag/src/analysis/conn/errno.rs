//! Error numbers of connections, by the names that programmers search for.

use netdiag_common::errno;
use std::borrow::Cow;

/// How a connection or an attempt ended: `None` is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// `ECONNREFUSED`.
    pub const REFUSED: Self = Self(111);
    /// `ETIMEDOUT`.
    pub const TIMED_OUT: Self = Self(110);
    /// `ECONNRESET`.
    pub const RESET: Self = Self(104);
    /// `EPIPE`: a reset after the peer's FIN.
    pub const PIPE: Self = Self(32);
    /// `ENETUNREACH`.
    pub const NET_UNREACHABLE: Self = Self(101);
    /// `EHOSTUNREACH`.
    pub const HOST_UNREACHABLE: Self = Self(113);
    /// `EADDRNOTAVAIL`.
    pub const NO_ADDRESS: Self = Self(99);
    /// `EPERM`.
    pub const NOT_PERMITTED: Self = Self(1);
    /// `EACCES`.
    pub const NO_ACCESS: Self = Self(13);

    /// `ENOPROTOOPT`: ICMP says so of a protocol that nobody listens to.
    pub const NO_PROTOCOL: Self = Self(92);
    /// `EINVAL`.
    pub const INVALID: Self = Self(22);

    /// Its name; `errno 42` for one that has none.
    pub fn name(self) -> Cow<'static, str> {
        let number = self.0.unsigned_abs();
        match errno::name(number) {
            Some(name) => name.into(),
            None => format!("errno {number}").into(),
        }
    }
}
