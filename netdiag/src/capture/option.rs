//! Options of pcapng blocks: their codes, the same for reading and writing, and how they are put together.

use pcap_parser::{OptionCode, PcapNGOption};
use std::borrow::Cow;

/// A text, in any block.
pub(super) const COMMENT: u16 = 1;
pub(super) const SHB_HARDWARE: u16 = 2;
pub(super) const SHB_OS: u16 = 3;
pub(super) const SHB_USERAPPL: u16 = 4;
pub(super) const IF_NAME: u16 = 2;
pub(super) const IF_DESCRIPTION: u16 = 3;
pub(super) const IF_TSRESOL: u16 = 9;
pub(super) const IF_TSOFFSET: u16 = 14;
pub(super) const EPB_FLAGS: u16 = 2;
pub(super) const ISB_IFRECV: u16 = 4;
pub(super) const ISB_FILTERACCEPT: u16 = 6;
pub(super) const ISB_OSDROP: u16 = 7;
pub(super) const ISB_USRDELIV: u16 = 8;

/// The longest text; an option has 16 bits for its length.
const LONGEST: usize = 60_000;

/// An option that is a text.
pub(super) fn text(code: u16, value: &str) -> PcapNGOption<'_> {
    let end = value.floor_char_boundary(LONGEST);
    let value = value.get(..end).unwrap_or_default().as_bytes();
    new(code, Cow::Borrowed(value))
}

/// An option that is a number.
pub(super) fn number<const N: usize>(code: u16, little_endian: [u8; N]) -> PcapNGOption<'static> {
    new(code, Cow::Owned(little_endian.to_vec()))
}

fn new(code: u16, value: Cow<'_, [u8]>) -> PcapNGOption<'_> {
    PcapNGOption {
        code: OptionCode(code),
        len: u16::try_from(value.len()).unwrap_or(0),
        value,
    }
}
