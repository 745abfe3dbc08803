//! After other tools have had a file: comments survive them, and with the comments the drops.

use netdiag_tests::judge::judge;
use netdiag_tests::pcap::Order;
use netdiag_tests::{Room, Said};

use super::{DUMP, zoo};

/// What of a line no pcap can say.
const NOT_IN_PCAP: [&str; 1] = ["ifname"];

#[test]
fn editcap_makes_pcap_of_it() {
    let room = Room::new();
    // One link type a file: only the packets of the first interface.
    let path = room.file("zoo.pcapng", zoo(Order::Big).bytes());
    let eth0 = room.path("eth0.pcapng");
    let cut = Said::well(&["-q", "--iface", "eth0", "--hex", &path, "-w", &eth0]);
    for format in ["pcap", "nsecpcap"] {
        let made = room.path(format);
        judge("editcap", &["-F", format, &eth0, &made]);
        let said = Said::well(&["--hex", &made]);
        said.assert_balanced();
        if format == "nsecpcap" {
            assert_eq!(said.packets, cut.without(&NOT_IN_PCAP));
        } else {
            assert_eq!(said.without(&["time"]), cut.without(&["time", "ifname"]));
            for (said, cut) in said.packets.iter().zip(&cut.packets) {
                let micro =
                    |line: &serde_json::Value| line["time"].as_str().unwrap()[..26].to_owned();
                assert_eq!(micro(said), micro(cut));
            }
        }
    }
}

#[test]
fn drops_stay_drops_in_pcapng() {
    let room = Room::new();
    let expected = Said::well(&[DUMP]);
    assert_eq!(expected.packets[0]["reason"], "IP_INHDR");
    assert_eq!(expected.packets[0]["finding"], "ethernet-on-l3-device");
    let edited = room.path("edited.pcapng");
    judge("editcap", &["-F", "pcapng", DUMP, &edited]);
    let said = Said::of(&[&edited]);
    assert_eq!((said.code, &said.packets), (Some(0), &expected.packets));
    assert_eq!(said.ledger("seen"), 57);
    said.assert_balanced();
    // What the run came to was in the statistics, which editcap leaves out.
    assert!(
        said.stderr.contains("the end of its run"),
        "{}",
        said.stderr
    );
    let cooked = room.path("cooked.pcapng");
    Said::well(&["-q", DUMP, "-w", &cooked, "--link-type", "sll2"]);
    judge("editcap", &["-F", "pcapng", &cooked, &edited]);
    assert_eq!(Said::of(&[&edited]).packets, expected.packets);
    // A pcap has no room for what was found out, and still the packets.
    judge("editcap", &["-F", "nsecpcap", DUMP, &edited]);
    let said = Said::well(&["--hex", &edited]);
    let bytes = Said::well(&["--hex", DUMP]);
    for (said, dropped) in said.packets.iter().zip(&bytes.packets) {
        assert_eq!(said["kind"], "packet");
        assert_eq!(
            (&said["packet"]["hex"], &said["time"]),
            (&dropped["packet"]["hex"], &dropped["time"])
        );
    }
}

#[test]
fn mergecap_mixes_captures_and_dumps() {
    let room = Room::new();
    let path = room.file("zoo.pcapng", zoo(Order::Little).bytes());
    let expected = [Said::well(&[&path]).packets, Said::well(&[DUMP]).packets].concat();
    let merged = room.path("merged.pcapng");
    // One after the other: the older capture comes first by its times, too.
    for order in [&[&path, DUMP], &[DUMP, &path]] {
        judge(
            "mergecap",
            &["-F", "pcapng", "-w", &merged, order[0], order[1]],
        );
        let said = Said::of(&[&merged]);
        assert_eq!((said.code, &said.packets), (Some(0), &expected));
        said.assert_balanced();
    }
    judge("mergecap", &["-F", "pcapng", "-w", &merged, DUMP, DUMP]);
    let said = Said::of(&[&merged]);
    assert_eq!((said.code, said.packets.len()), (Some(0), 114));
    assert!(
        said.packets
            .iter()
            .all(|packet| packet["reason"] == "IP_INHDR")
    );
    assert_eq!(said.findings.len(), 1);
}
