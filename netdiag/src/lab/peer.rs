//! The other end of a TCP connection, played by hand over a TUN device: it says whatever a scenario wants said, and
//! nothing else arrives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pnet_packet::Packet;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::{TcpOptionNumbers, TcpPacket};

use super::frame::{self, TcpHeader};
use super::l3::Ip;
use super::{LabError, Tun};

/// When something is wrong if no answer came.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;

/// One end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    tun: Arc<Tun>,
    ip: Ip,
    port: u16,
    to: u16,
    /// The number of the next byte that it sends.
    pub(super) seq: u32,
    /// The number of the next byte that it expects.
    pub(super) ack: u32,
    /// How much the kernel will take, as it last said.
    pub(super) window: u16,
    /// Its clock and the kernel's, where both use timestamps.
    pub(super) stamps: Option<(u32, u32)>,
    /// How far it claims to be away.
    pub(super) ttl: u8,
}

impl Peer {
    /// Nothing is said yet.
    pub(super) fn new(tun: &Arc<Tun>, ip: Ip, port: u16, to: u16) -> Self {
        Self {
            tun: Arc::clone(tun),
            ip,
            port,
            to,
            seq: 0x0100_0000,
            ack: 0,
            window: 0,
            stamps: None,
            ttl: 64,
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the device refuses, or no answer comes.
    pub(super) fn connect(&mut self) -> Result<(), LabError> {
        self.half_open()?;
        self.send(ACK, &[])
    }

    /// Opens a connection but for the last ACK.
    ///
    /// # Errors
    /// When the device refuses, or no answer comes.
    pub(super) fn half_open(&mut self) -> Result<(), LabError> {
        self.send(SYN, &[])?;
        self.seq += 1;
        self.hear(SYN | ACK)
    }

    /// Sends a segment that fits. It counts as sent only when the caller raises `seq`.
    ///
    /// # Errors
    /// When the device refuses.
    pub(super) fn send(&self, flags: u8, payload: &[u8]) -> Result<(), LabError> {
        self.send_with(flags, &self.options(flags), payload)
    }

    /// Sends a segment with these options.
    ///
    /// # Errors
    /// When the device refuses.
    pub(super) fn send_with(
        &self,
        flags: u8,
        options: &[u8],
        payload: &[u8],
    ) -> Result<(), LabError> {
        self.write(&self.segment(flags, options, payload))
    }

    /// The bytes of a segment.
    pub(super) fn segment(&self, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let header = TcpHeader {
            sport: self.port,
            dport: self.to,
            seq: self.seq,
            ack: if flags & ACK == 0 { 0 } else { self.ack },
            flags,
            window: 65_000,
        };
        frame::tcp(self.ip.remote(), self.ip.here(), header, options, payload)
    }

    /// Sends the bytes of a segment.
    ///
    /// # Errors
    /// When the device refuses.
    pub(super) fn write(&self, segment: &[u8]) -> Result<(), LabError> {
        let (src, dst) = (self.ip.remote(), self.ip.here());
        let packet = frame::ip(frame::PROTO_TCP, src, dst, segment, self.ttl);
        self.tun.write(self.ip.ethertype(), &packet)
    }

    /// Timestamps, where they are used.
    fn options(&self, flags: u8) -> Vec<u8> {
        let Some((value, echo)) = self.stamps else {
            return Vec::new();
        };
        let echo = if flags & ACK == 0 { 0 } else { echo };
        // No operation, twice; timestamps: kind, length, value, echo.
        let mut bytes = vec![1, 1, 8, 10];
        bytes.extend_from_slice(&value.to_be_bytes());
        bytes.extend_from_slice(&echo.to_be_bytes());
        bytes
    }

    /// Waits for a segment of this connection with exactly these flags, and takes note of what it says.
    ///
    /// # Errors
    /// When the device refuses, or none comes.
    pub(super) fn hear(&mut self, flags: u8) -> Result<(), LabError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(packet) = self.tun.read(left)? else {
                return Err(LabError::Socket {
                    operation: "get an answer from",
                    address: SocketAddr::new(self.ip.here(), self.to).to_string(),
                    source: std::io::ErrorKind::TimedOut.into(),
                });
            };
            if self.take(&packet, flags).is_some() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, packet: &[u8], flags: u8) -> Option<()> {
        let payload = match self.ip {
            Ip::V4 => Ipv4Packet::new(packet)?.payload().to_vec(),
            Ip::V6 => Ipv6Packet::new(packet)?.payload().to_vec(),
        };
        let segment = TcpPacket::new(&payload)?;
        let ours = segment.get_destination() == self.port && segment.get_source() == self.to;
        if !ours || segment.get_flags() != flags {
            return None;
        }
        let length = u32::try_from(segment.payload().len()).unwrap_or_default();
        let extra = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.ack = segment.get_sequence().wrapping_add(length + extra);
        self.window = segment.get_window();
        for option in segment.get_options_iter() {
            if option.get_number() == TcpOptionNumbers::TIMESTAMPS
                && let Some(value) = option.payload().first_chunk()
                && let Some(stamps) = &mut self.stamps
            {
                stamps.1 = u32::from_be_bytes(*value);
            }
        }
        Some(())
    }
}
