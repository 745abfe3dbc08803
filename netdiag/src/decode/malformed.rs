//! What can be wrong with a header, with the numbers that show it.
//!
//! The decoders record these as they go; nothing here looks at bytes. A fault of the capture (cut short by the snap
//! length) is never one of the packet.

use std::fmt;

/// One thing that is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Malformation {
    /// What is wrong.
    pub kind: MalformedKind,
    /// How sure that is, from 0 to 1. Below 0.5 it is an observation and no fault by itself.
    pub confidence: f32,
    /// What the header says. For a disguise: where the real header starts.
    pub found: u32,
    /// What it should say, or the limit that it breaks.
    pub expected: u32,
}

/// The kinds of [`Malformation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MalformedKind {
    /// The version nibble is not that of the protocol.
    IpVersion,
    /// IPv4: the header length is below five words.
    IpIhl,
    /// The packet ends before the headers that it claims.
    IpTruncated,
    /// The total length (IPv6: with the header) goes beyond the packet.
    IpLengthBeyond,
    /// IPv4: the total length is below the header length.
    IpLengthShort,
    /// The packet goes on after its total length, and not as padding of a minimal Ethernet frame.
    IpTrailing,
    /// IPv4: the header checksum is wrong.
    IpChecksum,
    /// An Ethernet frame where an IP header should be.
    EthernetFrame,
    /// The packet-info header of a tun device where an IP header should be.
    PacketInfo,
    /// An IP header where an Ethernet header should be.
    IpNotEthernet,
    /// The length of UDP is below its header or beyond the packet.
    UdpLength,
    /// The data offset of TCP is below five words or beyond the packet.
    TcpOffset,
}

impl MalformedKind {
    /// The stable name, in JSON and in `netdiag explain`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IpVersion => "ip-version",
            Self::IpIhl => "ip-ihl",
            Self::IpTruncated => "ip-truncated",
            Self::IpLengthBeyond => "ip-length-beyond",
            Self::IpLengthShort => "ip-length-short",
            Self::IpTrailing => "ip-trailing",
            Self::IpChecksum => "ip-checksum",
            Self::EthernetFrame => "ethernet-frame",
            Self::PacketInfo => "packet-info",
            Self::IpNotEthernet => "ip-not-ethernet",
            Self::UdpLength => "udp-length",
            Self::TcpOffset => "tcp-offset",
        }
    }
}

impl fmt::Display for MalformedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Malformation {
    /// A fault that the numbers prove.
    pub(super) fn certain(kind: MalformedKind, found: usize, expected: usize) -> Self {
        Self {
            kind,
            confidence: 1.0,
            found: u32::try_from(found).unwrap_or(u32::MAX),
            expected: u32::try_from(expected).unwrap_or(u32::MAX),
        }
    }

    /// The same, but less than certain.
    pub(super) fn with_confidence(self, confidence: f32) -> Self {
        Self { confidence, ..self }
    }

    /// Whether this speaks against the bytes being an IP header at all, rather than against what follows it.
    pub(super) fn doubts_ip(&self) -> bool {
        !matches!(
            self.kind,
            MalformedKind::UdpLength | MalformedKind::TcpOffset
        )
    }
}

/// One sentence part with the numbers: evidence for a finding.
impl fmt::Display for Malformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            found, expected, ..
        } = self;
        match self.kind {
            MalformedKind::IpVersion => write!(f, "IP version {found} where {expected} should be"),
            MalformedKind::IpIhl => write!(
                f,
                "IP header length of {found} words, {expected} at the least"
            ),
            MalformedKind::IpTruncated => {
                write!(f, "packet of {found} bytes, its headers take {expected}")
            }
            MalformedKind::IpLengthBeyond => {
                write!(f, "IP length {found} in a packet of {expected} bytes")
            }
            MalformedKind::IpLengthShort => {
                write!(f, "IP length {found}, the header alone takes {expected}")
            }
            MalformedKind::IpTrailing => {
                write!(f, "packet of {found} bytes, IP length {expected}")
            }
            MalformedKind::IpChecksum => write!(
                f,
                "IP header checksum {found:#06x}, {expected:#06x} would be right"
            ),
            MalformedKind::EthernetFrame => {
                write!(f, "Ethernet header where an IP header should be")?;
                at(f, *found)
            }
            MalformedKind::PacketInfo => write!(
                f,
                "packet-info header of a tun device before the IP header at byte {found}"
            ),
            MalformedKind::IpNotEthernet => {
                write!(f, "IP header where an Ethernet header should be")?;
                at(f, *found)
            }
            MalformedKind::UdpLength => write!(f, "UDP length {found}, {expected} would fit"),
            MalformedKind::TcpOffset => {
                write!(f, "TCP header of {found} bytes, {expected} would fit")
            }
        }
    }
}

fn at(f: &mut fmt::Formatter<'_>, offset: u32) -> fmt::Result {
    match offset {
        0 => Ok(()),
        offset => write!(f, ", at byte {offset}"),
    }
}
