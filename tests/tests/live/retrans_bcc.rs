//! Every documented column of bcc's tcpretrans, by the key of netdiag's that has it, filled with the right value.

use netdiag_tests::tcp::{Pair, Side, scenario};
use netdiag_tests::{Live, steadily};
use serde_json::{Value, json};

/// Column, key, what it must be. `T` is bcc's mark of a retransmission (`R>`) or of a probe (`L>`).
type Row = (&'static str, &'static str, Value);

#[test]
fn tcpretrans() {
    steadily(|| {
        let pair = Pair::new();
        let live = Live::start_as("retrans", &["--host", "10.98.0.1"]);
        let rto = scenario::data_lost_rto(&pair);
        let tlp = scenario::tail_lost_tlp(&pair);
        let run = live.stop();
        assert_eq!(run.drops.len(), 2, "{:#?}", run.drops);
        for (line, outcome, mark) in [(&run.drops[0], &rto, "rto"), (&run.drops[1], &tlp, "tlp")] {
            let (from, to) = (outcome.client(), outcome.server);
            let rows: [Row; 9] = [
                ("LADDR", "src", json!(from.ip().to_string())),
                ("LPORT", "sport", json!(from.port())),
                ("RADDR", "dst", json!(to.ip().to_string())),
                ("RPORT", "dport", json!(to.port())),
                ("T", "retrans", json!(mark)),
                ("STATE", "state", json!("ESTABLISHED")),
                ("NETNS", "netns", json!(pair.netns(Side::Client).0)),
                // -s
                ("SEQ", "seq", line["seq"].clone()),
                // -c counts by connection.
                ("RETRANSMITS", "total_retrans", json!(1)),
            ];
            for (column, key, value) in rows {
                assert_eq!(line[key], value, "{column}: {line:#}");
            }
            assert!(
                line["seq"].as_u64().is_some_and(|seq| seq > 0),
                "SEQ: {line:#}"
            );
            assert!(line["time"].is_string(), "TIME: {line:#}");
            // bcc's PID is whoever was interrupted; here it is who holds the socket, where somebody still does.
            let pid = &line["pid"];
            assert!(pid.is_null() || *pid == std::process::id(), "PID: {line:#}");
        }
    });
}
