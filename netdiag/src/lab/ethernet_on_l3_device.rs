//! Whole Ethernet frames on a device that carries bare IP packets.

use std::io;
use std::time::Duration;

use super::l3::{self, DEVICE_IP, PACKETS, REMOTE_IP};
use super::{
    Bench, Expectation, LabError, Layer, Namespace, Owner, PacketInfo, Scenario, Tun, frame, link, sysctl,
};

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
}, RAW];

const RAW: Scenario = Scenario {
    name: "ethernet-on-raw-tun",
    summary: "Ethernet frames are written to a TUN device that takes bare IP packets alone",
    story: "As ethernet-on-l3-device, but the program does not say what its packets are (IFF_NO_PI): the kernel looks at \
            the first half byte, finds neither 4 nor 6, and refuses. The program's write fails with EINVAL.",
    // The kernel has not said yet whose packet it is.
    expect: Expectation::finding("ethernet-on-l3-device")
        .at(&["NOT_SPECIFIED", "INVALID_PROTO"], &["tun_get_user"])
        .on(None)
        .of(Owner::Unsaid),
    interval: l3::INTERVAL,
    build: refused,
};

fn refused() -> Result<Bench, LabError> {
    let namespace = Namespace::new()?;
    namespace.run(sysctl::disable_ipv6)?;
    let tun = Tun::create(&namespace, l3::DEVICE, Layer::Ip, PacketInfo::Absent)?;
    namespace.run(|| link::set_up(l3::DEVICE))?;
    Ok(Bench::each(namespace, PACKETS, move |seq| {
        let (protocol, bytes) = ethernet(seq);
        match tun.write(protocol, &bytes) {
            Err(LabError::Tun { source, .. }) if source.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }))
}

fn build() -> Result<Bench, LabError> {
    l3::bench((1..=FRAMES).map(ethernet).collect())
}

fn ethernet(seq: u16) -> (u16, Vec<u8>) {
    let payload: Vec<u8> = (0..56).collect();
    let echo = frame::icmp_echo_request(0x6e64, seq, &payload);
    let packet = frame::ipv4(frame::PROTO_ICMP, REMOTE_IP, DEVICE_IP, &echo, 64);
    let bytes = frame::ethernet(DEVICE_MAC, REMOTE_MAC, frame::ETHERTYPE_IPV4, &packet);
    (frame::ETHERTYPE_IPV4, bytes)
}
