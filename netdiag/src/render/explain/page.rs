//! The pages of the documentation, in Markdown, from the same entries.

use crate::analysis::explain::{Entry, Kind, entries, find, kernels::TESTED};
use std::fmt::Write as _;

/// As wide as the other pages.
const WIDTH: usize = 120;

/// The page of a kind. It starts with what it is made from; `tests/explain.rs` writes it and holds it against its file.
#[must_use]
pub fn page(kind: Kind) -> String {
    let mut page = format!("# {}\n\n", super::title(kind));
    let tested = TESTED.join(", ");
    page += &wrapped(
        &match kind {
            Kind::Reason => format!(
                "Why the kernel dropped a packet: the names of its `enum skb_drop_reason` without `SKB_DROP_REASON_`, \
                 and those of queueing disciplines, Open vSwitch and mac80211. Kernels since 5.17 give them; \"named by\" \
                 says which of the tested ones ({tested}) have a name."
            ),
            Kind::Counter => "Counters of the kernel that speak of drops and retransmissions, by the names that nstat \
                              and `netdiag counters` print."
                .to_owned(),
            Kind::Finding => "What netdiag concludes. Words in capitals, such as DEVICE and PEER, are filled in by a \
                              run."
                .to_owned(),
            Kind::Place => "Functions of the kernel that drop packets. Kernels before 5.17 give no reason: there the \
                            place tells."
                .to_owned(),
        },
        "",
        "",
    );
    page += "\n`netdiag explain NAME` prints the same. This page is made from `netdiag/src/analysis/explain`: change it \
             there.\n";
    for entry in entries().filter(|entry| entry.kind == kind) {
        section(&mut page, entry);
    }
    page
}

fn section(page: &mut String, entry: &Entry) {
    let summary = prose(entry.summary());
    // Writing to a string does not fail.
    let _ = write!(page, "\n## {}\n\n", entry.name.replace("__", "\\_\\_"));
    *page += &wrapped(
        &format!("**{}.** {}", capital(&summary), prose(entry.meaning)),
        "",
        "",
    );
    if let Some(normal) = entry.normal {
        *page += "\n";
        *page += &wrapped(&format!("No fault: {}", prose(normal)), "", "");
    }
    if let Some(doubt) = entry.doubt {
        *page += "\n";
        *page += &wrapped(&format!("How it could be wrong: {}", prose(doubt)), "", "");
    }
    bullets(page, "Causes", entry.causes);
    bullets(page, "Remedy", entry.remedy);
    if !entry.commands.is_empty() {
        let _ = write!(page, "\n```sh\n{}\n```\n", entry.commands.join("\n"));
    }
    let related: Vec<_> = entry
        .see
        .iter()
        .map(|name| link(name, entry.kind))
        .collect();
    if !related.is_empty() {
        *page += "\n";
        *page += &wrapped(&format!("Related: {}", related.join(", ")), "", "");
    }
    if !entry.kernels.is_empty() {
        let _ = write!(page, "\nNamed by {}.\n", entry.kernels.join(", "));
    }
}

fn bullets(page: &mut String, title: &str, lines: &[&str]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(page, "\n{title}:\n\n");
    for line in lines {
        *page += &wrapped(&prose(line), "- ", "  ");
    }
}

/// A link to a name, on whatever page it stands.
fn link(name: &str, from: Kind) -> String {
    let Some(entry) = find(name).into_iter().next() else {
        return name.to_owned();
    };
    let page = match entry.kind {
        kind if kind == from => "",
        Kind::Reason => "reasons.md",
        Kind::Counter => "counters.md",
        Kind::Finding => "findings.md",
        Kind::Place => "places.md",
    };
    format!(
        "[{}]({page}#{})",
        entry.name.replace('_', "\\_"),
        entry.name.to_ascii_lowercase()
    )
}

/// Text whose names Markdown leaves alone: words with an underscore become code.
fn prose(text: &str) -> String {
    let mut code = false;
    let words = text.split(' ').map(|word| {
        let ticks = word.matches('`').count();
        let inside = code || ticks > 0;
        code ^= ticks % 2 == 1;
        if inside || !word.contains(['_', '<', '*']) {
            return word.to_owned();
        }
        let core = word.trim_matches(['(', ')', ',', '.', ';', ':', '"']);
        match core.is_empty() {
            true => word.to_owned(),
            false => word.replacen(core, &format!("`{core}`"), 1),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Lines of at most [`WIDTH`], broken at blanks.
fn wrapped(text: &str, first: &str, then: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let more = usize::from(!empty) + word.chars().count();
        if !empty && line.chars().count() + more > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = then.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::{prose, wrapped};

    #[test]
    fn names_become_code_and_code_stays() {
        assert_eq!(prose("see ip_error, now"), "see `ip_error`, now");
        assert_eq!(prose("(a_b)."), "(`a_b`).");
        assert_eq!(prose("`ip -s link_x y` a_b"), "`ip -s link_x y` `a_b`");
        assert_eq!(prose("At unix_* too"), "At `unix_*` too");
    }

    #[test]
    fn lines_are_broken_at_blanks() {
        let text = "word ".repeat(40);
        let lines = wrapped(text.trim_end(), "- ", "  ");
        assert!(
            lines
                .lines()
                .all(|line| line.len() <= 120 && !line.ends_with(' '))
        );
        assert!(lines.starts_with("- word") && lines.contains("\n  word"));
        assert_eq!(wrapped("", "", ""), "\n");
    }
}
