//! The IP header that a TCP segment would get, made of what its socket says: where the kernel shows the segment alone.

use etherparse::{IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header};
use std::net::IpAddr;

/// As Linux sends by default.
const TTL: u8 = 64;

/// The IP header before a TCP segment of `length` bytes, from `local` to `remote`; `None` where the two are not of one
/// version. What the kernel adds is not known: time to live is as by default, DF is set, and identification, DSCP and
/// flow label are 0. A segment that fits no IP packet leaves as several, and has the length 0, as the kernel writes it.
#[must_use]
pub fn ip_header(local: IpAddr, remote: IpAddr, length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(Ipv6Header::LEN + 60);
    match (local, remote) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            let (from, to) = (local.octets(), remote.octets());
            let known = u16::try_from(length).ok();
            let fits =
                known.and_then(|length| Ipv4Header::new(length, TTL, IpNumber::TCP, from, to).ok());
            let ip = match fits {
                Some(ip) => ip,
                None => Ipv4Header {
                    total_len: 0,
                    ..Ipv4Header::new(0, TTL, IpNumber::TCP, from, to).ok()?
                },
            };
            ip.write(&mut bytes).ok()?;
        }
        (IpAddr::V6(local), IpAddr::V6(remote)) => Ipv6Header {
            traffic_class: 0,
            flow_label: Ipv6FlowLabel::ZERO,
            payload_length: u16::try_from(length).unwrap_or(0),
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

#[cfg(test)]
mod tests {
    use super::ip_header;
    use crate::decode::{Frame, Link, decode};
    use std::net::IpAddr;

    #[test]
    fn what_fits_no_packet_is_no_malformed_one() {
        let ends = [
            ("10.0.0.1", "10.0.0.2", 0x0800),
            ("fd00::1", "fd00::2", 0x86dd),
        ];
        // The longest that fit, and one byte more.
        for length in [20, 65_515, 65_516, 65_535, 65_536, 500_000] {
            for (from, to, ethertype) in ends {
                let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
                let mut bytes = ip_header(from, to, length).unwrap();
                let len = bytes.len() + length;
                // A TCP header of 20 bytes.
                bytes.extend([
                    0, 80, 1, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 16, 0, 0, 0, 0, 0, 0,
                ]);
                let packet = decode(&Frame {
                    bytes: &bytes,
                    link: Link::Ip,
                    network_offset: Some(0),
                    len,
                    ethertype: Some(ethertype),
                });
                assert_eq!(packet.malformed, [], "{length} {to}");
                assert_eq!((packet.ip.unwrap().destination, packet.len), (to, len));
                assert!(packet.transport.is_some(), "{length} {to}");
            }
        }
        let mixed = ip_header("10.0.0.1".parse().unwrap(), "fd00::2".parse().unwrap(), 20);
        assert_eq!(mixed, None);
    }
}
