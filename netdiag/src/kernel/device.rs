//! The network devices of the calling thread's namespace, by rtnetlink.
//!
//! Attributes are read from their bytes, not through the crate's typed messages: a type that a newer kernel sends or
//! an older one sends shorter must cost that attribute, never the dump. The statistics are cut off where the kernel
//! ends them (`rx_otherhost_dropped` came in 5.19).

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
    NetlinkMessage, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use thiserror::Error;

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// `ifindex`.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `ARPHRD_*`.
    pub arphrd: u16,
    /// The kind of a virtual device: `tun`, `veth`, `vxlan`; `None` for hardware and the loopback.
    pub kind: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Its address, when that is six bytes long.
    pub mac: Option<[u8; 6]>,
    /// `IFF_UP`: switched on, whatever its carrier says.
    pub up: bool,
    /// The counters that speak of drops, by their names in `rtnl_link_stats64`.
    pub counters: Vec<(&'static str, u64)>,
}

/// The devices could not be listed.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// A call on the netlink socket failed.
    #[error(
        "{operation} to list the network devices: {source}; a seccomp profile may forbid netlink sockets"
    )]
    Socket {
        /// Which.
        operation: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error("listing the network devices: the kernel answered {source}")]
    Refused {
        /// Its errno.
        source: io::Error,
    },
    /// The devices kept changing under every attempt.
    #[error(
        "listing the network devices: they changed during each of {ATTEMPTS} attempts; try again"
    )]
    Changing,
    /// A message ends before its own length.
    #[error("listing the network devices: the kernel's answer is cut short; try again")]
    Short,
}

/// How often an interrupted dump is repeated.
const ATTEMPTS: u32 = 8;
/// `NLM_F_DUMP_INTR` of `linux/netlink.h`: the table changed while it was dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// Larger than any message of a dump: the kernel builds them of 16 or 32 KiB, in one piece.
const BUFFER: usize = 256 * 1024;
/// `struct ifinfomsg`, before the attributes.
const IFINFOMSG: usize = 16;

// Of `linux/if_link.h` and `linux/if.h`.
const RTM_NEWLINK: u16 = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_INFO_KIND: u16 = 1;
const IFF_UP: u32 = 1;

/// The fields of `struct rtnl_link_stats64` that speak of drops, by their position.
const COUNTERS: [(usize, &str); 15] = [
    (4, "rx_errors"),
    (5, "tx_errors"),
    (6, "rx_dropped"),
    (7, "tx_dropped"),
    (10, "rx_length_errors"),
    (11, "rx_over_errors"),
    (12, "rx_crc_errors"),
    (13, "rx_frame_errors"),
    (14, "rx_fifo_errors"),
    (15, "rx_missed_errors"),
    (16, "tx_aborted_errors"),
    (17, "tx_carrier_errors"),
    (18, "tx_fifo_errors"),
    (23, "rx_nohandler"),
    (24, "rx_otherhost_dropped"),
];

/// The devices of the calling thread's namespace, in the kernel's order.
///
/// # Errors
/// The socket or the kernel refused, or the devices changed during every attempt.
pub fn list() -> Result<Vec<Device>, DeviceError> {
    let call = |operation| move |source| DeviceError::Socket { operation, source };
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(call("opening a netlink socket"))?;
    socket
        .bind_auto()
        .map_err(call("binding a netlink socket"))?;
    let mut buffer = vec![0; BUFFER];
    for sequence in 1..=ATTEMPTS {
        socket
            .send_to(&request(sequence), &SocketAddr::new(0, 0), 0)
            .map_err(call("sending a request"))?;
        let mut dump = Dump {
            sequence,
            ..Dump::default()
        };
        while !dump.done {
            let mut rest = buffer.as_mut_slice();
            let length = match socket.recv(&mut rest, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(call("receiving the answer"))?,
            };
            dump.read(buffer.get(..length).ok_or(DeviceError::Short)?)?;
        }
        if !dump.interrupted {
            return Ok(dump.devices);
        }
    }
    Err(DeviceError::Changing)
}

fn request(sequence: u32) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(
        header,
        RouteNetlinkMessage::GetLink(LinkMessage::default()).into(),
    );
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The parts of one dump that have arrived.
#[derive(Debug, Default)]
struct Dump {
    sequence: u32,
    devices: Vec<Device>,
    interrupted: bool,
    done: bool,
}

impl Dump {
    /// Takes in one datagram, which holds one or more messages.
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), DeviceError> {
        while !bytes.is_empty() && !self.done {
            let message = NetlinkBuffer::new_checked(bytes).map_err(|_| DeviceError::Short)?;
            let length = usize::try_from(message.length()).map_err(|_| DeviceError::Short)?;
            // What an interrupted attempt left behind carries another number.
            if message.sequence_number() == self.sequence {
                self.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
                match message.message_type() {
                    NLMSG_DONE => {
                        // 5.10 and later put an errno here when a dump fails half-way.
                        check(message.payload())?;
                        self.done = true;
                    }
                    NLMSG_ERROR => {
                        check(message.payload())?;
                        self.done = true;
                    }
                    RTM_NEWLINK => self.devices.extend(parse(message.payload())),
                    _ => {}
                }
            }
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The errno that a closing message starts with, as an error.
fn check(payload: &[u8]) -> Result<(), DeviceError> {
    match payload
        .first_chunk()
        .map(|bytes| i32::from_ne_bytes(*bytes))
    {
        Some(code) if code < 0 => Err(DeviceError::Refused {
            source: io::Error::from_raw_os_error(code.wrapping_neg()),
        }),
        _ => Ok(()),
    }
}

/// One `RTM_NEWLINK`; `None` when it is shorter than its fixed part.
fn parse(payload: &[u8]) -> Option<Device> {
    let header = payload.first_chunk::<IFINFOMSG>()?;
    let [_, _, type0, type1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *header;
    let mut device = Device {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        arphrd: u16::from_ne_bytes([type0, type1]),
        up: u32::from_ne_bytes([f0, f1, f2, f3]) & IFF_UP != 0,
        ..Device::default()
    };
    // A malformed attribute ends the list; what came before it stands.
    for attribute in NlasIterator::new(payload.get(IFINFOMSG..)?).map_while(Result::ok) {
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => device.name = string(value),
            IFLA_ADDRESS => device.mac = value.try_into().ok(),
            IFLA_MTU => {
                device.mtu = value
                    .first_chunk()
                    .map_or(0, |bytes| u32::from_ne_bytes(*bytes));
            }
            IFLA_LINKINFO => {
                let mut nested = NlasIterator::new(value).map_while(Result::ok);
                device.kind = nested
                    .find(|info| info.kind() == IFLA_INFO_KIND)
                    .map(|info| string(info.value()));
            }
            IFLA_STATS64 => device.counters = counters(value),
            _ => {}
        }
    }
    Some(device)
}

fn counters(value: &[u8]) -> Vec<(&'static str, u64)> {
    let (fields, _) = value.as_chunks::<8>();
    COUNTERS
        .iter()
        .filter_map(|&(at, name)| Some((name, u64::from_ne_bytes(*fields.get(at)?))))
        .collect()
}

fn string(value: &[u8]) -> String {
    let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
    // The same rule as for the names in drop records: the two are compared.
    String::from_utf8_lossy(text).replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = u16::try_from(value.len() + 4).expect("short");
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(
            u32::try_from(payload.len() + 16)
                .expect("short")
                .to_ne_bytes(),
        );
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(stats_fields: u64) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend(65534u16.to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend(IFF_UP.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(attribute(IFLA_IFNAME, b"tun0\0"));
        bytes.extend(attribute(0x3fff, b"from the future"));
        bytes.extend(attribute(IFLA_MTU, &1400u32.to_ne_bytes()));
        let stats: Vec<u8> = (0..stats_fields)
            .flat_map(|n| (100 + n).to_ne_bytes())
            .collect();
        bytes.extend(attribute(IFLA_STATS64, &stats));
        bytes.extend(attribute(
            IFLA_LINKINFO | 0x8000,
            &attribute(IFLA_INFO_KIND, b"tun\0"),
        ));
        bytes
    }

    #[test]
    fn unknown_attributes_and_short_statistics_cost_nothing_else() {
        let device = parse(&link(24)).expect("device");
        assert_eq!(
            (device.index, device.arphrd, device.mtu, device.up),
            (7, 65534, 1400, true)
        );
        assert_eq!(
            (device.name.as_str(), device.kind.as_deref(), device.mac),
            ("tun0", Some("tun"), None)
        );
        assert_eq!(device.counters.first(), Some(&("rx_errors", 104)));
        assert_eq!(device.counters.last(), Some(&("rx_nohandler", 123)));
        let newer = parse(&link(30)).expect("device");
        assert_eq!(newer.counters.last(), Some(&("rx_otherhost_dropped", 124)));
        assert_eq!(parse(&[0; 15]), None);
    }

    #[test]
    fn a_dump_spans_datagrams_and_knows_when_it_was_interrupted() {
        let mut dump = Dump {
            sequence: 2,
            ..Dump::default()
        };
        let mut first = message(RTM_NEWLINK, 2, 1, &link(25));
        first.extend(message(RTM_NEWLINK, 2, 2, &link(25)));
        dump.read(&first).expect("first");
        assert!(!dump.done && dump.devices.len() == 1);
        dump.read(&message(NLMSG_DONE, 2 | NLM_F_DUMP_INTR, 2, &[0; 4]))
            .expect("last");
        assert!(dump.done && dump.interrupted);
    }

    #[test]
    fn a_refusal_and_a_cut_message_are_errors() {
        let mut dump = Dump {
            sequence: 1,
            ..Dump::default()
        };
        let refusal = message(NLMSG_ERROR, 0, 1, &(-1i32).to_ne_bytes());
        assert!(matches!(
            dump.read(&refusal),
            Err(DeviceError::Refused { .. })
        ));
        assert!(matches!(dump.read(&[1, 2, 3]), Err(DeviceError::Short)));
        assert!(matches!(
            dump.read(refusal.get(..18).expect("long")),
            Err(DeviceError::Short)
        ));
    }

    #[test]
    fn every_prefix_of_a_link_is_survived() {
        let bytes = link(25);
        for end in 0..bytes.len() {
            let _device = parse(bytes.get(..end).expect("prefix"));
        }
    }

    #[test]
    fn lists_the_loopback_device() {
        let devices = list().expect("dump");
        let lo = devices
            .iter()
            .find(|device| device.name == "lo")
            .expect("lo");
        assert_eq!((lo.index, lo.arphrd, lo.kind.as_deref()), (1, 772, None));
        assert!(lo.counters.iter().any(|(name, _)| *name == "rx_dropped"));
    }
}
