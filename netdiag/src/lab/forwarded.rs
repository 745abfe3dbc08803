//! Packets that this host would have to pass on, and may not.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::l3::{self, REMOTE_IP, REMOTE_IP6, scenario};
use super::{Bench, LabError, Scenario, frame, sysctl};

/// The TUN device by which the packets would leave.
const NEXT_DEVICE: &str = "tun1";
/// Its addresses, in a /24 and a /64.
const NEXT_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);
const NEXT_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 1, 0, 0, 0, 1);
/// Where the packets want to go.
const BEYOND_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 2);
const BEYOND_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 1, 0, 0, 0, 2);

/// A router takes one off, and nothing is left.
const LAST_HOP: u8 = 1;

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "ttl-expired",
        "IPv4 packets to forward arrive with a TTL of 1",
        "This host is a router, and for these packets one too many: two routers send them to each other in a loop \
         until their time to live is used up, or somebody runs traceroute. The kernel answers that the time is \
         exceeded.",
        None,
        Some("IpInHdrErrors"),
        || {
            router(
                false,
                "ipv4/ip_forward",
                l3::repeat(frame::ETHERTYPE_IPV4, |seq| {
                    let echo = frame::icmp_echo_request(0x6e64, seq, &[0; 56]);
                    frame::ipv4(frame::PROTO_ICMP, REMOTE_IP, BEYOND_IP, &echo, LAST_HOP)
                }),
            )
        },
    ),
    scenario(
        "hop-limit-expired",
        "IPv6 packets to forward arrive with a hop limit of 1",
        "As ttl-expired, with IPv6.",
        None,
        Some("Ip6InHdrErrors"),
        || {
            router(
                true,
                "ipv6/conf/all/forwarding",
                l3::repeat(frame::ETHERTYPE_IPV6, |seq| {
                    let echo = frame::icmpv6_echo_request(REMOTE_IP6, BEYOND_IP6, 0x6e64, seq, &[0; 56]);
                    frame::ipv6(frame::PROTO_ICMPV6, REMOTE_IP6, BEYOND_IP6, &echo, LAST_HOP)
                }),
            )
        },
    ),
];

/// A namespace that forwards, by this setting, between two TUN devices; the packets arrive on the first.
fn router(
    ipv6: bool,
    setting: &'static str,
    packets: Vec<(u16, Vec<u8>)>,
) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ipv6)?;
    let next = l3::add_device(&namespace, NEXT_DEVICE, NEXT_IP, ipv6.then_some(NEXT_IP6))?;
    namespace.run(move || sysctl::write(setting, "1"))?;
    Ok(Bench::writing(namespace, tun, packets).keeping(next))
}
