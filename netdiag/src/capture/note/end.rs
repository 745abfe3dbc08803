//! What netdiag says about a run when it is over: in the statistics of the first interface.

use super::{escape, escape_word, lines, number, unescape, word};
use netdiag_common::NetnsId;
use std::{borrow::Cow, fmt::Write as _};

/// What a run came to, beside its packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndNote {
    /// How long it was, in nanoseconds.
    pub duration_ns: u64,
    /// Whether a signal ended it.
    pub interrupted: bool,
    /// The ledger: seen, reported, filtered, sampled out, lost.
    pub ledger: [u64; 5],
    /// Drop-related counters that rose.
    pub counters: Vec<CounterNote>,
    /// Whether these could be compared with the drops.
    pub compared: bool,
    /// Echo requests of IPv4 and IPv6.
    pub echoes: [EchoNote; 2],
    /// What the header checks counted.
    pub checks: Vec<CheckNote>,
    /// Header checks that the kernel skipped.
    pub checks_missed: u64,
    /// Nanoseconds that a header check took.
    pub check_ns: Option<u64>,
    /// Names of namespaces.
    pub namespaces: Vec<(NetnsId, String)>,
    /// What is to be said about the counters.
    pub remark: Option<String>,
    /// Drops that might have said something of a connection, and were lost.
    pub evidence_lost: u64,
    /// What was asked about the host, a line each.
    pub facts: Vec<String>,
}

/// A counter that rose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterNote {
    /// Its name.
    pub name: String,
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The device.
    pub ifname: Option<String>,
    /// By how much.
    pub delta: u64,
    /// How much of it is explained; `None` where nothing explains it alone.
    pub explained: Option<u64>,
    /// Why not all of it is, in a word.
    pub because: Option<String>,
}

/// Echo requests of one IP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EchoNote {
    /// Whether arrivals were counted by a hook, and not taken from a counter.
    pub hooked: bool,
    /// Arrivals.
    pub received: u64,
    /// Replies.
    pub replied: u64,
}

/// What a header check counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckNote {
    /// The function.
    pub name: String,
    /// Calls, refused ones, malformed headers, and those of them that were accepted.
    pub counts: [u64; 4],
}

/// More of a kind than this one block is not read of: memory stays bounded.
const MOST: usize = 1 << 14;

/// The same for facts.
const MOST_FACTS: usize = 1 << 10;

const LEDGER: [&str; 5] = ["seen", "reported", "filtered", "sampled_out", "lost"];
const CHECK: [&str; 4] = ["calls", "refused", "malformed", "accepted"];
const ECHOES: [&str; 2] = ["Icmp-Echoes", "Icmp6-Echoes"];

impl EndNote {
    /// The lines, one a comment.
    pub fn comments(&self) -> Vec<String> {
        let mut comments = vec![
            "Netdiag-End: 1".to_owned(),
            format!("Duration: {} ns", self.duration_ns),
            words("Ledger:", &LEDGER, &self.ledger),
            format!("Interrupted: {}", yes(self.interrupted)),
            format!("Counters-Compared: {}", yes(self.compared)),
        ];
        for (key, echoes) in ECHOES.iter().zip(&self.echoes) {
            let by = if echoes.hooked { "hook" } else { "counter" };
            let EchoNote {
                received, replied, ..
            } = echoes;
            comments.push(format!(
                "{key}: received={received} by={by} replied={replied}"
            ));
        }
        for check in &self.checks {
            let start = format!("Header-Check: {}", escape_word(&check.name));
            comments.push(words(&start, &CHECK, &check.counts));
        }
        comments.push(format!("Header-Checks-Missed: {}", self.checks_missed));
        if let Some(ns) = self.check_ns {
            comments.push(format!("Header-Check-Price: {ns} ns"));
        }
        if let Some(remark) = &self.remark {
            comments.push(format!("Remark: {}", escape(remark)));
        }
        if self.evidence_lost > 0 {
            comments.push(format!("Evidence-Lost: {}", self.evidence_lost));
        }
        let facts = self.facts.iter();
        comments.extend(facts.map(|fact| format!("Fact: {}", escape(fact))));
        // These may be many, and where they are too many for a block, the last ones go.
        for counter in &self.counters {
            let mut text = format!("Counter: {}", escape_word(&counter.name));
            // Writing to a string cannot fail.
            if let Some(netns) = counter.netns {
                let _ = write!(text, " netns={}", netns.0);
            }
            let _ = write!(text, " delta={}", counter.delta);
            if let Some(explained) = counter.explained {
                let _ = write!(text, " explained={explained}");
            }
            if let Some(because) = &counter.because {
                let _ = write!(text, " because={}", escape_word(because));
            }
            if let Some(ifname) = &counter.ifname {
                let _ = write!(text, " ifname={}", escape_word(ifname));
            }
            comments.push(text);
        }
        for (id, name) in &self.namespaces {
            comments.push(format!("Namespace-Name: {} {}", id.0, escape(name)));
        }
        comments
    }

    /// Reads the lines; `None` when they are not netdiag's.
    pub fn parse(comments: &[Cow<'_, str>]) -> Option<Self> {
        let mut end = Self::default();
        let mut ours = false;
        for (key, value) in lines(comments) {
            match key {
                "Netdiag-End" => ours = true,
                "Duration" => end.duration_ns = nanoseconds(value)?,
                "Ledger" => end.ledger = numbers(value, &LEDGER)?,
                "Interrupted" => end.interrupted = value == yes(true),
                "Counters-Compared" => end.compared = value == yes(true),
                "Counter" if end.counters.len() < MOST => end.counters.push(CounterNote {
                    name: unescape(value.split(' ').next()?).into_owned(),
                    netns: number(value, "netns").map(NetnsId),
                    ifname: word(value, "ifname").map(|name| unescape(name).into_owned()),
                    delta: number(value, "delta")?,
                    explained: number(value, "explained"),
                    because: word(value, "because").map(|name| unescape(name).into_owned()),
                }),
                "Fact" if end.facts.len() < MOST_FACTS => {
                    end.facts.push(unescape(value).into_owned());
                }
                "Header-Check" if end.checks.len() < MOST => end.checks.push(CheckNote {
                    name: unescape(value.split(' ').next()?).into_owned(),
                    counts: numbers(value, &CHECK)?,
                }),
                "Remark" => end.remark = Some(unescape(value).into_owned()),
                "Evidence-Lost" => end.evidence_lost = value.parse().ok()?,
                "Header-Checks-Missed" => end.checks_missed = value.parse().ok()?,
                "Header-Check-Price" => end.check_ns = Some(nanoseconds(value)?),
                "Namespace-Name" if end.namespaces.len() < MOST => {
                    let (id, name) = value.split_once(' ')?;
                    let id = NetnsId(id.parse().ok()?);
                    end.namespaces.push((id, unescape(name).into_owned()));
                }
                _ => {
                    let echoes = ECHOES.iter().zip(&mut end.echoes);
                    for (_, echoes) in echoes.filter(|(name, _)| **name == key) {
                        *echoes = EchoNote {
                            hooked: word(value, "by") == Some("hook"),
                            received: number(value, "received")?,
                            replied: number(value, "replied")?,
                        };
                    }
                }
            }
        }
        ours.then_some(end)
    }
}

fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn nanoseconds(value: &str) -> Option<u64> {
    value.strip_suffix(" ns")?.parse().ok()
}

fn words(start: &str, names: &[&str], values: &[u64]) -> String {
    let mut text = start.to_owned();
    for (name, value) in names.iter().zip(values) {
        // Writing to a string cannot fail.
        let _ = write!(text, " {name}={value}");
    }
    text
}

fn numbers<const N: usize>(text: &str, names: &[&str; N]) -> Option<[u64; N]> {
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = number(text, name)?;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back() {
        let end = EndNote {
            duration_ns: 1_234_567_890,
            interrupted: true,
            ledger: [15, 1, 2, 4, 8],
            counters: vec![
                CounterNote {
                    name: "IpInHdrErrors".to_owned(),
                    netns: Some(NetnsId(4_026_532_201)),
                    ifname: None,
                    delta: 57,
                    explained: Some(56),
                    because: Some("lost".to_owned()),
                },
                CounterNote {
                    name: "rx_dropped".to_owned(),
                    netns: None,
                    ifname: Some("we\u{1b}ird".to_owned()),
                    delta: 1,
                    explained: None,
                    because: None,
                },
            ],
            compared: true,
            echoes: [
                EchoNote {
                    hooked: true,
                    received: 3,
                    replied: 2,
                },
                EchoNote {
                    hooked: false,
                    received: 1,
                    replied: 0,
                },
            ],
            checks: vec![CheckNote {
                name: "ip_rcv_core".to_owned(),
                counts: [4, 3, 2, 1],
            }],
            checks_missed: 9,
            check_ns: Some(44),
            namespaces: vec![(NetnsId(7), "pid 12 (a b)".to_owned())],
            remark: Some("three of them".to_owned()),
            evidence_lost: 12,
            facts: vec!["{\"a\\n\":1}".to_owned(), "x".repeat(5000)],
        };
        let comments: Vec<_> = end.comments().into_iter().map(Cow::Owned).collect();
        assert_eq!(EndNote::parse(&comments), Some(end));
        assert_eq!(EndNote::parse(&[Cow::Borrowed("Ledger: seen=1")]), None);
        assert_eq!(EndNote::parse(&[]), None);
    }
}
