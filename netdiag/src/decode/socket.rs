//! The part of a record that says which socket it is about.

use super::record::{device_name, nonzero};
use netdiag_common::{
    IFNAMSIZ, NetnsId,
    record::{FAMILY_IPV4, FAMILY_IPV6, NO_UID, SOCKET_MAPPED, SOCKET_UNREAD, SocketPart},
};
use std::{
    fmt,
    mem::offset_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A TCP socket, as a record tells of it. Its own end is "local" whoever opened the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// The kernel's address of it: tells sockets apart while they live.
    pub sk: u64,
    /// The local address; `None` while there is none.
    pub local: Option<IpAddr>,
    /// The local port; `None` while the kernel has chosen none.
    pub local_port: Option<u16>,
    /// The remote address.
    pub remote: Option<IpAddr>,
    /// The remote port.
    pub remote_port: Option<u16>,
    /// The state; `None` where it is one that nobody knows.
    pub state: Option<TcpState>,
    /// Whether it is an IPv6 socket with IPv4 addresses.
    pub mapped: bool,
    /// Whether only addresses, ports and state could be read.
    pub unread: bool,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its namespace.
    pub netns: Option<NetnsId>,
    /// Its cgroup.
    pub cgroup_id: Option<u64>,
    /// Its inode number; `None` when no process holds it.
    pub inode: Option<u64>,
    /// The device that its route leads to.
    pub ifindex: Option<u32>,
    /// That device's name; control characters are replaced.
    pub ifname: Option<String>,
    /// That device's type (`ARPHRD_*`).
    pub dev_type: Option<u16>,
}

/// A state of TCP, by the numbers of `net/tcp_states.h` (the same in `linux/bpf.h`, as `BPF_TCP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "RFC 9293 defines them")]
pub enum TcpState {
    Established = 1,
    SynSent,
    SynRecv,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    NewSynRecv,
}

impl TcpState {
    const ALL: [(Self, &str); 12] = [
        (Self::Established, "ESTABLISHED"),
        (Self::SynSent, "SYN_SENT"),
        (Self::SynRecv, "SYN_RECV"),
        (Self::FinWait1, "FIN_WAIT1"),
        (Self::FinWait2, "FIN_WAIT2"),
        (Self::TimeWait, "TIME_WAIT"),
        (Self::Close, "CLOSE"),
        (Self::CloseWait, "CLOSE_WAIT"),
        (Self::LastAck, "LAST_ACK"),
        (Self::Listen, "LISTEN"),
        (Self::Closing, "CLOSING"),
        (Self::NewSynRecv, "NEW_SYN_RECV"),
    ];

    /// By the kernel's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        let index = usize::from(number).checked_sub(1)?;
        Self::ALL.get(index).map(|(state, _)| *state)
    }

    /// By the kernel's name, without `TCP_`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(state, _)| *state)
    }

    /// The kernel's name, without `TCP_`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, name)| name)
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads the part; `None` when the bytes end before it does.
pub(super) fn socket(bytes: &[u8]) -> Option<Socket> {
    macro_rules! number {
        ($field:ident: $type:ty) => {
            bytes
                .get(offset_of!(SocketPart, $field)..)
                .and_then(|tail| tail.first_chunk())
                .map(|chunk| <$type>::from_ne_bytes(*chunk))?
        };
    }
    let address = |at: usize| bytes.get(at..)?.first_chunk::<16>().copied();
    let family = number!(family: u16);
    let flags = number!(flags: u8);
    let ifindex = nonzero(number!(ifindex: u32));
    let name: &[u8; IFNAMSIZ] = bytes.get(offset_of!(SocketPart, ifname)..)?.first_chunk()?;
    let name = ifindex.map(|_| device_name(name).into_owned());
    Some(Socket {
        sk: number!(sk: u64),
        local: ip(family, address(offset_of!(SocketPart, local))?),
        local_port: nonzero(number!(local_port: u16)),
        remote: ip(family, address(offset_of!(SocketPart, remote))?),
        remote_port: nonzero(number!(remote_port: u16)),
        state: TcpState::from_number(number!(state: u8)),
        mapped: flags & SOCKET_MAPPED != 0,
        unread: flags & SOCKET_UNREAD != 0,
        uid: Some(number!(uid: u32)).filter(|&uid| uid != NO_UID),
        netns: nonzero(number!(netns: u32)).map(NetnsId),
        cgroup_id: nonzero(number!(cgroup_id: u64)),
        inode: nonzero(number!(inode: u64)),
        ifindex,
        ifname: name.filter(|name| !name.is_empty()),
        dev_type: ifindex.map(|_| number_or_zero(bytes, offset_of!(SocketPart, dev_type))),
    })
}

fn number_or_zero(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..).and_then(|tail| tail.first_chunk());
    bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

/// An address; `None` for one that is all zeros, which is none.
fn ip(family: u16, bytes: [u8; 16]) -> Option<IpAddr> {
    let address = match family {
        FAMILY_IPV4 => {
            let [a, b, c, d, ..] = bytes;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        FAMILY_IPV6 => {
            let address = Ipv6Addr::from(bytes);
            // The classic tracepoints show a mapped address as it is.
            address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    Some(address).filter(|address| !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_go_by_number_and_name() {
        for number in 0..=u8::MAX {
            match TcpState::from_number(number) {
                Some(state) => {
                    assert_eq!(state as u8, number);
                    assert_eq!(TcpState::from_name(state.name()), Some(state));
                }
                None => assert!(number == 0 || number > 12, "{number}"),
            }
        }
    }

    #[test]
    fn addresses_go_by_family() {
        let mut bytes = [0; 16];
        assert_eq!(ip(FAMILY_IPV4, bytes), None);
        bytes[..4].copy_from_slice(&[10, 98, 0, 1]);
        assert_eq!(ip(FAMILY_IPV4, bytes), Some("10.98.0.1".parse().unwrap()));
        let mapped = "::ffff:10.98.0.2".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(ip(FAMILY_IPV6, mapped), Some("10.98.0.2".parse().unwrap()));
        let six = "fd98::1".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(ip(FAMILY_IPV6, six), Some("fd98::1".parse().unwrap()));
        assert_eq!(ip(1, six), None);
    }

    #[test]
    fn a_part_that_is_cut_is_none() {
        let whole = vec![0xff; size_of::<SocketPart>()];
        assert!(socket(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(socket(&whole[..length]), None, "{length}");
        }
    }
}
