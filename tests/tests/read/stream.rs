//! Pipes that are closed too early or not at all.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::{Live, Room, netdiag, packet};

use super::{DUMP, TIME};

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let room = Room::new();
    let frame = packet::udp(1, 2, b"some bytes");
    let file = PcapFile::new(Order::Little, Variant::Micro, packet::ETHERNET.into());
    let file = (0..5000).fold(file, |file, _| file.packet(TIME, &frame));
    let path = room.file("long.pcap", file.bytes());
    for options in [&["--json"][..], &["--each"], &["-q", "-w", "-"]] {
        let mut command = netdiag(&[&["read", &path], options].concat());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = Vec::new();
        stdout.read_until(b'\n', &mut line).unwrap();
        assert!(!line.is_empty());
        drop(stdout);
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{options:?}: {stderr}");
        // With the dump on standard output, this is where people's text is.
        let told = stderr.contains("netdiag:");
        assert!(
            !told && (stderr.is_empty() || options.contains(&"-w")),
            "{stderr}"
        );
    }
}

#[test]
fn an_interruption_sums_up_what_came() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut command = netdiag(&["read", "--json", "-"]);
    let bytes = fs::read(DUMP).unwrap();
    // All packets, and a part of what follows: the pipe stays open.
    writer.write_all(&bytes[..bytes.len() - 40]).unwrap();
    let mut live = Live::start_command(command.stdin(reader));
    live.await_drops(57);
    let run = live.stop();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!((run.drops.len(), run.findings.len()), (57, 1));
    drop(writer);
}

#[test]
fn packets_are_told_as_they_come() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut command = netdiag(&["read", "--json", "-"]);
    let bytes = fs::read(DUMP).unwrap();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    writer.write_all(first).unwrap();
    let mut live = Live::start_command(command.stdin(reader));
    // The other half comes after these were told.
    live.await_drops(20);
    writer.write_all(rest).unwrap();
    drop((writer, command));
    let run = live.finish();
    assert_eq!((run.code, run.drops.len()), (Some(0), 57));
}
