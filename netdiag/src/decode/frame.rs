//! What was captured of a packet, and how it claims to start: the one input of the packet decoder.
//!
//! Ring buffer records and capture files both end up as a [`Frame`], so that live and offline are the same code.

/// A captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The bytes captured, from the start of the link-layer header, or of the network header.
    pub bytes: &'a [u8],
    /// What `bytes` starts with.
    pub link: Link,
    /// Where in `bytes` the network header starts, as the kernel has it; `None` when it does not say.
    pub network_offset: Option<usize>,
    /// The original length in bytes, counted from `bytes[0]`. A capture is cut short when it is above `bytes.len()`.
    pub len: usize,
    /// `skb->protocol` in host byte order: what the driver claimed.
    pub ethertype: Option<u16>,
}

/// What the bytes of a [`Frame`] start with, according to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IP header: the device has no link layer.
    Ip,
    /// Nobody says: the bytes must speak for themselves.
    #[default]
    Unknown,
}
