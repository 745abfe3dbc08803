//! pcap files, made byte by byte: whatever a writer may have written, right or wrong.

/// Byte order of a file's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Two bytes.
    #[must_use]
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// Four bytes.
    #[must_use]
    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// Eight bytes.
    #[must_use]
    pub fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// Variants of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
    /// Kuznetzov's: microseconds, and eight more bytes a packet.
    Modified,
}

impl Variant {
    fn magic(self) -> u32 {
        match self {
            Self::Micro => 0xa1b2_c3d4,
            Self::Nano => 0xa1b2_3c4d,
            Self::Modified => 0xa1b2_cd34,
        }
    }
}

/// A file in the making.
#[derive(Clone, Debug)]
pub struct PcapFile {
    order: Order,
    variant: Variant,
    bytes: Vec<u8>,
}

impl PcapFile {
    /// A file header.
    #[must_use]
    pub fn new(order: Order, variant: Variant, link_type: u32) -> Self {
        let mut bytes = order.u32(variant.magic()).to_vec();
        bytes.extend([order.u16(2), order.u16(4)].concat());
        bytes.extend(
            [0, 0, 262_144, link_type]
                .map(|value| order.u32(value))
                .concat(),
        );
        Self {
            order,
            variant,
            bytes,
        }
    }

    /// Adds a packet; of its time, what the format has no room for is cut off.
    #[must_use]
    pub fn packet(self, time_ns: u64, data: &[u8]) -> Self {
        let len = u32::try_from(data.len()).expect("a short packet");
        self.claim(time_ns, len, len, data)
    }

    /// Adds a packet that claims these lengths.
    #[must_use]
    pub fn claim(mut self, time_ns: u64, captured: u32, len: u32, data: &[u8]) -> Self {
        let fraction = match self.variant {
            Variant::Nano => time_ns % 1_000_000_000,
            Variant::Micro | Variant::Modified => time_ns % 1_000_000_000 / 1000,
        };
        let number = |value: u64| u32::try_from(value).expect("a time before 2106");
        let header = [
            number(time_ns / 1_000_000_000),
            number(fraction),
            captured,
            len,
        ];
        let order = self.order;
        self.bytes
            .extend(header.map(|value| order.u32(value)).concat());
        if self.variant == Variant::Modified {
            // Interface, protocol, packet type and padding.
            self.bytes.extend([1, 0, 0, 0, 0, 8, 0, 0]);
        }
        self.bytes.extend(data);
        self
    }

    /// The file so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each packet starts, when `lengths` are those of their data; and the end.
    #[must_use]
    pub fn boundaries(&self, lengths: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let header = if self.variant == Variant::Modified {
            24
        } else {
            16
        };
        let mut at = 24;
        let mut boundaries = vec![at];
        for length in lengths {
            at += header + length;
            boundaries.push(at);
        }
        boundaries
    }
}
