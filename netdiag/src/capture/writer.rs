//! pcapng out: a section, its interfaces as they come up, packets, and at the end the statistics.
//!
//! Only whole blocks are handed over, so whatever ends the program leaves a file that is valid up to its last block.

use super::{
    link::SLL2_LEN,
    note::{EndNote, RunNote, escape},
    option,
    saved::{DumpError, Saved, Short},
    target::Files,
};
use pcap_parser::{
    BOM_MAGIC, Block, EnhancedPacketBlock, InterfaceDescriptionBlock, InterfaceStatisticsBlock,
    Linktype, PcapNGOption, SectionHeaderBlock, ToVec as _,
};
use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    io,
};

/// Blocks are handed over when so many bytes have come together.
const BUFFER: usize = 64 * 1024;

/// After so many interfaces a new section starts: a host may make devices for ever, and memory stays bounded.
const MOST_INTERFACES: usize = 1 << 14;

/// Comments of one block, in bytes together: readers, netdiag's included, take no endless ones.
const MOST_COMMENTS: usize = 1_000_000;

/// Nanoseconds, as `if_tsresol` says it.
const NANOSECONDS: u8 = 9;

/// Where blocks go.
pub trait Sink {
    /// Takes whole blocks.
    ///
    /// # Errors
    /// The operating system's, with how much of the blocks went out whole.
    fn write(&mut self, blocks: &[u8]) -> Result<(), Short>;

    /// Makes sure that what was written stays.
    ///
    /// # Errors
    /// The operating system's.
    fn close(&mut self) -> io::Result<()>;
}

/// What is in one file.
#[derive(Debug, Default)]
struct Piece {
    name: String,
    packets: u64,
    bytes: u64,
}

/// What makes an interface another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InterfaceKey {
    /// The device's name.
    pub name: Option<String>,
    /// What people read about it.
    pub description: Option<String>,
    /// Whatever else tells it from others: namespace and index.
    pub identity: (u32, u32),
    /// `LINKTYPE_*`.
    pub link_type: u16,
}

/// A packet on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Nanoseconds since 1970 UTC; a file has no way to say that nobody knows, and 0 stands for it.
    pub time_ns: Option<i128>,
    /// Where it was captured.
    pub interface: &'a InterfaceKey,
    /// The bytes.
    pub data: &'a [u8],
    /// The original length.
    pub len: usize,
    /// Whether it came in.
    pub received: Option<bool>,
    /// What is to be said of it.
    pub comments: &'a [Cow<'a, str>],
}

/// Where a dump goes.
pub enum Destination {
    /// Files, one after the other where they rotate.
    Files(Box<Files>),
    /// One stream, with a name for messages.
    Stream(Box<dyn Sink>, String),
}

/// What a section says about where it comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// `netdiag 0.1.0`.
    pub application: String,
    /// `Linux 6.18.5`.
    pub os: Option<String>,
    /// The machine (`uname -m`).
    pub hardware: Option<String>,
    /// As it was typed.
    pub command_line: String,
}

/// A pcapng file in the making.
pub struct Writer {
    destination: Destination,
    sink: Option<Box<dyn Sink>>,
    name: String,
    snaplen: u32,
    origin: Origin,
    run: Option<RunNote>,
    buffer: Vec<u8>,
    interfaces: HashMap<InterfaceKey, u32>,
    /// Packets of each interface of the section.
    counts: Vec<u64>,
    last_time: u64,
    buffered_packets: u64,
    /// The files that are there; the last one is being written.
    pieces: VecDeque<Piece>,
    gone_packets: u64,
    gone_files: u64,
}

impl Writer {
    /// A dump that starts with the first section. `snaplen` is what every interface block says.
    #[must_use]
    pub fn new(destination: Destination, origin: Origin, snaplen: u32) -> Self {
        Self {
            destination,
            sink: None,
            name: String::new(),
            snaplen,
            origin,
            run: None,
            buffer: Vec::with_capacity(2 * BUFFER),
            interfaces: HashMap::new(),
            counts: Vec::new(),
            last_time: 0,
            buffered_packets: 0,
            pieces: VecDeque::new(),
            gone_packets: 0,
            gone_files: 0,
        }
    }

    /// What a cooked header adds to a snap length.
    #[must_use]
    pub fn cooked_snaplen(snaplen: u32) -> u32 {
        snaplen.saturating_add(u32::try_from(SLL2_LEN).unwrap_or(0))
    }

    /// What is saved so far.
    pub fn saved(&self) -> Saved {
        let name = |piece: Option<&Piece>| piece.map(|piece| piece.name.clone());
        Saved {
            packets: self.pieces.iter().map(|piece| piece.packets).sum(),
            bytes: self.pieces.iter().map(|piece| piece.bytes).sum(),
            first: name(self.pieces.front()).unwrap_or_default(),
            last: name(self.pieces.back()).unwrap_or_default(),
            files: self.pieces.len(),
            gone_packets: self.gone_packets,
            gone_files: self.gone_files,
        }
    }

    /// Whether it will go on to other files.
    pub fn rotates(&self) -> bool {
        match &self.destination {
            Destination::Files(files) => files.most_bytes().is_some(),
            Destination::Stream(..) => false,
        }
    }

    /// Starts a section; of a run of netdiag's, if there is one.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn section(&mut self, run: Option<RunNote>) -> Result<(), DumpError> {
        self.run = run;
        if self.sink.is_none() {
            self.open()?;
        }
        self.section_header();
        self.flush()
    }

    fn open(&mut self) -> Result<(), DumpError> {
        match &mut self.destination {
            Destination::Files(files) => match files.next() {
                Ok((name, sink)) => {
                    self.name = name;
                    self.sink = Some(sink);
                }
                Err(source) => {
                    self.name = files.name();
                    return Err(self.error(source));
                }
            },
            // One stream, however many sections.
            Destination::Stream(..) if !self.pieces.is_empty() => return Ok(()),
            Destination::Stream(_, name) => self.name.clone_from(name),
        }
        let keep = match &self.destination {
            Destination::Files(files) => files.keep(),
            Destination::Stream(..) => None,
        };
        self.pieces.push_back(Piece {
            name: self.name.clone(),
            ..Piece::default()
        });
        while keep.is_some_and(|keep| self.pieces.len() > usize::try_from(keep).unwrap_or(1)) {
            let Some(gone) = self.pieces.pop_front() else {
                break;
            };
            self.gone_packets += gone.packets;
            self.gone_files += 1;
        }
        Ok(())
    }

    fn section_header(&mut self) {
        self.interfaces.clear();
        self.counts.clear();
        let mut options = Vec::new();
        if let Some(hardware) = &self.origin.hardware {
            options.push(option::text(option::SHB_HARDWARE, hardware));
        }
        let os = match &self.run {
            Some(run) => Some(format!("Linux {}", run.kernel)),
            None => self.origin.os.clone(),
        };
        if let Some(os) = &os {
            options.push(option::text(option::SHB_OS, os));
        }
        let application = match &self.run {
            Some(run) => format!("netdiag {}", run.version),
            None => self.origin.application.clone(),
        };
        options.push(option::text(option::SHB_USERAPPL, &application));
        let command = format!("Command-Line: {}", escape(&self.origin.command_line));
        options.push(comment(&command));
        let run = self.run.as_ref().map(RunNote::comments).unwrap_or_default();
        options.extend(run.iter().map(|line| comment(line)));
        let block = SectionHeaderBlock {
            block_type: 0,
            block_len1: 0,
            bom: BOM_MAGIC,
            major_version: 1,
            minor_version: 0,
            section_len: -1,
            options,
            block_len2: 0,
        };
        append(&mut self.buffer, Block::SectionHeader(block));
    }

    /// Writes a packet, and before it what it needs: a new file, a section, its interface.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn packet(&mut self, packet: &Outgoing<'_>) -> Result<(), DumpError> {
        self.make_room()?;
        let id = self.interface(packet.interface);
        let time = packet.time_ns.and_then(|time| u64::try_from(time).ok());
        let time = time.unwrap_or(0);
        self.last_time = self.last_time.max(time);
        let mut options: Vec<_> = packet.comments.iter().map(|line| comment(line)).collect();
        if let Some(received) = packet.received {
            let flags = if received { 1u32 } else { 2 };
            options.push(option::number(option::EPB_FLAGS, flags.to_le_bytes()));
        }
        let (ts_high, ts_low) = halves(time);
        // What libpcap would refuse: more than the interface says.
        let most = usize::try_from(self.snaplen).unwrap_or(usize::MAX);
        let data = packet.data.get(..most).unwrap_or(packet.data);
        let len = packet.len.max(packet.data.len());
        let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let block = EnhancedPacketBlock {
            block_type: 0,
            block_len1: 0,
            if_id: id,
            ts_high,
            ts_low,
            caplen: captured,
            origlen: u32::try_from(len).unwrap_or(u32::MAX),
            data,
            options,
            block_len2: 0,
        };
        append(&mut self.buffer, Block::EnhancedPacket(block));
        self.buffered_packets += 1;
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Goes on to the next file or section where this one has enough.
    fn make_room(&mut self) -> Result<(), DumpError> {
        let buffered = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        let written = self.pieces.back().map_or(0, |piece| piece.bytes);
        let full = match &self.destination {
            Destination::Files(files) => files
                .most_bytes()
                .is_some_and(|most| written + buffered >= most && !self.counts.is_empty()),
            Destination::Stream(..) => false,
        };
        if full {
            self.statistics(None);
            self.close()?;
            if let Some(run) = &mut self.run {
                run.part += 1;
            }
            self.open()?;
            self.section_header();
        } else if self.interfaces.len() >= MOST_INTERFACES {
            self.statistics(None);
            if let Some(run) = &mut self.run {
                run.part += 1;
            }
            self.section_header();
        }
        Ok(())
    }

    fn interface(&mut self, key: &InterfaceKey) -> u32 {
        if let Some(id) = self.interfaces.get(key) {
            return *id;
        }
        let id = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
        let mut options = Vec::new();
        if let Some(name) = &key.name {
            options.push(option::text(option::IF_NAME, name));
        }
        if let Some(description) = &key.description {
            options.push(option::text(option::IF_DESCRIPTION, description));
        }
        let block = InterfaceDescriptionBlock {
            block_type: 0,
            block_len1: 0,
            linktype: Linktype(i32::from(key.link_type)),
            reserved: 0,
            snaplen: self.snaplen,
            options,
            block_len2: 0,
            if_tsresol: NANOSECONDS,
            if_tsoffset: 0,
        };
        append(&mut self.buffer, Block::InterfaceDescription(block));
        self.interfaces.insert(key.clone(), id);
        self.counts.push(0);
        id
    }

    /// Statistics of every interface; the first one's say what the run came to.
    fn statistics(&mut self, end: Option<&EndNote>) {
        if self.counts.is_empty() {
            if end.is_none() {
                return;
            }
            // Without a packet there is no interface, and what the run came to has no place.
            self.interface(&InterfaceKey {
                description: Some("no packet was reported".to_owned()),
                link_type: super::link::linktype::LINUX_SLL2,
                ..InterfaceKey::default()
            });
        }
        let single = self.counts.len() == 1;
        let (ts_high, ts_low) = halves(self.last_time);
        for (id, count) in self.counts.iter().enumerate() {
            let mut comments = match end {
                Some(end) if id == 0 => end.comments(),
                _ => Vec::new(),
            };
            // A host with thousands of namespaces has more counters than a block is read of.
            let mut room = MOST_COMMENTS;
            comments.retain(|comment| {
                room = room.saturating_sub(comment.len() + 8);
                room > 0
            });
            let mut options: Vec<_> = comments.iter().map(|line| comment(line)).collect();
            // isb_ifrecv, isb_filteraccept and isb_osdrop are known of the whole run only.
            if let (true, Some(end)) = (single, end) {
                let [seen, _, filtered, sampled_out, lost] = end.ledger;
                let accepted = seen.saturating_sub(filtered).saturating_sub(sampled_out);
                options.push(option::number(option::ISB_IFRECV, seen.to_le_bytes()));
                options.push(option::number(
                    option::ISB_FILTERACCEPT,
                    accepted.to_le_bytes(),
                ));
                options.push(option::number(option::ISB_OSDROP, lost.to_le_bytes()));
            }
            options.push(option::number(option::ISB_USRDELIV, count.to_le_bytes()));
            let block = InterfaceStatisticsBlock {
                block_type: 0,
                block_len1: 0,
                if_id: u32::try_from(id).unwrap_or(u32::MAX),
                ts_high,
                ts_low,
                options,
                block_len2: 0,
            };
            append(&mut self.buffer, Block::InterfaceStatistics(block));
        }
    }

    /// Ends the section, with what the run came to.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn end_section(&mut self, end: Option<&EndNote>) -> Result<(), DumpError> {
        self.statistics(end);
        // Told once.
        self.interfaces.clear();
        self.counts.clear();
        self.flush()
    }

    /// Hands over what is there.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn flush(&mut self) -> Result<(), DumpError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = match (&mut self.sink, &mut self.destination) {
            (Some(sink), _) => sink.write(&self.buffer),
            (None, Destination::Stream(sink, _)) => sink.write(&self.buffer),
            (None, Destination::Files(_)) => Ok(()),
        };
        let packets = std::mem::take(&mut self.buffered_packets);
        let bytes = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.buffer.clear();
        let (bytes, packets, failed) = match written {
            Ok(()) => (bytes, packets, None),
            Err(short) => (short.bytes, short.packets, Some(short.source)),
        };
        if let Some(piece) = self.pieces.back_mut() {
            piece.bytes += bytes;
            piece.packets += packets;
        }
        failed.map_or(Ok(()), |source| Err(self.error(source)))
    }

    /// Hands over what is there, and makes sure that it stays.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn close(&mut self) -> Result<(), DumpError> {
        self.flush()?;
        let closed = match (self.sink.take(), &mut self.destination) {
            (Some(mut sink), _) => sink.close(),
            (None, Destination::Stream(sink, _)) => sink.close(),
            (None, Destination::Files(_)) => Ok(()),
        };
        closed.map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> DumpError {
        DumpError {
            name: self.name.clone(),
            saved: self.saved(),
            source,
        }
    }
}

fn append(buffer: &mut Vec<u8>, mut block: Block<'_>) {
    // Every length is below the limits of the format, and memory takes all that is written to it.
    if let Ok(bytes) = block.to_vec() {
        buffer.extend_from_slice(&bytes);
    }
}

fn halves(time: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = time.to_be_bytes();
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

fn comment(text: &str) -> PcapNGOption<'_> {
    option::text(option::COMMENT, text)
}
