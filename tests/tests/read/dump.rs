//! `read -w`: where it goes, and what it is in pieces.

use std::fs;
use std::process::Stdio;

use netdiag_tests::{Room, Said, feed, finish, netdiag, run};

use super::{DUMP, option::drops, zoo};
use netdiag_tests::pcap::Order;

#[test]
fn a_file_that_is_there_stays() {
    let room = Room::new();
    let old = room.file("old", b"old");
    let ended = run(&["read", DUMP, "-w", &old]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended
            .stderr
            .contains(&format!("{old} is there already: --force overwrites it")),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read(&old).unwrap(), b"old");
    let said = Said::of(&["--force", DUMP, "-w", &old]);
    let saved = format!(
        "saved: 57 packets ({} bytes) in {old}",
        fs::metadata(&old).unwrap().len()
    );
    assert!(said.stderr.contains(&saved), "{saved}: {}", said.stderr);
    assert_eq!(Said::well(&[&old]).packets, said.packets);
}

#[test]
fn what_cannot_be_read_makes_no_dump() {
    let room = Room::new();
    let text = room.file("text", b"no capture");
    for wrong in [&text, &room.path("missing")] {
        let ended = run(&["read", wrong, "-w", &room.path("dump")]);
        assert_eq!(ended.code, Some(1));
        assert_eq!(room.names(), ["text"]);
    }
    // A damaged one makes one of what is whole.
    let bytes = fs::read(DUMP).unwrap();
    let cut = room.file("cut", &bytes[..bytes.len() / 2]);
    let said = Said::of(&["-q", &cut, "-w", &room.path("dump")]);
    assert_eq!(said.code, Some(1));
    let again = Said::of(&[&room.path("dump")]);
    assert!(
        again.stderr.contains("the end of its run"),
        "{}",
        again.stderr
    );
    assert_eq!(
        (&again.packets, &again.summary["ledger"]),
        (&said.packets, &said.summary["ledger"])
    );
}

#[test]
fn a_dump_of_a_dump_is_the_same() {
    let room = Room::new();
    let path = room.file("drops.pcapng", drops().bytes());
    for (number, original) in [path.as_str(), DUMP].into_iter().enumerate() {
        let lines = run(&["read", "--json", "--hex", original]).stdout;
        let mut last = original.to_owned();
        for link_type in ["native", "sll2", "sll2", "native"] {
            let next = room.path(&format!("{number}-{}", room.names().len()));
            let ended = run(&["read", "-q", &last, "-w", &next, "--link-type", link_type]);
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
            assert_eq!(
                run(&["read", "--json", "--hex", &next]).stdout,
                lines,
                "{link_type}"
            );
            last = next;
        }
    }
}

#[test]
fn standard_output_is_a_dump_like_any_other() {
    let room = Room::new();
    let path = room.file("drops.pcapng", drops().bytes());
    let zoo = room.file("zoo.pcapng", zoo(Order::Big).bytes());
    for original in [DUMP, &path, &zoo] {
        let piped = room.path("piped");
        let file = fs::File::create(&piped).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut writing = netdiag(&["read", original, "-w", "-"]);
        writing.stdout(writer).stderr(Stdio::piped());
        let mut writing_child = writing.spawn().unwrap();
        drop(writing);
        let mut reading = netdiag(&["read", "--json", "-"]);
        let ended = finish(reading.stdin(reader).stdout(file));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(writing_child.wait().unwrap().success());
        let expected = run(&["read", "--json", original]).stdout;
        let got = fs::read_to_string(&piped).unwrap();
        // A capture without times of a run has no duration but that of its packets, and both have the same.
        assert_eq!(got, expected, "{original}");
    }
    // People's text goes to standard error then.
    let ended = run(&["read", DUMP, "-w", "-"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("Ledger: 57 seen = 57 reported"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains(" in standard output"),
        "{}",
        ended.stderr
    );
    let mut command = netdiag(&["read", "-q", "-", "-w", "-"]);
    let ended = feed(&mut command, fs::read(DUMP).unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn two_cannot_have_standard_output() {
    for (arguments, words) in [
        (
            ["--json", "--hex"],
            "-w - and --json both want standard output",
        ),
        (
            ["--rotate-size", "10K"],
            "--rotate-size needs a file: -w - is one stream",
        ),
    ] {
        let ended = run(&[&["read", DUMP, "-w", "-"], &arguments[..]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn the_pieces_of_a_dump_that_rotates_are_the_whole() {
    let room = Room::new();
    let path = room.file("drops.pcapng", drops().bytes());
    let zoo = room.file("zoo.pcapng", zoo(Order::Big).bytes());
    for (original, link_type) in [
        (DUMP, "native"),
        (DUMP, "sll2"),
        (&path, "native"),
        (&zoo, "native"),
        (&zoo, "sll2"),
    ] {
        let pieces = Room::new();
        let arguments = [
            "read",
            "-q",
            original,
            "-w",
            &pieces.path("a.pcapng"),
            "--rotate-size",
            "4K",
            "--link-type",
            link_type,
        ];
        let ended = run(&arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let names = pieces.names();
        assert!(names.len() > 1, "{names:?}");
        let numbered = (1..=names.len()).map(|number| format!("a_{number:05}.pcapng"));
        assert_eq!(names, numbered.collect::<Vec<_>>());
        let paths: Vec<_> = names.iter().map(|name| pieces.path(name)).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let said = Said::well(&paths);
        said.assert_balanced();
        if link_type == "native" || original == DUMP {
            let expected = Said::well(&[original]);
            assert_eq!(
                (&said.packets, &said.findings, &said.summary),
                (&expected.packets, &expected.findings, &expected.summary)
            );
        } else {
            assert_eq!(said.packets.len(), Said::well(&[original]).packets.len());
        }
        // Each alone is a capture, too.
        let alone = paths.iter().map(|path| Said::of(&[path]));
        let counts = alone.map(|said| {
            assert_eq!(said.code, Some(0), "{}", said.stderr);
            said.packets.len()
        });
        assert_eq!(counts.sum::<usize>(), said.packets.len());
    }
}

#[test]
fn only_so_many_pieces_are_kept() {
    let room = Room::new();
    let all = [
        "read",
        "-q",
        DUMP,
        "-w",
        &room.path("all.pcapng"),
        "--rotate-size",
        "4K",
    ];
    assert_eq!(run(&all).code, Some(0));
    let last = room.names().len();
    let kept = Room::new();
    let some = [
        "read",
        "-q",
        DUMP,
        "-w",
        &kept.path("a.pcapng"),
        "--rotate-size",
        "4K",
        "--rotate-files",
        "2",
    ];
    assert_eq!(run(&some).code, Some(0));
    assert_eq!(
        kept.names(),
        [last - 1, last].map(|number| format!("a_{number:05}.pcapng"))
    );
    let paths = kept
        .names()
        .into_iter()
        .map(|name| kept.path(&name))
        .collect::<Vec<_>>();
    let said = Said::of(&[&paths[0], &paths[1]]);
    let expected = Said::well(&[DUMP]);
    let missing = expected.packets.len() - said.packets.len();
    assert_eq!(
        (said.code, &said.packets[..]),
        (Some(0), &expected.packets[missing..])
    );
    let words = format!(
        "{missing} packets that the run reported are not in the file: they count as filtered"
    );
    assert!(said.stderr.contains(&words), "{}", said.stderr);
    said.assert_balanced();
    assert_eq!(said.ledger("seen"), 57);
}

/// Each run keeps its own end, whatever is left of it.
#[test]
fn two_runs_in_one_dump_say_what_they_said_apart() {
    let room = Room::new();
    let other = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../captures/udp-closed-port.pcapng"
    );
    let both = room.path("both.pcapng");
    for filter in [&[][..], &["--reason", "NO_SOCKET"]] {
        let apart = Said::well(&[&[DUMP, other], filter].concat());
        assert_eq!(apart.ledger("seen"), 62);
        let written = Said::well(&[&["-q", DUMP, other, "-w", &both, "--force"], filter].concat());
        assert_eq!(written.summary, apart.summary);
        let together = Said::well(&[&both]);
        assert_eq!(together.packets, apart.packets);
        assert_eq!(together.summary, apart.summary);
    }
}

#[test]
fn what_is_read_is_never_overwritten() {
    let room = Room::new();
    let bytes = fs::read(DUMP).unwrap();
    let input = room.file("a.pcapng", &bytes);
    let piece = room.file("b_00001.pcapng", &bytes);
    for arguments in [
        &["-q", DUMP, &input, "-w", &input, "--force"][..],
        &[
            "-q",
            &piece,
            "-w",
            &room.path("b.pcapng"),
            "--rotate-size",
            "8K",
            "--force",
        ],
    ] {
        let said = Said::of(arguments);
        assert_eq!(said.code, Some(1));
        assert!(said.stderr.contains("is read from"), "{}", said.stderr);
        for path in [&input, &piece] {
            assert_eq!(fs::read(path).unwrap(), bytes);
        }
    }
}
