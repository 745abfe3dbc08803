//! What netdiag prints, letter by letter, where it does not depend on the machine: help, lists, the bundled capture.
//!
//! `UPDATE_GOLDEN=1 cargo test -p netdiag-tests --test golden` writes the expectations anew; read the difference.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::{Ended, Room, finish, netdiag, packet, run};

/// Nobody.
const USER: u32 = 65534;

fn check(name: &str, got: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, got).expect("write an expectation");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        got == expected,
        "{name} has changed; it is now:\n{got}\n--- it was:\n{expected}"
    );
}

/// Runs netdiag as a user who may not trace.
fn unprivileged(arguments: &[&str]) -> Ended {
    let mut command = netdiag(arguments);
    // Not root already where the tests are not: then the caller may not trace either.
    if rustix::process::geteuid().is_root() {
        command.uid(USER).gid(USER);
    }
    finish(command.stdout(Stdio::piped()))
}

#[test]
fn help_of_every_command() {
    let commands: [(&str, &[&str]); 10] = [
        ("help.txt", &["--help"]),
        ("help-drops.txt", &["drops", "--help"]),
        ("help-retrans.txt", &["retrans", "--help"]),
        ("help-conn.txt", &["conn", "--help"]),
        ("help-explain.txt", &["explain", "--help"]),
        ("help-read.txt", &["read", "--help"]),
        ("help-counters.txt", &["counters", "--help"]),
        ("help-doctor.txt", &["doctor", "--help"]),
        ("help-lab.txt", &["lab", "--help"]),
        ("help-lab-run.txt", &["lab", "run", "--help"]),
    ];
    for (name, arguments) in commands {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        check(name, &ended.stdout);
    }
}

#[test]
fn names_are_explained_without_root() {
    let ways: [(&str, &[&str]); 8] = [
        ("explain.txt", &["explain"]),
        (
            "explain-reason.txt",
            &["explain", "skb_drop_reason_no_socket"],
        ),
        ("explain-counter.txt", &["explain", "ListenOverflows"]),
        ("explain-several.txt", &["explain", "InCsumErrors"]),
        ("explain-finding.txt", &["explain", "zero-window-stall"]),
        ("explain-place.txt", &["explain", "ip_error.part.0+0x1c"]),
        (
            "explain-reason.jsonl",
            &["explain", "QDISC_OVERLIMIT", "--json"],
        ),
        (
            "explain-counter.jsonl",
            &["explain", "IpInHdrErrors", "--json"],
        ),
    ];
    for (name, arguments) in ways {
        let ended = unprivileged(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        check(name, &ended.stdout);
    }
    let all = run(&["explain", "--json"]).stdout;
    let list = run(&["explain"]).stdout;
    assert_eq!(all.lines().count(), list.lines().count());
}

#[test]
fn an_unknown_name_is_told_with_the_nearest() {
    for (name, asked) in [
        ("explain-slip.txt", "NO_SOKET"),
        ("explain-part.txt", "rpfilter"),
        ("explain-number.txt", "3"),
        ("explain-nothing.txt", "\u{1b}[2Jhello world"),
    ] {
        for arguments in [vec!["explain", asked], vec!["explain", "--json", asked]] {
            let ended = run(&arguments);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
            check(name, &ended.stderr);
        }
    }
}

/// `cargo xtask captures` makes them; an expectation without its capture is no expectation.
#[test]
fn every_capture_says_what_is_beside_it() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let mut seen = 0;
    for entry in fs::read_dir(&directory).expect("the captures") {
        let capture = entry.expect("an entry").path();
        let extension = capture.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("pcap" | "pcapng")) {
            continue;
        }
        let ended = run(&["read", "--json", capture.to_str().expect("a path in UTF-8")]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let beside = fs::read_to_string(capture.with_extension("json")).unwrap_or_default();
        assert!(
            ended.stdout == beside,
            "{}: it now says\n{}",
            capture.display(),
            ended.stdout
        );
        seen += 1;
    }
    assert!(seen >= 12, "{seen} captures");
}

#[test]
fn the_list_of_scenarios_is_a_line_each() {
    let ended = run(&["lab", "list"]);
    assert_eq!(ended.code, Some(0));
    check("lab-list.txt", &ended.stdout);
    let some = run(&["lab", "list", "UDP", "checksum"]);
    assert_eq!(some.code, Some(0));
    let lines: Vec<_> = some.stdout.lines().collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("udp")));
    assert!(lines.iter().all(|line| ended.stdout.contains(line)));
    assert_eq!(run(&["lab", "list", "no-such-word"]).code, Some(1));
}

#[test]
fn a_scenario_that_is_not_there_leads_to_the_one_that_is_meant() {
    let ended = run(&["lab", "run", "udp-close-port"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("udp-closed-port"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("netdiag lab list"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_bundled_capture_tells_the_story() {
    let ended = unprivileged(&["lab", "run", "ethernet-on-l3-device"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    check("lab-run-bundled.txt", &ended.stdout);
}

#[test]
fn the_bundled_capture_as_each() {
    let ended = unprivileged(&["lab", "run", "ethernet-on-l3-device", "--each"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    check("lab-run-bundled-each.txt", &ended.stdout);
}

#[test]
fn the_bundled_capture_as_json() {
    let ended = unprivileged(&["lab", "run", "ethernet-on-l3-device", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    check("lab-run-bundled.jsonl", &ended.stdout);
}

#[test]
fn a_strangers_capture_is_told_in_words() {
    let file = PcapFile::new(Order::Little, Variant::Nano, packet::ETHERNET.into());
    let file = (0..)
        .zip(packet::all())
        .fold(file, |file, (number, frame)| {
            file.packet(1_700_000_000_123_456_789 + 250_000_000 * number, &frame)
        });
    let room = Room::new();
    let path = room.file("strangers.pcap", file.bytes());
    let ways: [(&str, &[&str]); 3] = [
        ("read.txt", &[]),
        ("read-each.txt", &["--each"]),
        ("read-quiet.txt", &["-q"]),
    ];
    for (name, way) in ways {
        let ended = run(&[&["read", &path], way].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        check(name, &ended.stdout);
    }
}

#[test]
fn a_wrong_command_line_is_told_with_status_2() {
    for (name, arguments) in [
        ("wrong-flag.txt", ["drops", "--durations", "10s"]),
        ("wrong-time.txt", ["drops", "--duration", "10x"]),
        ("wrong-size.txt", ["drops", "--buffer-size", "15M"]),
        ("wrong-explain.txt", ["explain", "NO_SOCKET", "IP_INHDR"]),
    ] {
        let ended = run(&arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        check(name, &ended.stderr);
    }
}
