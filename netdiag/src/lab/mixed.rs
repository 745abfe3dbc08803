//! Several faults at once.

use std::net::Ipv4Addr;

use super::filter::FIREWALL;
use super::ip::{ELSEWHERE_NET, REVERSE_PATH, elsewhere};
use super::l3::{self, CLOSED_PORT, DEVICE, Ip, scenario};
use super::nft::{self, Hook, Match, Verdict};
use super::route::{self, Target};
use super::udp::UDP_PORT_CLOSED;
use super::{Bench, Expectation, LabError, Scenario, frame, sysctl};

/// The port that the firewall closes.
const FORBIDDEN: u16 = 7777;
/// How many packets suffer from each fault: enough to tell which is which.
const SPOOFED: u16 = 7;
const UNWANTED: u16 = 5;
const FILTERED: u16 = 3;

const OTHERS: &[Expectation] = &[
    UDP_PORT_CLOSED.drops(UNWANTED as u64).counter("UdpNoPorts"),
    FIREWALL.drops(FILTERED as u64),
];

pub(super) const SCENARIOS: &[Scenario] = &[scenario(
    "mixed",
    "Three faults at once: the reverse path filter, a closed port and a firewall",
    "Routing is asymmetric, a service is not running, and the firewall has a rule too many, all on one device: each \
     must be found, with its own count.",
    REVERSE_PATH
        .drops(SPOOFED as u64)
        .counter("TcpExtIPReversePathFilter")
        .needs(&["nft"])
        .and(OTHERS),
    build,
)];

fn build() -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(false)?;
    let other = l3::add_device(&namespace, "tun1", Ipv4Addr::new(10, 99, 1, 1), None)?;
    namespace.run(|| {
        sysctl::write(&format!("ipv4/conf/{DEVICE}/rp_filter"), "1")?;
        route::add(ELSEWHERE_NET.into(), 24, Target::Device("tun1"))?;
        nft::add(Hook::Input, Match::Udp(FORBIDDEN), Verdict::Drop)
    })?;
    let mut packets = Vec::new();
    for seq in 1..=SPOOFED {
        packets.push((frame::ETHERTYPE_IPV4, elsewhere(seq)));
        if seq <= UNWANTED {
            packets.push((frame::ETHERTYPE_IPV4, Ip::V4.datagram(seq, CLOSED_PORT)));
        }
        if seq <= FILTERED {
            packets.push((frame::ETHERTYPE_IPV4, Ip::V4.datagram(seq, FORBIDDEN)));
        }
    }
    Ok(Bench::writing(namespace, tun, packets).keeping(other))
}
