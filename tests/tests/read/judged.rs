//! What tshark, capinfos and tcpdump make of captures and of what netdiag makes of them: they must read all of it, and
//! see what netdiag says.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use netdiag::capture::{Item, Reader};
use netdiag_tests::judge::{fields, judge};
use netdiag_tests::pcap::{Order, PcapFile, Variant};
use netdiag_tests::{Room, Said, packet};
use serde_json::{Value, json};

use super::{DUMP, TIME, zoo};

const FIELDS: [&str; 17] = [
    "frame.number",
    "frame.time_epoch",
    "frame.len",
    "frame.cap_len",
    "frame.encap_type",
    "frame.interface_name",
    "_ws.malformed",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "arp.src.proto_ipv4",
    "arp.dst.proto_ipv4",
    "udp.srcport",
    "udp.dstport",
    "tcp.srcport",
    "tcp.dstport",
];

/// `LINKTYPE_*` and how tshark numbers the same (`WTAP_ENCAP_*` of its wtap.h).
const LINK_TYPES: [(u16, &str); 8] = [
    (0, "15"),
    (1, "1"),
    (101, "7"),
    (108, "174"),
    (113, "25"),
    (228, "129"),
    (229, "130"),
    (276, "210"),
];

/// What a file says of its packets that `read --json` does not repeat.
#[derive(Debug)]
struct Envelope {
    time: String,
    link_type: u16,
    interface: u32,
    captured: usize,
    comments: Vec<String>,
}

fn envelopes(path: &str) -> Vec<Envelope> {
    let mut reader = Reader::new(File::open(path).expect("a file")).expect("a capture");
    let mut envelopes = Vec::new();
    while let Some(item) = reader.next() {
        let Item::Packet(packet) = item.expect("a whole file") else {
            continue;
        };
        let time = packet.time_ns.unwrap_or(0);
        envelopes.push(Envelope {
            time: format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000),
            link_type: packet.interface.link_type,
            interface: packet.interface.number,
            captured: packet.data.len(),
            comments: packet
                .comments
                .iter()
                .map(|text| text.clone().into_owned())
                .collect(),
        });
    }
    envelopes
}

/// The captures of the repository, and those that are made here: of every link type.
fn captures(room: &Room) -> Vec<String> {
    let directory = Path::new(DUMP).parent().expect("a directory");
    let mut paths: Vec<_> = fs::read_dir(directory)
        .expect("captures/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.push(room.file("zoo.pcapng", zoo(Order::Big).bytes()));
    for (link_type, _) in LINK_TYPES {
        let file = PcapFile::new(Order::Little, Variant::Nano, link_type.into());
        let file = (0..)
            .zip(packet::all())
            .fold(file, |file, (number, frame)| {
                match dressed(link_type, &frame) {
                    Some(data) => file.packet(TIME + number, &data),
                    None => file,
                }
            });
        paths.push(room.file(&format!("link-{link_type}.pcap"), file.bytes()));
    }
    paths
}

/// An Ethernet frame with another header; `None` where that has no word for what it carries.
fn dressed(link_type: u16, frame: &[u8]) -> Option<Vec<u8>> {
    let (ethertype, rest) = (&frame[12..14], &frame[14..]);
    let version = match ethertype {
        [0x08, 0x00] => 4,
        [0x86, 0xdd] => 6,
        _ => 0,
    };
    let header: Vec<u8> = match (link_type, version) {
        (1, _) => return Some(frame.to_vec()),
        (113, _) => [&[0, 0, 0, 1, 0, 6][..], &frame[6..12], &[0, 0], ethertype].concat(),
        (276, _) => [
            ethertype,
            &[0, 0, 0, 0, 0, 3, 0, 1, 4, 6],
            &frame[6..12],
            &[0, 0],
        ]
        .concat(),
        (0, 4) => vec![2, 0, 0, 0],
        (0, 6) => vec![30, 0, 0, 0],
        (108, 4) => vec![0, 0, 0, 2],
        (108, 6) => vec![0, 0, 0, 24],
        (101, 4 | 6) | (228, 4) | (229, 6) => Vec::new(),
        _ => return None,
    };
    Some([&header, rest].concat())
}

/// Asserts that tshark and capinfos see what netdiag says of a file.
fn agree(path: &str) -> Said {
    let said = Said::well(&[path]);
    let envelopes = envelopes(path);
    let rows = fields(path, &[], &FIELDS);
    assert_eq!(
        (rows.len(), envelopes.len()),
        (said.packets.len(), said.packets.len()),
        "{path}"
    );
    let count = judge("capinfos", &["-c", "-M", "-T", "-r", path]);
    assert!(
        count.trim_end().ends_with(&format!("\t{}", rows.len())),
        "{count}"
    );
    for ((row, line), envelope) in rows.iter().zip(&said.packets).zip(&envelopes) {
        let tshark: HashMap<_, _> = FIELDS
            .into_iter()
            .zip(row.iter().map(String::as_str))
            .collect();
        let context = format!(
            "{path}, packet {}: {line}, {envelope:?}",
            tshark["frame.number"]
        );
        assert_eq!(tshark["frame.time_epoch"], envelope.time, "{context}");
        assert_eq!(
            tshark["frame.cap_len"],
            envelope.captured.to_string(),
            "{context}"
        );
        let link_type = LINK_TYPES
            .iter()
            .find(|(link_type, _)| *link_type == envelope.link_type);
        assert_eq!(
            Some(tshark["frame.encap_type"]),
            link_type.map(|(_, number)| *number),
            "{context}"
        );
        if let Some(ifname) = line["ifname"].as_str() {
            assert_eq!(tshark["frame.interface_name"], ifname, "{context}");
        }
        let packet = packet(line);
        if packet["malformed"].is_null() {
            assert_eq!(tshark["_ws.malformed"], "", "{context}");
            assert_addresses(&tshark, &packet, &context);
        }
    }
    said
}

/// The packet of a line; of a retransmission it is what the line itself says.
fn packet(line: &Value) -> Value {
    if line["kind"] != "retrans" {
        return line["packet"].clone();
    }
    let six = line["src"].as_str().is_some_and(|src| src.contains(':'));
    json!({
        "protocol": if six { "ipv6" } else { "ipv4" },
        "src": line["src"],
        "dst": line["dst"],
        "ip_proto": "tcp",
        "sport": line["sport"],
        "dport": line["dport"],
    })
}

fn assert_addresses(tshark: &HashMap<&str, &str>, packet: &Value, context: &str) {
    let keys = match packet["protocol"].as_str() {
        Some("ipv4") => ["ip.src", "ip.dst"],
        Some("ipv6") => ["ipv6.src", "ipv6.dst"],
        Some("arp") => ["arp.src.proto_ipv4", "arp.dst.proto_ipv4"],
        _ => return,
    };
    let text = |key: &str| packet[key].as_str().unwrap_or_default();
    assert_eq!(
        keys.map(|key| tshark[key]),
        [text("src"), text("dst")],
        "{context}"
    );
    let keys = match packet["ip_proto"].as_str() {
        Some("udp") => ["udp.srcport", "udp.dstport"],
        Some("tcp") => ["tcp.srcport", "tcp.dstport"],
        // What a tunnel or an ICMP error carries has ports of its own.
        _ => return,
    };
    let number = |key: &str| {
        packet[key]
            .as_u64()
            .map_or_else(String::new, |port| port.to_string())
    };
    assert_eq!(
        keys.map(|key| tshark[key]),
        [number("sport"), number("dport")],
        "{context}"
    );
}

/// Asserts that tcpdump reads a file of one link type and prints the addresses that netdiag says.
fn tcpdump_agrees(path: &str, said: &Said) {
    let text = judge("tcpdump", &["-nn", "-t", "-q", "-r", path]);
    // What follows on more lines is indented.
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .collect();
    assert_eq!(lines.len(), said.packets.len(), "{path}: {text}");
    for (line, packet) in lines.iter().zip(&said.packets) {
        let packet = &packet["packet"];
        let (name, dot) = match packet["protocol"].as_str() {
            Some("ipv4") => ("IP", '.'),
            Some("ipv6") => ("IP6", '.'),
            _ => continue,
        };
        if !packet["malformed"].is_null() {
            continue;
        }
        let end = |address: &str, port: &str| {
            let address = packet[address].as_str().unwrap_or_default();
            match packet[port].as_u64() {
                Some(port) => format!("{address}{dot}{port}"),
                None => address.to_owned(),
            }
        };
        let both = format!("{name} {} > {}:", end("src", "sport"), end("dst", "dport"));
        assert!(line.contains(&both), "{path}: {both} in {line}");
    }
}

#[test]
fn the_judges_read_what_netdiag_reads_and_writes() {
    let room = Room::new();
    for path in captures(&room) {
        let said = agree(&path);
        let original = envelopes(&path);
        let first = &original[0];
        // libpcap compares raw IP of a second interface with its own number for it, and refuses what is the same.
        let single = original.iter().all(|envelope| {
            envelope.link_type == first.link_type
                && (first.link_type != 101 || envelope.interface == first.interface)
        });
        if single {
            tcpdump_agrees(&path, &said);
        }
        let (native, cooked) = (room.path("native.pcapng"), room.path("cooked.pcapng"));
        Said::well(&["-q", "--force", &path, "-w", &native]);
        Said::well(&["-q", "--force", &path, "-w", &cooked, "--link-type", "sll2"]);
        for saved in [&native, &cooked] {
            let again = agree(saved);
            let envelopes = envelopes(saved);
            for (envelope, original) in envelopes.iter().zip(&original) {
                assert_eq!(
                    (&envelope.time, &envelope.comments),
                    (&original.time, &original.comments),
                    "{path}"
                );
                let expected = if saved == &native {
                    original.link_type
                } else {
                    276
                };
                assert_eq!(envelope.link_type, expected, "{path}");
            }
            if saved == &native {
                assert_eq!(
                    (&again.packets, &again.findings),
                    (&said.packets, &said.findings)
                );
            }
        }
        if single {
            tcpdump_agrees(&native, &said);
        }
        tcpdump_agrees(&cooked, &Said::well(&[&cooked]));
    }
}

#[test]
fn what_was_found_out_is_there_to_be_seen_and_filtered() {
    let expected = Said::well(&[DUMP]);
    let room = Room::new();
    let cooked = room.path("cooked.pcapng");
    Said::well(&["-q", DUMP, "-w", &cooked, "--link-type", "sll2"]);
    for path in [DUMP, &cooked] {
        // The words of docs: each comment is a field of its own, and equality is with any of them.
        for filter in [
            "frame.comment == \"Reason: IP_INHDR\"",
            "frame.comment == \"Finding: ethernet-on-l3-device\"",
            "frame.comment contains \"Malformed: ip-version\"",
            "frame.comment matches \"^Location: ip_rcv_core\"",
            "frame.interface_name == \"tun0\"",
        ] {
            let rows = fields(path, &["-Y", filter], &["frame.number"]);
            assert_eq!(rows.len(), expected.packets.len(), "{filter}");
        }
        assert_eq!(
            fields(
                path,
                &["-Y", "frame.comment == \"IP_INHDR\""],
                &["frame.number"]
            )
            .len(),
            0
        );
        let options = ["-E", "occurrence=a", "-E", "aggregator=|"];
        let rows = fields(path, &options, &["frame.comment"]);
        for (row, line) in rows.iter().zip(&expected.packets) {
            let comments: Vec<_> = row[0].split('|').collect();
            let says = |key: &str, value: &Value| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let comment = format!("{key}: {value}");
                assert!(
                    comments.contains(&comment.as_str()),
                    "{comment} in {comments:?}"
                );
            };
            says("Reason", &line["reason"]);
            says("Location", &line["location"]);
            says("Finding", &line["finding"]);
            says("Namespace", &line["netns"]);
            says("Uid", &line["uid"]);
        }
    }
}

#[test]
fn a_cooked_packet_says_what_its_frame_said() {
    let room = Room::new();
    let path = room.file("zoo.pcapng", zoo(Order::Little).bytes());
    let cooked = room.path("cooked.pcapng");
    Said::well(&["-q", &path, "-w", &cooked, "--link-type", "sll2"]);
    let names = [
        "frame.interface_name",
        "eth.src",
        "eth.type",
        "vlan.id",
        "ip.id",
        "udp.checksum",
    ];
    let before = fields(&path, &[], &names);
    let names = [
        "frame.interface_name",
        "sll.src.eth",
        "sll.etype",
        "vlan.id",
        "ip.id",
        "udp.checksum",
    ];
    let after = fields(&cooked, &[], &names);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before[0], &before[3..]), (&after[0], &after[3..]));
        // An Ethernet frame inside of a tunnel has none that goes into the cooked header.
        if before[0] == "eth0" {
            assert_eq!(before[1..3], after[1..3]);
        }
    }
}

#[test]
fn a_cooked_packet_stays_as_it_is() {
    let room = Room::new();
    let file = PcapFile::new(Order::Little, Variant::Nano, 276);
    let frames = packet::all().into_iter();
    let cooked = frames.map(|frame| dressed(276, &frame).expect("any protocol"));
    let file = cooked.fold(file, |file, data| file.packet(TIME, &data));
    let path = room.file("cooked.pcap", file.bytes());
    for link_type in ["native", "sll2"] {
        let saved = room.path(link_type);
        Said::well(&["-q", &path, "-w", &saved, "--link-type", link_type]);
        let bytes = [&path, &saved].map(|path| Said::well(&["--hex", path]).packets);
        assert_eq!(bytes[0], bytes[1]);
    }
}

#[test]
fn a_frame_that_was_cut_is_no_malformed_one() {
    let room = Room::new();
    let frame = packet::udp(1, 2, &[7; 1000]);
    let file = PcapFile::new(Order::Little, Variant::Nano, packet::ETHERNET.into());
    let file = [60, 100, 500].into_iter().fold(file, |file, length: u32| {
        let data = &frame[..length as usize];
        file.claim(TIME, length, 1042, data)
    });
    let path = room.file("cut.pcap", file.bytes());
    let said = agree(&path);
    for (line, row) in said.packets.iter().zip(fields(&path, &[], &["frame.len"])) {
        assert_eq!(line["len"].to_string(), row[0]);
        assert!(line["packet"]["malformed"].is_null(), "{line}");
    }
}
