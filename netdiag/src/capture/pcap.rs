//! The classic pcap format: one header, one link type, packets.

use super::{
    error::Damage,
    input::{Input, MOST},
    reader::{Captured, Interface},
};
use pcap_parser::{
    LegacyPcapBlock, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};
use std::borrow::Cow;

/// Length of the file header in bytes.
const HEADER: usize = 24;

/// A pcap file.
pub(super) struct Pcap {
    header: PcapHeader,
    interface: Interface,
}

/// Whether bytes start a pcap file: either byte order, micro- and nanoseconds, and Kuznetzov's format.
pub(super) fn is_pcap(start: &[u8]) -> bool {
    const MAGIC: [u32; 5] = [
        0xa1b2_c3d4,
        0xd4c3_b2a1,
        0xa1b2_3c4d,
        0x4d3c_b2a1,
        0xa1b2_cd34,
    ];
    start
        .first_chunk()
        .is_some_and(|magic| MAGIC.contains(&u32::from_le_bytes(*magic)))
}

impl Pcap {
    pub(super) fn open(input: &mut Input) -> Result<Self, Damage> {
        let got = input.fill(HEADER)?;
        let truncated = Damage::Truncated {
            what: "the file header",
            needed: HEADER as u64,
            got: got as u64,
        };
        let Ok((_, header)) = parse_pcap_header(input.bytes()) else {
            return Err(truncated);
        };
        input.consume(HEADER);
        // The upper half says whether frames end with a check sequence.
        let link_type = u16::try_from(header.network.0 & 0xffff).unwrap_or(u16::MAX);
        Ok(Self {
            header,
            interface: Interface {
                link_type,
                ..Interface::default()
            },
        })
    }

    fn parse<'a>(&self, bytes: &'a [u8]) -> Option<LegacyPcapBlock<'a>> {
        let parsed = if self.header.is_modified_format() {
            parse_pcap_frame_modified(bytes)
        } else if self.header.is_bigendian() {
            parse_pcap_frame_be(bytes)
        } else {
            parse_pcap_frame(bytes)
        };
        Some(parsed.ok()?.1)
    }

    fn captured(&self, length: [u8; 4]) -> u32 {
        if self.header.is_bigendian() {
            u32::from_be_bytes(length)
        } else {
            u32::from_le_bytes(length)
        }
    }

    /// Whether the next packet is whole in these bytes, or a damage that can be told without reading on.
    pub(super) fn holds_packet(&self, bytes: &[u8]) -> bool {
        let length = bytes.get(8..).and_then(<[u8]>::first_chunk);
        let needed = length.and_then(|length| {
            let captured = usize::try_from(self.captured(*length)).ok()?;
            captured.checked_add(self.record_header())
        });
        needed.is_some_and(|needed| needed > MOST || bytes.len() >= needed)
    }

    fn record_header(&self) -> usize {
        if self.header.is_modified_format() {
            24
        } else {
            16
        }
    }

    /// How long the next packet is, once it is in the window; `None` at the end.
    pub(super) fn advance(&self, input: &mut Input) -> Result<Option<usize>, Damage> {
        let header = self.record_header();
        let got = input.fill(header)?;
        if got == 0 {
            return Ok(None);
        }
        let truncated = |needed: usize, got: usize| Damage::Truncated {
            what: "a packet",
            needed: needed as u64,
            got: got as u64,
        };
        let length = input.bytes().get(8..12).and_then(<[u8]>::first_chunk);
        let (Some(length), true) = (length, got >= header) else {
            return Err(truncated(header, got));
        };
        let captured = self.captured(*length);
        let needed = usize::try_from(captured)
            .ok()
            .and_then(|captured| captured.checked_add(header))
            .filter(|&needed| needed <= MOST)
            .ok_or(Damage::TooLong {
                what: "a packet",
                length: u64::from(captured),
                most: MOST - header,
            })?;
        let got = input.fill(needed)?;
        if got < needed {
            return Err(truncated(needed, got));
        }
        Ok(Some(needed))
    }

    /// The packet in the window.
    pub(super) fn packet<'a>(
        &'a self,
        bytes: &'a [u8],
        number: u64,
    ) -> Result<Captured<'a>, Damage> {
        let record = self.parse(bytes).ok_or(Damage::Malformed {
            what: "a packet",
            length: bytes.len(),
        })?;
        let fraction = if self.header.is_nanosecond_precision() {
            1
        } else {
            1000
        };
        let time_ns =
            i128::from(record.ts_sec) * 1_000_000_000 + i128::from(record.ts_usec) * fraction;
        Ok(Captured {
            number,
            time_ns: Some(time_ns).filter(|&time| time != 0),
            interface: &self.interface,
            data: record.data,
            len: usize::try_from(record.origlen).unwrap_or(usize::MAX),
            received: None,
            comments: Vec::<Cow<'_, str>>::new(),
        })
    }
}
