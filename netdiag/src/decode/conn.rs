//! The connection record of the ring buffer. Sentinels become `None`.

use netdiag_common::{
    IFNAMSIZ, NetnsId,
    record::{
        COMM_LEN, CONN_ACCEPTED, CONN_FLAG_CALLER, CONN_FLAG_WANTED, CONN_LEN, CONN_QUEUE_FULL,
        CONN_RESET_IN, CONN_RESET_OUT, CONN_RETURNED, CONN_STATE, ConnRecord, FAMILY_IPV4,
        FAMILY_IPV6, KIND_CONN, NO_UID, SOCKET_MAPPED, SocketPart, UNKNOWN, UNKNOWN_BYTE,
        UNKNOWN_BYTES,
    },
};
use std::{
    fmt,
    mem::offset_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnWhat {
    /// The state changed.
    State,
    /// `connect` returned with an error.
    Returned,
    /// A process accepted it.
    Accepted,
    /// The peer reset it.
    ResetIn,
    /// This host reset it.
    ResetOut,
    /// A SYN was refused, because the accept queue of this listener is full.
    QueueFull,
}

/// A task that has to do with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its process.
    pub pid: u32,
    /// Its name. Control characters are replaced.
    pub comm: String,
    /// Its user.
    pub uid: Option<u32>,
}

/// What a socket counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Payload sent, retransmissions included.
    pub sent: u64,
    /// Of this, sent again.
    pub retransmitted: u64,
    /// Payload received in order, and one for the peer's FIN.
    pub received: u64,
}

/// Addresses and ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The local address.
    pub local: Option<IpAddr>,
    /// The remote address.
    pub remote: Option<IpAddr>,
    /// The local port.
    pub sport: Option<u16>,
    /// The remote port.
    pub dport: Option<u16>,
}

impl fmt::Display for Flow {
    /// `10.0.0.1:4711 → 10.0.0.2:80`; a star stands for what is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        end(f, self.local, self.sport)?;
        f.write_str(" \u{2192} ")?;
        end(f, self.remote, self.dport)
    }
}

fn end(f: &mut fmt::Formatter<'_>, address: Option<IpAddr>, port: Option<u16>) -> fmt::Result {
    match (address, port) {
        (Some(address), Some(port)) => write!(f, "{}", SocketAddr::new(address, port)),
        (Some(IpAddr::V6(address)), None) => write!(f, "[{address}]:*"),
        (Some(address), None) => write!(f, "{address}:*"),
        (None, Some(port)) => write!(f, "*:{port}"),
        (None, None) => f.write_str("*"),
    }
}

/// One thing that happened to a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnHit {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// What happened.
    pub what: ConnWhat,
    /// The socket's address, which tells sockets apart while they live.
    pub sk: u64,
    /// Addresses and ports.
    pub flow: Flow,
    /// Whether the socket is one of IPv6 with mapped addresses.
    pub mapped: bool,
    /// Whether the remote address is the one that `connect` was called with.
    pub wanted: bool,
    /// The state (`TCP_*` of `net/tcp_states.h`), after the change.
    pub state: u8,
    /// The one before.
    pub old_state: u8,
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The socket's owner.
    pub uid: Option<u32>,
    /// Its cgroup.
    pub cgroup_id: Option<u64>,
    /// Its inode number.
    pub inode: Option<u64>,
    /// The device that its route leads to.
    pub ifname: Option<String>,
    /// Who called `connect` or `accept`.
    pub caller: Option<Caller>,
    /// When the call began that returns here.
    pub began_ns: Option<u64>,
    /// What it returned: a negative error number.
    pub result: i32,
    /// What ended the connection.
    pub error: Option<u32>,
    /// What was met on the way.
    pub soft_error: Option<u32>,
    /// What was sent and received.
    pub bytes: Option<Bytes>,
    /// `sk->sk_flags`.
    pub sk_flags: Option<u64>,
    /// Segments sent again.
    pub retrans: Option<u32>,
    /// Timeouts without an answer.
    pub retransmits: Option<u8>,
    /// Smoothed round-trip time in microseconds.
    pub srtt_us: Option<u32>,
    /// `enum sk_rst_reason`.
    pub reset_reason: Option<u32>,
    /// The accept queue: how many wait, and how many may.
    pub queue: Option<(u32, u32)>,
}

/// Reads a record from the ring buffer; `None` where it is too short, or not of this kind.
#[must_use]
pub fn conn_record(bytes: &[u8]) -> Option<ConnHit> {
    let bytes = bytes.get(..CONN_LEN)?;
    macro_rules! number {
        ($offset:expr, $type:ty) => {
            bytes
                .get($offset..)
                .and_then(|tail| tail.first_chunk())
                .map(|chunk| <$type>::from_ne_bytes(*chunk))?
        };
    }
    macro_rules! field {
        ($field:ident: $type:ty) => {
            number!(offset_of!(ConnRecord, $field), $type)
        };
    }
    macro_rules! socket {
        ($field:ident: $type:ty) => {
            number!(
                offset_of!(ConnRecord, socket) + offset_of!(SocketPart, $field),
                $type
            )
        };
    }
    if field!(kind: u16) != KIND_CONN {
        return None;
    }
    let what = match field!(what: u8) {
        CONN_STATE => ConnWhat::State,
        CONN_RETURNED => ConnWhat::Returned,
        CONN_ACCEPTED => ConnWhat::Accepted,
        CONN_RESET_IN => ConnWhat::ResetIn,
        CONN_RESET_OUT => ConnWhat::ResetOut,
        CONN_QUEUE_FULL => ConnWhat::QueueFull,
        _ => return None,
    };
    let flags = field!(flags: u8);
    let family = socket!(family: u16);
    let address = |at: usize| -> Option<IpAddr> {
        let raw = bytes.get(offset_of!(ConnRecord, socket) + at..)?;
        let address = match family {
            FAMILY_IPV4 => IpAddr::V4(Ipv4Addr::from(*raw.first_chunk::<4>()?)),
            FAMILY_IPV6 => IpAddr::V6(Ipv6Addr::from(*raw.first_chunk::<16>()?)),
            _ => return None,
        };
        Some(address).filter(|address| !address.is_unspecified())
    };
    let text = |at: usize, length: usize| {
        let raw = bytes.get(at..at + length).unwrap_or_default();
        let name = raw.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).replace(char::is_control, "\u{fffd}")
    };
    let known = |value: u32| Some(value).filter(|&value| value != UNKNOWN);
    let count = |value: u64| Some(value).filter(|&value| value != UNKNOWN_BYTES);
    let bytes_of = match (
        count(field!(bytes_sent: u64)),
        count(field!(bytes_retrans: u64)),
        count(field!(bytes_received: u64)),
    ) {
        (Some(sent), Some(retransmitted), Some(received)) => Some(Bytes {
            sent,
            retransmitted,
            received,
        }),
        _ => None,
    };
    let caller = (flags & CONN_FLAG_CALLER != 0).then_some(Caller {
        pid: u32::try_from(field!(task: u64) >> 32).unwrap_or(0),
        comm: text(offset_of!(ConnRecord, comm), COMM_LEN),
        uid: Some(field!(task_uid: u32)).filter(|&uid| uid != NO_UID),
    });
    let ifname = text(
        offset_of!(ConnRecord, socket) + offset_of!(SocketPart, ifname),
        IFNAMSIZ,
    );
    let nonzero = |value: u64| Some(value).filter(|&value| value != 0);
    Some(ConnHit {
        time_ns: field!(time_ns: u64),
        what,
        sk: socket!(sk: u64),
        flow: Flow {
            local: address(offset_of!(SocketPart, local)),
            remote: address(offset_of!(SocketPart, remote)),
            sport: Some(socket!(local_port: u16)).filter(|&port| port != 0),
            dport: Some(socket!(remote_port: u16)).filter(|&port| port != 0),
        },
        mapped: socket!(flags: u8) & SOCKET_MAPPED != 0,
        wanted: flags & CONN_FLAG_WANTED != 0,
        state: socket!(state: u8),
        old_state: field!(old_state: u8),
        netns: Some(socket!(netns: u32)).filter(|&id| id != 0).map(NetnsId),
        uid: Some(socket!(uid: u32)).filter(|&uid| uid != NO_UID),
        cgroup_id: nonzero(socket!(cgroup_id: u64)),
        inode: nonzero(socket!(inode: u64)),
        ifname: Some(ifname).filter(|name| !name.is_empty()),
        caller,
        began_ns: nonzero(field!(began_ns: u64)),
        result: field!(result: i32),
        error: known(field!(error: u32)),
        soft_error: known(field!(soft_error: u32)).filter(|&error| error != 0),
        bytes: bytes_of,
        sk_flags: count(field!(sk_flags: u64)),
        retrans: known(field!(total_retrans: u32)),
        retransmits: Some(field!(retransmits: u8)).filter(|&value| value != UNKNOWN_BYTE),
        srtt_us: known(field!(srtt_8us: u32))
            .map(|eighths| eighths / 8)
            .filter(|&us| us != 0),
        reset_reason: known(field!(reset_reason: u32)),
        queue: known(field!(queued: u32)).zip(known(field!(limit: u32))),
    })
}

#[cfg(test)]
mod tests {
    use super::{ConnWhat, conn_record};
    use netdiag_common::record::{
        CONN_FLAG_CALLER, CONN_LEN, CONN_STATE, ConnRecord, KIND_CONN, SocketPart,
    };
    use std::mem::offset_of;

    fn record() -> Vec<u8> {
        let mut bytes = vec![0xff; CONN_LEN];
        let mut set = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let socket = offset_of!(ConnRecord, socket);
        set(offset_of!(ConnRecord, kind), &KIND_CONN.to_ne_bytes());
        set(
            offset_of!(ConnRecord, what),
            &[CONN_STATE, CONN_FLAG_CALLER],
        );
        set(
            offset_of!(ConnRecord, task),
            &(7u64 << 32 | 9).to_ne_bytes(),
        );
        set(offset_of!(ConnRecord, comm), b"a\x1bb\0cccccccccccc");
        set(offset_of!(ConnRecord, began_ns), &[0; 8]);
        set(socket + offset_of!(SocketPart, family), &2u16.to_ne_bytes());
        set(socket + offset_of!(SocketPart, local), &[10, 0, 0, 1]);
        set(socket + offset_of!(SocketPart, remote), &[0; 4]);
        set(socket + offset_of!(SocketPart, local_port), &[0; 2]);
        set(socket + offset_of!(SocketPart, ifname), &[0; 16]);
        bytes
    }

    #[test]
    fn sentinels_are_absent() {
        let hit = conn_record(&record()).unwrap();
        assert_eq!(hit.what, ConnWhat::State);
        assert_eq!(hit.flow.local, Some("10.0.0.1".parse().unwrap()));
        assert_eq!((hit.flow.remote, hit.flow.sport), (None, None));
        assert_eq!((hit.error, hit.bytes, hit.srtt_us), (None, None, None));
        assert_eq!((hit.uid, hit.queue, hit.reset_reason), (None, None, None));
        assert_eq!((hit.began_ns, hit.ifname), (None, None));
        let caller = hit.caller.unwrap();
        assert_eq!((caller.pid, caller.comm.as_str()), (7, "a\u{fffd}b"));
    }

    #[test]
    fn short_and_strange_records_are_none() {
        let bytes = record();
        for length in 0..bytes.len() {
            assert_eq!(conn_record(&bytes[..length]), None);
        }
        let mut other = bytes;
        other[offset_of!(ConnRecord, what)] = 99;
        assert_eq!(conn_record(&other), None);
    }
}
