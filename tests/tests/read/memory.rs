//! However long a file is and whatever it claims: memory stays below a bound. The kernel holds netdiag to it.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Stdio;

use netdiag_tests::judge::judge;
use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::pcapng::{PcapngFile, code, kind};
use netdiag_tests::{Ended, Room, finish, netdiag, packet, program};

use super::{TIME, comments, end, run_starts};

/// Code, stacks and all, in bytes of address space: what is resident is less.
const MOST: &str = "--as=67108864";

/// Runs netdiag where the kernel gives it no more.
fn bounded(arguments: &[&str]) -> Ended {
    let netdiag = netdiag(&[]);
    let netdiag = netdiag.get_program().to_str().expect("a path in UTF-8");
    let mut command = program("prlimit");
    command.args([MOST, netdiag, "read"]).args(arguments);
    finish(command.stdout(Stdio::piped()))
}

/// Asserts that it read so many packets to the end.
fn reads(path: &str, packets: u64) {
    let Ended {
        code,
        stdout,
        stderr,
    } = bounded(&["-q", path]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let ledger = format!("= {packets} reported + 0 filtered");
    assert!(stdout.contains(&ledger), "{stdout}");
}

/// Writes a file of a start and many times the same.
fn write(path: &str, start: &[u8], rest: &[u8], times: usize) {
    let mut file = File::create(path).expect("a file");
    file.write_all(start).expect("space");
    (0..times).for_each(|_| file.write_all(rest).expect("space"));
}

fn pcap() -> PcapFile {
    PcapFile::new(Order::Little, Variant::Micro, packet::ETHERNET.into())
}

/// The records of a file without its header.
fn records(file: &PcapFile) -> Vec<u8> {
    file.bytes()[24..].to_vec()
}

#[test]
fn the_bound_is_one() {
    let mut command = program("prlimit");
    let hog = command.args([
        MOST,
        "dd",
        "if=/dev/zero",
        "of=/dev/null",
        "bs=64M",
        "count=1",
    ]);
    assert_ne!(finish(hog).code, Some(0));
}

#[test]
fn a_length_field_is_only_a_claim() {
    let room = Room::new();
    for length in [u32::MAX, u32::MAX - 3, 17 << 20] {
        let files = [
            pcap().claim(TIME, length, length, b"").bytes().to_vec(),
            run_starts()
                .claim(kind::PACKET, length & !3, b"", 0)
                .bytes()
                .to_vec(),
        ];
        for file in files {
            let ended = bounded(&[&room.file("claim", &file)]);
            assert_eq!(ended.code, Some(1));
            assert!(
                ended.stderr.contains("nothing above 16777"),
                "{}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_hundred_megabytes_of_packets() {
    let room = Room::new();
    let path = room.path("long.pcap");
    let frame = packet::udp(1, 2, &[7; 1400]);
    let many = (0..100).fold(pcap(), |file, _| file.packet(TIME, &frame));
    let records = records(&many);
    let times = (100 << 20) / records.len() + 1;
    write(&path, pcap().bytes(), &records, times);
    reads(&path, 100 * times as u64);
}

#[test]
fn a_bomb_of_huge_packets() {
    let room = Room::new();
    let huge = (16 << 20) - 16;
    let record = records(&pcap().packet(TIME, &vec![0; huge]));
    for (packer, suffix) in [("gzip", "gz"), ("zstd", "zst")] {
        let pack = |name: &str, bytes: &[u8]| {
            let path = room.file(name, bytes);
            judge(packer, &["-q", "-9", "-k", &path]);
            fs::read(format!("{path}.{suffix}")).expect("what was packed")
        };
        let head = pack(&format!("{suffix}.head"), pcap().bytes());
        let member = pack(&format!("{suffix}.member"), &record);
        let path = room.path(&format!("bomb.{suffix}"));
        write(&path, &head, &member, 64);
        assert!(fs::metadata(&path).expect("a file").len() < 2 << 20);
        reads(&path, 64);
    }
}

#[test]
fn a_window_of_zstd_that_is_too_large() {
    let room = Room::new();
    let path = room.file("long.pcap", pcap().bytes());
    // From standard input zstd does not know the length, and asks for the whole window.
    let pack = format!("zstd -q --long=27 -c < {path} > {path}.zst");
    judge("sh", &["-c", &pack]);
    let ended = bounded(&[&format!("{path}.zst")]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("window"), "{}", ended.stderr);
}

#[test]
fn comments_without_end() {
    let room = Room::new();
    let path = room.path("comments.pcapng");
    // 15 MiB of comments a packet, in as many lines as fit.
    let lines = [
        "a: b\n".repeat(12_000),
        format!("Netdiag: drop probe=x link=ip head={}", "f".repeat(59_000)),
    ];
    let lines: Vec<_> = lines.into_iter().cycle().take(260).collect();
    let start = run_starts().interface(packet::ETHERNET, 0, &[]);
    let file = start.clone().packet(0, TIME, b"", &comments(&lines));
    write(
        &path,
        start.bytes(),
        &file.bytes()[start.bytes().len()..],
        7,
    );
    reads(&path, 7);
}

#[test]
fn options_without_end() {
    let room = Room::new();
    let start = run_starts().interface(packet::ETHERNET, 0, &[]);
    let empty = start.option(code::COMMENT, b"").repeat((16 << 20) / 4 - 16);
    let (section, none) = (PcapngFile::new(Order::Little), [0; 20]);
    for (kind, fields) in [
        (kind::SECTION, &section.bytes()[8..24]),
        (kind::INTERFACE, &none[..8]),
        (kind::STATISTICS, &none[..12]),
        (kind::PACKET, &none),
    ] {
        let file = start.clone().block(kind, &[fields, &empty].concat());
        let ended = bounded(&[&room.file("options.pcapng", file.bytes())]);
        let at = start.bytes().len();
        let words = format!("at byte {at}: a block has more than 65536 options");
        assert!(ended.stderr.contains(&words), "{}", ended.stderr);
        assert_eq!(ended.code, Some(1));
    }
}

#[test]
fn ends_of_runs_without_end() {
    let room = Room::new();
    let path = room.path("ends.pcapng");
    let start = run_starts().interface(packet::ETHERNET, 0, &[]);
    let mut lines = end(0, 1, 0);
    lines.extend((0..400).map(|number| format!("Counter: Counter{number} delta=1 explained=0")));
    lines.extend((0..400).map(|number| {
        format!("Header-Check: check{number} calls=1 refused=0 malformed=0 accepted=0")
    }));
    lines.extend((0..400).map(|number| format!("Namespace-Name: {number} {}", "name".repeat(20))));
    let file = start.clone().statistics(&comments(&lines));
    let block = &file.bytes()[start.bytes().len()..];
    let times = (100 << 20) / block.len();
    write(&path, start.bytes(), block, times);
    let ended = bounded(&[&path]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let words = "the file tells of more counters, checks and namespaces than any run has: ";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains(&format!("{times} seen = 0 reported + {times} filtered"))
    );
}

#[test]
fn namespaces_devices_and_reasons_without_end() {
    let room = Room::new();
    let start = run_starts().interface(packet::ETHERNET, 0, &[]);
    let frame = packet::udp(1, 2, b"some bytes");
    let file = (0..60_000u32).fold(start, |file, number| {
        let lines = [
            format!("Reason: {}{number}", "R".repeat(1000)),
            format!("Location: place_{number}+0x1"),
            format!("Namespace: {number}"),
            "Netdiag: drop probe=kfree_skb link=ethernet".to_owned(),
        ];
        file.packet(0, TIME, &frame, &comments(&lines))
    });
    let file = file.statistics(&comments(&end(60_000, 0, 0)));
    reads(&room.file("kinds.pcapng", file.bytes()), 60_000);
}

/// The longest lines that are taken, as many kinds of them as are kept.
#[test]
fn long_names_without_end() {
    let room = Room::new();
    let start = run_starts().interface(packet::ETHERNET, 0, &[]);
    let frame = packet::udp(1, 2, b"some bytes");
    let long = |what: &str, number: u32, length: usize| {
        format!("{what}{}{number:06}", "x".repeat(length - 6))
    };
    for length in [1024, 16_000] {
        let file = (0..5000u32).fold(start.clone(), |file, number| {
            let lines = [
                long("Reason: ", number, length),
                long("Location: ", number, length),
                "Netdiag: drop probe=kfree_skb link=ethernet".to_owned(),
            ];
            file.packet(0, TIME, &frame, &comments(&lines))
        });
        let names = (0..12).fold(file, |file, block: u32| {
            let mut lines = end(if block == 0 { 5000 } else { 0 }, 0, 0);
            let all = 2000 * 1024 / u32::try_from(length).expect("a number");
            let numbers = (0..all).map(|number| block * all + number);
            lines.extend(
                numbers
                    .map(|number| format!("Namespace-Name: {number} {}", "n".repeat(length - 20))),
            );
            file.statistics(&comments(&lines))
        });
        let ended = bounded(&["-q", &room.file("long.pcapng", names.bytes())]);
        assert_eq!(ended.code, Some(0), "{length}: {}", ended.stderr);
        assert!(ended.stdout.contains("= 5000 reported"), "{}", ended.stdout);
    }
}
