//! What most scenarios share: a namespace with a TUN device, and a handful of packets that arrive on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Bench, Expectation, LabError, Layer, Namespace, PacketInfo, Scenario, Tun};
use super::{frame, link, sysctl};

/// The TUN device of these scenarios.
const DEVICE: &str = "tun0";
/// Its address, in a /24.
pub(super) const DEVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Who the packets claim to come from.
pub(super) const REMOTE_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Address of the device where a scenario needs IPv6, in a /64.
const DEVICE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1);
/// Who those packets claim to come from.
pub(super) const REMOTE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 2);
/// The discard service, which nobody listens for in a fresh namespace.
pub(super) const CLOSED_PORT: u16 = 9;

/// How many packets, unless a scenario says otherwise.
pub(super) const PACKETS: u16 = 5;
/// The time between two that looks natural.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);

/// A scenario of [`PACKETS`] packets, each of which is dropped, and raises the counter if there is one.
pub(super) const fn scenario(
    name: &'static str,
    summary: &'static str,
    story: &'static str,
    finding: Option<&'static str>,
    counter: Option<&'static str>,
    build: fn() -> Result<Bench, LabError>,
) -> Scenario {
    let drops = PACKETS as u64;
    let counted = if counter.is_some() { drops } else { 0 };
    let expect = Expectation {
        finding,
        drops,
        counter,
        counted,
    };
    Scenario {
        name,
        summary,
        story,
        expect,
        interval: INTERVAL,
        build,
    }
}

/// An ordinary ping of the device.
pub(super) fn echo(seq: u16) -> Vec<u8> {
    let echo = frame::icmp_echo_request(0x6e64, seq, &[0; 56]);
    frame::ipv4(frame::PROTO_ICMP, REMOTE_IP, DEVICE_IP, &echo, 64)
}

/// The same over IPv6.
pub(super) fn echo6(seq: u16) -> Vec<u8> {
    let echo = frame::icmpv6_echo_request(REMOTE_IP6, DEVICE_IP6, 0x6e64, seq, &[0; 56]);
    frame::ipv6(frame::PROTO_ICMPV6, REMOTE_IP6, DEVICE_IP6, &echo, 64)
}

/// A handful of packets that are announced as `protocol`.
pub(super) fn repeat(protocol: u16, packet: impl Fn(u16) -> Vec<u8>) -> Vec<(u16, Vec<u8>)> {
    (1..=PACKETS).map(|seq| (protocol, packet(seq))).collect()
}

/// A bench that writes a handful of packets.
pub(super) fn repeating(protocol: u16, packet: impl Fn(u16) -> Vec<u8>) -> Result<Bench, LabError> {
    bench(repeat(protocol, packet))
}

/// A bench that writes `packets` to a TUN device of a namespace without IPv6.
pub(super) fn bench(packets: Vec<(u16, Vec<u8>)>) -> Result<Bench, LabError> {
    let (namespace, tun) = device(false)?;
    Ok(Bench::writing(namespace, tun, packets))
}

/// A namespace with a TUN device that is up, has an address and believes its packet information.
pub(super) fn device(ipv6: bool) -> Result<(Namespace, Tun), LabError> {
    let namespace = Namespace::new()?;
    if !ipv6 {
        namespace.run(sysctl::disable_ipv6)?;
    }
    let tun = add_device(&namespace, DEVICE, DEVICE_IP, ipv6.then_some(DEVICE_IP6))?;
    Ok((namespace, tun))
}

/// One more such device.
pub(super) fn add_device(
    namespace: &Namespace,
    name: &'static str,
    address: Ipv4Addr,
    address6: Option<Ipv6Addr>,
) -> Result<Tun, LabError> {
    let tun = Tun::create(namespace, name, Layer::Ip, PacketInfo::Present)?;
    namespace.run(move || {
        if address6.is_some() {
            // No link-local address, so no router solicitation from it.
            sysctl::write(&format!("ipv6/conf/{name}/addr_gen_mode"), "1")?;
        }
        link::add_address(name, address.into(), 24)?;
        link::set_up(name)?;
        address6.map_or(Ok(()), |address| {
            link::add_address(name, IpAddr::V6(address), 64)
        })
    })?;
    Ok(tun)
}
