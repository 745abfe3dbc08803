//! Packets as hosts send them, of every kind that netdiag tells apart, and a few with a fault.

use etherparse::PacketBuilder;

/// Link types of packets that start with an Ethernet header.
pub const ETHERNET: u16 = 1;
/// Link types of packets that start with an IP header.
pub const RAW: u16 = 101;

const FROM: [u8; 4] = [192, 0, 2, 1];
const TO: [u8; 4] = [198, 51, 100, 7];
const FROM6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const TO6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
/// Where an Ethernet frame has its IP header.
const IP_AT: usize = 14;

fn frame(
    build: impl FnOnce(&mut Vec<u8>) -> Result<(), etherparse::err::packet::BuildWriteError>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    build(&mut bytes).expect("a packet");
    bytes
}

/// UDP over IPv4 with this payload.
#[must_use]
pub fn udp(sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4(FROM, TO, 64);
    frame(|bytes| builder.udp(sport, dport).write(bytes, payload))
}

/// Whole Ethernet frames with nothing wrong, each of another kind.
#[must_use]
pub fn well_formed() -> Vec<Vec<u8>> {
    let ethernet = || PacketBuilder::ethernet2(MACS.0, MACS.1);
    let inner = || PacketBuilder::ipv4([10, 1, 0, 1], [10, 2, 0, 2], 64).udp(41_111, 42_222);
    let inside = frame(|bytes| inner().write(bytes, b"inner"));
    let inside6 = frame(|bytes| {
        let inner = PacketBuilder::ipv6(FROM6, TO6, 64).udp(41_111, 42_222);
        inner.write(bytes, b"inner")
    });
    let proto = |number: u8, payload: &[u8]| {
        let ip = etherparse::IpHeaders::Ipv4(
            etherparse::Ipv4Header::new(0, 64, number.into(), FROM, TO).expect("a header"),
            etherparse::Ipv4Extensions::default(),
        );
        frame(|bytes| ethernet().ip(ip).write(bytes, number.into(), payload))
    };
    let vxlan = [
        &[8, 0, 0, 0, 0, 0, 42, 0][..],
        &udp(43_333, 44_444, b"inner"),
    ]
    .concat();
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &MACS.0, &FROM, &[0; 6], &TO].concat();
    let mut packets = vec![
        udp(40_000, 9999, b"some bytes"),
        udp(40_000, 9999, &[7; 1400]),
        frame(|bytes| {
            let tcp = ethernet().ipv4(FROM, TO, 64).tcp(40_001, 8888, 1, 1000);
            tcp.syn().write(bytes, &[])
        }),
        frame(|bytes| {
            let tcp = ethernet().ipv6(FROM6, TO6, 64).tcp(40_002, 8888, 1, 1000);
            tcp.ack(7).psh().write(bytes, b"data of a stream")
        }),
        frame(|bytes| {
            let udp = ethernet().ipv6(FROM6, TO6, 64).udp(40_003, 9999);
            udp.write(bytes, b"some bytes")
        }),
        frame(|bytes| {
            let icmp = ethernet().ipv4(FROM, TO, 64).icmpv4_echo_request(1, 2);
            icmp.write(bytes, &[9; 56])
        }),
        frame(|bytes| {
            let icmp = ethernet().ipv6(FROM6, TO6, 64).icmpv6_echo_request(1, 2);
            icmp.write(bytes, &[9; 56])
        }),
        frame(|bytes| {
            let tagged = ethernet().single_vlan(77.try_into().expect("an id"));
            tagged
                .ipv4(FROM, TO, 64)
                .udp(40_004, 9999)
                .write(bytes, b"tagged")
        }),
        [&[0xff; 6][..], &MACS.0, &[8, 6], &arp].concat(),
        // IP in IP, IPv6 in IP, IP in GRE, Ethernet in VXLAN.
        proto(4, &inside),
        proto(41, &inside6),
        proto(47, &[&[0, 0, 8, 0][..], &inside].concat()),
        udp(40_005, 4789, &vxlan),
    ];
    packets.extend(fragments());
    packets
}

/// All of them: [`well_formed`] and [`malformed`].
#[must_use]
pub fn all() -> Vec<Vec<u8>> {
    let malformed = malformed().into_iter().map(|(_, frame)| frame);
    well_formed().into_iter().chain(malformed).collect()
}

/// A first and a last fragment of one datagram.
fn fragments() -> [Vec<u8>; 2] {
    let whole = udp(40_006, 9999, &[5; 72]);
    let (header, datagram) = whole.split_at(IP_AT + 20);
    let piece = |range: std::ops::Range<usize>, flags: [u8; 2]| {
        let piece = datagram.get(range).expect("a piece");
        let mut bytes = [header, piece].concat();
        let length = u16::try_from(20 + piece.len()).expect("a length");
        put(&mut bytes, 2, &length.to_be_bytes());
        put(&mut bytes, 4, &[0x12, 0x34]);
        put(&mut bytes, 6, &flags);
        checksum(&mut bytes);
        bytes
    };
    // Eight bytes of header and 72 of payload, in 48 and 32.
    [piece(0..48, [0x20, 0]), piece(48..80, [0, 6])]
}

/// Ethernet frames whose IP header has a fault, with netdiag's name for it.
#[must_use]
pub fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let broken = |at: usize, value: &[u8]| {
        let mut bytes = udp(40_007, 9999, b"some bytes");
        put(&mut bytes, at, value);
        checksum(&mut bytes);
        bytes
    };
    let mut bad_checksum = broken(0, &[]);
    put(&mut bad_checksum, 10, &[0xba, 0xad]);
    vec![
        ("ip-version", broken(0, &[0x55])),
        ("ip-ihl", broken(0, &[0x43])),
        ("ip-length-beyond", broken(2, &[0xff, 0])),
        ("ip-checksum", bad_checksum),
    ]
}

/// Writes into the IP header.
fn put(frame: &mut [u8], at: usize, value: &[u8]) {
    let space = frame.iter_mut().skip(IP_AT + at);
    space.zip(value).for_each(|(space, value)| *space = *value);
}

/// Makes the checksum of a header of 20 bytes right again.
fn checksum(frame: &mut [u8]) {
    put(frame, 10, &[0, 0]);
    let words = frame.iter().skip(IP_AT).take(20).collect::<Vec<_>>();
    let sum: u32 = words
        .chunks(2)
        .map(|pair| {
            pair.iter()
                .fold(0, |word, byte| word << 8 | u32::from(**byte))
        })
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let value = u16::try_from(0xffff - folded).expect("16 bits");
    put(frame, 10, &value.to_be_bytes());
}

/// The same packet without its Ethernet header.
#[must_use]
pub fn without_ethernet(frame: &[u8]) -> &[u8] {
    frame.get(IP_AT..).expect("an Ethernet frame")
}
