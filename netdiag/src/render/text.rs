//! Text for people: nothing that a terminal would obey, wrapped to its width, colour only where it is wanted.

use super::Output;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width, presets::NOTHING};
use std::borrow::Cow;

/// Text without control characters: packet bytes, names and paths come from strangers.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c != '\n' && is_harmful(c);
    if text.contains(obeyed) {
        Cow::Owned(text.replace(obeyed, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether and how to colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// On a terminal, unless `NO_COLOR` is set.
    pub(super) fn new(terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            on: terminal && !refused && !dumb,
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        let text = plain(text);
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.into_owned()
        }
    }
}

/// Whether a terminal obeys it. Bidirectional and invisible characters are not obeyed, but they make text look like
/// another.
pub(super) fn is_harmful(c: char) -> bool {
    let deceives = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_control() || deceives
}

/// The same on one line: a stranger's name must not look like a line of netdiag's.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains('\n') {
        Cow::Owned(plain(text).replace('\n', "\u{fffd}"))
    } else {
        plain(text)
    }
}

/// How wide a terminal is that does not know: a serial line says 0 columns.
const UNKNOWN_WIDTH: u16 = 80;

/// A table without lines, as wide as the terminal allows; off a terminal as wide as it needs.
pub(super) fn table(output: &Output) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if output.is_stderr() {
        table.use_stderr();
    }
    let arrangement = if table.is_tty() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table.set_content_arrangement(arrangement);
    if table.width() == Some(0) {
        table.set_width(UNKNOWN_WIDTH);
    }
    table
}

/// A cell of foreign text.
pub(super) fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(one_line(text.as_ref()))
}

/// Labelled paragraphs: labels in a narrow column, texts wrapped beside them.
pub(super) fn paragraphs<'a>(
    output: &Output,
    rows: impl IntoIterator<Item = (&'a str, String)>,
) -> String {
    /// The longest label and a space on either side.
    const LABEL: u16 = 11;
    let mut table = table(output);
    for (label, text) in rows {
        // netdiag's own texts may have several lines; they stay in their column.
        table.add_row([cell(label), Cell::new(plain(&text))]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(LABEL)));
    }
    lines(&table)
}

/// A table as text, without blanks at line ends.
pub(super) fn lines(table: &Table) -> String {
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{one_line, plain};

    #[test]
    fn nothing_is_left_for_a_terminal_to_obey() {
        let hostile = "eth0\u{1b}[2J\u{7}\r\u{9b}31m\u{202e}\nnext";
        let tame = plain(hostile);
        assert!(tame.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!tame.contains('\u{202e}'));
        assert!(tame.starts_with("eth0") && tame.ends_with("\nnext"));
        assert_eq!(one_line("a\nb\u{7}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(plain("10.0.0.1 → 10.0.0.2"), "10.0.0.1 → 10.0.0.2");
    }
}
