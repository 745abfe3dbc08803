//! The IP header that a TCP segment would get, made of what its socket says: where the kernel shows the segment alone.

use etherparse::{IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header};
use std::net::IpAddr;

/// What the kernel adds is not known, and left at nothing that could be taken for a fact: no identification, this time
/// to live.
const TTL: u8 = 64;

/// The IP header before a TCP segment of `length` bytes, from `local` to `remote`. `None` where the two are not of one
/// version, or the packet would be too long.
#[must_use]
pub fn ip_header(local: IpAddr, remote: IpAddr, length: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(Ipv6Header::LEN + 60);
    match (local, remote) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            let ip = Ipv4Header::new(length, TTL, IpNumber::TCP, local.octets(), remote.octets());
            ip.ok()?.write(&mut bytes).ok()?;
        }
        (IpAddr::V6(local), IpAddr::V6(remote)) => Ipv6Header {
            traffic_class: 0,
            flow_label: Ipv6FlowLabel::ZERO,
            payload_length: length,
            next_header: IpNumber::TCP,
            hop_limit: TTL,
            source: local.octets(),
            destination: remote.octets(),
        }
        .write(&mut bytes)
        .ok()?,
        _ => return None,
    }
    Some(bytes)
}
