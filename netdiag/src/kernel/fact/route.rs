//! The way that the kernel would take.

use super::netlink::{attribute, family, get, ip_bytes, ip_of, push, u32_of};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::{io, net::IpAddr};

/// A route, as the kernel looked it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// `RTN_*`.
    pub kind: u8,
    /// The index of the device that it leads to.
    pub device: Option<u32>,
    /// The next hop.
    pub gateway: Option<IpAddr>,
}

// Of linux/rtnetlink.h.
const RTM_GETROUTE: u16 = 26;
const RTMSG: usize = 12;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_VIA: u16 = 18;

/// Looks up the route of a packet: made on this host, or with `came_in` the index of the device it came in by.
///
/// # Errors
/// With what the kernel refuses the route (`ENETUNREACH`), or the question.
pub fn look_up(to: IpAddr, from: Option<IpAddr>, came_in: Option<u32>) -> io::Result<Route> {
    let length = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
    let mut payload = vec![0; RTMSG];
    if let Some([af, to_length, from_length, ..]) = payload.first_chunk_mut::<RTMSG>() {
        (*af, *to_length) = (family(to), length(to));
        *from_length = from.map_or(0, length);
    }
    push(&mut payload, RTA_DST, &ip_bytes(to));
    if let Some(from) = from {
        push(&mut payload, RTA_SRC, &ip_bytes(from));
    }
    if let Some(index) = came_in {
        push(&mut payload, RTA_IIF, &index.to_ne_bytes());
    }
    let answer = get(NETLINK_ROUTE, RTM_GETROUTE, &payload)?;
    let (_, answer) = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
    parse(&answer).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn parse(payload: &[u8]) -> Option<Route> {
    let [.., kind, _, _, _, _] = *payload.first_chunk::<RTMSG>()?;
    let rest = payload.get(RTMSG..)?;
    // A next hop of the other IP version stands behind its family.
    let via = || attribute(rest, RTA_VIA).and_then(|via| ip_of(via.get(2..)?));
    Some(Route {
        kind,
        device: attribute(rest, RTA_OIF).and_then(u32_of),
        gateway: attribute(rest, RTA_GATEWAY).and_then(ip_of).or_else(via),
    })
}

/// `RTN_*` in words.
#[must_use]
pub fn kind(kind: u8) -> &'static str {
    match kind {
        1 => "unicast",
        2 => "local",
        3 => "broadcast",
        4 => "anycast",
        5 => "multicast",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        9 => "throw",
        10 => "nat",
        _ => "unspec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_way_to_oneself_is_local() {
        let route = look_up(Ipv4Addr::LOCALHOST.into(), None, None).expect("route");
        assert_eq!((kind(route.kind), route.device), ("local", Some(1)));
        assert_eq!(parse(&[0; 11]), None);
    }
}
