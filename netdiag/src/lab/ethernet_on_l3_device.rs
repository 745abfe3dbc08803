//! Whole Ethernet frames on a device that carries bare IP packets.

use std::time::Duration;

use super::l3::{self, DEVICE_IP, REMOTE_IP};
use super::{Bench, Expectation, LabError, Scenario, frame};

/// MAC address of the device that the frames were meant for.
pub(super) const DEVICE_MAC: frame::Mac = [0x02, 0x42, 0x0a, 0x63, 0x00, 0x01];
/// MAC address of their sender.
pub(super) const REMOTE_MAC: frame::Mac = [0x02, 0x42, 0x0a, 0x63, 0x00, 0x02];

const FRAMES: u16 = 57;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "ethernet-on-l3-device",
    summary: "Ethernet frames arrive on a TUN device, which carries bare IP packets",
    story: "A user-space tunnel opened its TUN device as if it were a TAP device: it writes whole Ethernet frames, \
            and claims that they are IPv4. The kernel takes the destination MAC address for an IP header, finds a \
            version that is not 4, and drops every packet. The link is up, routes and addresses are right, tcpdump \
            shows traffic, and still no ping is answered.",
    expect: Expectation::finding("ethernet-on-l3-device")
        .drops(FRAMES as u64)
        .counter("IpInHdrErrors")
        .at(&["IP_INHDR"], &["ip_rcv_core"]),
    // 57 frames in about a second and a half.
    interval: Duration::from_millis(26),
    build,
}];

fn build() -> Result<Bench, LabError> {
    let frames = (1..=FRAMES).map(|seq| {
        let payload: Vec<u8> = (0..56).collect();
        let echo = frame::icmp_echo_request(0x6e64, seq, &payload);
        let packet = frame::ipv4(frame::PROTO_ICMP, REMOTE_IP, DEVICE_IP, &echo, 64);
        let bytes = frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_IPV4, &packet);
        (frame::ETHERTYPE_IPV4, bytes)
    });
    l3::bench(frames.collect())
}
