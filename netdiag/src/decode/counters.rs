//! The kernel's counter files under `/proc/net`, from their text: `snmp`, `netstat`, `snmp6` and `softnet_stat`.
//!
//! Names are those that `nstat` prints, because that is what people search for. What does not parse is skipped: a
//! newer kernel may add lines, and a reader of counters must not fail over them.

/// What one processor did with packets from its backlog: a line of `/proc/net/softnet_stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftnetRow {
    /// The processor: column 13 where the kernel prints it (since 5.10), else the number of the line.
    pub cpu: u32,
    /// Packets processed.
    pub processed: u32,
    /// Packets dropped because the backlog was full.
    pub dropped: u32,
    /// How often the budget or the time ran out with work left.
    pub time_squeeze: u32,
    /// Packets dropped by the flow limit; `None` where the kernel does not print it.
    pub flow_limit: Option<u32>,
}

/// The counters of `/proc/net/snmp` or `/proc/net/netstat`, such as `IpInHdrErrors` and `TcpExtListenDrops`.
///
/// Values below zero (`TcpMaxConn` -1: no limit) are no counts and are skipped.
#[must_use]
pub fn snmp(text: &str) -> Vec<(String, u64)> {
    let mut counters = Vec::new();
    let mut header: Option<(&str, &str)> = None;
    for line in text.lines() {
        let Some((prefix, rest)) = line.split_once(':') else {
            header = None;
            continue;
        };
        match header.take() {
            Some((of, names)) if of == prefix => {
                let values = names.split_whitespace().zip(rest.split_whitespace());
                counters.extend(values.filter_map(|(name, value)| {
                    Some((format!("{prefix}{name}"), value.parse().ok()?))
                }));
            }
            _ => header = Some((prefix, rest)),
        }
    }
    counters
}

/// The counters of `/proc/net/snmp6`: one name and value a line.
#[must_use]
pub fn snmp6(text: &str) -> Vec<(String, u64)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            Some((name.to_owned(), words.next()?.parse().ok()?))
        })
        .collect()
}

/// The rows of `/proc/net/softnet_stat`, one a processor that is online.
#[must_use]
pub fn softnet(text: &str) -> Vec<SoftnetRow> {
    (0..)
        .zip(text.lines())
        .filter_map(|(row, line)| {
            let column = |index| {
                let word = line.split_whitespace().nth(index)?;
                u32::from_str_radix(word, 16).ok()
            };
            Some(SoftnetRow {
                cpu: column(12).unwrap_or(row),
                processed: column(0)?,
                dropped: column(1)?,
                time_squeeze: column(2)?,
                flow_limit: column(10),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: u64) -> (String, u64) {
        (name.to_owned(), value)
    }

    #[test]
    fn header_and_value_lines() {
        let text = "Ip: Forwarding InHdrErrors\nIp: 1 7\nTcp: MaxConn RtoMin\nTcp: -1 200\n";
        let expected = [
            pair("IpForwarding", 1),
            pair("IpInHdrErrors", 7),
            pair("TcpRtoMin", 200),
        ];
        assert_eq!(snmp(text), expected);
    }

    #[test]
    fn netstat_prefixes_and_large_values() {
        let text = "TcpExt: ListenDrops A\nTcpExt: 18446744073709551615 2\nIpExt: InCsumErrors\nIpExt: 3\n";
        let expected = [
            pair("TcpExtListenDrops", u64::MAX),
            pair("TcpExtA", 2),
            pair("IpExtInCsumErrors", 3),
        ];
        assert_eq!(snmp(text), expected);
    }

    #[test]
    fn damaged_text_is_skipped() {
        // A header without its values must not swallow the pair that follows.
        let text = "Ip: A\nUdp: B\nUdp: 5\nnonsense\nIp: C\n\nIp: 9\n:\n";
        assert_eq!(snmp(text), [pair("UdpB", 5)]);
        assert_eq!(
            snmp6("Ip6InHdrErrors  4\nx\ny -1\n"),
            [pair("Ip6InHdrErrors", 4)]
        );
        assert!(softnet("\nzz 1 2\n1 2\n").is_empty());
    }

    #[test]
    fn softnet_columns() {
        let text = "0000b3cf 00000001 0000000a 0 0 0 0 0 0 0 00000011 0 00000002\n00000001 0 0 0 0 0 0 0 0\n";
        let rows = softnet(text);
        assert_eq!(
            rows,
            [
                SoftnetRow {
                    cpu: 2,
                    processed: 0xb3cf,
                    dropped: 1,
                    time_squeeze: 10,
                    flow_limit: Some(0x11),
                },
                SoftnetRow {
                    cpu: 1,
                    processed: 1,
                    dropped: 0,
                    time_squeeze: 0,
                    flow_limit: None,
                },
            ]
        );
    }
}
