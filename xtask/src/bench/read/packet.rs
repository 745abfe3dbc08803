//! The packets of the capture: whole ones as hosts send them, and some with one fault in the IPv4 header.

use std::net::Ipv4Addr;
use std::ops::Range;

use anyhow::{Context as _, Result};
use etherparse::PacketBuilder;

use super::random::Random;

/// How many different packets there are.
pub(super) const POOL: u32 = 4000;
/// Bytes behind the transport header, each as often as the others. With 18, UDP fills the shortest Ethernet frame.
const PAYLOADS: [usize; 5] = [18, 64, 200, 512, 1200];
/// One packet of this many has a fault.
const FAULT_EVERY: u32 = 100;

/// Where an Ethernet frame has the IPv4 header.
const IP_HEADER: Range<usize> = 14..34;
/// Where the IPv4 header has its checksum.
const CHECKSUM: Range<usize> = 10..12;
/// What is left of a frame that was cut: not even the IPv4 header.
const CUT_LEN: usize = 30;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Udp,
    Tcp,
    IcmpEcho,
}

impl Kind {
    /// 45 % UDP, 45 % TCP, 10 % ICMP.
    fn of(number: u32) -> Self {
        match number % 20 {
            0..9 => Self::Udp,
            9..18 => Self::Tcp,
            _ => Self::IcmpEcho,
        }
    }
}

/// What is wrong with a packet. But for the last, the header checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The version is 5.
    Version,
    /// The total length is beyond the end of the frame.
    TotalLength,
    /// The header is said to have 12 bytes.
    HeaderLength,
    /// The frame ends within the header.
    Cut,
    /// The header checksum is wrong.
    Checksum,
}

impl Fault {
    const ALL: [Self; 5] = [
        Self::Version,
        Self::TotalLength,
        Self::HeaderLength,
        Self::Cut,
        Self::Checksum,
    ];

    /// One in a hundred, at a place that moves, so that every kind of packet gets its share of the faults.
    fn of(number: u32) -> Option<Self> {
        let hundred = number / FAULT_EVERY;
        if number % FAULT_EVERY != hundred % 20 {
            return None;
        }
        let index = usize::try_from(hundred / 8).ok()? % Self::ALL.len();
        Self::ALL.get(index).copied()
    }
}

/// All packets, whole Ethernet frames without frame check sequence.
///
/// # Errors
/// A packet cannot be built.
pub(super) fn pool(random: &mut Random) -> Result<Vec<Vec<u8>>> {
    (0..POOL)
        .map(|number| {
            // Each length has twenty of a hundred packets: all kinds; others in the next hundred: all faults.
            let payload = usize::try_from(number / 20 + number / 100)? % PAYLOADS.len();
            let payload = PAYLOADS.get(payload).copied().unwrap_or_default();
            let mut frame = build(Kind::of(number), payload, random)?;
            if let Some(fault) = Fault::of(number) {
                break_header(&mut frame, fault).context("the frame has no IPv4 header")?;
            }
            Ok(frame)
        })
        .collect()
}

/// A packet from one host of 10.0.0.0/8 to another, with right lengths and checksums.
fn build(kind: Kind, payload: usize, random: &mut Random) -> Result<Vec<u8>> {
    let payload: Vec<u8> = (0..payload)
        .map(|_| random.bits().to_be_bytes()[0])
        .collect();
    let (source, destination) = (host(random), host(random));
    let builder = PacketBuilder::ethernet2(mac(source), mac(destination)).ipv4(
        source.octets(),
        destination.octets(),
        64,
    );
    let (from, to) = (port(random), port(random));
    let mut frame = Vec::new();
    match kind {
        Kind::Udp => builder.udp(from, to).write(&mut frame, &payload),
        Kind::Tcp => {
            let (sequence, acknowledged) = (random.word(), random.word());
            builder
                .tcp(from, to, sequence, random.half_word())
                .psh()
                .ack(acknowledged)
                .write(&mut frame, &payload)
        }
        Kind::IcmpEcho => builder
            .icmpv4_echo_request(from, random.half_word())
            .write(&mut frame, &payload),
    }
    .with_context(|| format!("build a packet: {kind:?}"))?;
    Ok(frame)
}

fn host(random: &mut Random) -> Ipv4Addr {
    let [_, b, c, d] = random.word().to_be_bytes();
    Ipv4Addr::new(10, b, c, d)
}

/// A locally administered address that goes with the IP address.
fn mac(host: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = host.octets();
    [0x02, 0, a, b, c, d]
}

/// Not one of the privileged ports, most of which have a dissector that would take random bytes for its protocol.
fn port(random: &mut Random) -> u16 {
    random.half_word().max(1024)
}

fn break_header(frame: &mut Vec<u8>, fault: Fault) -> Option<()> {
    if fault == Fault::Cut {
        frame.truncate(CUT_LEN);
        return Some(());
    }
    let beyond = u16::try_from(frame.len()).ok()?;
    let header = frame.get_mut(IP_HEADER)?;
    match fault {
        Fault::Version => *header.first_mut()? = 0x55,
        Fault::HeaderLength => *header.first_mut()? = 0x43,
        Fault::TotalLength => header.get_mut(2..4)?.copy_from_slice(&beyond.to_be_bytes()),
        Fault::Checksum | Fault::Cut => {}
    }
    header.get_mut(CHECKSUM)?.fill(0);
    let mut checksum = internet_checksum(header);
    if fault == Fault::Checksum {
        checksum ^= 0x5555;
    }
    header
        .get_mut(CHECKSUM)?
        .copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// RFC 1071, over an even number of bytes.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks_exact(2) {
        if let [high, low] = *pair {
            sum += u32::from(u16::from_be_bytes([high, low]));
        }
    }
    // Two additions of the carry are enough for 32 bits; what is left fits.
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use pnet_packet::icmp::IcmpPacket;
    use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
    use pnet_packet::ipv4::Ipv4Packet;
    use pnet_packet::tcp::TcpPacket;
    use pnet_packet::udp::UdpPacket;
    use pnet_packet::{Packet as _, icmp, ipv4, tcp, udp};

    use super::{Fault, POOL, Random, pool};

    /// With the number by which kind and fault are chosen.
    fn frames() -> Vec<(u32, Vec<u8>)> {
        (0..).zip(pool(&mut Random::new(1)).unwrap()).collect()
    }

    /// The checksum that the transport header should have, and the one it has; by another library than the one that
    /// built the packet.
    fn checksums(ip: &Ipv4Packet<'_>) -> (u16, u16) {
        let (from, to) = (ip.get_source(), ip.get_destination());
        match ip.get_next_level_protocol() {
            IpNextHeaderProtocols::Udp => {
                let udp = UdpPacket::new(ip.payload()).unwrap();
                assert_eq!(usize::from(udp.get_length()), ip.payload().len());
                (udp::ipv4_checksum(&udp, &from, &to), udp.get_checksum())
            }
            IpNextHeaderProtocols::Tcp => {
                let tcp = TcpPacket::new(ip.payload()).unwrap();
                (tcp::ipv4_checksum(&tcp, &from, &to), tcp.get_checksum())
            }
            IpNextHeaderProtocols::Icmp => {
                let icmp = IcmpPacket::new(ip.payload()).unwrap();
                (icmp::checksum(&icmp), icmp.get_checksum())
            }
            other => panic!("protocol {other}"),
        }
    }

    #[test]
    fn whole_packets_have_right_lengths_and_checksums() {
        let (mut kinds, mut lengths) = (BTreeMap::new(), BTreeMap::new());
        let mut hosts = BTreeSet::new();
        for (number, frame) in frames() {
            if Fault::of(number).is_some() {
                continue;
            }
            let ip = Ipv4Packet::new(&frame[14..]).unwrap();
            assert_eq!(frame[12..14], [8, 0]);
            assert_eq!((ip.get_version(), ip.get_header_length()), (4, 5));
            assert_eq!(usize::from(ip.get_total_length()), frame.len() - 14);
            assert_eq!(ip.get_checksum(), ipv4::checksum(&ip));
            let (expected, found) = checksums(&ip);
            assert_eq!(found, expected, "packet {number}");
            *kinds.entry(ip.get_next_level_protocol()).or_insert(0) += 1;
            let transport = match ip.get_next_level_protocol() {
                IpNextHeaderProtocols::Tcp => 20,
                _ => 8,
            };
            *lengths.entry(ip.payload().len() - transport).or_insert(0) += 1;
            hosts.extend([ip.get_source(), ip.get_destination()]);
        }
        // 1800, 1800 and 400, less their share of the 40 with a fault.
        let expected = [(6, 1782), (17, 1782), (1, 396)];
        let expected = expected.map(|(number, count)| (IpNextHeaderProtocol(number), count));
        assert_eq!(kinds, BTreeMap::from(expected));
        assert_eq!(
            lengths.keys().copied().collect::<Vec<_>>(),
            [18, 64, 200, 512, 1200]
        );
        assert!(
            lengths.values().all(|count| (790..=800).contains(count)),
            "{lengths:?}"
        );
        assert!(hosts.len() > 7900, "{}", hosts.len());
    }

    #[test]
    fn each_fault_is_alone_in_its_packet() {
        let mut faults = BTreeMap::new();
        for (number, frame) in frames() {
            let Some(fault) = Fault::of(number) else {
                continue;
            };
            *faults.entry(format!("{fault:?}")).or_insert(0) += 1;
            if fault == Fault::Cut {
                assert_eq!(frame.len(), 30);
                continue;
            }
            let ip = Ipv4Packet::new(&frame[14..]).unwrap();
            let wrong = (
                ip.get_version() != 4,
                ip.get_header_length() != 5,
                usize::from(ip.get_total_length()) != frame.len() - 14,
            );
            let expected = (
                fault == Fault::Version,
                fault == Fault::HeaderLength,
                fault == Fault::TotalLength,
            );
            assert_eq!(wrong, expected, "{fault:?}");
            let sum: u32 = frame[14..34]
                .chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                .sum();
            let right = (sum & 0xffff) + (sum >> 16) == 0xffff;
            assert_eq!(right, fault != Fault::Checksum, "{fault:?}");
        }
        assert_eq!(faults.len(), Fault::ALL.len());
        assert!(
            faults.values().all(|&count| count == POOL / 500),
            "{faults:?}"
        );
    }
}
