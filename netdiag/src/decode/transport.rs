//! The transport layer: TCP, UDP, ICMP and ICMPv6.
//!
//! Checksums are not looked at: a packet on its way out is captured before the hardware fills them in.

use std::fmt;

use etherparse::TcpHeaderSlice;

use super::frame::{Frame, Link};
use super::malformed::MalformedKind;
use super::packet::Packet;
use super::view::View;

const TCP_LEN: usize = 20;
pub(super) const UDP_LEN: usize = 8;

/// A transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number; meaningful with the ACK flag.
        ack: u32,
        /// Flags.
        flags: TcpFlags,
    },
    /// UDP.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Length of header and data in bytes.
        length: u16,
    },
    /// ICMP.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// In echo requests and replies.
        echo: Option<Echo>,
    },
    /// ICMPv6.
    Icmpv6 {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// In echo requests and replies.
        echo: Option<Echo>,
    },
}

/// What tells one ping from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// One a program.
    pub id: u16,
    /// One a packet.
    pub sequence: u16,
}

impl Transport {
    /// Source and destination port of TCP and UDP.
    #[must_use]
    pub fn ports(self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp {
                source,
                destination,
                ..
            }
            | Self::Udp {
                source,
                destination,
                ..
            } => Some((source, destination)),
            Self::Icmp { .. } | Self::Icmpv6 { .. } => None,
        }
    }
}

/// The flags byte of TCP; displays as `SYN|ACK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The peer has no more to send.
    pub const FIN: u8 = 1;
    /// A connection is asked for.
    pub const SYN: u8 = 2;
    /// The connection is over.
    pub const RST: u8 = 4;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 16;

    /// Whether this flag is set.
    #[must_use]
    pub fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let mut separator = "";
        for (bit, name) in NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        if self.0 == 0 {
            f.write_str("none")
        } else {
            Ok(())
        }
    }
}

/// How many bytes of payload a TCP packet carries right behind IP, by the length that the kernel has of it: what is to be
/// cut into segments yet has no length of its own in the header. 0 where it is no TCP, or its headers were not captured.
#[must_use]
pub fn tcp_payload(frame: &Frame<'_>) -> u32 {
    const TCP: u8 = 6;
    let start = match (frame.network_offset, frame.link) {
        (Some(offset), _) => offset,
        (None, Link::Ip) => 0,
        (None, _) => return 0,
    };
    let byte = |at: usize| frame.bytes.get(start + at).copied();
    let (header, protocol, claimed) = match byte(0).map(|first| first >> 4) {
        Some(4) => {
            let header = usize::from(byte(0).unwrap_or(0) & 0x0f) * 4;
            let claimed = [byte(2), byte(3)].map(|byte| usize::from(byte.unwrap_or(0)));
            (header, byte(9), claimed[0] << 8 | claimed[1])
        }
        Some(6) => {
            let claimed = [byte(4), byte(5)].map(|byte| usize::from(byte.unwrap_or(0)));
            let payload = claimed[0] << 8 | claimed[1];
            (40, byte(6), if payload == 0 { 0 } else { payload + 40 })
        }
        _ => return 0,
    };
    let Some(offset) = byte(header + 12).filter(|_| protocol == Some(TCP)) else {
        return 0;
    };
    let whole = frame.len.saturating_sub(start);
    // An Ethernet frame may be longer than what it carries; what waits to be cut is longer than its header can say.
    let whole = if claimed > 0 && whole <= ETHERNET_MIN {
        whole.min(claimed)
    } else {
        whole
    };
    let headers = header + usize::from(offset >> 4) * 4;
    u32::try_from(whole.saturating_sub(headers)).unwrap_or(0)
}

/// Frames below this are padded.
const ETHERNET_MIN: usize = 60;

/// Reads TCP. `whole` is false in the first of several fragments, and when the IP length cannot be trusted.
pub(super) fn tcp(view: View<'_>, whole: bool, packet: &mut Packet) {
    let Some(fixed) = view.bytes.first_chunk::<TCP_LEN>() else {
        if whole && view.len < TCP_LEN {
            packet.fault(MalformedKind::TcpOffset, TCP_LEN, view.len);
        }
        return;
    };
    let mut fixed = *fixed;
    let [.., flags, _, _, _, _, _, _] = fixed;
    let claimed = usize::from(fixed[12] >> 4) * 4;
    if claimed < TCP_LEN {
        packet.fault(MalformedKind::TcpOffset, claimed, TCP_LEN);
    } else if whole && claimed > view.len {
        packet.fault(MalformedKind::TcpOffset, claimed, view.len);
    }
    // Whatever the offset says of the options, the fixed part can be read.
    fixed[12] = 5 << 4;
    if let Ok(header) = TcpHeaderSlice::from_slice(&fixed) {
        packet.transport = Some(Transport::Tcp {
            source: header.source_port(),
            destination: header.destination_port(),
            seq: header.sequence_number(),
            ack: header.acknowledgment_number(),
            flags: TcpFlags(flags),
        });
    }
}

/// Reads UDP; gives the destination port. `whole` as in [`tcp`].
pub(super) fn udp(view: View<'_>, whole: bool, packet: &mut Packet) -> Option<u16> {
    let Ok(header) = etherparse::UdpHeaderSlice::from_slice(view.bytes) else {
        if whole && view.len < UDP_LEN {
            packet.fault(MalformedKind::UdpLength, UDP_LEN, view.len);
        }
        return None;
    };
    let length = header.length();
    let found = usize::from(length);
    // Length 0 says "the rest", where that does not fit in 16 bits (RFC 2675, BIG TCP's sibling).
    let jumbo = found == 0 && view.len > usize::from(u16::MAX);
    if whole && !jumbo && !(UDP_LEN..=view.len).contains(&found) {
        packet.fault(MalformedKind::UdpLength, found, view.len);
    }
    packet.transport = Some(Transport::Udp {
        source: header.source_port(),
        destination: header.destination_port(),
        length,
    });
    Some(header.destination_port())
}

/// Reads ICMP.
pub(super) fn icmp(view: View<'_>, packet: &mut Packet) {
    if let Some(&[kind, code]) = view.bytes.first_chunk::<2>() {
        let echo = matches!(kind, 0 | 8).then(|| echo(view)).flatten();
        packet.transport = Some(Transport::Icmp { kind, code, echo });
    }
}

/// Reads ICMPv6.
pub(super) fn icmpv6(view: View<'_>, packet: &mut Packet) {
    if let Some(&[kind, code]) = view.bytes.first_chunk::<2>() {
        let echo = matches!(kind, 128 | 129).then(|| echo(view)).flatten();
        packet.transport = Some(Transport::Icmpv6 { kind, code, echo });
    }
}

fn echo(view: View<'_>) -> Option<Echo> {
    Some(Echo {
        id: view.u16_at(4)?,
        sequence: view.u16_at(6)?,
    })
}
