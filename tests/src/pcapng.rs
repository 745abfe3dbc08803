//! pcapng files, made block by block: whatever a writer may have written, right or wrong.

use super::pcap::Order;

/// Types of blocks.
pub mod kind {
    /// Section header.
    pub const SECTION: u32 = 0x0a0d_0d0a;
    /// Interface description.
    pub const INTERFACE: u32 = 1;
    /// Packet, as they were before there were enhanced ones.
    pub const OBSOLETE: u32 = 2;
    /// Simple packet.
    pub const SIMPLE: u32 = 3;
    /// Name resolution.
    pub const NAMES: u32 = 4;
    /// Interface statistics.
    pub const STATISTICS: u32 = 5;
    /// Enhanced packet.
    pub const PACKET: u32 = 6;
    /// Custom, to be copied.
    pub const CUSTOM: u32 = 0xbad;
}

/// Codes of options.
pub mod code {
    /// End of options.
    pub const END: u16 = 0;
    /// A comment, of any block.
    pub const COMMENT: u16 = 1;
    /// An interface's name.
    pub const IF_NAME: u16 = 2;
    /// The resolution of its times.
    pub const IF_TSRESOL: u16 = 9;
    /// Seconds to add to its times.
    pub const IF_TSOFFSET: u16 = 14;
}

/// An option: its code and value.
pub type Opt<'a> = (u16, &'a [u8]);

/// A file in the making.
#[derive(Clone, Debug, Default)]
pub struct PcapngFile {
    order: Order,
    bytes: Vec<u8>,
}

impl PcapngFile {
    /// A file of one section so far.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self::default().section(order, &[])
    }

    /// Starts a section.
    #[must_use]
    pub fn section(mut self, order: Order, options: &[Opt<'_>]) -> Self {
        self.order = order;
        let body = [
            &order.u32(0x1a2b_3c4d)[..],
            &order.u16(1),
            &order.u16(0),
            &[0xff; 8],
            &self.options(options),
        ];
        self.block(kind::SECTION, &body.concat())
    }

    /// Describes an interface.
    #[must_use]
    pub fn interface(self, link_type: u16, snaplen: u32, options: &[Opt<'_>]) -> Self {
        let order = self.order;
        let body = [
            &order.u16(link_type)[..],
            &[0; 2],
            &order.u32(snaplen),
            &self.options(options),
        ];
        self.block(kind::INTERFACE, &body.concat())
    }

    /// Adds a packet, with its time in units of its interface.
    #[must_use]
    pub fn packet(self, interface: u32, stamp: u64, data: &[u8], options: &[Opt<'_>]) -> Self {
        let order = self.order;
        let len = u32::try_from(data.len()).expect("a short packet");
        let half = |value: u64| u32::try_from(value & 0xffff_ffff).expect("32 bits");
        let numbers = [interface, half(stamp >> 32), half(stamp), len, len];
        let options = self.options(options);
        let body = [
            &numbers.map(|value| order.u32(value)).concat(),
            &padded(data)[..],
            &options,
        ];
        self.block(kind::PACKET, &body.concat())
    }

    /// Adds a simple packet: its original length and what was captured.
    #[must_use]
    pub fn simple(self, len: u32, data: &[u8]) -> Self {
        let body = [&self.order.u32(len)[..], &padded(data)].concat();
        self.block(kind::SIMPLE, &body)
    }

    /// Adds statistics of the first interface.
    #[must_use]
    pub fn statistics(self, options: &[Opt<'_>]) -> Self {
        let body = [&[0; 12][..], &self.options(options)].concat();
        self.block(kind::STATISTICS, &body)
    }

    /// Adds any block, right in its lengths.
    #[must_use]
    pub fn block(self, kind: u32, body: &[u8]) -> Self {
        let length = u32::try_from(12 + body.len()).expect("a short block");
        self.claim(kind, length, body, length)
    }

    /// Adds any block with the lengths that it claims at its start and its end.
    #[must_use]
    pub fn claim(mut self, kind: u32, start: u32, body: &[u8], end: u32) -> Self {
        let order = self.order;
        self.bytes
            .extend([order.u32(kind), order.u32(start)].concat());
        self.bytes.extend(body);
        self.bytes.extend(order.u32(end));
        self
    }

    /// The file so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The options of a block as bytes, with their end.
    #[must_use]
    pub fn options(&self, options: &[Opt<'_>]) -> Vec<u8> {
        if options.is_empty() {
            return Vec::new();
        }
        let mut bytes: Vec<u8> = options
            .iter()
            .flat_map(|(code, value)| self.option(*code, value))
            .collect();
        bytes.extend(self.option(code::END, &[]));
        bytes
    }

    /// One option as bytes.
    #[must_use]
    pub fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).expect("a short option");
        [
            &self.order.u16(code)[..],
            &self.order.u16(len),
            &padded(value),
        ]
        .concat()
    }
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(4), 0);
    data
}
