//! Captures that are part of the program, for machines where tracing is impossible.
//!
//! They are of the lab's own scenarios; `captures/README.md` says how each was made, and with it what a capture file
//! cannot hold: the place and the reason that the live run reported on that occasion.

use crate::decode::Link;
use pcap_file::pcap::PcapReader;

/// A capture, and what the live run reported beside it.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    /// The scenario.
    pub scenario: &'static str,
    /// Where it is from, in words.
    pub origin: &'static str,
    /// `uname -r` of the kernel.
    pub kernel: &'static str,
    /// What its packets start with.
    pub link: Link,
    /// The device.
    pub ifname: &'static str,
    /// The device's type (`ARPHRD_*`).
    pub dev_type: u16,
    /// The function that dropped the packets.
    pub function: &'static str,
    /// The reason that the kernel gave.
    pub reason: &'static str,
    /// The pcap file.
    file: &'static [u8],
}

/// `ARPHRD_NONE` of `linux/if_arp.h`: no link-layer header.
const ARPHRD_NONE: u16 = 65534;

const CAPTURES: &[Capture] = &[Capture {
    scenario: "ethernet-on-l3-device",
    origin: "captures/ethernet-on-l3-device.pcap, taken with tcpdump while the live run reported these drops",
    kernel: "6.18",
    link: Link::Ip,
    ifname: "tun0",
    dev_type: ARPHRD_NONE,
    function: "ip_rcv_core",
    reason: "IP_INHDR",
    file: include_bytes!("../../captures/ethernet-on-l3-device.pcap"),
}];

/// One captured packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Nanoseconds since 1970 UTC.
    pub time_ns: i128,
    /// The original length in bytes.
    pub len: usize,
    /// What was captured of it.
    pub bytes: Vec<u8>,
}

/// A bundled capture of a scenario.
pub fn find(scenario: &str) -> Option<&'static Capture> {
    CAPTURES.iter().find(|capture| capture.scenario == scenario)
}

/// The packets of a capture.
///
/// # Errors
/// Where the file is no pcap file; a test keeps that from happening.
pub fn packets(capture: &Capture) -> Result<Vec<Packet>, pcap_file::PcapError> {
    let mut reader = PcapReader::new(capture.file)?;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet?;
        packets.push(Packet {
            time_ns: i128::try_from(packet.timestamp.as_nanos()).unwrap_or(0),
            len: usize::try_from(packet.orig_len).unwrap_or(0),
            bytes: packet.data.into_owned(),
        });
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::{CAPTURES, packets};

    #[test]
    fn every_bundled_capture_is_whole() {
        for capture in CAPTURES {
            let packets = packets(capture).unwrap();
            assert!(!packets.is_empty(), "{}", capture.scenario);
            assert!(
                packets
                    .iter()
                    .all(|packet| packet.bytes.len() == packet.len)
            );
        }
    }
}
