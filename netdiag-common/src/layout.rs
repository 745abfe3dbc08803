//! Where classic tracepoints that are about a socket keep their fields: user space takes the offsets from the kernel's
//! `format` files and sets them as one read-only global a tracepoint.

/// How many fields there are.
pub const SOCKET_FIELDS: usize = 13;

/// Which offset is whose; [`ABSENT`](crate::field::ABSENT) where a tracepoint has no such field.
pub mod field {
    /// The socket's address.
    pub const SK: usize = 0;
    /// What the tracepoint has beside it: the skb, or the request.
    pub const SECOND: usize = 1;
    /// The local port.
    pub const SPORT: usize = 2;
    /// The remote port.
    pub const DPORT: usize = 3;
    /// `AF_*`.
    pub const FAMILY: usize = 4;
    /// The local IPv4 address.
    pub const SADDR: usize = 5;
    /// The remote IPv4 address.
    pub const DADDR: usize = 6;
    /// The local IPv6 address, an IPv4 one as mapped.
    pub const SADDR6: usize = 7;
    /// The remote IPv6 address.
    pub const DADDR6: usize = 8;
    /// The state, or the new one.
    pub const STATE: usize = 9;
    /// The state before.
    pub const OLD_STATE: usize = 10;
    /// What the function returned.
    pub const ERROR: usize = 11;
    /// The protocol.
    pub const PROTOCOL: usize = 12;
}

/// The names of the fields in a `format` file, by their place; `second` is the tracepoint's own.
pub fn names(second: &'static str) -> [&'static str; SOCKET_FIELDS] {
    [
        "skaddr", second, "sport", "dport", "family", "saddr", "daddr", "saddr_v6", "daddr_v6",
        "state", "oldstate", "err", "protocol",
    ]
}
