//! Packets that the kernel drops, and drops only once.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use netdiag::lab::{Namespace, traffic};

/// So many at a time: with an ICMP answer each, they fit the processor's backlog (`net.core.netdev_max_backlog`, 1000),
/// even where ksoftirqd works it off when it gets round to it. What does not fit would be dropped there.
const BURST: u64 = 400;
/// Time for the backlog to empty.
const PAUSE: Duration = Duration::from_millis(2);

/// Sends datagrams to a closed port on the namespace's loopback device.
///
/// # Panics
/// When the kernel refuses one.
pub fn closed_port(namespace: &Namespace, port: u16, count: u64) {
    let mut left = count;
    while left > 0 {
        let burst = left.min(BURST);
        let here = Ipv4Addr::LOCALHOST.into();
        let sent = namespace.run(move || traffic::udp_flood(here, port, 32, burst));
        assert_eq!(sent.expect("datagrams"), burst);
        left -= burst;
        if left > 0 {
            thread::sleep(PAUSE);
        }
    }
}
