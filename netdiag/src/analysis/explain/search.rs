//! Finding an entry by what somebody typed or copied from somewhere.

use super::{Entry, Kind, entries};
use std::collections::BTreeMap;

/// What the kernel's enum puts before a reason.
const REASON_PREFIX: &str = "skb_drop_reason_";

/// What `/proc/net` and nstat put before a counter; longest first where one starts another.
const COUNTER_PREFIXES: [&str; 10] = [
    "TcpExt", "IpExt", "Icmp6", "Udp6", "Ip6", "Icmp", "Tcp", "Udp", "Ip", "softnet_",
];

/// The entries of a name, in any case. A reason may have the kernel's prefix, a counter may lack its group (then several
/// may fit), and a place may have an offset or a compiler's suffix.
#[must_use]
pub fn find(name: &str) -> Vec<&'static Entry> {
    let name = tidy(name);
    let exact: Vec<_> = entries()
        .filter(|entry| entry.name.eq_ignore_ascii_case(&name))
        .collect();
    if !exact.is_empty() {
        return exact;
    }
    let short: Vec<_> = entries()
        .filter(|entry| short(entry).is_some_and(|short| short.eq_ignore_ascii_case(&name)))
        .collect();
    if !short.is_empty() {
        return short;
    }
    let function = name.split(['+', '.']).next().unwrap_or_default();
    entries()
        .filter(|entry| entry.kind == Kind::Place && entry.name.eq_ignore_ascii_case(function))
        .collect()
}

/// A counter's name without its group.
fn short(entry: &Entry) -> Option<&'static str> {
    if entry.kind != Kind::Counter {
        return None;
    }
    COUNTER_PREFIXES
        .iter()
        .find_map(|prefix| entry.name.strip_prefix(prefix))
}

/// Lower case, without blanks around it and without the kernel's prefix.
fn tidy(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    match name.strip_prefix(REASON_PREFIX) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// Longer input is no mistyped name, and comparing costs the product of the lengths.
const LONGEST: usize = 64;

/// Names like it, nearest first, at most `most`.
#[must_use]
pub fn nearest(name: &str, most: usize) -> Vec<&'static str> {
    let names = entries().flat_map(|entry| {
        let names = [Some(entry.name), short(entry)];
        names.into_iter().flatten().map(|name| (name, entry.name))
    });
    nearest_of(&tidy(name), names, most)
}

/// The second of those pairs whose first is like the name, nearest first, each once, at most `most`.
#[must_use]
pub fn nearest_of<'a>(
    name: &str,
    names: impl IntoIterator<Item = (&'a str, &'a str)>,
    most: usize,
) -> Vec<&'a str> {
    let wanted: Vec<char> = name.chars().take(LONGEST).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut best: BTreeMap<&str, usize> = BTreeMap::new();
    for (like, name) in names {
        if let Some(rank) = rank(&wanted, like) {
            let there = best.entry(name).or_insert(rank);
            *there = rank.min(*there);
        }
    }
    let mut ranked: Vec<_> = best.into_iter().map(|(name, rank)| (rank, name)).collect();
    ranked.sort_unstable();
    ranked.truncate(most);
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// How far a name is from what was wanted; `None` when they have too little in common.
fn rank(wanted: &[char], name: &str) -> Option<usize> {
    let name: Vec<char> = name.to_ascii_lowercase().chars().collect();
    let distance = distance(wanted, &name);
    let part = wanted.len() >= 3 && name.windows(wanted.len()).any(|window| window == wanted);
    // A part of the name is as good as a slip; otherwise two letters of three must be right.
    if part {
        return Some(1 + distance / 8);
    }
    (distance * 3 <= wanted.len().max(name.len())).then_some(distance)
}

/// How many letters must be changed, added or taken away (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Vec<&'static str> {
        find(name).into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn names_are_found_as_people_have_them() {
        for name in [
            "NO_SOCKET",
            "no_socket",
            "SKB_DROP_REASON_NO_SOCKET",
            " No_Socket ",
        ] {
            assert_eq!(found(name), ["NO_SOCKET"], "{name}");
        }
        assert_eq!(found("ListenOverflows"), ["TcpExtListenOverflows"]);
        assert_eq!(found("tcpextlistenoverflows"), ["TcpExtListenOverflows"]);
        assert_eq!(found("NoPorts"), ["UdpNoPorts", "Udp6NoPorts"]);
        assert_eq!(found("ip_rcv_core+0x22c"), ["ip_rcv_core"]);
        assert_eq!(
            found("__netif_receive_skb_core.constprop.0+0x9"),
            ["__netif_receive_skb_core"]
        );
        assert!(found("").is_empty());
        assert!(found("SKB_DROP_REASON_").is_empty());
        assert!(found("+0x1").is_empty());
    }

    #[test]
    fn slips_lead_to_the_name() {
        assert_eq!(nearest("NO_SOKET", 1), ["NO_SOCKET"]);
        assert_eq!(
            nearest("ethernet-on-l2-device", 1),
            ["ethernet-on-l3-device"]
        );
        assert_eq!(
            nearest("TcpExtListenOverflow", 1),
            ["TcpExtListenOverflows"]
        );
        assert!(nearest("rpfilter", 9).contains(&"IP_RPFILTER"));
        assert!(nearest("completely-different-thing", 9).is_empty());
        assert!(nearest("", 9).is_empty());
    }

    #[test]
    fn a_distance_counts_slips() {
        let of = |a: &str, b: &str| {
            distance(
                &a.chars().collect::<Vec<_>>(),
                &b.chars().collect::<Vec<_>>(),
            )
        };
        assert_eq!(of("", ""), 0);
        assert_eq!(of("", "abc"), 3);
        assert_eq!(of("abc", ""), 3);
        assert_eq!(of("kitten", "sitting"), 3);
        assert_eq!(of("abc", "abc"), 0);
    }
}
