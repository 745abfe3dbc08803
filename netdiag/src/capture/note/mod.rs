//! What netdiag writes beside the bytes: lines of the form `Key: value`, one comment option each.
//!
//! A person reads them in Wireshark, and [`read`](crate::capture::Reader) restores the very same event from them. So
//! values are escaped where they hold line ends or other control characters, and nothing is said twice.

mod drop;
mod end;
mod retrans;
mod run;

pub use drop::DropNote;
pub use end::{CheckNote, CounterNote, EchoNote, EndNote};
pub use retrans::{DroppedNote, RetransNote};
pub use run::{ProbeNote, RunNote};

use std::{borrow::Cow, fmt::Write as _, str::FromStr};

/// A value on one line: control characters and the backslash itself become `\u{..}`.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| c.is_control() || c == '\\')
}

/// A value among words: spaces as well.
fn escape_word(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| c.is_control() || c == '\\' || c == ' ')
}

fn escape_where(text: &str, special: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if special(c) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// The text that [`escape`] was given. What is no escape stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u{") {
        plain.push_str(before);
        let decoded = after.split_once('}').and_then(|(digits, after)| {
            let number = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(number)?, after))
        });
        match decoded {
            Some((c, after)) => {
                plain.push(c);
                rest = after;
            }
            None => {
                plain.push_str("\\u{");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Longer lines than this are not netdiag's: what is kept of a stranger's file stays small. The longest are the names of
/// functions, with a module (`KSYM_NAME_LEN` is 512).
const LONGEST: usize = 1024;

/// The same for paths of cgroups, the bytes before those of a packet block, and facts, of which there are few.
const LONGEST_PASSING: usize = 16_384;

/// The lines of some comments, taken apart.
fn lines<'a>(comments: &'a [Cow<'_, str>]) -> impl Iterator<Item = (&'a str, &'a str)> {
    comments
        .iter()
        .flat_map(|comment| comment.lines())
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, value)| {
            let passing = matches!(*key, "Cgroup" | "Netdiag" | "Fact");
            value.len() <= if passing { LONGEST_PASSING } else { LONGEST }
        })
}

/// The value of `key=` among words.
fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(' ')
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The number of `key=` among words.
fn number<T: FromStr>(text: &str, key: &str) -> Option<T> {
    word(text, key)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{escape, escape_word, unescape, word};

    #[test]
    fn a_value_is_one_line_and_comes_back() {
        for text in [
            "tun0",
            "a\nb: c\\u{41}\\",
            "\u{1b}[2J\u{85}ü",
            "\\u{zz} \\u{",
            "",
        ] {
            let escaped = escape(text);
            assert!(!escaped.chars().any(char::is_control), "{escaped}");
            assert_eq!(unescape(&escaped), text);
        }
        assert_eq!(escape_word("a b"), "a\\u{20}b");
        assert_eq!(
            unescape("\\u{zz} \\u{d800} \\u{41"),
            "\\u{zz} \\u{d800} \\u{41"
        );
    }

    #[test]
    fn words_are_found_by_their_whole_name() {
        let text = "calls=1 refused=2 by=hook";
        assert_eq!(word(text, "refused"), Some("2"));
        assert_eq!(word(text, "fused"), None);
        assert_eq!(word(text, "call"), None);
    }
}
