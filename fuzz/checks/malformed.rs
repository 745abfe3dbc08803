//! The analysis of malformed headers: the same bytes wherever they may stand, headers that are put right, and right
//! ones that are damaged again.

use netdiag::decode::{
    DisguiseKind, Frame, Link, Malformation, MalformedKind, Packet, Transport, decode,
};

use super::invariants;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// The longest packet whose length an IP header can say.
const LONGEST: usize = 65_535;

/// Looks at one input in every place where a packet can be.
pub(crate) fn check(data: &[u8]) {
    let data = data.get(..LONGEST).unwrap_or(data);
    for link in [Link::Ethernet, Link::Ip, Link::Unknown] {
        for ethertype in [None, Some(IPV4), Some(IPV6), Some(ARP)] {
            invariants::hold(&read(data, link, ethertype));
        }
    }
    if let Some(right) = right_ipv4(data) {
        ipv4(&right);
    }
    if let Some(right) = right_ipv6(data) {
        ipv6(&right);
    }
}

fn read(bytes: &[u8], link: Link, ethertype: Option<u16>) -> Packet {
    let frame = Frame {
        bytes,
        link,
        network_offset: None,
        len: bytes.len(),
        ethertype,
    };
    decode(&frame)
}

/// A header without a fault is found to have none, as IP, as anything, and in a frame; one that is damaged is found
/// out.
fn ipv4(right: &[u8]) {
    let packet = read(right, Link::Ip, Some(IPV4));
    no_fault_of_ip(&packet, 4);
    assert_eq!(packet.disguise, None, "a right header is not questioned");
    assert_eq!(read(right, Link::Ip, None), packet);
    assert_eq!(read(right, Link::Unknown, None), packet);
    assert_eq!(read(right, Link::Unknown, Some(IPV4)), packet);

    let framed = read(&in_frame(IPV4, right), Link::Ethernet, None);
    no_fault_of_ip(&framed, 4);
    assert_eq!(
        (&framed.ip, &framed.transport),
        (&packet.ip, &packet.transport)
    );
    assert_eq!(
        (&framed.tunnel, &framed.inner),
        (&packet.tunnel, &packet.inner)
    );
    assert_eq!(framed.disguise, None);

    // The checksum covers every bit of the header: each one that flips is told, and how to put it right.
    let seed = right.last().copied().unwrap_or_default();
    let mut wrong = right.to_vec();
    flip(&mut wrong, 8 + usize::from(seed) % 12);
    let packet = read(&wrong, Link::Ip, Some(IPV4));
    if packet.disguise.is_none() {
        let fault = fault(&packet, MalformedKind::IpChecksum).expect("a wrong checksum is told");
        let expected = u16::try_from(fault.expected).expect("a checksum has 16 bits");
        set(&mut wrong, 10, &expected.to_be_bytes());
        no_fault_of_ip(&read(&wrong, Link::Ip, Some(IPV4)), 4);
    }

    // Shorter than its length says, but no capture cut it.
    if let Some((_, shorter)) = right.split_last() {
        let packet = read(shorter, Link::Ip, Some(IPV4));
        invariants::hold(&packet);
        assert!(packet.faults().next().is_some(), "{packet:?}");
    }

    let announced_as_other = read(right, Link::Ip, Some(IPV6));
    let disguise = announced_as_other
        .disguise
        .as_ref()
        .expect("a right header");
    assert_eq!(disguise.kind, DisguiseKind::OtherVersion);
    assert_eq!(disguise.packet.ip, read(right, Link::Ip, None).ip);
    assert!(fault(&announced_as_other, MalformedKind::IpVersion).is_some());
}

/// As [`ipv4`]; but without a checksum nothing proves a header of IPv6, so a frame that can be proven wins.
fn ipv6(right: &[u8]) {
    let packet = read(right, Link::Ip, Some(IPV6));
    no_fault_of_ip(&packet, 6);
    assert_eq!(read(right, Link::Ip, None), packet);
    let framed = read(&in_frame(IPV6, right), Link::Ethernet, None);
    no_fault_of_ip(&framed, 6);
    if packet.disguise.is_none() && framed.disguise.is_none() {
        assert_eq!(
            (&framed.ip, &framed.transport),
            (&packet.ip, &packet.transport)
        );
        assert_eq!(
            (&framed.tunnel, &framed.inner),
            (&packet.tunnel, &packet.inner)
        );
    }
    let announced_as_other = read(right, Link::Ip, Some(IPV4));
    assert!(fault(&announced_as_other, MalformedKind::IpVersion).is_some());
}

/// IP in order, up to what it carries: extension headers may end too early, and so may UDP and TCP.
fn no_fault_of_ip(packet: &Packet, version: u8) {
    invariants::hold(packet);
    let of_header = |fault: &&Malformation| {
        let of_extension = version == 6 && fault.kind == MalformedKind::IpTruncated;
        is_certain_of_ip(fault) && !of_extension
    };
    assert_eq!(packet.malformed.iter().find(of_header), None, "{packet:?}");
    if let Some(Transport::Udp { length, .. }) = packet.transport
        && fault(packet, MalformedKind::UdpLength).is_none()
        && packet.ip.is_some_and(|ip| ip.fragment.is_none())
    {
        assert!(length >= 8 || length == 0 && packet.len > LONGEST);
    }
}

/// Whether a fault is proven by the numbers, and is one of IP itself and not of what IP carries.
fn is_certain_of_ip(fault: &Malformation) -> bool {
    let carried = matches!(
        fault.kind,
        MalformedKind::UdpLength | MalformedKind::TcpOffset
    );
    fault.confidence >= 1.0 && !carried
}

fn fault(packet: &Packet, kind: MalformedKind) -> Option<&Malformation> {
    packet.malformed.iter().find(|fault| fault.kind == kind)
}

fn in_frame(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&MACS[..], &ethertype.to_be_bytes(), packet].concat()
}

/// The bytes with version, lengths and checksum of IPv4 put right; `None` where there is no room for a header.
fn right_ipv4(data: &[u8]) -> Option<Vec<u8>> {
    let first = *data.first_chunk::<20>()?.first()?;
    let words = (first & 0x0f).max(5);
    let header = usize::from(words) * 4;
    let length = u16::try_from(data.len()).ok()?;
    let mut right = data.to_vec();
    set(&mut right, 0, &[0x40 | words]);
    set(&mut right, 2, &length.to_be_bytes());
    set(&mut right, 10, &[0, 0]);
    // RFC 1071: the sum of all words, carries added back in, inverted.
    let sum: u32 = right
        .get(..header)?
        .chunks_exact(2)
        .filter_map(|word| Some(u16::from_be_bytes(*word.first_chunk()?)))
        .map(u32::from)
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(sum).ok()?;
    set(&mut right, 10, &checksum.to_be_bytes());
    Some(right)
}

/// As [`right_ipv4`], for IPv6.
fn right_ipv6(data: &[u8]) -> Option<Vec<u8>> {
    let first = *data.first_chunk::<40>()?.first()?;
    let length = u16::try_from(data.len() - 40).ok()?;
    let mut right = data.to_vec();
    set(&mut right, 0, &[0x60 | first & 0x0f]);
    set(&mut right, 4, &length.to_be_bytes());
    Some(right)
}

fn set(bytes: &mut [u8], offset: usize, value: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(offset).zip(value) {
        *byte = *value;
    }
}

fn flip(bytes: &mut [u8], offset: usize) {
    for byte in bytes.iter_mut().skip(offset).take(1) {
        *byte ^= 0x10;
    }
}
