//! Options of blocks that are read: their values, their texts, and how many of them are too many.

use super::{INTERFACE_DESCRIPTION, INTERFACE_STATISTICS, SECTION_HEADER, int};
use crate::capture::{error::Damage, option::COMMENT};
use pcap_parser::{OptionCode, PcapNGOption};
use std::borrow::Cow;

/// More options than this no block has; each costs memory, and an empty one has four bytes in the file.
const MOST: usize = 1 << 16;

/// Asserts that a block has not too many options, before the parser makes a list of them.
pub(super) fn check(bytes: &[u8], big_endian: bool, kind: u32) -> Result<(), Damage> {
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
    for _ in 0..MOST {
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
    Err(Damage::Options(MOST))
}

/// The value of an option, without padding.
pub(super) fn bytes<'a>(options: &'a [PcapNGOption<'_>], code: u16) -> Option<&'a [u8]> {
    let option = options.iter().find(|option| option.code.0 == code)?;
    option.as_bytes().ok()
}

pub(super) fn text<'a>(options: &'a [PcapNGOption<'_>], code: u16) -> Option<Cow<'a, str>> {
    bytes(options, code).map(|bytes| String::from_utf8_lossy(trim(bytes)))
}

/// Some writers end a text with zeros.
fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    end.and_then(|end| bytes.get(..=end)).unwrap_or_default()
}

pub(super) fn comments<'a>(options: &'a [PcapNGOption<'_>]) -> Vec<Cow<'a, str>> {
    let values = options.iter().filter(|option| is_comment(option));
    texts(values.filter_map(|option| option.as_bytes().ok()))
}

/// The comments, out of options that are not needed any more.
pub(super) fn into_comments(options: Vec<PcapNGOption<'_>>) -> Vec<Cow<'_, str>> {
    let values = options.into_iter().filter(is_comment);
    texts(values.filter_map(|option| match option.value {
        Cow::Borrowed(value) => value.get(..usize::from(option.len)),
        // The parser borrows all of them.
        Cow::Owned(_) => None,
    }))
}

fn is_comment(option: &PcapNGOption<'_>) -> bool {
    option.code == OptionCode(COMMENT)
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
