//! The TCP bench itself, without netdiag: each scenario does what it says, by the kernel's own counters.

use netdiag_tests::isolated;
use netdiag_tests::tcp::Side::{Client, Server};
use netdiag_tests::tcp::{Grew, HEALTHY, Outcome, Pair, scenario};
use rustix::io::Errno;

/// Runs a scenario alone, and looks at what grew at the client and at the server.
fn check(
    scenario: impl FnOnce(&Pair) -> Outcome + Send,
    client: Grew<'_>,
    server: Grew<'_>,
) -> Outcome {
    isolated(|| {
        let outcome = scenario(&Pair::new());
        outcome.assert_grew(Client, client);
        outcome.assert_grew(Server, server);
        outcome
    })
}

#[test]
fn syn_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPSynRetrans", 1),
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 0),
    ];
    let server = [("TcpRetransSegs", 0), ("TcpPassiveOpens", 1)];
    check(scenario::syn_lost, &client, &server);
}

#[test]
fn syn_ack_lost() {
    let client = [("TcpActiveOpens", 1), ("TcpAttemptFails", 0)];
    let server = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPSynRetrans", 1),
        ("TcpPassiveOpens", 1),
    ];
    let outcome = check(scenario::syn_ack_lost, &client, &server);
    // Both ends wait for a second: who is first is not said.
    let again = outcome.grew(Client, "TcpRetransSegs");
    assert!(again <= 1, "{outcome:#?}");
    assert_eq!(outcome.grew(Client, "TcpExtTCPSynRetrans"), again);
}

#[test]
fn data_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPLossProbes", 0),
        ("TcpExtTCPFastRetrans", 0),
        ("TcpExtTCPSynRetrans", 0),
    ];
    check(scenario::data_lost_rto, &client, HEALTHY);
}

#[test]
fn window_lost() {
    let client = [
        ("TcpRetransSegs", 10),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPSlowStartRetrans", 9),
        ("TcpExtTCPLossProbes", 0),
    ];
    check(scenario::window_lost_rto, &client, HEALTHY);
    isolated(|| {
        let outcome = scenario::window_lost_rto(&Pair::with_gso());
        outcome.assert_grew(Client, &client);
    });
}

#[test]
fn tail_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPLossProbes", 1),
        ("TcpExtTCPTimeouts", 0),
        ("TcpExtTCPFastRetrans", 0),
    ];
    check(scenario::tail_lost_tlp, &client, HEALTHY);
}

#[test]
fn middle_lost() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPFastRetrans", 1),
        ("TcpExtTCPTimeouts", 0),
        ("TcpExtTCPLossProbes", 0),
    ];
    check(scenario::middle_lost_fast, &client, HEALTHY);
}

#[test]
fn local_drop() {
    let client = [
        ("TcpRetransSegs", 2),
        ("TcpExtTCPRetransFail", 1),
        ("TcpExtTCPTimeouts", 2),
    ];
    check(scenario::local_drop, &client, HEALTHY);
}

#[test]
fn spurious() {
    let client = [
        ("TcpRetransSegs", 1),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPDSACKRecv", 1),
    ];
    let server = [("TcpRetransSegs", 0), ("TcpExtTCPDSACKOldSent", 1)];
    check(scenario::spurious, &client, &server);
}

#[test]
fn zero_window() {
    let outcome = check(scenario::zero_window, HEALTHY, HEALTHY);
    assert!(outcome.grew(Client, "TcpExtTCPWinProbe") >= 2);
    assert!(outcome.grew(Server, "TcpExtTCPToZeroWindowAdv") >= 1);
}

#[test]
fn mtu_black_hole() {
    let client = [("TcpEstabResets", 1), ("TcpOutRsts", 1)];
    let outcome = check(scenario::mtu_black_hole, &client, &[("TcpEstabResets", 1)]);
    assert!(outcome.grew(Client, "TcpRetransSegs") >= 3);
    assert!(outcome.grew(Client, "TcpExtTCPTimeouts") >= 1);
}

#[test]
fn refused() {
    let client = [
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 0),
    ];
    let outcome = check(scenario::refused, &client, &[("TcpOutRsts", 1)]);
    assert_eq!(outcome.error, Some(Errno::CONNREFUSED));
}

#[test]
fn filtered() {
    let client = [
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 1),
        ("TcpExtTCPSynRetrans", 1),
    ];
    let outcome = check(scenario::filtered, &client, &[("TcpOutRsts", 0)]);
    assert_eq!(outcome.error, Some(Errno::TIMEDOUT));
}

#[test]
fn filtered_here() {
    let client = [
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 1),
        ("TcpExtTCPRetransFail", 1),
    ];
    let outcome = check(scenario::filtered_here, &client, &[("TcpInSegs", 0)]);
    assert_eq!(outcome.error, Some(Errno::TIMEDOUT));
}

#[test]
fn no_route() {
    let client = [("TcpActiveOpens", 0), ("TcpOutSegs", 0)];
    let outcome = check(scenario::no_route, &client, HEALTHY);
    assert_eq!(outcome.error, Some(Errno::NETUNREACH));
}

#[test]
fn icmp_unreachable() {
    let client = [
        ("TcpActiveOpens", 1),
        ("TcpAttemptFails", 1),
        ("TcpRetransSegs", 1),
    ];
    let outcome = check(scenario::icmp_unreachable, &client, &[("TcpOutRsts", 0)]);
    assert_eq!(outcome.error, Some(Errno::HOSTUNREACH));
}

#[test]
fn accept_queue_full() {
    let client = [("TcpActiveOpens", 3), ("TcpExtTCPSynRetrans", 1)];
    let server = [
        ("TcpPassiveOpens", 2),
        ("TcpExtListenOverflows", 2),
        ("TcpExtListenDrops", 2),
        ("TcpOutRsts", 2),
    ];
    let outcome = check(scenario::accept_queue_full, &client, &server);
    assert_eq!(outcome.clients.len(), 3);
}

#[test]
fn ports_exhausted() {
    let client = [("TcpActiveOpens", 2), ("TcpAttemptFails", 0)];
    let outcome = check(
        scenario::ports_exhausted,
        &client,
        &[("TcpPassiveOpens", 2)],
    );
    assert_eq!(outcome.error, Some(Errno::ADDRNOTAVAIL));
}

#[test]
fn reset() {
    for side in [Client, Server] {
        let sent = |by| [("TcpEstabResets", 1), ("TcpOutRsts", u64::from(side == by))];
        let (client, server) = (sent(Client), sent(Server));
        let outcome = check(|pair| scenario::reset_by(pair, side), &client, &server);
        assert_eq!(outcome.error, Some(Errno::CONNRESET));
    }
}

/// Who closes first is left in TIME_WAIT.
#[test]
fn closed() {
    for side in [Client, Server] {
        isolated(|| {
            let pair = Pair::new();
            let outcome = scenario::closed_by(&pair, side);
            for side in [Client, Server] {
                outcome.assert_grew(side, HEALTHY);
            }
            assert_eq!(outcome.grew(Client, "TcpActiveOpens"), 1);
            assert_eq!(outcome.grew(Server, "TcpPassiveOpens"), 1);
            let left = |side| pair.ss(side).into_iter().map(|socket| socket.state);
            assert_eq!(left(side).collect::<Vec<_>>(), ["TIME-WAIT"]);
            assert_eq!(left(side.other()).count(), 0);
        });
    }
}

#[test]
fn many_short() {
    let outcome = check(|pair| scenario::many_short(pair, 100), HEALTHY, HEALTHY);
    assert_eq!(outcome.grew(Client, "TcpActiveOpens"), 100);
    assert_eq!(outcome.grew(Server, "TcpPassiveOpens"), 100);
}
