//! Times: every resolution, offsets, and moments that no calendar has.

use netdiag_tests::pcap::Order;
use netdiag_tests::pcapng::{PcapngFile, code};
use netdiag_tests::{Room, Said, packet, run};
use serde_json::Value;

/// Of each: resolution, offset, stamp, and what netdiag says.
const TIMES: [(u8, i64, u64, Option<&str>); 17] = [
    (0, 0, 1_700_000_000, Some("2023-11-14T22:13:20.000000000Z")),
    (
        3,
        0,
        1_700_000_000_123,
        Some("2023-11-14T22:13:20.123000000Z"),
    ),
    (
        6,
        0,
        1_700_000_000_123_456,
        Some("2023-11-14T22:13:20.123456000Z"),
    ),
    (
        9,
        0,
        1_700_000_000_123_456_789,
        Some("2023-11-14T22:13:20.123456789Z"),
    ),
    (
        12,
        1_700_000_000,
        123_456_789_999,
        Some("2023-11-14T22:13:20.123456789Z"),
    ),
    (
        19,
        1_700_000_000,
        u64::MAX,
        Some("2023-11-14T22:13:21.844674407Z"),
    ),
    (
        127,
        1_700_000_000,
        u64::MAX,
        Some("2023-11-14T22:13:20.000000000Z"),
    ),
    (
        0x80,
        0,
        1_700_000_000,
        Some("2023-11-14T22:13:20.000000000Z"),
    ),
    (
        0x80 | 63,
        1_700_000_000,
        u64::MAX,
        Some("2023-11-14T22:13:21.999999999Z"),
    ),
    (
        0xff,
        1_700_000_000,
        u64::MAX,
        Some("2023-11-14T22:13:20.000000000Z"),
    ),
    // The last and the first moment that RFC 3339 can say in every time zone, and those beside them.
    (
        0,
        0,
        253_402_207_199,
        Some("9999-12-30T21:59:59.000000000Z"),
    ),
    (0, 0, 253_402_207_200, None),
    (
        0,
        -62_167_219_201,
        1,
        Some("0000-01-01T00:00:00.000000000Z"),
    ),
    (0, -62_167_219_202, 1, None),
    (0, 0, u64::MAX, None),
    (6, i64::MAX, 1, None),
    (6, i64::MIN, 1, None),
];

#[test]
fn every_resolution_and_offset() {
    let frame = packet::udp(1, 2, b"some bytes");
    for order in [Order::Little, Order::Big] {
        let mut file = PcapngFile::new(order);
        for (resolution, offset, _, _) in TIMES {
            let options: [(u16, &[u8]); 2] = [
                (code::IF_TSRESOL, &[resolution]),
                (code::IF_TSOFFSET, &order.u64(offset.cast_unsigned())),
            ];
            file = file.interface(packet::ETHERNET, 0, &options);
        }
        for (id, (_, _, stamp, _)) in (0..).zip(TIMES) {
            file = file.packet(id, stamp, &frame, &[]);
        }
        let room = Room::new();
        let path = room.file("times.pcapng", file.bytes());
        let said = Said::well(&[&path]);
        assert_eq!(said.packets.len(), TIMES.len());
        for (packet, times) in said.packets.iter().zip(TIMES) {
            assert_eq!(packet["time"].as_str(), times.3, "{times:?}");
            // No key at all, and not `null`.
            assert_ne!(packet.get("time"), Some(&Value::Null));
        }
        said.assert_balanced();
        // Lines are as wide as ever.
        let each = run(&["read", "--each", &path]);
        assert_eq!((each.code, each.stderr.as_str()), (Some(0), ""));
    }
}
