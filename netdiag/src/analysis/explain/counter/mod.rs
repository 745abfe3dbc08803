//! Counters, a file a topic. What [`rules`](crate::analysis::counter::rules) says of a counter in a line is not said again.

mod device;
mod ip;
mod ipv6;
mod retrans;
mod tcp;
mod udp;

use super::Entry;

pub(super) const ENTRIES: &[&[Entry]] = &[
    ip::ENTRIES,
    udp::ENTRIES,
    tcp::ENTRIES,
    retrans::ENTRIES,
    ipv6::ENTRIES,
    device::ENTRIES,
];
