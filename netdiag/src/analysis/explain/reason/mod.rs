//! Drop reasons, a file a topic. Names are the kernel's, without `SKB_DROP_REASON_`.

mod core;
mod device;
mod filter;
mod ip;
mod ipv6;
mod neighbour;
mod openvswitch;
mod qdisc;
mod socket;
mod tcp;
mod tcp_auth;
mod tcp_data;
mod tunnel;
mod wireless;
mod wireless_crypto;
mod wireless_mesh;
mod wireless_state;

use super::Entry;

pub(super) const ENTRIES: &[&[Entry]] = &[
    core::ENTRIES,
    ip::ENTRIES,
    socket::ENTRIES,
    tcp::ENTRIES,
    tcp_data::ENTRIES,
    tcp_auth::ENTRIES,
    filter::ENTRIES,
    qdisc::ENTRIES,
    neighbour::ENTRIES,
    device::ENTRIES,
    tunnel::ENTRIES,
    ipv6::ENTRIES,
    openvswitch::ENTRIES,
    wireless_crypto::ENTRIES,
    wireless::ENTRIES,
    wireless_state::ENTRIES,
    wireless_mesh::ENTRIES,
];
