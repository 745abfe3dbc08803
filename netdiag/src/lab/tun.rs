//! TUN and TAP devices: whatever is written to the file descriptor, the kernel receives on the device.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{self, Opcode, Setter, opcode};

use super::{LabError, Namespace, link};

const DEVICE: &str = "/dev/net/tun";

/// `TUNSETIFF` of `linux/if_tun.h`, declared there with an int although it takes a `struct ifreq`.
const TUNSETIFF: Opcode = opcode::write::<libc::c_int>(b'T', 202);

/// `TUNSETCARRIER` of `linux/if_tun.h`.
const TUNSETCARRIER: Opcode = opcode::write::<libc::c_int>(b'T', 226);

/// No packet is larger, its packet information included.
const LARGEST: usize = 65_535 + 4;

/// The part of `struct ifreq` that `TUNSETIFF` reads, at its full size.
#[repr(C)]
struct TunRequest {
    name: [u8; link::IFNAMSIZ],
    flags: i16,
    padding: [u8; 22],
}

const _: () = assert!(size_of::<TunRequest>() == size_of::<libc::ifreq>());

/// What the device carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// IP packets without a link-layer header (`IFF_TUN`).
    Ip,
    /// Ethernet frames (`IFF_TAP`).
    Ethernet,
}

/// Whether the writer says what a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketInfo {
    /// Four bytes before each packet: flags and EtherType. The kernel believes the EtherType, whatever the bytes are.
    Present,
    /// No such header (`IFF_NO_PI`): on a TUN device the first four bits decide, and only IPv4 and IPv6 are taken.
    Absent,
}

/// A TUN or TAP device inside a [`Namespace`]. Not persistent: it goes when this value is dropped.
#[derive(Debug)]
pub struct Tun {
    file: File,
    name: String,
    packet_info: PacketInfo,
}

impl Tun {
    /// Creates the device `name` in `namespace`, still down.
    ///
    /// # Errors
    /// [`LabError::TunMissing`] when the kernel has no TUN driver; otherwise what the kernel refused.
    pub fn create(
        namespace: &Namespace,
        name: &str,
        layer: Layer,
        packet_info: PacketInfo,
    ) -> Result<Self, LabError> {
        let name = name.to_owned();
        // The namespace of the thread that opens the file is the device's.
        namespace.run(move || Self::open(name, layer, packet_info))
    }

    fn open(name: String, layer: Layer, packet_info: PacketInfo) -> Result<Self, LabError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map_err(|source| {
                // ENOENT: no device node. ENODEV, ENXIO: a node, but no driver behind it.
                match source.raw_os_error() {
                    Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => LabError::TunMissing(source),
                    _ => LabError::Tun {
                        operation: "open",
                        device: DEVICE.to_owned(),
                        source,
                    },
                }
            })?;
        let layer = match layer {
            Layer::Ip => libc::IFF_TUN,
            Layer::Ethernet => libc::IFF_TAP,
        };
        let header = match packet_info {
            PacketInfo::Present => 0,
            PacketInfo::Absent => libc::IFF_NO_PI,
        };
        let request = TunRequest {
            name: link::name_bytes(&name)?,
            flags: i16::try_from(layer | header).unwrap_or_default(),
            padding: [0; 22],
        };
        let refused = |source: io::Error| LabError::Tun {
            operation: "create the TUN device",
            device: name.clone(),
            source,
        };
        // SAFETY: TUNSETIFF reads a `struct ifreq`, whose size and leading fields `TunRequest` has, and keeps no
        // pointer to it.
        unsafe { ioctl::ioctl(&file, Setter::<TUNSETIFF, TunRequest>::new(request)) }
            .map_err(|errno| refused(errno.into()))?;
        Ok(Self {
            file,
            name,
            packet_info,
        })
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets the device receive one packet. With packet information, `protocol` is the EtherType that it claims;
    /// without, it is ignored. May be called from any thread; the packet has gone through the receive path on return.
    ///
    /// # Errors
    /// When the kernel refuses the write: EIO when the device is down, EINVAL when it takes no such packet.
    pub fn write(&self, protocol: u16, packet: &[u8]) -> Result<(), LabError> {
        let mut bytes = Vec::with_capacity(4 + packet.len());
        if self.packet_info == PacketInfo::Present {
            // `struct tun_pi`: flags, then the EtherType in network byte order.
            bytes.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(&protocol.to_be_bytes());
        }
        bytes.extend_from_slice(packet);
        let refused = |source| LabError::Tun {
            operation: "write a packet to",
            device: self.name.clone(),
            source,
        };
        // One write is one packet.
        let written = (&self.file).write(&bytes).map_err(refused)?;
        if written == bytes.len() {
            Ok(())
        } else {
            Err(refused(io::Error::from(io::ErrorKind::WriteZero)))
        }
    }
}

impl Tun {
    /// Waits for a packet that the kernel sends over the device; `None` when none came in time.
    ///
    /// # Errors
    /// When the kernel refuses the read.
    pub fn read(&self, patience: Duration) -> Result<Option<Vec<u8>>, LabError> {
        let refused = |source| LabError::Tun {
            operation: "read a packet from",
            device: self.name.clone(),
            source,
        };
        let timeout = Timespec::try_from(patience)
            .map_err(|_| refused(io::ErrorKind::InvalidInput.into()))?;
        let mut polled = [PollFd::new(&self.file, PollFlags::IN)];
        if poll(&mut polled, Some(&timeout)).map_err(|errno| refused(errno.into()))? == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; LARGEST];
        let length = (&self.file).read(&mut bytes).map_err(refused)?;
        bytes.truncate(length);
        if self.packet_info == PacketInfo::Present {
            bytes.drain(..bytes.len().min(4));
        }
        Ok(Some(bytes))
    }

    /// Takes the carrier away, as if the cable were pulled.
    ///
    /// # Errors
    /// When the kernel refuses; it can since 5.0.
    pub fn pull_cable(&self) -> Result<(), LabError> {
        // SAFETY: TUNSETCARRIER reads an int and keeps no pointer to it.
        unsafe { ioctl::ioctl(&self.file, Setter::<TUNSETCARRIER, libc::c_int>::new(0)) }.map_err(
            |errno| LabError::Tun {
                operation: "take the carrier from",
                device: self.name.clone(),
                source: errno.into(),
            },
        )
    }
}

/// What is read from it is what the kernel sends over the device, one packet a call.
impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
