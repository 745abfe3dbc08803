//! Options that choose packets.

use netdiag_tests::pcapng::{PcapngFile, code};
use netdiag_tests::{Room, Said, packet, run};
use serde_json::Value;

use super::{DUMP, TIME, comments, end, run_starts};

const REASONS: [&str; 3] = ["NO_SOCKET", "NETFILTER_DROP", "IP_INHDR"];

/// A dump of drops of all kinds: the reasons by turns, and on two devices of two namespaces.
pub(super) fn drops() -> PcapngFile {
    let nano: (u16, &[u8]) = (code::IF_TSRESOL, &[9]);
    let mut file = run_starts()
        .interface(packet::ETHERNET, 0, &[(code::IF_NAME, b"eth0"), nano])
        .interface(packet::ETHERNET, 0, &[(code::IF_NAME, b"eth1"), nano]);
    let frames = packet::all();
    for (number, frame) in (0..).zip(&frames) {
        let device = u32::from(number % 2 == 1);
        let note = [
            format!("Reason: {}", REASONS[number % 3]),
            "Location: any_function+0x7".to_owned(),
            format!("Namespace: {}", 4_026_532_000 + device),
            "Netdiag: drop probe=kfree_skb link=ethernet cpu=0 ifindex=2 dev_type=1 network_offset=14".to_owned(),
        ];
        file = file.packet(device, TIME + number as u64, frame, &comments(&note));
    }
    file.statistics(&comments(&end(frames.len() as u64, 5, 2)))
}

/// Asserts that these options leave exactly what `admits` does, and that the rest counts as filtered.
fn chosen(path: &str, options: &[&str], admits: impl Fn(&Value) -> bool) {
    let all = Said::well(&["--hex", path]);
    let said = Said::well(&[options, &["--hex", path]].concat());
    let expected: Vec<_> = all
        .packets
        .iter()
        .filter(|line| admits(line))
        .cloned()
        .collect();
    let times = |packets: &[Value]| {
        packets
            .iter()
            .map(|line| line["time"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(times(&said.packets), times(&expected), "{options:?}");
    assert_eq!(said.packets, expected, "{options:?}");
    assert!(
        !expected.is_empty() && expected.len() < all.packets.len(),
        "{options:?}"
    );
    said.assert_balanced();
    for column in ["seen", "lost"] {
        assert_eq!(said.ledger(column), all.ledger(column), "{options:?}");
    }
    let left_out = (all.packets.len() - expected.len()) as u64;
    assert_eq!(
        said.ledger("filtered"),
        all.ledger("filtered") + left_out,
        "{options:?}"
    );
    // A dump of them has them and no others, and what was left out stays in the books.
    let room = Room::new();
    let cut = room.path("cut.pcapng");
    let saving = Said::well(&[options, &["-q", "--hex", path, "-w", &cut]].concat());
    assert_eq!(saving.packets, expected);
    let again = Said::well(&["--hex", &cut]);
    assert_eq!(again.packets, expected, "{options:?}");
    again.assert_balanced();
    let is_drop = all.packets[0]["kind"] == "drop";
    if is_drop {
        assert_eq!(again.summary, said.summary, "{options:?}");
    }
}

#[test]
fn drops_are_chosen() {
    let room = Room::new();
    let path = room.file("drops.pcapng", drops().bytes());
    let reason = |line: &Value, wanted: &str| line["reason"] == wanted;
    chosen(&path, &["--reason", "NO_SOCKET"], |line| {
        reason(line, "NO_SOCKET")
    });
    chosen(
        &path,
        &["--reason", "NO_SOCKET", "--reason", "IP_INHDR"],
        |line| !reason(line, "NETFILTER_DROP"),
    );
    chosen(&path, &["--iface", "eth1"], |line| line["ifname"] == "eth1");
    chosen(&path, &["--netns", "4026532001"], |line| {
        line["netns"] == 4_026_532_001u32
    });
    chosen(
        &path,
        &["--reason", "NO_SOCKET", "--iface", "eth0"],
        |line| reason(line, "NO_SOCKET") && line["ifname"] == "eth0",
    );
    both_kinds(&path);
}

#[test]
fn packets_are_chosen() {
    let room = Room::new();
    let path = room.file(
        "zoo.pcapng",
        super::zoo(netdiag_tests::pcap::Order::Little).bytes(),
    );
    chosen(&path, &["--iface", "tun0"], |line| line["ifname"] == "tun0");
    both_kinds(&path);
    // A reason that is not there is no silence: those that are there are named.
    let said = Said::of(&["--reason", "nosocket", DUMP]);
    assert_eq!((said.code, said.packets.len()), (Some(0), 0));
    let words = "no drop has the reason nosocket; there are: IP_INHDR";
    assert!(said.stderr.contains(words), "{}", said.stderr);
    // Nobody says of them that they were dropped.
    for options in [["--reason", "NO_SOCKET"], ["--netns", "1"]] {
        let said = Said::of(&[&options[..], &[&path]].concat());
        assert_eq!(said.code, Some(0));
        assert!(said.stderr.contains("leave it out"), "{}", said.stderr);
        assert_eq!(
            (said.packets.len(), said.ledger("filtered")),
            (0, said.ledger("seen"))
        );
    }
}

/// What chooses drops and other packets alike. The tunnelled packets' own addresses count, too.
fn both_kinds(path: &str) {
    let has = |line: &Value, keys: [&str; 2], value: &Value| {
        keys.iter().any(|key| &line["packet"][key] == value)
    };
    // Inside of a tunnel, too; no other bytes of these packets look like this. Where the version is wrong nobody knows
    // what are addresses.
    let address = |line: &Value, bytes: &str| {
        let hex = line["packet"]["hex"].as_str();
        hex.is_some_and(|hex| hex.contains(bytes)) && !line["packet"]["src"].is_null()
    };
    let port = |line: &Value, port: u16| has(line, ["sport", "dport"], &port.into());
    chosen(path, &["--host", "2001:db8::1"], |line| {
        address(line, "20010db8000000000000000000000001")
    });
    chosen(path, &["--host", "198.51.100.7"], |line| {
        address(line, "c6336407")
    });
    chosen(path, &["--port", "8888"], |line| port(line, 8888));
    chosen(path, &["--port", "8888", "--port", "40003"], |line| {
        port(line, 8888) || port(line, 40003)
    });
    chosen(path, &["--port", "8888", "--host", "192.0.2.1"], |line| {
        port(line, 8888) && address(line, "c0000201")
    });
    chosen(path, &["--malformed"], |line| {
        !line["packet"]["malformed"].is_null()
    });
}

#[test]
fn reading_stops_after_so_many() {
    let room = Room::new();
    let path = room.file("drops.pcapng", drops().bytes());
    for (count, file) in [(1, path.as_str()), (7, &path), (7, DUMP)] {
        let text = count.to_string();
        let said = Said::well(&["--count", &text, file]);
        assert_eq!(said.packets, Said::well(&[file]).packets[..count]);
        said.assert_balanced();
    }
    // Chosen ones are counted, and all of the files.
    let said = Said::well(&[
        "--count",
        "30",
        "--reason",
        "NO_SOCKET",
        &path,
        &path,
        &path,
        &path,
        &path,
    ]);
    assert_eq!(said.packets.len(), 30);
    said.assert_balanced();
    let said = Said::well(&["--count", "1000", &path]);
    assert_eq!(said.packets.len(), packet::all().len());
}

#[test]
fn hex_is_what_was_captured() {
    let room = Room::new();
    let path = room.file("drops.pcapng", drops().bytes());
    for (line, frame) in Said::well(&["--hex", &path])
        .packets
        .iter()
        .zip(packet::all())
    {
        let digits: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(line["packet"]["hex"], digits);
    }
}

#[test]
fn wrong_options_are_told_with_status_2() {
    let wrong: [&[&str]; 9] = [
        &["read"],
        &["read", DUMP, "--host", "nowhere"],
        &["read", DUMP, "--port", "0"],
        &["read", DUMP, "--count", "0"],
        &["read", DUMP, "--netns", "name"],
        &["read", DUMP, "--hex"],
        &["read", DUMP, "--each", "--json"],
        &["read", DUMP, "--force"],
        &["read", DUMP, "-w", "x", "--rotate-files", "2"],
    ];
    for arguments in wrong {
        let ended = run(arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
    }
}
