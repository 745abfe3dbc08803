//! Routes by rtnetlink, in the network namespace of the calling thread.

use std::net::IpAddr;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{LabError, link};

/// Where a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Out of this device.
    Device(&'static str),
    /// Nowhere, in silence.
    Blackhole,
    /// Nowhere, and the sender is told that the host is unreachable.
    Unreachable,
    /// Nowhere, and the sender is told that it is forbidden.
    Prohibit,
}

/// Adds a route to `destination`/`prefix` to the main table.
///
/// # Errors
/// [`LabError::Link`] with the destination and what the kernel answered.
pub fn add(destination: IpAddr, prefix: u8, target: Target) -> Result<(), LabError> {
    let operation = "add a route to";
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: if destination.is_ipv4() {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        },
        destination_prefix_length: prefix,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Static,
        scope: RouteScope::Universe,
        kind: match target {
            Target::Device(_) => RouteType::Unicast,
            Target::Blackhole => RouteType::BlackHole,
            Target::Unreachable => RouteType::Unreachable,
            Target::Prohibit => RouteType::Prohibit,
        },
        ..RouteHeader::default()
    };
    message
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::from(destination)));
    if let Target::Device(device) = target {
        if destination.is_ipv4() {
            message.header.scope = RouteScope::Link;
        }
        let index = link::index(device, operation)?;
        message.attributes.push(RouteAttribute::Oif(index));
    }
    let object = format!("{destination}/{prefix}");
    link::request(
        RouteNetlinkMessage::NewRoute(message),
        link::NEW,
        operation,
        &object,
    )
}
