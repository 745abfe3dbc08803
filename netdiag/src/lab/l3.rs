//! What most scenarios share: a namespace with a TUN device, and a handful of packets that arrive on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

pub(super) use super::expect::PACKETS;
use super::{Bench, Expectation, LabError, Layer, Namespace, PacketInfo, Scenario, Tun};
use super::{frame, link, queue, sysctl, traffic};

/// The TUN device of these scenarios.
pub(super) const DEVICE: &str = "tun0";
/// Its address, in a /24.
pub(super) const DEVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Who the packets claim to come from.
pub(super) const REMOTE_IP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Address of the device where a scenario needs IPv6, in a /64.
pub(super) const DEVICE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1);
/// Who those packets claim to come from.
pub(super) const REMOTE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 2);
/// The discard service, which nobody listens for in a fresh namespace.
pub(super) const CLOSED_PORT: u16 = 9;

/// The time between two that looks natural.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);

/// A version of IP, and the addresses of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ip {
    V4,
    V6,
}

impl Ip {
    /// The TUN device's address.
    pub(super) fn here(self) -> IpAddr {
        match self {
            Self::V4 => DEVICE_IP.into(),
            Self::V6 => DEVICE_IP6.into(),
        }
    }

    /// Who is at the other end.
    pub(super) fn remote(self) -> IpAddr {
        match self {
            Self::V4 => REMOTE_IP.into(),
            Self::V6 => REMOTE_IP6.into(),
        }
    }

    /// Somebody far away: addresses for documentation.
    pub(super) fn far(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(203, 0, 113, 9).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(),
        }
    }

    /// Its network.
    pub(super) fn far_net(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(203, 0, 113, 0).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0).into(),
        }
    }

    /// The length of an address.
    pub(super) fn host_prefix(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The length of that network's prefix.
    pub(super) fn far_prefix(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }

    pub(super) fn ethertype(self) -> u16 {
        match self {
            Self::V4 => frame::ETHERTYPE_IPV4,
            Self::V6 => frame::ETHERTYPE_IPV6,
        }
    }

    /// ICMP or ICMPv6.
    pub(super) fn icmp(self) -> u8 {
        match self {
            Self::V4 => frame::PROTO_ICMP,
            Self::V6 => frame::PROTO_ICMPV6,
        }
    }

    /// A packet from the other end to the device.
    pub(super) fn packet(self, proto: u8, payload: &[u8]) -> Vec<u8> {
        frame::ip(proto, self.remote(), self.here(), payload, 64)
    }

    /// A ping of somebody by the other end.
    pub(super) fn ping(self, dst: IpAddr, seq: u16, size: usize, ttl: u8) -> Vec<u8> {
        let echo = frame::echo_request(self.remote(), dst, 0x6e64, seq, &vec![0; size]);
        frame::ip(self.icmp(), self.remote(), dst, &echo, ttl)
    }

    /// A datagram from the other end to a port of the device.
    pub(super) fn datagram(self, seq: u16, port: u16) -> Vec<u8> {
        let sport = 40_000 + seq;
        let datagram = frame::udp(self.remote(), self.here(), sport, port, b"netdiag");
        self.packet(frame::PROTO_UDP, &datagram)
    }
}

/// A scenario that looks natural at [`INTERVAL`].
pub(super) const fn scenario(
    name: &'static str,
    summary: &'static str,
    story: &'static str,
    expect: Expectation,
    build: fn() -> Result<Bench, LabError>,
) -> Scenario {
    Scenario {
        name,
        summary,
        story,
        expect,
        interval: INTERVAL,
        build,
    }
}

/// A bench that writes a handful of packets to a TUN device, in a namespace that was set up like that.
pub(super) fn arriving(
    ip: Ip,
    setup: impl FnOnce() -> Result<(), LabError> + Send + 'static,
    packet: impl Fn(u16) -> Vec<u8>,
) -> Result<Bench, LabError> {
    let (namespace, tun) = device(ip == Ip::V6)?;
    namespace.run(setup)?;
    Ok(Bench::writing(
        namespace,
        tun,
        repeat(ip.ethertype(), packet),
    ))
}

/// Nothing more to set up.
pub(super) fn as_it_is() -> Result<(), LabError> {
    Ok(())
}

/// A bench whose namespace sends a handful of datagrams to `to` by a socket that stays open. That the kernel refuses
/// some is what the scenario is about.
pub(super) fn sending(namespace: Namespace, to: SocketAddr, count: u16) -> Result<Bench, LabError> {
    let socket = namespace.run(move || traffic::udp_socket(to))?;
    Ok(Bench::each(namespace, count, move |_| {
        let _ = socket.send_to(b"netdiag", to);
        Ok(())
    }))
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
        link::set_up(name)
    })?;
    // Before that, an IPv6 address would be tentative.
    queue::await_carrier(namespace, name, true)?;
    namespace.run(move || {
        address6.map_or(Ok(()), |address| {
            link::add_address(name, IpAddr::V6(address), 64)?;
            link::await_address(name, address)
        })
    })?;
    Ok(tun)
}
