//! Files that end anywhere: what is whole is reported, and then it is said where the rest should be.

use std::fs;
use std::io::Cursor;

use netdiag::capture::{CaptureError, Damage, Item, Reader};
use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::{Room, Said, packet};

use super::{DUMP, TIME};

/// How many packets a reader gives, and with which error it ends. Each packet is taken apart as `read` does.
fn read(bytes: &[u8]) -> (u64, Option<CaptureError>) {
    let mut reader = match Reader::new(Cursor::new(bytes.to_vec())) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    let mut packets = 0;
    while let Some(item) = reader.next() {
        match item {
            Ok(Item::Packet(packet)) => {
                packets += 1;
                let decoded = netdiag::decode::decode(&packet.frame());
                assert_eq!(
                    (packet.number, decoded.caplen),
                    (packets, packet.data.len())
                );
            }
            Ok(_) => {}
            Err(error) => {
                assert!(reader.next().is_none(), "an error is the end");
                return (packets, Some(error));
            }
        }
    }
    (packets, None)
}

/// Cuts a file at every length. `starts` are the starts of what it is made of, and its end; `packets` says of each
/// whether it is a packet.
fn cut_everywhere(bytes: &[u8], starts: &[usize], packets: &[bool]) {
    for length in 0..=bytes.len() {
        let (count, error) = read(&bytes[..length]);
        let whole = starts.iter().filter(|start| **start <= length).count();
        let whole = whole.saturating_sub(1);
        let expected = packets.iter().take(whole).filter(|packet| **packet).count();
        assert_eq!(count, expected as u64, "{length} bytes");
        match error {
            None => assert!(starts[1..].contains(&length), "{length} bytes: no error"),
            Some(error) => {
                assert!(!starts[1..].contains(&length), "{length} bytes: {error}");
                let start = starts
                    .iter()
                    .rfind(|start| **start <= length)
                    .expect("0 is one");
                assert_eq!(error.offset, *start as u64, "{length} bytes: {error}");
                let right = match error.damage {
                    Damage::Empty => length == 0,
                    Damage::NotCapture { .. } => length < 4,
                    Damage::Truncated { got, needed, .. } => {
                        got == (length - start) as u64 && needed > got
                    }
                    _ => false,
                };
                assert!(right, "{length} bytes: {error}");
            }
        }
    }
}

/// Where each block of a little-endian pcapng file starts, and the end; and whether it is a packet.
fn blocks(bytes: &[u8]) -> (Vec<usize>, Vec<bool>) {
    let (mut starts, mut packets) = (vec![0], Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        let word = |at: usize| {
            let word = bytes[at..].first_chunk().expect("a whole block");
            u32::from_le_bytes(*word)
        };
        packets.push(word(at) == 6);
        at += word(at + 4) as usize;
        starts.push(at);
    }
    (starts, packets)
}

#[test]
fn a_pcapng_file_cut_at_every_byte() {
    let bytes = fs::read(DUMP).unwrap();
    let (starts, packets) = blocks(&bytes);
    assert_eq!(packets.iter().filter(|packet| **packet).count(), 57);
    cut_everywhere(&bytes, &starts, &packets);
}

#[test]
fn a_pcap_file_cut_at_every_byte() {
    for order in [Order::Little, Order::Big] {
        for variant in [Variant::Micro, Variant::Nano, Variant::Modified] {
            if (order, variant) == (Order::Big, Variant::Modified) {
                continue;
            }
            let frames = packet::well_formed();
            let start = PcapFile::new(order, variant, packet::ETHERNET.into());
            let file = frames
                .iter()
                .fold(start, |file, frame| file.packet(TIME, frame));
            let mut starts = vec![0];
            starts.extend(file.boundaries(frames.iter().map(Vec::len)));
            let mut packets = vec![true; frames.len() + 1];
            packets[0] = false;
            cut_everywhere(file.bytes(), &starts, &packets);
        }
    }
}

#[test]
fn a_cut_pcapng_file_is_summed_up_with_status_1() {
    let room = Room::new();
    let bytes = fs::read(DUMP).unwrap();
    let (starts, packets) = blocks(&bytes);
    for length in [1, 3, 27, 500, 5000, bytes.len() / 2, bytes.len() - 1] {
        let path = room.file("cut.pcapng", &bytes[..length]);
        let said = Said::of(&[&path]);
        assert_eq!(said.code, Some(1), "{length} bytes");
        let whole = starts.iter().filter(|start| **start <= length).count() - 1;
        let expected = packets[..whole].iter().filter(|packet| **packet).count();
        let start = starts[whole];
        let place = format!("netdiag: {path}: at byte {start}: ");
        assert!(said.stderr.contains(&place), "{}", said.stderr);
        // Of what is not known for a capture there is nothing to sum up.
        if length < 4 {
            assert!(said.summary.is_null());
            continue;
        }
        let what = format!("the file ends inside a block: {} of ", length - start);
        assert!(said.stderr.contains(&what), "{}", said.stderr);
        assert_eq!(said.packets.len(), expected);
        said.assert_balanced();
    }
}

#[test]
fn a_cut_pcap_file_is_summed_up_with_status_1() {
    let room = Room::new();
    let frame = packet::udp(1, 2, b"some bytes");
    let file = PcapFile::new(Order::Little, Variant::Micro, packet::ETHERNET.into());
    let file = file.packet(TIME, &frame).packet(TIME, &frame);
    for (less, got) in [
        (1, 15 + frame.len()),
        (frame.len(), 16),
        (frame.len() + 1, 15),
    ] {
        let path = room.file("cut.pcap", &file.bytes()[..file.bytes().len() - less]);
        let said = Said::of(&[&path]);
        let (at, needed) = (
            24 + 16 + frame.len(),
            if got < 16 { 16 } else { 16 + frame.len() },
        );
        let expected = format!(
            "netdiag: {path}: at byte {at}: the file ends inside a packet: {got} of {needed} bytes are there\n"
        );
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (Some(1), expected.as_str())
        );
        assert_eq!(said.packets.len(), 1);
        said.assert_balanced();
    }
}
