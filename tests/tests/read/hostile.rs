//! Files that were made to do harm: notes that look like netdiag's, with numbers and texts that no run has.

use netdiag_tests::pcap::Order;
use netdiag_tests::pcapng::{PcapngFile, code};
use netdiag_tests::{Ended, Room, Said, packet, run};

use super::{TIME, comments, run_starts};

const MOST: u64 = u64::MAX;

/// Every way that a user may look at it, and into another dump; none of them may fail.
fn look(file: &PcapngFile) -> Said {
    let room = Room::new();
    let path = room.file("hostile.pcapng", file.bytes());
    let (native, cooked) = (room.path("native"), room.path("cooked"));
    let ways: [&[&str]; 6] = [
        &[],
        &["--each"],
        &["-v"],
        &["--json", "--hex"],
        &["-q", "-w", &native],
        &["-q", "-w", &cooked, "--link-type", "sll2"],
    ];
    for way in ways {
        let Ended {
            code,
            stdout,
            stderr,
        } = run(&[&["read", &path], way].concat());
        assert_eq!(code, Some(0), "{way:?}: {stderr}");
        // In JSON a program reads what ASCII does not have.
        let json = way.contains(&"--json");
        let obeyed = |c: char| {
            c != '\n'
                && if json {
                    c.is_ascii_control()
                } else {
                    c.is_control()
                }
        };
        assert!(
            !stdout.contains(obeyed) && !stderr.contains(obeyed),
            "{way:?}: {stdout}{stderr}"
        );
    }
    let said = Said::of(&[&path]);
    let again = Said::of(&[&native]);
    let packets = (again.code, &again.packets);
    assert_eq!(packets, (Some(0), &said.packets), "{}", again.stderr);
    // A cooked header has no room for all of an Ethernet header.
    let again = Said::of(&[&cooked]);
    let packets = (again.code, again.packets.len());
    assert_eq!(packets, (Some(0), said.packets.len()), "{}", again.stderr);
    said
}

fn with_notes(notes: &[Vec<String>]) -> PcapngFile {
    let frame = packet::udp(1, 2, b"some bytes");
    let start = run_starts().interface(packet::ETHERNET, 0, &[(code::IF_NAME, b"eth0")]);
    notes.iter().fold(start, |file, note| {
        file.packet(0, TIME / 1000, &frame, &comments(note))
    })
}

#[test]
fn numbers_of_drops_may_be_anything() {
    let drop = |words: &str| vec![format!("Netdiag: drop probe=kfree_skb link={words}")];
    let mut notes = Vec::new();
    for link in ["ethernet", "ip", "unknown"] {
        for offset in ["0", "14", "57", "4294967295", "18446744073709551615"] {
            notes.push(drop(&format!(
                "{link} network_offset={offset} cpu=4294967295 ifindex=4294967295 dev_type=65535 vlan=65535 \
                 header_check=255 other_host=1 unread=0 protocol=0xffff head=ffffff"
            )));
        }
    }
    let head = format!("ip network_offset=4000 head={}", "ff".repeat(4000));
    notes.push(drop(&head));
    notes.push(vec![
        "Namespace: 4294967295".into(),
        "Uid: 4294967295".into(),
        "Process: 4294967295 x".into(),
        format!("Cgroup: {MOST} /"),
        drop("ip")[0].clone(),
    ]);
    let said = look(&with_notes(&notes));
    let drops = said
        .packets
        .iter()
        .filter(|packet| packet["kind"] == "drop");
    assert_eq!(drops.count(), notes.len());
    said.assert_balanced();
}

#[test]
fn notes_that_cannot_be_netdiags_are_a_strangers() {
    let drop = |words: &str| vec![format!("Netdiag: drop {words}")];
    let notes = [
        drop("probe=kfree_skb link=token-ring"),
        drop("link=ip"),
        drop("probe=kfree_skb link=ip head=f"),
        drop("probe=kfree_skb link=ip head=zz"),
        drop("probe=kfree_skb link=ip head=ü1"),
        drop("probe=kfree_skb link=ip head=+f"),
        drop(&format!(
            "probe=kfree_skb link=ip head={}",
            "ff".repeat(30_000)
        )),
        vec!["Netdiag: ".to_owned()],
        vec![String::new()],
    ];
    let said = look(&with_notes(&notes));
    let packets = said
        .packets
        .iter()
        .filter(|packet| packet["kind"] == "packet");
    assert_eq!(packets.count(), notes.len());
    said.assert_balanced();
}

#[test]
fn texts_may_be_anything() {
    let evil = "\\u{1b}[2J\\u{d}\u{202e}\u{9b}31m\u{1b}]0;x\u{7}";
    let note = vec![
        format!("Reason: {evil}"),
        format!("Location: {evil}+0x1"),
        format!("Process: 7 {evil}"),
        format!("Cgroup: 1 /{evil}"),
        format!("Netdiag: drop probe={evil} link=ethernet"),
    ];
    let plain = vec![format!("a comment {evil}")];
    look(&with_notes(&[note, plain]));
    let options = [(code::IF_NAME, evil.as_bytes())];
    let file = PcapngFile::new(Order::Little).interface(packet::ETHERNET, 0, &options);
    let said = look(&file.packet(0, 1, &packet::udp(1, 2, b""), &[]));
    assert_eq!(said.packets[0]["ifname"], evil);
}

#[test]
fn what_a_run_came_to_may_be_anything() {
    let end = [
        "Netdiag-End: 1".to_owned(),
        format!("Duration: {MOST} ns"),
        format!(
            "Ledger: seen={MOST} reported={MOST} filtered={MOST} sampled_out={MOST} lost={MOST}"
        ),
        "Interrupted: yes".to_owned(),
        "Counters-Compared: yes".to_owned(),
        format!("Counter: IpInHdrErrors netns=4294967295 delta={MOST} explained={MOST}"),
        format!("Counter: rx_dropped delta=1 explained={MOST} ifname=eth0\\u{{1b}}[2J"),
        format!("Icmp-Echoes: received={MOST} by=hook replied={MOST}"),
        format!("Icmp6-Echoes: received={MOST} by=counter replied=0"),
        format!(
            "Header-Check: ip_rcv_core calls={MOST} refused={MOST} malformed={MOST} accepted={MOST}"
        ),
        format!("Header-Checks-Missed: {MOST}"),
        format!("Header-Check-Price: {MOST} ns"),
        "Namespace-Name: 4294967295 \u{1b}[2J".to_owned(),
    ];
    let drop = vec![
        "Reason: IP_INHDR".into(),
        "Netdiag: drop probe=kfree_skb link=ethernet".into(),
    ];
    let mut file = with_notes(&[drop.clone(), drop]);
    for _ in 0..3 {
        file = file.statistics(&comments(&end));
    }
    let said = look(&file);
    assert_eq!((said.packets.len(), said.ledger("reported")), (2, 2));
    for column in ["seen", "filtered", "sampled_out", "lost"] {
        assert_eq!(said.ledger(column), MOST, "{}", said.summary);
    }
    assert!(
        said.stderr
            .contains("the ledger that the file has does not add up"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_cooked_header_that_is_not_there_makes_no_drop() {
    let note = ["Netdiag: drop probe=kfree_skb link=ip".to_owned()];
    let mut file = run_starts().interface(276, 0, &[]);
    for length in 0..24 {
        file = file.packet(0, 1, &[0x45; 24][..length], &comments(&note));
    }
    let said = look(&file);
    let kinds = said.packets.iter().map(|packet| packet["kind"] == "drop");
    assert_eq!(kinds.filter(|drop| *drop).count(), 4);
}

#[test]
fn every_link_type_and_length_is_taken() {
    let frame = packet::udp(1, 2, b"some bytes");
    for link_type in (0..300).chain([0x7fff, 0xffff]) {
        let mut file = PcapngFile::new(Order::Big).interface(link_type, 0, &[]);
        for length in [0, 1, 3, 4, 13, 14, 15, 16, 19, 20, 21, 33, 34, frame.len()] {
            file = file.packet(0, 1, &frame[..length], &[]);
        }
        if matches!(
            link_type,
            0 | 1 | 12 | 101 | 108 | 113 | 147 | 228 | 229 | 276 | 0xffff
        ) {
            look(&file);
            continue;
        }
        let room = Room::new();
        let said = Said::well(&[&room.file("link.pcapng", file.bytes())]);
        assert_eq!(said.packets.len(), 14, "link type {link_type}");
    }
}
