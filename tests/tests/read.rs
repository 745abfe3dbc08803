//! `netdiag read` on files of every kind: what is right, what is damaged, and what was made to do harm. Other people's
//! tools judge what it reads and what it writes.
//!
//! The real binary does it, but for the few tests that would start it ten thousand times: they use its reader.
#![expect(
    clippy::indexing_slicing,
    reason = "a key that a JSON value has not is null, and a failed assertion"
)]

use netdiag_tests::packet;
use netdiag_tests::pcap::Order;
use netdiag_tests::pcapng::{PcapngFile, code};

#[path = "read/block.rs"]
mod block;
#[path = "read/cut.rs"]
mod cut;
#[path = "read/dump.rs"]
mod dump;
#[path = "read/format.rs"]
mod format;
#[path = "read/hostile.rs"]
mod hostile;
#[path = "read/judged.rs"]
mod judged;
#[path = "read/memory.rs"]
mod memory;
#[path = "read/option.rs"]
mod option;
#[path = "read/stream.rs"]
mod stream;
#[path = "read/time.rs"]
mod time;
#[path = "read/tool.rs"]
mod tool;
#[path = "read/wrong.rs"]
mod wrong;

/// A small dump of netdiag's own: 57 drops, and what the run came to.
const DUMP: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../captures/ethernet-on-l3-device.pcapng"
);

/// A moment with nine digits: 2023-11-14T22:13:20.123456789Z.
const TIME: u64 = 1_700_000_000_123_456_789;

/// A capture of packets of all kinds on two interfaces: `eth0` with Ethernet, `tun0` without.
fn zoo(order: Order) -> PcapngFile {
    let nano: (u16, &[u8]) = (code::IF_TSRESOL, &[9]);
    let mut file = PcapngFile::new(order)
        .interface(packet::ETHERNET, 0, &[(code::IF_NAME, b"eth0"), nano])
        .interface(packet::RAW, 0, &[(code::IF_NAME, b"tun0"), nano]);
    let mut time = TIME;
    for frame in packet::all() {
        file = file.packet(0, time, &frame, &[]);
        // Raw IP has no way to say what else follows.
        if frame[12..14] == [0x08, 0x00] || frame[12..14] == [0x86, 0xdd] {
            file = file.packet(1, time + 1, packet::without_ethernet(&frame), &[]);
        }
        time += 1_000_001;
    }
    file
}

/// What a run came to that had these drops: `filtered` and `lost` ones beside them.
fn end(reported: u64, filtered: u64, lost: u64) -> Vec<String> {
    let seen = reported + filtered + lost;
    vec![
        "Netdiag-End: 1".to_owned(),
        "Duration: 2000000000 ns".to_owned(),
        format!(
            "Ledger: seen={seen} reported={reported} filtered={filtered} sampled_out=0 lost={lost}"
        ),
    ]
}

/// Comments as options.
fn comments(lines: &[String]) -> Vec<(u16, &[u8])> {
    lines
        .iter()
        .map(|line| (code::COMMENT, line.as_bytes()))
        .collect()
}

/// The section header of a run of netdiag.
fn run_starts() -> PcapngFile {
    let options: [(u16, &[u8]); 3] = [
        (3, b"Linux 6.18.5"),
        (4, b"netdiag 0.1.0"),
        (code::COMMENT, b"Netdiag-Run: drops part 1"),
    ];
    PcapngFile::default().section(Order::Little, &options)
}
