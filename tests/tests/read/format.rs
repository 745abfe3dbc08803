//! The same packets in every format that is read.

use std::fs;
use std::process::Stdio;

use netdiag_tests::judge::judge;
use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::pcapng::{PcapngFile, code};
use netdiag_tests::{Room, Said, feed, netdiag, packet};

use super::{DUMP, TIME};

/// Microseconds, so that every format can say them.
const TIME_US: u64 = TIME / 1000;

/// The same packets in each format.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for order in [Order::Little, Order::Big] {
        for variant in [Variant::Micro, Variant::Nano, Variant::Modified] {
            // That one is read as the tools of PCs wrote it.
            if (order, variant) == (Order::Big, Variant::Modified) {
                continue;
            }
            let file = PcapFile::new(order, variant, packet::ETHERNET.into());
            let file = (0..)
                .zip(packet::all())
                .fold(file, |file, (number, frame)| {
                    file.packet((TIME_US + number) * 1000, &frame)
                });
            files.push((format!("{order:?}-{variant:?}.pcap"), file.bytes().to_vec()));
        }
        for (resolution, unit) in [(6, 1), (9, 1000)] {
            let options = [(code::IF_TSRESOL, &[resolution][..])];
            let file = PcapngFile::new(order).interface(packet::ETHERNET, 0, &options);
            let file = (0..)
                .zip(packet::all())
                .fold(file, |file, (number, frame)| {
                    file.packet(0, (TIME_US + number) * unit, &frame, &[])
                });
            files.push((
                format!("{order:?}-{resolution}.pcapng"),
                file.bytes().to_vec(),
            ));
        }
    }
    files
}

#[test]
fn the_same_packets_in_every_format() {
    let room = Room::new();
    let mut expected: Option<Said> = None;
    for (name, bytes) in files() {
        let said = Said::well(&["--hex", &room.file(&name, &bytes)]);
        said.assert_balanced();
        let expected = expected.get_or_insert_with(|| {
            assert_eq!(said.packets.len(), packet::all().len());
            assert_eq!(said.packets[1]["time"], "2023-11-14T22:13:20.123457000Z");
            let faults: Vec<_> = said
                .packets
                .iter()
                .rev()
                .map(|packet| &packet["packet"]["malformed"][0])
                .collect();
            for ((fault, _), said) in packet::malformed().iter().rev().zip(faults) {
                assert_eq!(said, fault);
            }
            Said::well(&["--hex", &room.path(&name)])
        });
        assert_eq!(
            (&said.packets, &said.findings, &said.summary),
            (&expected.packets, &expected.findings, &expected.summary),
            "{name}"
        );
    }
}

#[test]
fn the_same_packets_packed_and_through_a_pipe() {
    let room = Room::new();
    let (_, plain) = files().swap_remove(0);
    let dump = fs::read(DUMP).expect("a dump");
    for (name, bytes) in [("plain.pcap", plain), ("dump.pcapng", dump)] {
        let path = room.file(name, &bytes);
        let expected = Said::well(&[&path]);
        let check = |said: &Said, what: &str| {
            assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{what}");
            assert_eq!(
                (&said.packets, &said.summary),
                (&expected.packets, &expected.summary),
                "{what}"
            );
        };
        let piped = |bytes: &[u8]| {
            Said::new(&feed(
                &mut netdiag(&["read", "--json", "-"]),
                bytes.to_vec(),
            ))
        };
        check(&piped(&bytes), "a pipe");
        let (first, second) = bytes.split_at(bytes.len() / 3);
        for (packer, suffix) in [("gzip", "gz"), ("zstd", "zst")] {
            let pack = |name: &str, bytes: &[u8]| {
                let path = room.file(name, bytes);
                judge(packer, &["-q", "-f", "-k", &path]);
                fs::read(format!("{path}.{suffix}")).expect("what was packed")
            };
            let whole = pack("whole", &bytes);
            let members = [
                pack("first", first),
                pack("none", b""),
                pack("second", second),
            ]
            .concat();
            for (packed, what) in [(whole, "whole"), (members, "members")] {
                let path = room.file(&format!("{what}.{suffix}"), &packed);
                check(&Said::of(&[&path]), &path);
                check(&piped(&packed), &format!("{path} through a pipe"));
                // What is wrong in there is told by where it is when unpacked.
                let cut = Said::of(&[&room.file("cut", &packed[..packed.len() - 1])]);
                assert_eq!(cut.code, Some(1));
                assert!(
                    cut.stderr
                        .contains(" of what is packed in it: cannot read on: "),
                    "{}",
                    cut.stderr
                );
            }
        }
    }
}

#[test]
fn a_file_of_which_one_packer_knows_more_than_the_magic() {
    let room = Room::new();
    let path = room.file("plain.pcap", &files().swap_remove(0).1);
    let expected = Said::well(&[&path]);
    let packings: [(&str, &[&str]); 4] = [
        ("zstd", &["-q", "-f", "-k", "--no-check", "-19"]),
        ("zstd", &["-q", "-f", "-k", "--fast"]),
        ("gzip", &["-q", "-f", "-k", "-9", "--name"]),
        ("gzip", &["-q", "-f", "-k", "-1", "--no-name"]),
    ];
    for (packer, options) in packings {
        judge(packer, &[options, &[&path]].concat());
        let packed = format!("{path}.{}", if packer == "gzip" { "gz" } else { "zst" });
        assert_eq!(
            Said::well(&[&packed]).packets,
            expected.packets,
            "{options:?}"
        );
    }
}

#[test]
fn several_files_are_one_reading() {
    let room = Room::new();
    let (name, bytes) = files().swap_remove(0);
    let path = room.file(&name, &bytes);
    let one = Said::well(&[&path]);
    let both = Said::well(&[&path, DUMP, &path]);
    assert_eq!(both.packets.len(), 2 * one.packets.len() + 57);
    both.assert_balanced();
    let mut command = netdiag(&["read", "--json", &path, "-", DUMP]);
    let mixed = Said::new(&feed(command.stdout(Stdio::piped()), bytes));
    assert_eq!(
        (mixed.code, mixed.packets.len()),
        (Some(0), both.packets.len())
    );
    let twice = Said::of(&["-", "-"]);
    assert_eq!(twice.code, Some(2));
    assert!(
        twice.stderr.contains("standard input can be read once"),
        "{}",
        twice.stderr
    );
}
