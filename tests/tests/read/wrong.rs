//! What is no capture file at all.

use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::{Ended, Room, Said, packet, run};

use super::TIME;

fn refused(path: &str) -> String {
    let Ended {
        code,
        stdout,
        stderr,
    } = run(&["read", path]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

#[test]
fn what_is_no_capture_is_named() {
    let room = Room::new();
    let not = "at byte 0: this is no capture file: it starts with";
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    for (bytes, words) in [
        (&b""[..], "at byte 0: the file is empty".to_owned()),
        (
            b"To whom it may concern\n",
            format!("{not} \"To whom \"; pcap and pcapng are read"),
        ),
        (b"hi", format!("{not} \"hi\"")),
        (
            &[0xa1, 0xb2, 0xc3, 0xd5, 0, 2, 0, 4, 0],
            format!("{not} the bytes a1 b2 c3 d5 00 02 00 04"),
        ),
        (b"\x7fELF", format!("{not} the bytes 7f 45 4c 46")),
        (
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0],
            "at byte 0: the file ends inside the file header: 6 of 24 bytes are there".to_owned(),
        ),
        (
            &gzip,
            "at byte 0 of what is packed in it: the file is empty".to_owned(),
        ),
        (
            &gzip[..5],
            "at byte 0 of what is packed in it: cannot read on".to_owned(),
        ),
        (
            &[0x28, 0xb5, 0x2f, 0xfd, 0, 0],
            "at byte 0 of what is packed in it: cannot read on: zstd: ".to_owned(),
        ),
    ] {
        let path = room.file("not.pcap", bytes);
        let said = refused(&path);
        assert!(said.contains(&format!("{path}: {words}")), "{said}");
    }
}

#[test]
fn a_section_without_byte_order_has_no_packets() {
    let room = Room::new();
    let path = room.file("not.pcapng", b"\n\r\r\n\x1c\0\0\0abcd");
    let said = Said::of(&[&path]);
    assert_eq!((said.code, said.packets.len()), (Some(1), 0));
    let words =
        "at byte 0: a section header has no byte order: 0x61626364 where 0x1a2b3c4d should be";
    assert!(said.stderr.contains(words), "{}", said.stderr);
}

#[test]
fn what_is_no_file_is_named() {
    let room = Room::new();
    let missing = room.path("missing");
    let said = refused(&missing);
    assert!(
        said.contains(&format!("cannot open {missing}: No such file")),
        "{said}"
    );
    let directory = room.path("");
    let said = refused(&directory);
    assert!(
        said.contains(&format!("{directory} is a directory")),
        "{said}"
    );
}

#[test]
fn what_was_read_before_a_wrong_file_is_summed_up() {
    let room = Room::new();
    let file = PcapFile::new(Order::Little, Variant::Micro, packet::ETHERNET.into());
    let file = file.packet(TIME, &packet::udp(1, 2, b"some bytes"));
    let good = room.file("good.pcap", file.bytes());
    let wrong = room.file("wrong.pcap", b"no capture");
    let said = Said::of(&[&wrong, &good, &wrong, &good]);
    // One wrong file does not keep the others from being read.
    assert_eq!((said.code, said.packets.len()), (Some(1), 2));
    assert!(
        said.stderr
            .contains(&format!("{wrong}: at byte 0: this is no capture file"))
    );
    said.assert_balanced();
    // A missing one is known before anything is read.
    let said = Said::of(&[&good, &room.path("missing")]);
    assert_eq!((said.code, said.packets.len()), (Some(1), 0));
    assert!(said.summary.is_null());
}

#[test]
fn a_wrong_packet_length_of_pcap_ends_the_file() {
    let room = Room::new();
    let frame = packet::udp(1, 2, b"some bytes");
    for order in [Order::Little, Order::Big] {
        let file = PcapFile::new(order, Variant::Micro, packet::ETHERNET.into());
        let file = file.packet(TIME, &frame);
        let at = file.bytes().len();
        for length in [u32::MAX, 1 << 31, 16 << 20] {
            let file = file.clone().claim(TIME, length, length, &frame);
            let said = Said::of(&[&room.file("long.pcap", file.bytes())]);
            let words = format!(
                "at byte {at}: a packet claims {length} bytes; nothing above 16777200 is read"
            );
            assert!(said.stderr.contains(&words), "{}", said.stderr);
            assert_eq!((said.code, said.packets.len()), (Some(1), 1));
            said.assert_balanced();
        }
    }
}
