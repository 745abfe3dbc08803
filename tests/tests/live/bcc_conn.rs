//! The columns that bcc documents for `tcpconnect`, `tcpaccept`, `tcplife`, `tcpstates` and `tcpconnlat`, and the key of
//! `netdiag conn` that has each: filled, and with the right value.

use netdiag_tests::isolated;
use netdiag_tests::tcp::{Pair, Side, scenario};
use serde_json::{Value, json};

use crate::conn::{assert_clean, end_of, only, start};

/// Tool, column, event, key. Where a tool has a number in another unit or word, the test below turns it round.
const COLUMNS: [(&str, &str, &str, &str); 36] = [
    ("tcpconnect", "TIME(s)", "connect", "time"),
    ("tcpconnect", "UID", "connect", "uid"),
    ("tcpconnect", "PID", "connect", "pid"),
    ("tcpconnect", "COMM", "connect", "comm"),
    // 4 or 6: the address shows it.
    ("tcpconnect", "IP", "connect", "dst"),
    ("tcpconnect", "SADDR", "connect", "src"),
    ("tcpconnect", "DADDR", "connect", "dst"),
    // With -L: the kernel chooses it later.
    ("tcpconnect", "LPORT", "established", "sport"),
    ("tcpconnect", "DPORT", "connect", "dport"),
    ("tcpaccept", "TIME(s)", "accept", "time"),
    ("tcpaccept", "PID", "accept", "pid"),
    ("tcpaccept", "COMM", "accept", "comm"),
    ("tcpaccept", "IP", "accept", "src"),
    ("tcpaccept", "RADDR", "accept", "dst"),
    ("tcpaccept", "RPORT", "accept", "dport"),
    ("tcpaccept", "LADDR", "accept", "src"),
    ("tcpaccept", "LPORT", "accept", "sport"),
    ("tcplife", "TIME", "closed", "time"),
    ("tcplife", "PID", "closed", "pid"),
    ("tcplife", "COMM", "closed", "comm"),
    ("tcplife", "LADDR", "closed", "src"),
    ("tcplife", "LPORT", "closed", "sport"),
    ("tcplife", "RADDR", "closed", "dst"),
    ("tcplife", "RPORT", "closed", "dport"),
    ("tcplife", "TX_KB", "closed", "bytes_sent"),
    ("tcplife", "RX_KB", "closed", "bytes_received"),
    ("tcplife", "MS", "closed", "duration_us"),
    // Which connection; the socket's address is shown to nobody.
    ("tcpstates", "SKADDR", "established", "id"),
    ("tcpstates", "C-PID", "established", "pid"),
    ("tcpstates", "C-COMM", "established", "comm"),
    ("tcpstates", "LADDR", "established", "src"),
    ("tcpstates", "RADDR", "established", "dst"),
    // A change of state that begins, makes or ends a connection is an event; the time in between is its own.
    ("tcpstates", "OLDSTATE -> NEWSTATE", "established", "event"),
    ("tcpstates", "MS", "established", "latency_us"),
    ("tcpconnlat", "LAT(ms)", "established", "latency_us"),
    ("tcpconnlat", "PID", "established", "pid"),
];

#[test]
fn conn_has_what_bcc_documents() {
    isolated(|| {
        let pair = Pair::new();
        let live = start(&[]);
        let outcome = scenario::closed_by(&pair, Side::Client);
        let run = live.stop();
        assert_clean(&run);
        let (from, to) = (outcome.client(), outcome.server);
        let client = end_of(&run, &pair, Side::Client, from, to);
        let server = end_of(&run, &pair, Side::Server, to, from);
        for (tool, column, event, key) in COLUMNS {
            let (lines, local, remote) = match event {
                "accept" => (&server, to, from),
                _ => (&client, from, to),
            };
            let line = only(lines, event);
            let value = line
                .get(key)
                .unwrap_or_else(|| panic!("{tool} {column}: no {key} in {line:#}"));
            let expected = match key {
                "src" => json!(local.ip().to_string()),
                "sport" => json!(local.port()),
                "dst" => json!(remote.ip().to_string()),
                "dport" => json!(remote.port()),
                "pid" => json!(std::process::id()),
                "uid" => json!(0),
                "event" => json!(event),
                "bytes_sent" | "bytes_received" => json!(4),
                "comm" => {
                    let thread = std::thread::current();
                    json!(thread.name().map(|name| &name[..name.len().min(15)]))
                }
                // Times are checked for being there, and for their size below.
                _ => Value::clone(value),
            };
            assert_eq!(*value, expected, "{tool} {column}: {line:#}");
        }
        let whole = u64::try_from(outcome.took.as_micros()).expect("short");
        for (event, key) in [("established", "latency_us"), ("closed", "duration_us")] {
            let time = only(&client, event)[key].as_u64().expect("a time");
            assert!((1..=whole).contains(&time), "{time} of {whole}");
        }
    });
}
