//! Blocks and options of pcapng: what is wrong ends the file, and what is unknown is passed over.

use netdiag_tests::judge::fields;
use netdiag_tests::pcap::Order;
use netdiag_tests::pcapng::{PcapngFile, code, kind};
use netdiag_tests::{Room, Said, packet};
use serde_json::Value;

use super::TIME;

const ORDERS: [Order; 2] = [Order::Little, Order::Big];
const NANO: [u8; 1] = [9];

/// An interface with nanoseconds.
fn start(order: Order) -> PcapngFile {
    PcapngFile::new(order).interface(packet::ETHERNET, 0, &[(code::IF_TSRESOL, &NANO)])
}

fn frame() -> Vec<u8> {
    packet::udp(4321, 9999, b"some bytes")
}

/// A section with an interface and a packet.
fn good(order: Order) -> PcapngFile {
    start(order).packet(0, TIME, &frame(), &[])
}

/// Reads a file whose packets are all there.
fn read(file: &PcapngFile) -> Vec<Value> {
    let room = Room::new();
    let said = Said::well(&[&room.file("file.pcapng", file.bytes())]);
    said.assert_balanced();
    said.packets
}

/// Reads a file that is damaged after its first packet, at `at`.
fn damaged(file: &PcapngFile, at: usize, words: &str) {
    let room = Room::new();
    let said = Said::of(&[&room.file("file.pcapng", file.bytes())]);
    assert_eq!(
        (said.code, said.packets.len()),
        (Some(1), 1),
        "{words}: {}",
        said.stderr
    );
    let words = format!("file.pcapng: at byte {at}: {words}");
    assert!(said.stderr.contains(&words), "{words}: {}", said.stderr);
    said.assert_balanced();
}

#[test]
fn a_wrong_block_ends_the_file() {
    let frame = frame();
    for order in ORDERS {
        let good = good(order);
        let at = good.bytes().len();
        let body = [0; 64];
        for length in [0, 4, 8, 28] {
            let file = good.clone().claim(kind::PACKET, length, &body, length);
            damaged(
                &file,
                at,
                &format!("a block of type 0x6 claims a length of {length} bytes"),
            );
        }
        for length in [77, u32::MAX] {
            let file = good.clone().claim(0xabc, length, &body, length);
            damaged(
                &file,
                at,
                &format!("a block of type 0xabc claims a length of {length} bytes"),
            );
        }
        let file = good.clone().claim(0xabc, 0xffff_fffc, &body, 76);
        damaged(
            &file,
            at,
            "a block claims 4294967292 bytes; nothing above 16777216 is read",
        );
        let file = good.clone().claim(0xabc, 76, &body, 72);
        damaged(
            &file,
            at,
            "a block of type 0xabc has length 76 at its start and 72 at its end",
        );
        let file = good.clone().packet(7, TIME, &frame, &[]);
        damaged(
            &file,
            at,
            "a packet of interface 7, and the section has described 1",
        );
        let file = good.clone().packet(u32::MAX, TIME, &frame, &[]);
        damaged(
            &file,
            at,
            "a packet of interface 4294967295, and the section has described 1",
        );
        let numbers = [0, 0, 0, 1000, 1000]
            .map(|number| order.u32(number))
            .concat();
        let file = good
            .clone()
            .block(kind::PACKET, &[&numbers[..], &body].concat());
        damaged(
            &file,
            at,
            "a packet block of 96 bytes has fields that do not fit into it",
        );
        let file = good.clone().block(kind::INTERFACE, &[]);
        damaged(
            &file,
            at,
            "an interface description of 12 bytes has fields that do not fit into it",
        );
        // Another section has its own interfaces.
        let next = good.clone().section(order, &[]);
        let at = next.bytes().len();
        damaged(
            &next.clone().packet(0, TIME, &frame, &[]),
            at,
            "a packet of interface 0, and the section has described 0",
        );
        damaged(
            &next.clone().simple(10, &frame),
            at,
            "a packet of interface 0, and the section has described 0",
        );
    }
}

#[test]
fn blocks_that_are_unknown_or_of_no_use_are_passed_over() {
    let frame = frame();
    for order in ORDERS {
        let expected = read(&good(order).packet(0, TIME + 1, &frame, &[]));
        assert_eq!(expected.len(), 2);
        let secrets = [&order.u32(0x544c_534b)[..], &order.u32(3), b"abc\0"].concat();
        let others: [(u32, &[u8]); 12] = [
            (0x0bad_f00d, b""),
            (0x8000_0001, b"any "),
            (kind::NAMES, &[0; 4]),
            // What is inside of them is nobody's business here.
            (kind::NAMES, &[0xff; 16]),
            (kind::CUSTOM, b"\0\0\x7e\xd9data"),
            (kind::CUSTOM, b""),
            (0x4000_0bad, b"\0\0\x7e\xd9data"),
            (9, b"__REALTIME_TIMESTAMP=1\n\0"),
            (10, &secrets),
            (10, &[0xff; 8]),
            (0x201, &[0; 20]),
            (0x204, &[0xff; 4]),
        ];
        let file = others
            .iter()
            .fold(good(order), |file, (kind, body)| file.block(*kind, body));
        assert_eq!(read(&file.packet(0, TIME + 1, &frame, &[])), expected);
    }
}

#[test]
fn options_that_are_unknown_or_wrong_do_no_harm() {
    let frame = frame();
    for order in ORDERS {
        let expected = read(&good(order));
        let unknown: [(u16, &[u8]); 5] = [
            (0x7777, b"unknown"),
            (0x8001, b""),
            (2988, b"\0\0\x7e\xd9custom"),
            (code::COMMENT, b"not netdiag's"),
            (code::COMMENT, b"not \xff\xfe UTF-8"),
        ];
        let interface = [&unknown[..], &[(code::IF_TSRESOL, &NANO[..])]].concat();
        let file = PcapngFile::new(order)
            .section(order, &unknown)
            .interface(packet::ETHERNET, 0, &interface)
            .packet(0, TIME, &frame, &unknown)
            .statistics(&unknown);
        assert_eq!(read(&file), expected);
        // Options that no end is told of, and one that is longer than its block.
        let len = u32::try_from(frame.len()).unwrap();
        let halves = [
            u32::try_from(TIME >> 32).unwrap(),
            (TIME & 0xffff_ffff) as u32,
        ];
        let numbers = [0, halves[0], halves[1], len, len]
            .map(|number| order.u32(number))
            .concat();
        let mut data = frame.clone();
        data.resize(frame.len().next_multiple_of(4), 0);
        let file = start(order);
        let endless = file.option(code::COMMENT, b"and no end");
        let beyond = [&order.u16(code::COMMENT)[..], &order.u16(5000), b"abcd"].concat();
        let stub = [0, 0, 0, 1].to_vec();
        for options in [endless, beyond, stub] {
            let body = [&numbers[..], &data, &options].concat();
            assert_eq!(
                read(&file.clone().block(kind::PACKET, &body)),
                expected,
                "{options:?}"
            );
        }
    }
}

#[test]
fn wrong_values_of_options_are_as_none() {
    let frame = frame();
    let expected = read(
        &PcapngFile::new(Order::Little)
            .interface(packet::ETHERNET, 0, &[])
            .packet(0, TIME / 1000, &frame, &[]),
    );
    let wrong: [(u16, &[u8]); 4] = [
        (code::IF_TSRESOL, b""),
        (code::IF_TSOFFSET, b"short"),
        (code::IF_NAME, b""),
        (code::IF_NAME, b"\0\0"),
    ];
    let file = PcapngFile::new(Order::Little).interface(packet::ETHERNET, 0, &wrong);
    assert_eq!(
        read(&file.packet(0, TIME / 1000, &frame, &[(2, b"")])),
        expected
    );
}

#[test]
fn simple_packets_have_the_first_interface_and_no_time() {
    let frame = frame();
    for order in ORDERS {
        let whole = u32::try_from(frame.len()).unwrap();
        let interface = [(code::IF_NAME, &b"eth7"[..])];
        let file = PcapngFile::new(order)
            .interface(packet::ETHERNET, 40, &interface)
            .interface(packet::RAW, 0, &[])
            .simple(whole, &frame[..40])
            .simple(30, &frame[..30]);
        let [cut, short] = &read(&file)[..] else {
            panic!("two packets")
        };
        assert_eq!(
            (&cut["len"], &cut["packet"]["caplen"]),
            (&whole.into(), &40.into())
        );
        assert_eq!(
            (&short["len"], &short["packet"]["caplen"]),
            (&30.into(), &30.into())
        );
        for packet in [cut, short] {
            assert_eq!(
                (&packet["ifname"], &packet["time"]),
                (&"eth7".into(), &Value::Null)
            );
        }
        assert_eq!(cut["packet"]["dst"], "198.51.100.7");
    }
}

#[test]
fn packets_of_the_obsolete_kind_are_packets() {
    let room = Room::new();
    let frame = frame();
    for order in ORDERS {
        let names = ["eth0", "eth1"].map(|name| [(code::IF_NAME, name.as_bytes())]);
        let start = PcapngFile::new(order)
            .interface(packet::ETHERNET, 0, &names[0])
            .interface(packet::ETHERNET, 0, &names[1]);
        let comment: [(u16, &[u8]); 1] = [(code::COMMENT, b"a comment")];
        let enhanced = start.clone().packet(1, TIME / 1000, &frame, &comment);
        // The interface and a count of drops in one word; else the same.
        let mut body = enhanced.bytes()[start.bytes().len() + 8..].to_vec();
        body.truncate(body.len() - 4);
        body.splice(..4, [order.u16(1), order.u16(777)].concat());
        let obsolete = start.block(kind::OBSOLETE, &body);
        let paths = [
            room.file("new.pcapng", enhanced.bytes()),
            room.file("old.pcapng", obsolete.bytes()),
        ];
        let said = paths
            .each_ref()
            .map(|path| Said::well(&["--hex", path]).packets);
        assert_eq!((said[0].len(), &said[0]), (1, &said[1]));
        let names = [
            "frame.interface_name",
            "frame.time_epoch",
            "frame.len",
            "udp.dstport",
        ];
        let judged = paths.each_ref().map(|path| fields(path, &[], &names));
        assert_eq!(judged[0], judged[1]);
    }
}

#[test]
fn a_file_may_have_sections_of_both_byte_orders() {
    let frame = frame();
    let mut file = PcapngFile::default();
    for (order, name) in [
        (Order::Little, "a"),
        (Order::Big, "b"),
        (Order::Little, "c"),
    ] {
        let interface = [(code::IF_NAME, name.as_bytes()), (code::IF_TSRESOL, &NANO)];
        file = file
            .section(order, &[])
            .interface(packet::ETHERNET, 0, &interface)
            .packet(0, TIME, &frame, &[]);
    }
    let packets = read(&file);
    let names: Vec<_> = packets.iter().map(|packet| &packet["ifname"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
    for packet in &packets {
        assert_eq!(
            (&packet["time"], &packet["packet"]),
            (&packets[0]["time"], &packets[0]["packet"])
        );
        assert_eq!(packet["time"], "2023-11-14T22:13:20.123456789Z");
    }
}

#[test]
fn interfaces_without_end_are_refused() {
    let interface = PcapngFile::default().interface(packet::ETHERNET, 0, &[]);
    let good = good(Order::Little);
    let file = [good.bytes(), &interface.bytes().repeat(70_000)].concat();
    let room = Room::new();
    let said = Said::of(&[&room.file("many.pcapng", &file)]);
    assert_eq!((said.code, said.packets.len()), (Some(1), 1));
    let at = good.bytes().len() + interface.bytes().len() * 65_535;
    let words = format!("at byte {at}: a section describes more than 65536 interfaces");
    assert!(said.stderr.contains(&words), "{}", said.stderr);
}
