//! What an interface's options say, and what they make of its time stamps.

use super::option;
use crate::capture::{option as code, reader::Interface};
use pcap_parser::PcapNGOption;
use std::ops::Range;

/// What is kept of a name.
const LONGEST_NAME: usize = 256;

/// The moments that RFC 3339 can say, in nanoseconds since 1970: from the year 0 on, and up to where the year 10000
/// begins somewhere on Earth (9999-12-30T22:00:00Z).
const CALENDAR: Range<i128> = -62_167_219_200_000_000_000..253_402_207_200_000_000_000;

/// What the options of an interface say.
pub(super) fn described(options: &[PcapNGOption<'_>], big_endian: bool) -> Interface {
    let name = option::text(options, code::IF_NAME).map(|name| {
        let mut name = name.into_owned();
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        name
    });
    let offset = option::bytes(options, code::IF_TSOFFSET)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| {
            if big_endian {
                i64::from_be_bytes(*bytes)
            } else {
                i64::from_le_bytes(*bytes)
            }
        });
    let resolution = option::bytes(options, code::IF_TSRESOL).and_then(|bytes| bytes.first());
    Interface {
        name: name.filter(|name| !name.is_empty()),
        resolution: resolution.copied().unwrap_or(6),
        offset,
        ..Interface::default()
    }
}

impl Interface {
    /// A time stamp as nanoseconds since 1970 UTC; `None` where it was not set, or no calendar has that moment.
    pub(super) fn time_ns(&self, stamp: u64) -> Option<i128> {
        const NANO: u32 = 9;
        const BINARY: u8 = 0x80;
        if stamp == 0 {
            return None;
        }
        let stamp = i128::from(stamp);
        let digits = u32::from(self.resolution & !BINARY);
        let since = if self.resolution & BINARY != 0 {
            // Below 2^64 times 2^30: it fits, and the shift is below 128.
            (stamp * 1_000_000_000) >> digits
        } else if digits <= NANO {
            stamp * 10i128.pow(NANO - digits)
        } else {
            10i128
                .checked_pow(digits - NANO)
                .map_or(0, |unit| stamp / unit)
        };
        let time = since + i128::from(self.offset) * 1_000_000_000;
        CALENDAR.contains(&time).then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::Interface;

    fn time(resolution: u8, offset: i64, stamp: u64) -> Option<i128> {
        Interface {
            resolution,
            offset,
            ..Interface::default()
        }
        .time_ns(stamp)
    }

    #[test]
    fn every_time_resolution() {
        assert_eq!(
            time(6, 0, 1_700_000_000_123_456),
            Some(1_700_000_000_123_456_000)
        );
        assert_eq!(
            time(9, 0, 1_700_000_000_123_456_789),
            Some(1_700_000_000_123_456_789)
        );
        assert_eq!(time(0, 5, 1_700_000_000), Some(1_700_000_005_000_000_000));
        assert_eq!(time(12, 0, 5_000), Some(5));
        assert_eq!(time(0x80 | 10, 0, 1024 + 512), Some(1_500_000_000));
        assert_eq!(time(127, 1, u64::MAX), Some(1_000_000_000));
        assert_eq!(time(0xff, 1, u64::MAX), Some(1_000_000_000));
        assert_eq!(time(0, 0, u64::MAX), None);
        assert_eq!(time(6, i64::MAX, 1), None);
        assert_eq!(time(6, i64::MIN, 1), None);
        assert_eq!(time(6, 0, 0), None);
    }
}
