//! Error numbers of connections, by the names that programmers search for.

/// Positive number, name, and what it says of a connection. The numbers are those of x86-64 and aarch64
/// (`asm-generic/errno.h`).
const ERRORS: [(i32, &str); 28] = [
    (1, "EPERM"),
    (4, "EINTR"),
    (9, "EBADF"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (19, "ENODEV"),
    (22, "EINVAL"),
    (32, "EPIPE"),
    (71, "EPROTO"),
    (88, "ENOTSOCK"),
    (90, "EMSGSIZE"),
    (92, "ENOPROTOOPT"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (98, "EADDRINUSE"),
    (99, "EADDRNOTAVAIL"),
    (100, "ENETDOWN"),
    (101, "ENETUNREACH"),
    (103, "ECONNABORTED"),
    (104, "ECONNRESET"),
    (105, "ENOBUFS"),
    (110, "ETIMEDOUT"),
    (111, "ECONNREFUSED"),
    (112, "EHOSTDOWN"),
    (113, "EHOSTUNREACH"),
    (115, "EINPROGRESS"),
];

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

    /// Its name; `errno 42` for one that no connection ends with.
    pub fn name(self) -> std::borrow::Cow<'static, str> {
        match ERRORS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => (*name).into(),
            None => format!("errno {}", self.0).into(),
        }
    }
}
