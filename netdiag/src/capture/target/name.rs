//! The names of files that follow one another.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

/// How many digits tell pieces apart.
const DIGITS: usize = 5;

/// `drops.pcapng` as `drops_00001.pcapng`.
pub(super) fn numbered(name: &OsStr, number: u32) -> OsString {
    let (stem, extension) = halves(name);
    let mut numbered = stem.to_owned();
    numbered.push(format!("_{number:0DIGITS$}"));
    numbered.push(extension);
    numbered
}

/// Whether a name is one of [`numbered`]'s.
pub(super) fn is_piece(name: &OsStr, other: &OsStr) -> bool {
    let (stem, extension) = halves(name);
    let number = other
        .as_bytes()
        .strip_prefix(stem.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"_"))
        .and_then(|rest| rest.strip_suffix(extension.as_bytes()));
    number.is_some_and(|digits| digits.len() >= DIGITS && digits.iter().all(u8::is_ascii_digit))
}

/// A name up to its extension, and the extension with its dot.
fn halves(name: &OsStr) -> (&OsStr, OsString) {
    let path = Path::new(name);
    let mut extension = OsString::new();
    if let Some(text) = path.extension() {
        extension.push(".");
        extension.push(text);
    }
    (path.file_stem().unwrap_or(name), extension)
}
