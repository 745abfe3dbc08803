//! What stands behind an IP header, byte by byte: checksums and options, which only some drops ask for.
//!
//! [`decode`](super::decode()) does not look at transport checksums: a packet on its way out gets its own last, often
//! from the hardware. A kernel without drop reasons leaves no other way to tell a bad one from a closed port.

use super::{
    frame::{Frame, Link},
    ip::checksum,
    link::{ETHERNET_LEN, ETHERTYPE_QINQ, ETHERTYPE_VLAN, VLAN_LEN},
    packet::Packet,
    view::View,
};
use std::net::IpAddr;

/// Whether a transport checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is, or it was left for the hardware, or for UDP over IPv4 it was left out.
    Right,
    /// It is not.
    Wrong,
    /// Not all of the packet was captured, or it is a fragment, or the protocol has none.
    Unknown,
}

/// The IP header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Upper<'a> {
    header: &'a [u8],
    view: View<'a>,
    protocol: u8,
    fragment: bool,
    ends: (IpAddr, IpAddr),
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

impl<'a> Upper<'a> {
    /// Finds it in the frame that `packet` was decoded from. `None` where the IP header is not whole, or is not one.
    #[must_use]
    pub fn of(frame: &Frame<'a>, packet: &Packet) -> Option<Self> {
        let ip = packet.ip.filter(|_| packet.disguise.is_none())?;
        let whole = View::new(frame.bytes, frame.len);
        let network = whole.skip(network_offset(frame, whole)?);
        let network = network.limit(ip.total_len.min(network.len));
        let length = match network.version()? {
            4 => usize::from(network.bytes.first()? & 0x0f) * 4,
            6 => extensions(network)?,
            _ => return None,
        };
        Some(Self {
            header: network.bytes.get(..length)?,
            view: network.skip(length),
            protocol: ip.protocol.0,
            fragment: ip.fragment.is_some(),
            ends: (ip.source, ip.destination),
        })
    }

    /// Whether the IPv4 header has options.
    #[must_use]
    pub fn has_ip_options(&self) -> bool {
        self.ends.0.is_ipv4() && self.header.len() > 20
    }

    /// Whether nobody may cut the packet: always so for IPv6, by the DF bit for IPv4.
    #[must_use]
    pub fn is_unfragmentable(&self) -> bool {
        const DF: u8 = 0x40;
        self.ends.0.is_ipv6() || self.header.get(6).is_some_and(|flags| flags & DF != 0)
    }

    /// Whether the TCP header has an option of this kind.
    #[must_use]
    pub fn has_tcp_option(&self, wanted: u8) -> bool {
        const END: u8 = 0;
        const NOTHING: u8 = 1;
        if self.protocol != TCP || self.fragment {
            return false;
        }
        let length = self
            .view
            .bytes
            .get(12)
            .map_or(0, |&byte| usize::from(byte >> 4) * 4);
        let mut rest = self.view.bytes.get(20..length).unwrap_or_default();
        while let Some(&kind) = rest.first() {
            let skip = match (kind, rest.get(1)) {
                (END, _) => return false,
                (NOTHING, _) => 1,
                _ if kind == wanted => return true,
                (_, Some(&length)) if length >= 2 => usize::from(length),
                _ => return false,
            };
            rest = rest.get(skip..).unwrap_or_default();
        }
        false
    }

    /// Sums it up.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        let at = match self.protocol {
            ICMP | ICMPV6 => 2,
            TCP => 16,
            UDP => 6,
            _ => return Checksum::Unknown,
        };
        let mut view = self.view;
        if self.protocol == UDP
            && let Some(length) = view.u16_at(4).filter(|&length| length >= 8)
        {
            view = view.limit(usize::from(length));
        }
        let Some(found) = view.u16_at(at) else {
            return Checksum::Unknown;
        };
        if self.fragment || view.bytes.len() < view.len {
            return Checksum::Unknown;
        }
        if self.protocol == UDP && found == 0 {
            return match self.ends.0 {
                IpAddr::V4(_) => Checksum::Right,
                IpAddr::V6(_) => Checksum::Wrong,
            };
        }
        let pseudo = match self.protocol {
            ICMP => Vec::new(),
            _ => self.pseudo_header(view.len),
        };
        // CHECKSUM_PARTIAL: the sum of the pseudo header alone waits for the hardware to add the rest.
        let waiting = !pseudo.is_empty() && found == !checksum(&pseudo);
        // The pseudo header is of even length, so the two can be summed as one.
        match checksum(&[pseudo.as_slice(), view.bytes].concat()) {
            0 => Checksum::Right,
            _ if waiting => Checksum::Right,
            _ => Checksum::Wrong,
        }
    }

    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        for end in [self.ends.0, self.ends.1] {
            match end {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend([0, 0, 0, self.protocol]);
        bytes
    }
}

/// Where the network header starts: the kernel says, or the link-layer header does.
fn network_offset(frame: &Frame<'_>, whole: View<'_>) -> Option<usize> {
    if let Some(offset) = frame.network_offset {
        return Some(offset);
    }
    match frame.link {
        Link::Ip => Some(0),
        Link::Ethernet => {
            let mut offset = ETHERNET_LEN;
            while matches!(whole.u16_at(offset - 2)?, ETHERTYPE_VLAN | ETHERTYPE_QINQ) {
                offset += VLAN_LEN;
            }
            Some(offset)
        }
        Link::Unknown => None,
    }
}

/// The length of an IPv6 header with its extension headers, up to the transport header.
fn extensions(network: View<'_>) -> Option<usize> {
    let mut next = *network.bytes.get(6)?;
    let mut length = 40;
    loop {
        let step = match next {
            0 | 43 | 60 | 135 => usize::from(*network.bytes.get(length + 1)?) * 8 + 8,
            44 => 8,
            51 => usize::from(*network.bytes.get(length + 1)?) * 4 + 8,
            _ => return Some(length),
        };
        next = *network.bytes.get(length)?;
        length += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::decode,
        lab::frame::{self, TcpHeader},
    };
    use std::net::{Ipv4Addr, Ipv6Addr};

    const SRC: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
    const DST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

    fn frame(bytes: &[u8]) -> Frame<'_> {
        Frame {
            bytes,
            link: Link::Ip,
            network_offset: None,
            len: bytes.len(),
            ethertype: None,
        }
    }

    fn sum(bytes: &[u8]) -> Checksum {
        let frame = frame(bytes);
        Upper::of(&frame, &decode(&frame)).unwrap().checksum()
    }

    #[test]
    fn checksums_are_judged() {
        let v6 = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        let tcp = frame::tcp4(SRC, DST, TcpHeader::default(), b"odd");
        let packets = [
            (16, frame::ipv4(6, SRC, DST, &tcp, 64), 20),
            (
                6,
                frame::ipv4(17, SRC, DST, &frame::udp4(SRC, DST, 1, 2, b"odd"), 64),
                20,
            ),
            (
                2,
                frame::ipv4(1, SRC, DST, &frame::icmp_echo_request(1, 2, b"x"), 64),
                20,
            ),
            (
                6,
                frame::ipv6(
                    17,
                    v6(1),
                    v6(2),
                    &frame::udp6(v6(1), v6(2), 1, 2, b"odd"),
                    64,
                ),
                40,
            ),
            (
                2,
                frame::ipv6(
                    58,
                    v6(1),
                    v6(2),
                    &frame::icmpv6_echo_request(v6(1), v6(2), 1, 2, b"x"),
                    64,
                ),
                40,
            ),
        ];
        for (at, mut bytes, header) in packets {
            assert_eq!(sum(&bytes), Checksum::Right, "{bytes:x?}");
            bytes[header + at + 1] ^= 0x55;
            assert_eq!(sum(&bytes), Checksum::Wrong, "{bytes:x?}");
            let mut cut = frame(&bytes);
            cut.bytes = &bytes[..bytes.len() - 1];
            let upper = Upper::of(&cut, &decode(&cut)).unwrap();
            assert_eq!(upper.checksum(), Checksum::Unknown);
        }
    }

    #[test]
    fn a_checksum_that_waits_for_the_hardware_is_right() {
        let mut udp = frame::udp4(SRC, DST, 1, 2, b"payload");
        let mut pseudo = [SRC.octets(), DST.octets()].concat();
        pseudo.extend([0, 0, 0, 15, 0, 0, 0, 17]);
        udp[6..8].copy_from_slice(&(!checksum(&pseudo)).to_be_bytes());
        assert_eq!(sum(&frame::ipv4(17, SRC, DST, &udp, 64)), Checksum::Right);
        udp[6..8].fill(0);
        assert_eq!(sum(&frame::ipv4(17, SRC, DST, &udp, 64)), Checksum::Right);
    }

    #[test]
    fn options_are_found() {
        let mut tcp = frame::tcp4(SRC, DST, TcpHeader::default(), &[1, 1, 19, 18]);
        tcp[12] = 6 << 4;
        let mut bytes = frame::ipv4(6, SRC, DST, &tcp, 64);
        let seen = frame(&bytes);
        let upper = Upper::of(&seen, &decode(&seen)).unwrap();
        assert!(upper.has_tcp_option(19) && !upper.has_tcp_option(29));
        assert!(!upper.has_ip_options() && !upper.is_unfragmentable());
        bytes[6] |= 0x40;
        let seen = frame(&bytes);
        assert!(
            Upper::of(&seen, &decode(&seen))
                .unwrap()
                .is_unfragmentable()
        );
    }
}
