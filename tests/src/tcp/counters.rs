//! The kernel's own counters of TCP.

use std::collections::BTreeMap;
use std::fs;

/// Counters by protocol and name, written as one: `TcpRetransSegs`, `TcpExtTCPTimeouts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Those of the calling thread's namespace.
    ///
    /// # Panics
    /// When `/proc` cannot be read.
    #[must_use]
    pub fn read() -> Self {
        let mut counters = BTreeMap::new();
        for file in ["snmp", "netstat"] {
            let text = fs::read_to_string(format!("/proc/thread-self/net/{file}"));
            parse(&text.expect("the counters"), &mut counters);
        }
        Self(counters)
    }

    /// One of them.
    ///
    /// # Panics
    /// When this kernel has none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        let value = self.0.get(name);
        *value.unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// By how much each has grown; those that have not are left out. A level (`TcpCurrEstab`) that fell is left out,
    /// too.
    #[must_use]
    pub fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let grown = self.0.iter().filter_map(|(name, &value)| {
            let grown = value.checked_sub(before.0.get(name).copied().unwrap_or(0))?;
            (grown > 0).then(|| (name.clone(), grown))
        });
        grown.collect()
    }
}

/// Two lines for each protocol: names, then values. Only those of TCP count.
fn parse(text: &str, counters: &mut BTreeMap<String, u64>) {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let mut names = names.split_whitespace();
        let protocol = names.next().unwrap_or_default().trim_end_matches(':');
        if !matches!(protocol, "Tcp" | "TcpExt") {
            continue;
        }
        for (name, value) in names.zip(values.split_whitespace().skip(1)) {
            // MaxConn is -1.
            if let Ok(value) = value.parse() {
                counters.insert(format!("{protocol}{name}"), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_in_pairs_of_lines() {
        let text = "Ip: Forwarding InReceives\nIp: 1 7\nTcp: MaxConn ActiveOpens\nTcp: -1 3\n";
        let mut counters = BTreeMap::new();
        parse(text, &mut counters);
        assert_eq!(
            counters,
            BTreeMap::from([("TcpActiveOpens".to_owned(), 3_u64)])
        );
    }
}
