//! Any bytes as a packet: the input says how it claims to start, and then what it is.

use netdiag::decode::{Frame, Link, decode, unseen};

use super::invariants;

/// Bytes before the packet: link and what is given, network offset, EtherType, length.
const HEADER: usize = 8;

/// Decodes one input and holds the packet to what every packet is held to.
pub(crate) fn check(data: &[u8]) {
    let Some(frame) = frame(data) else {
        return;
    };
    let packet = decode(&frame);
    assert!(packet.caplen <= frame.bytes.len());
    assert!(packet.len <= frame.len.max(frame.bytes.len()));
    invariants::hold(&packet);
    assert_eq!(decode(&frame), packet, "the same bytes, the same packet");

    let unseen = unseen(frame.ethertype);
    assert_eq!(unseen.faults().count(), 0);
    invariants::hold(&unseen);
}

/// Link (byte 0), whether offset, EtherType and length are given (bits of byte 1), these (big-endian), the packet.
fn frame(data: &[u8]) -> Option<Frame<'_>> {
    let (header, bytes) = data.split_first_chunk::<HEADER>()?;
    let [
        link,
        given,
        offset_high,
        offset_low,
        type_high,
        type_low,
        len_high,
        len_low,
    ] = *header;
    let when = |bit: u8, value: [u8; 2]| {
        let value = u16::from_be_bytes(value);
        (given & bit != 0).then_some(value)
    };
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    Some(Frame {
        bytes,
        link: match link % 3 {
            0 => Link::Ethernet,
            1 => Link::Ip,
            _ => Link::Unknown,
        },
        network_offset: when(1, [offset_high, offset_low]).map(usize::from),
        len: match given & 0x1c {
            0 => bytes.len(),
            // Shorter than what was captured, as long, or cut by the capture.
            4 => len,
            // Beyond 64 KiB, where lengths of 16 bits end.
            8 => len << 8,
            16 => usize::MAX,
            _ => bytes.len().saturating_add(len),
        },
        ethertype: when(2, [type_high, type_low]),
    })
}
