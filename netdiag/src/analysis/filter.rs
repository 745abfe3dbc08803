//! Which packets the user asked for by address and port.
//!
//! A filter never hides the fault: a malformed packet matches as what it probably is, and a tunnelled one by what is
//! inside, too.

use crate::decode::Packet;
use std::net::IpAddr;

/// Addresses and ports; empty ones admit all.
#[derive(Clone, Debug, Default)]
pub struct PacketFilter {
    /// Source or destination is one of these.
    pub hosts: Vec<IpAddr>,
    /// Source or destination port is one of these.
    pub ports: Vec<u16>,
}

impl PacketFilter {
    /// Whether the user wants this packet.
    pub fn admits(&self, packet: &Packet) -> bool {
        if self.hosts.is_empty() && self.ports.is_empty() {
            return true;
        }
        let readings = [
            Some(packet),
            Some(packet.probable()),
            packet.probable().inner.as_deref(),
        ];
        readings
            .into_iter()
            .flatten()
            .any(|packet| self.matches(packet))
    }

    fn matches(&self, packet: &Packet) -> bool {
        let host = |host: Option<IpAddr>| host.is_some_and(|host| self.hosts.contains(&host));
        let port = |port: Option<u16>| port.is_some_and(|port| self.ports.contains(&port));
        (self.hosts.is_empty() || host(packet.src()) || host(packet.dst()))
            && (self.ports.is_empty() || port(packet.sport()) || port(packet.dport()))
    }
}

#[cfg(test)]
mod tests {
    use super::PacketFilter;
    use crate::decode::{Frame, Link, Packet, decode};

    /// Ethernet, IPv4, UDP 10.0.0.1:1000 → 10.0.0.2:53, no payload.
    const FRAME: [u8; 42] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0x66, 0xcf,
        10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 53, 0, 8, 0, 0,
    ];

    fn packet(link: Link) -> Packet {
        decode(&Frame {
            bytes: &FRAME,
            link,
            network_offset: None,
            len: FRAME.len(),
            ethertype: Some(0x0800),
        })
    }

    #[test]
    fn host_and_port_must_both_fit() {
        let host = "10.0.0.2".parse().unwrap();
        let other = "10.0.0.9".parse().unwrap();
        for link in [Link::Ethernet, Link::Ip] {
            let packet = packet(link);
            let admits = |hosts: &[_], ports: &[u16]| {
                PacketFilter {
                    hosts: hosts.to_vec(),
                    ports: ports.to_vec(),
                }
                .admits(&packet)
            };
            assert!(admits(&[], &[]));
            assert!(admits(&[host], &[53]), "{link:?}");
            assert!(admits(&[other, host], &[]));
            assert!(!admits(&[host], &[54]));
            assert!(!admits(&[other], &[53]));
        }
    }
}
