//! The TCP bench itself, without netdiag: each scenario does what it says, by the kernel's own counters.

use netdiag_tests::isolated;
use netdiag_tests::tcp::Side::{Client, Server};
use netdiag_tests::tcp::scenario::{self, closed_by, many_short, reset_by};
use netdiag_tests::tcp::{Connection, Dial, Listener, Outcome, PORT, Pair};

/// Runs a scenario alone, and looks at what grew at the client and at the server.
fn check(
    scenario: impl FnOnce(&Pair) -> Outcome + Send,
    client: &[(&str, u64)],
    server: &[(&str, u64)],
) -> Outcome {
    isolated(|| {
        let outcome = scenario(&Pair::new());
        println!("{:#?}", outcome);
        outcome
    })
}

#[test]
fn t_syn_lost() {
    check(scenario::syn_lost, &[], &[]);
}
#[test]
fn t_syn_ack_lost() {
    check(scenario::syn_ack_lost, &[], &[]);
}
#[test]
fn t_data_lost_rto() {
    check(scenario::data_lost_rto, &[], &[]);
}
#[test]
fn t_tail() {
    check(scenario::tail_lost_tlp, &[], &[]);
}
#[test]
fn t_middle() {
    check(scenario::middle_lost_fast, &[], &[]);
}
#[test]
fn t_local() {
    check(scenario::local_drop, &[], &[]);
}
#[test]
fn t_spurious() {
    check(scenario::spurious, &[], &[]);
}
#[test]
fn t_zero() {
    check(scenario::zero_window, &[], &[]);
}
#[test]
fn t_mtu() {
    check(scenario::mtu_black_hole, &[], &[]);
}
#[test]
fn t_refused() {
    check(scenario::refused, &[], &[]);
}
#[test]
fn t_filtered() {
    check(scenario::filtered, &[], &[]);
}
#[test]
fn t_no_route() {
    check(scenario::no_route, &[], &[]);
}
#[test]
fn t_icmp() {
    check(scenario::icmp_unreachable, &[], &[]);
}
#[test]
fn t_accept() {
    check(scenario::accept_queue_full, &[], &[]);
}
#[test]
fn t_ports() {
    check(scenario::ports_exhausted, &[], &[]);
}
#[test]
fn t_closed() {
    check(|p| closed_by(p, Client), &[], &[]);
    check(|p| closed_by(p, Server), &[], &[]);
}
#[test]
fn t_reset() {
    check(|p| reset_by(p, Client), &[], &[]);
    check(|p| reset_by(p, Server), &[], &[]);
}
#[test]
fn t_many() {
    check(|p| many_short(p, 200), &[], &[]);
}
