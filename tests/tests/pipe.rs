//! A dump on its way through a pipe, while the run goes on: `netdiag ... -w - | tshark -r -`, and tcpdump for cooked
//! packets.
//!
//! On this kernel only: virtual machines have no tshark. There `live` reads the pipe with netdiag itself.

use netdiag_tests::{assert_nothing_attached, finish, isolated, netdiag, program};
use std::process::Stdio;

/// Runs the lab's closed port with its dump piped into a program; gives what that prints.
fn piped(link_type: &str, reader: &str) -> String {
    let netdiag = netdiag(&[]);
    let netdiag = netdiag.get_program().to_str().expect("a path in UTF-8");
    // Without pipefail the status would be the reader's alone.
    let line = format!(
        "set -o pipefail; {netdiag} -q lab run udp-closed-port --fast -w - --link-type {link_type} | {reader}"
    );
    let mut bash = program("bash");
    let ended = finish(bash.args(["-c", &line]).stdout(Stdio::piped()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The table is on standard error, beside what the reader has to say.
    assert!(
        ended.stderr.contains("Ledger: 5 seen = 5 reported"),
        "{}",
        ended.stderr
    );
    assert_nothing_attached();
    ended.stdout
}

#[test]
fn tshark_reads_along() {
    isolated(|| {
        let fields = "-e ip.src -e ip.dst -e udp.dstport -e frame.interface_name -e frame.comment";
        let said = piped("native", &format!("tshark -r - -T fields {fields}"));
        assert_eq!(said.lines().count(), 5, "{said}");
        for line in said.lines() {
            assert!(
                line.starts_with("10.99.0.2\t10.99.0.1\t9\ttun0\t"),
                "{line}"
            );
            assert!(
                line.contains("Location: ") && line.contains("Namespace: "),
                "{line}"
            );
        }
    });
}

#[test]
fn tcpdump_reads_along() {
    isolated(|| {
        let said = piped("sll2", "tcpdump -nn -r -");
        let packets = said
            .lines()
            .filter(|line| line.contains("10.99.0.2.4") && line.contains(" > 10.99.0.1.9: UDP"));
        assert_eq!(packets.count(), 5, "{said}");
    });
}
