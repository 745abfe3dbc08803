//! pcapng: sections of blocks. Blocks and options that netdiag does not know are passed over.

use super::{
    error::Damage,
    input::{Input, MOST},
    note::{EndNote, RunNote},
    reader::{Captured, Interface},
};
use pcap_parser::{
    Block, OptionCode, PcapNGOption, nom::IResult, parse_block_be, parse_block_le,
    traits::PcapNGPacketBlock as _,
};
use std::{borrow::Cow, ops::Range};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// What packets were in before there were enhanced ones.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Blocks without packets that others write: names, journal entries, secrets, and what programs define for themselves.
const OF_NO_USE: [u32; 5] = [4, 9, 10, 0xbad, 0x4000_0bad];

/// What starts the fields of a section header, in its byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// The shortest block in bytes: type, length, and the length again at the end.
const LEAST: usize = 12;

/// Option codes that are the same in every block, and those of the blocks that are looked into.
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_OS: u16 = 3;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const IF_TSOFFSET: u16 = 14;
    pub(super) const EPB_FLAGS: u16 = 2;
}

/// More interfaces than this no section has; each costs memory.
const MOST_INTERFACES: usize = 1 << 16;

/// More options than this no block has; each costs memory, and an empty one has four bytes in the file.
const MOST_OPTIONS: usize = 1 << 16;

/// What is kept of an interface's name.
const LONGEST_NAME: usize = 256;

/// The moments that RFC 3339 can say, in nanoseconds since 1970: from the year 0 on, and up to where the year 10000
/// begins somewhere on Earth (9999-12-30T22:00:00Z).
const CALENDAR: Range<i128> = -62_167_219_200_000_000_000..253_402_207_200_000_000_000;

/// A pcapng file, up to a block.
#[derive(Default)]
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    unknown: u64,
}

/// What the next block is.
pub(super) enum Next {
    /// A packet, with its block's length.
    Packet(usize),
    /// A run of netdiag starts.
    Start(Box<RunNote>),
    /// A run of netdiag is over.
    End(Box<EndNote>),
}

pub(super) fn is_pcapng(start: &[u8]) -> bool {
    start.starts_with(&SECTION_HEADER.to_be_bytes())
}

impl Pcapng {
    /// Blocks of kinds that nobody here knows.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Goes on to the next block that says something; `None` at the end.
    pub(super) fn advance(&mut self, input: &mut Input) -> Result<Option<Next>, Damage> {
        while let Some((kind, length)) = self.header(input)? {
            if matches!(kind, ENHANCED_PACKET | SIMPLE_PACKET | PACKET) {
                return Ok(Some(Next::Packet(length)));
            }
            // What is inside of the others is nobody's business here, right or wrong.
            if !matches!(
                kind,
                SECTION_HEADER | INTERFACE_DESCRIPTION | INTERFACE_STATISTICS
            ) {
                self.unknown += u64::from(!OF_NO_USE.contains(&kind));
                input.consume(length);
                continue;
            }
            let bytes = input.bytes().get(..length).unwrap_or_default();
            let block = block(bytes, self.big_endian, kind)?;
            let next = match &block {
                Block::SectionHeader(section) => {
                    if section.major_version != 1 {
                        return Err(Damage::Version {
                            major: section.major_version,
                            minor: section.minor_version,
                        });
                    }
                    self.interfaces.clear();
                    let comments = comments(&section.options);
                    let text = |code| text(&section.options, code).unwrap_or_default();
                    let (application, os) = (text(option::SHB_USERAPPL), text(option::SHB_OS));
                    RunNote::parse(&application, &os, &comments)
                        .map(|run| Next::Start(Box::new(run)))
                }
                Block::InterfaceDescription(description) => {
                    if self.interfaces.len() == MOST_INTERFACES {
                        return Err(Damage::Interfaces(MOST_INTERFACES));
                    }
                    let link_type = u16::try_from(description.linktype.0 & 0xffff);
                    self.interfaces.push(Interface {
                        link_type: link_type.unwrap_or(u16::MAX),
                        number: u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX),
                        snaplen: description.snaplen,
                        ..interface(&description.options, self.big_endian)
                    });
                    None
                }
                Block::InterfaceStatistics(statistics) => {
                    EndNote::parse(&comments(&statistics.options))
                        .map(|end| Next::End(Box::new(end)))
                }
                _ => None,
            };
            input.consume(length);
            if next.is_some() {
                return Ok(next);
            }
        }
        Ok(None)
    }

    /// Type and length of the next block, once all of it is in the window; `None` at the end.
    fn header(&mut self, input: &mut Input) -> Result<Option<(u32, usize)>, Damage> {
        let got = input.fill(LEAST)?;
        if got == 0 {
            return Ok(None);
        }
        let truncated = |needed: usize, got: usize| Damage::Truncated {
            what: "a block",
            needed: needed as u64,
            got: got as u64,
        };
        let word = |bytes: &[u8], at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).copied();
        let bytes = input.bytes();
        let (Some(kind), Some(length), Some(order)) =
            (word(bytes, 0), word(bytes, 4), word(bytes, 8))
        else {
            return Err(truncated(LEAST, got));
        };
        if u32::from_be_bytes(kind) == SECTION_HEADER {
            self.big_endian = match u32::from_be_bytes(order) {
                BYTE_ORDER => true,
                other if other == BYTE_ORDER.swap_bytes() => false,
                other => return Err(Damage::ByteOrder(other)),
            };
        }
        let kind = self.int(kind);
        let length = self.int(length);
        let least = match kind {
            SECTION_HEADER => 28,
            ENHANCED_PACKET => 32,
            SIMPLE_PACKET => 16,
            PACKET => 32,
            _ => 12,
        };
        if length < least || !length.is_multiple_of(4) {
            return Err(Damage::BlockLength {
                kind,
                length,
                least,
            });
        }
        let needed = usize::try_from(length)
            .ok()
            .filter(|&needed| needed <= MOST)
            .ok_or(Damage::TooLong {
                what: "a block",
                length: u64::from(length),
                most: MOST,
            })?;
        let got = input.fill(needed)?;
        if got < needed {
            return Err(truncated(needed, got));
        }
        let end = word(input.bytes(), needed - 4).map_or(0, |end| self.int(end));
        if end != length {
            return Err(Damage::Lengths {
                kind,
                start: length,
                end,
            });
        }
        Ok(Some((kind, needed)))
    }

    /// Whether the next packet is whole in these bytes, or a damage that can be told without reading on.
    pub(super) fn holds_packet(&self, mut bytes: &[u8]) -> bool {
        let mut big_endian = self.big_endian;
        loop {
            let word = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).copied();
            let (Some(kind), Some(length)) = (word(0), word(4)) else {
                return false;
            };
            if u32::from_be_bytes(kind) == SECTION_HEADER {
                let Some(order) = word(8) else { return false };
                big_endian = u32::from_be_bytes(order) == BYTE_ORDER;
            }
            let (kind, length) = (int(big_endian, kind), int(big_endian, length));
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if !(LEAST..=MOST).contains(&length) {
                return true;
            }
            let Some(rest) = bytes.get(length..) else {
                return false;
            };
            if matches!(kind, ENHANCED_PACKET | SIMPLE_PACKET | PACKET) {
                return true;
            }
            bytes = rest;
        }
    }

    fn int(&self, bytes: [u8; 4]) -> u32 {
        int(self.big_endian, bytes)
    }

    /// The packet of a block.
    pub(super) fn packet<'a>(
        &'a self,
        bytes: &'a [u8],
        number: u64,
    ) -> Result<Captured<'a>, Damage> {
        let kind = bytes.first_chunk().map_or(0, |kind| self.int(*kind));
        if kind == PACKET {
            return self.obsolete(bytes, number);
        }
        match block(bytes, self.big_endian, kind)? {
            Block::EnhancedPacket(packet) => {
                let interface = self.interface(packet.if_id)?;
                let captured = usize::try_from(packet.caplen).unwrap_or(usize::MAX);
                let data = packet.data.get(..captured).ok_or(Damage::Malformed {
                    what: "a packet block",
                    length: bytes.len(),
                })?;
                let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                Ok(Captured {
                    number,
                    time_ns: interface.time_ns(stamp),
                    interface,
                    data,
                    len: usize::try_from(packet.origlen).unwrap_or(usize::MAX),
                    received: self.direction(&packet.options),
                    comments: owned_comments(packet.options),
                })
            }
            Block::SimplePacket(packet) => {
                let interface = self.interface(0)?;
                let len = usize::try_from(packet.origlen).unwrap_or(usize::MAX);
                // The block does not say how much was captured; the rest is padding.
                let most = match interface.snaplen {
                    0 => usize::MAX,
                    snaplen => usize::try_from(snaplen).unwrap_or(usize::MAX),
                };
                let data = packet.packet_data();
                Ok(Captured {
                    number,
                    time_ns: None,
                    interface,
                    data: packet.data.get(..data.len().min(most)).unwrap_or_default(),
                    len,
                    received: None,
                    comments: Vec::new(),
                })
            }
            _ => Err(Damage::Malformed {
                what: "a packet block",
                length: bytes.len(),
            }),
        }
    }

    /// A Packet Block, which Enhanced Packet Blocks have replaced: the interface has 16 bits, and before the time there
    /// is how many packets were lost.
    fn obsolete<'a>(&'a self, bytes: &'a [u8], number: u64) -> Result<Captured<'a>, Damage> {
        /// Where the data starts.
        const DATA: usize = 28;
        let malformed = || Damage::Malformed {
            what: "a packet block",
            length: bytes.len(),
        };
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
            word.map(|word| self.int(*word)).ok_or_else(malformed)
        };
        let id = bytes.get(8..).and_then(<[u8]>::first_chunk::<2>);
        let id = id.copied().ok_or_else(malformed)?;
        let id = if self.big_endian {
            u16::from_be_bytes(id)
        } else {
            u16::from_le_bytes(id)
        };
        let interface = self.interface(id.into())?;
        let stamp = u64::from(word(12)?) << 32 | u64::from(word(16)?);
        let captured = usize::try_from(word(20)?).unwrap_or(usize::MAX);
        let end = DATA.saturating_add(captured);
        // The block ends with its length.
        let data = bytes.get(DATA..end).filter(|_| end <= bytes.len() - 4);
        Ok(Captured {
            number,
            time_ns: interface.time_ns(stamp),
            interface,
            data: data.ok_or_else(malformed)?,
            len: usize::try_from(word(24)?).unwrap_or(usize::MAX),
            received: None,
            comments: Vec::new(),
        })
    }

    fn interface(&self, id: u32) -> Result<&Interface, Damage> {
        usize::try_from(id)
            .ok()
            .and_then(|index| self.interfaces.get(index))
            .ok_or(Damage::Interface {
                id,
                known: self.interfaces.len(),
            })
    }

    /// Whether the packet came in (`epb_flags`), where the file says so.
    fn direction(&self, options: &[PcapNGOption<'_>]) -> Option<bool> {
        let flags = *bytes_of(options, option::EPB_FLAGS)?.first_chunk::<4>()?;
        match self.int(flags) & 0b11 {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        }
    }
}

fn int(big_endian: bool, bytes: [u8; 4]) -> u32 {
    if big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

/// Asserts that a block has not too many options, before the parser makes a list of them.
fn check_options(bytes: &[u8], big_endian: bool, kind: u32) -> Result<(), Damage> {
    let start = match kind {
        SECTION_HEADER => 24,
        INTERFACE_DESCRIPTION => 16,
        INTERFACE_STATISTICS => 20,
        _ => {
            let captured = bytes.get(20..).and_then(<[u8]>::first_chunk);
            let captured = captured.map_or(0, |length| int(big_endian, *length));
            28usize.saturating_add(usize::try_from(captured).unwrap_or(usize::MAX))
        }
    };
    let mut rest = bytes.get(start..).unwrap_or_default();
    rest = rest.get(start.wrapping_neg() % 4..).unwrap_or_default();
    for _ in 0..MOST_OPTIONS {
        let Some(&[_, _, first, second]) = rest.first_chunk() else {
            return Ok(());
        };
        let length = if big_endian {
            u16::from_be_bytes([first, second])
        } else {
            u16::from_le_bytes([first, second])
        };
        let whole = 4 + usize::from(length).next_multiple_of(4);
        rest = rest.get(whole..).unwrap_or_default();
    }
    Err(Damage::Options(MOST_OPTIONS))
}

/// Parses the one block that `bytes` are.
fn block(bytes: &[u8], big_endian: bool, kind: u32) -> Result<Block<'_>, Damage> {
    // A simple packet has none.
    if kind != SIMPLE_PACKET {
        check_options(bytes, big_endian, kind)?;
    }
    let parsed: IResult<_, _, _> = if big_endian {
        parse_block_be(bytes)
    } else {
        parse_block_le(bytes)
    };
    parsed
        .map(|(_, block)| block)
        .map_err(|_| Damage::Malformed {
            what: match kind {
                SECTION_HEADER => "a section header",
                INTERFACE_DESCRIPTION => "an interface description",
                INTERFACE_STATISTICS => "an interface statistics block",
                PACKET | SIMPLE_PACKET | ENHANCED_PACKET => "a packet block",
                _ => "a block",
            },
            length: bytes.len(),
        })
}

/// The value of an option, without padding.
fn bytes_of<'a>(options: &'a [PcapNGOption<'_>], code: u16) -> Option<&'a [u8]> {
    let option = options.iter().find(|option| option.code.0 == code)?;
    option.as_bytes().ok()
}

fn text<'a>(options: &'a [PcapNGOption<'_>], code: u16) -> Option<Cow<'a, str>> {
    bytes_of(options, code).map(|bytes| String::from_utf8_lossy(trim(bytes)))
}

/// Some writers end a text with zeros.
fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    end.and_then(|end| bytes.get(..=end)).unwrap_or_default()
}

fn comments<'a>(options: &'a [PcapNGOption<'_>]) -> Vec<Cow<'a, str>> {
    let values = options.iter().filter(|option| is_comment(option));
    texts(values.filter_map(|option| option.as_bytes().ok()))
}

/// The comments, out of options that are not needed any more.
fn owned_comments(options: Vec<PcapNGOption<'_>>) -> Vec<Cow<'_, str>> {
    let values = options.into_iter().filter(is_comment);
    texts(values.filter_map(|option| match option.value {
        Cow::Borrowed(value) => value.get(..usize::from(option.len)),
        // The parser borrows all of them.
        Cow::Owned(_) => None,
    }))
}

fn is_comment(option: &PcapNGOption<'_>) -> bool {
    option.code == OptionCode(option::COMMENT)
}

/// Texts of a block. What is no UTF-8 has to be copied to be replaced, and of that not more than some: then it ends
/// where it stops to be UTF-8.
fn texts<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<Cow<'a, str>> {
    /// Bytes that may be copied for one block.
    const COPIED: usize = 1 << 20;
    let mut room = COPIED;
    values
        .map(|bytes| {
            let bytes = trim(bytes);
            match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                Err(error) if bytes.len() > room => {
                    let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                    Cow::Borrowed(std::str::from_utf8(valid).unwrap_or_default())
                }
                Err(_) => {
                    room -= bytes.len();
                    String::from_utf8_lossy(bytes)
                }
            }
        })
        .collect()
}

/// What the options of an interface say.
fn interface(options: &[PcapNGOption<'_>], big_endian: bool) -> Interface {
    let name = text(options, option::IF_NAME).map(|name| {
        let mut name = name.into_owned();
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        name
    });
    let offset = bytes_of(options, option::IF_TSOFFSET)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| {
            if big_endian {
                i64::from_be_bytes(*bytes)
            } else {
                i64::from_le_bytes(*bytes)
            }
        });
    let resolution = bytes_of(options, option::IF_TSRESOL).and_then(|bytes| bytes.first());
    Interface {
        name: name.filter(|name| !name.is_empty()),
        resolution: resolution.copied().unwrap_or(6),
        offset,
        ..Interface::default()
    }
}

impl Interface {
    /// A time stamp as nanoseconds since 1970 UTC; `None` where it was not set, or no calendar has that moment.
    fn time_ns(&self, stamp: u64) -> Option<i128> {
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
