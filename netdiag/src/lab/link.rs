//! Links and addresses by rtnetlink, synchronously, in the network namespace of the calling thread
//! (call these inside [`Namespace::run`](super::Namespace::run)).

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    LinkXdp,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use rustix::net::{AddressFamily as SocketFamily, SocketType, netdevice, socket};

use super::frame::Mac;
use super::{LabError, netlink};

pub(super) use netdiag_common::IFNAMSIZ;

/// Brings a device up.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_up(device: &str) -> Result<(), LabError> {
    up_with(device, LinkFlags::empty())
}

/// Brings a device up that asks nobody for MAC addresses, neither by ARP nor by neighbour discovery
/// (see [`add_neighbour`]).
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_up_without_arp(device: &str) -> Result<(), LabError> {
    up_with(device, LinkFlags::Noarp)
}

/// Takes a device down.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_down(device: &str) -> Result<(), LabError> {
    let operation = "take down";
    let mut message = LinkMessage::default();
    message.header.index = index(device, operation)?;
    message.header.change_mask = LinkFlags::Up;
    request(RouteNetlinkMessage::SetLink(message), 0, operation, device)
}

/// Brings a device up, and sets more flags.
fn up_with(device: &str, flags: LinkFlags) -> Result<(), LabError> {
    let operation = "bring up";
    let mut message = LinkMessage::default();
    message.header.index = index(device, operation)?;
    message.header.flags = LinkFlags::Up | flags;
    message.header.change_mask = LinkFlags::Up | flags;
    request(RouteNetlinkMessage::SetLink(message), 0, operation, device)
}

/// Tells a device the MAC address of a neighbour, for good.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn add_neighbour(device: &str, address: IpAddr, mac: Mac) -> Result<(), LabError> {
    let operation = "add a neighbour to";
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index(device, operation)?;
    message.header.state = NeighbourState::Permanent;
    let (family, address) = match address {
        IpAddr::V4(address) => (AddressFamily::Inet, NeighbourAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, NeighbourAddress::Inet6(address)),
    };
    message.header.family = family;
    message.attributes = vec![
        NeighbourAttribute::Destination(address),
        NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
    ];
    request(
        RouteNetlinkMessage::NewNeighbour(message),
        NEW,
        operation,
        device,
    )
}

/// Gives a device the address `address`/`prefix`. An IPv6 address is not looked for elsewhere first; it can be used when
/// [`await_address`] returns.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn add_address(device: &str, address: IpAddr, prefix: u8) -> Result<(), LabError> {
    let operation = "add an address to";
    let mut message = AddressMessage::default();
    message.header.index = index(device, operation)?;
    message.header.prefix_len = prefix;
    if address.is_ipv4() {
        message.header.family = AddressFamily::Inet;
    } else {
        message.header.family = AddressFamily::Inet6;
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    request(
        RouteNetlinkMessage::NewAddress(message),
        NEW,
        operation,
        device,
    )
}

/// Waits until packets for an IPv6 address of a device that is up arrive: the kernel makes the route to it later
/// (`addrconf_dad_work`).
///
/// # Errors
/// [`LabError::Link`] when it does not, or `/proc` cannot be read.
pub fn await_address(device: &str, address: Ipv6Addr) -> Result<(), LabError> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let failed = |source| refused("wait for an IPv6 address of", device, source);
    let route: String = address.octets().map(|byte| format!("{byte:02x}")).concat();
    let end = Instant::now() + PATIENCE;
    loop {
        let table = fs::read_to_string("/proc/thread-self/net/ipv6_route").map_err(failed)?;
        if table
            .lines()
            .any(|line| line.starts_with(&format!("{route} 80 ")))
        {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(failed(io::ErrorKind::TimedOut.into()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sets a device's MAC address.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_mac(device: &str, mac: Mac) -> Result<(), LabError> {
    let address = LinkAttribute::Address(mac.to_vec());
    change(device, "set the MAC address of", address)
}

/// Sets how large a packet the device carries.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_mtu(device: &str, mtu: u32) -> Result<(), LabError> {
    change(device, "set the MTU of", LinkAttribute::Mtu(mtu))
}

/// Sets how many packets the device's own queue takes.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_queue_length(device: &str, packets: u32) -> Result<(), LabError> {
    change(
        device,
        "set the queue length of",
        LinkAttribute::TxQueueLen(packets),
    )
}

/// Attaches an XDP program, in the kernel's generic way or in the driver's own.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_xdp(device: &str, program: BorrowedFd<'_>, generic: bool) -> Result<(), LabError> {
    /// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE`.
    const MODES: [u32; 2] = [1 << 1, 1 << 2];
    let [skb, driver] = MODES;
    let flags = if generic { skb } else { driver };
    let xdp = vec![LinkXdp::Fd(program.as_raw_fd()), LinkXdp::Flags(flags)];
    change(device, "attach an XDP program to", LinkAttribute::Xdp(xdp))
}

/// Changes one thing about a device.
fn change(device: &str, operation: &'static str, attribute: LinkAttribute) -> Result<(), LabError> {
    let mut message = LinkMessage::default();
    message.header.index = index(device, operation)?;
    message.attributes.push(attribute);
    request(RouteNetlinkMessage::SetLink(message), 0, operation, device)
}

/// Creates a VXLAN device, still down, for one network on a UDP port.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn create_vxlan(device: &str, vni: u32, port: u16) -> Result<(), LabError> {
    name_bytes(device)?;
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(device.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vxlan),
            LinkInfo::Data(InfoData::Vxlan(vec![
                InfoVxlan::Id(vni),
                InfoVxlan::Port(port),
            ])),
        ]),
    ];
    request(
        RouteNetlinkMessage::NewLink(message),
        NEW,
        "create the VXLAN device",
        device,
    )
    .map_err(|error| error.lacking("vxlan"))
}

/// Creates a bridge, still down.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn create_bridge(device: &str) -> Result<(), LabError> {
    create(device, InfoKind::Bridge, "create the bridge").map_err(|error| error.lacking("bridge"))
}

/// Makes a device a port of a bridge.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn set_bridge(device: &str, bridge: &str) -> Result<(), LabError> {
    let operation = "put into a bridge";
    let index = index(bridge, operation)?;
    change(device, operation, LinkAttribute::Controller(index))
}

/// Creates a dummy device, still down.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn create_dummy(device: &str) -> Result<(), LabError> {
    create(device, InfoKind::Dummy, "create the dummy device")
}

/// Creates a device that needs no more than its kind.
fn create(device: &str, kind: InfoKind, operation: &'static str) -> Result<(), LabError> {
    name_bytes(device)?;
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(device.to_owned()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]),
    ];
    request(
        RouteNetlinkMessage::NewLink(message),
        NEW,
        operation,
        device,
    )
}

/// Creates a veth pair, both ends down: `device` here, `peer` in the namespace `peer_netns`
/// (see [`Namespace::open`](super::Namespace::open)).
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn create_veth(device: &str, peer: &str, peer_netns: BorrowedFd<'_>) -> Result<(), LabError> {
    name_bytes(device)?;
    name_bytes(peer)?;
    let mut other = LinkMessage::default();
    other.attributes = vec![
        LinkAttribute::IfName(peer.to_owned()),
        LinkAttribute::NetNsFd(peer_netns.as_raw_fd()),
    ];
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(device.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]),
    ];
    request(
        RouteNetlinkMessage::NewLink(message),
        NEW,
        "create the veth pair",
        device,
    )
}

/// Whether a device is up and has a carrier, and the kernel has set its queues accordingly.
///
/// # Errors
/// [`LabError::Link`] with the device and what the kernel answered.
pub fn is_running(device: &str) -> Result<bool, LabError> {
    let operation = "ask about";
    let mut link = LinkMessage::default();
    link.header.index = index(device, operation)?;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetLink(link));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let failed = |source| refused(operation, device, source);
    let answer = netlink::ask(NETLINK_ROUTE, &bytes).map_err(failed)?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| failed(io::Error::other(error)))?;
    match answer.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
            Ok(link.header.flags.contains(LinkFlags::Running))
        }
        _ => Err(failed(io::Error::other(
            "rtnetlink answered something else than a device",
        ))),
    }
}

/// Flags of a request that must not change what is there.
pub(super) const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// A device's name as the kernel's structures hold it.
pub(super) fn name_bytes(device: &str) -> Result<[u8; IFNAMSIZ], LabError> {
    let mut bytes = [0; IFNAMSIZ];
    let fits = !device.is_empty()
        && device.len() < IFNAMSIZ
        && !device.contains(|c: char| c == '/' || c == '\0' || c.is_whitespace());
    if !fits {
        return Err(LabError::DeviceName(device.to_owned()));
    }
    for (to, from) in bytes.iter_mut().zip(device.bytes()) {
        *to = from;
    }
    Ok(bytes)
}

/// The index of a device of this thread's namespace.
pub(super) fn index(device: &str, operation: &'static str) -> Result<u32, LabError> {
    socket(SocketFamily::INET, SocketType::DGRAM, None)
        .and_then(|socket| netdevice::name_to_index(socket, device))
        .map_err(|errno| refused(operation, device, errno.into()))
}

pub(super) fn refused(operation: &'static str, device: &str, source: io::Error) -> LabError {
    LabError::Link {
        operation,
        device: device.to_owned(),
        source,
    }
}

/// Sends one request and waits for the kernel's verdict.
pub(super) fn request(
    message: RouteNetlinkMessage,
    flags: u16,
    operation: &'static str,
    device: &str,
) -> Result<(), LabError> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    netlink::exchange(NETLINK_ROUTE, &bytes).map_err(|source| refused(operation, device, source))
}
