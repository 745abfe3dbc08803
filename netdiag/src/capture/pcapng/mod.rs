//! pcapng: sections of blocks. Blocks and options that netdiag does not know are passed over.

mod interface;
mod option;

use super::{
    error::Damage,
    input::{Input, MOST},
    note::{EndNote, RunNote},
    option as code,
    reader::{Captured, Interface},
};
use pcap_parser::{
    Block, PcapNGOption, nom::IResult, parse_block_be, parse_block_le,
    traits::PcapNGPacketBlock as _,
};

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

/// More interfaces than this no section has; each costs memory.
const MOST_INTERFACES: usize = 1 << 16;

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
                    let comments = option::comments(&section.options);
                    let text = |code| option::text(&section.options, code).unwrap_or_default();
                    let (application, os) = (text(code::SHB_USERAPPL), text(code::SHB_OS));
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
                        ..interface::described(&description.options, self.big_endian)
                    });
                    None
                }
                Block::InterfaceStatistics(statistics) => {
                    EndNote::parse(&option::comments(&statistics.options))
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
                    comments: option::into_comments(packet.options),
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
        let flags = *option::bytes(options, code::EPB_FLAGS)?.first_chunk::<4>()?;
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

/// Parses the one block that `bytes` are.
fn block(bytes: &[u8], big_endian: bool, kind: u32) -> Result<Block<'_>, Damage> {
    // A simple packet has none.
    if kind != SIMPLE_PACKET {
        option::check(bytes, big_endian, kind)?;
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
