//! Any capture file, packet by packet.

use super::{
    compression,
    error::{CaptureError, Damage},
    input::{Input, Source},
    link,
    note::{DropNote, EndNote, RetransNote, RunNote},
    pcap::{self, Pcap},
    pcapng::{self, Next, Pcapng},
};
use crate::decode::Frame;
use std::borrow::Cow;

/// Where packets of a file were captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The device's name.
    pub name: Option<String>,
    /// What its packets start with (`LINKTYPE_*`).
    pub link_type: u16,
    /// Which of its section it is, from 0.
    pub number: u32,
    /// The most that was captured of a packet; 0 is no limit.
    pub(super) snaplen: u32,
    /// `if_tsresol`.
    pub(super) resolution: u8,
    /// `if_tsoffset`, in seconds.
    pub(super) offset: i64,
}

impl Default for Interface {
    /// What holds where a file says nothing: Ethernet, microseconds.
    fn default() -> Self {
        Self {
            name: None,
            link_type: link::linktype::ETHERNET,
            number: 0,
            snaplen: 0,
            resolution: 6,
            offset: 0,
        }
    }
}

/// A packet of a file.
#[derive(Clone, Debug)]
pub struct Captured<'a> {
    /// Which it is, from 1.
    pub number: u64,
    /// Nanoseconds since 1970 UTC; `None` where the file does not tell.
    pub time_ns: Option<i128>,
    /// Where it was captured.
    pub interface: &'a Interface,
    /// What was captured of it.
    pub data: &'a [u8],
    /// Its original length in bytes, as the file claims.
    pub len: usize,
    /// Whether it came in by the interface, and did not go out.
    pub received: Option<bool>,
    /// What was written to it.
    pub comments: Vec<Cow<'a, str>>,
}

impl Captured<'_> {
    /// The packet as a frame, by its link type.
    #[must_use]
    pub fn frame(&self) -> Frame<'_> {
        link::frame(self.interface.link_type, self.data, self.len)
    }

    /// What netdiag wrote to it, where it did.
    #[must_use]
    pub fn drop_note(&self) -> Option<DropNote<'_>> {
        if self.comments.is_empty() {
            return None;
        }
        DropNote::parse(&self.comments)
    }

    /// What netdiag wrote to a retransmitted segment, where it is one.
    #[must_use]
    pub fn retrans_note(&self) -> Option<RetransNote<'_>> {
        if self.comments.is_empty() {
            return None;
        }
        RetransNote::parse(&self.comments)
    }
}

/// What a file has next.
#[derive(Debug)]
pub enum Item<'a> {
    /// A run of netdiag starts: what follows are its packets.
    Start(Box<RunNote>),
    /// A packet.
    Packet(Captured<'a>),
    /// A run of netdiag is over.
    End(Box<EndNote>),
}

/// A capture file: pcap or pcapng, plain or packed.
pub struct Reader {
    input: Input,
    format: Format,
    unpacked: bool,
    /// Length of the block that was given out last.
    given: usize,
    packets: u64,
    over: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Reader {
    /// Looks at the start of a file.
    ///
    /// # Errors
    /// Where that is the start of no capture, or cannot be read.
    pub fn new(source: impl std::io::Read + 'static) -> Result<Self, CaptureError> {
        Self::open(Box::new(source))
    }

    fn open(source: Source) -> Result<Self, CaptureError> {
        let fail = |unpacked| {
            move |damage| CaptureError {
                offset: 0,
                unpacked,
                damage,
            }
        };
        let (source, unpacked) =
            compression::unpack(source).map_err(|error| fail(false)(error.into()))?;
        let mut input = Input::new(source);
        let format = Self::format(&mut input).map_err(fail(unpacked))?;
        Ok(Self {
            input,
            format,
            unpacked,
            given: 0,
            packets: 0,
            over: false,
        })
    }

    fn format(input: &mut Input) -> Result<Format, Damage> {
        /// What is shown of a file that is none.
        const SHOWN: usize = 8;
        input.fill(SHOWN)?;
        let start = input.bytes();
        if start.is_empty() {
            return Err(Damage::Empty);
        }
        if pcap::is_pcap(start) {
            return Ok(Format::Pcap(Pcap::open(input)?));
        }
        if pcapng::is_pcapng(start) {
            return Ok(Format::Pcapng(Pcapng::default()));
        }
        let start = start.get(..SHOWN).unwrap_or(start);
        let start = if start.iter().all(|&byte| (b' '..=b'~').contains(&byte)) {
            format!("{:?}", String::from_utf8_lossy(start))
        } else {
            let digits: Vec<_> = start.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("the bytes {}", digits.join(" "))
        };
        Err(Damage::NotCapture { start })
    }

    /// How many packets were given out.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Blocks of kinds that netdiag does not know.
    pub fn unknown(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(file) => file.unknown(),
        }
    }

    /// Whether the next packet is in memory already: where not, it may have to be waited for.
    pub fn has_more(&self) -> bool {
        let rest = self.input.bytes().get(self.given..).unwrap_or_default();
        match &self.format {
            Format::Pcap(file) => file.holds_packet(rest),
            Format::Pcapng(file) => file.holds_packet(rest),
        }
    }

    /// What comes next; `None` at the end, and after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it gives borrows from the reader, which an iterator's cannot"
    )]
    pub fn next(&mut self) -> Option<Result<Item<'_>, CaptureError>> {
        if self.over {
            return None;
        }
        self.input.consume(self.given);
        self.given = 0;
        let advanced = match &mut self.format {
            Format::Pcap(file) => file
                .advance(&mut self.input)
                .map(|length| length.map(Next::Packet)),
            Format::Pcapng(file) => file.advance(&mut self.input),
        };
        let offset = self.input.offset();
        let unpacked = self.unpacked;
        let fail = |damage| CaptureError {
            offset,
            unpacked,
            damage,
        };
        let length = match advanced {
            Ok(Some(Next::Packet(length))) => length,
            Ok(Some(Next::Start(run))) => return Some(Ok(Item::Start(run))),
            Ok(Some(Next::End(end))) => return Some(Ok(Item::End(end))),
            Ok(None) => {
                self.over = true;
                return None;
            }
            Err(damage) => {
                self.over = true;
                return Some(Err(fail(damage)));
            }
        };
        self.given = length;
        let bytes = self.input.bytes().get(..length).unwrap_or_default();
        let packet = match &self.format {
            Format::Pcap(file) => file.packet(bytes, self.packets + 1),
            Format::Pcapng(file) => file.packet(bytes, self.packets + 1),
        };
        match packet {
            Ok(packet) => {
                self.packets += 1;
                Some(Ok(Item::Packet(packet)))
            }
            Err(damage) => {
                self.over = true;
                Some(Err(fail(damage)))
            }
        }
    }
}
