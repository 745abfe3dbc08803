//! Devices and their addresses: more of them than the counters need.

use super::netlink::{attribute, attributes, dump, ip_of, text_of, u16_of, u32_of};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::{io, net::IpAddr};

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// `ifindex`.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `ARPHRD_*`.
    pub arphrd: u16,
    /// The kind of a virtual one.
    pub kind: Option<String>,
    /// Switched on.
    pub up: bool,
    /// Whether the link has a carrier.
    pub carrier: Option<bool>,
    /// `IF_OPER_*`.
    pub operstate: u8,
    /// Whether it takes in frames for others.
    pub promiscuous: bool,
    /// The largest packet.
    pub mtu: u32,
    /// Its hardware address.
    pub mac: Option<String>,
    /// The device below it.
    pub below: Option<u32>,
    /// Of a VLAN device, its id.
    pub vlan: Option<u16>,
    /// Of a VXLAN device, its network identifier.
    pub vni: Option<u32>,
    /// The id of its XDP program.
    pub xdp: Option<u32>,
}

// Of linux/rtnetlink.h, linux/if_link.h, linux/if.h and linux/if_addr.h.
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFINFOMSG: usize = 16;
const IFADDRMSG: usize = 8;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_CARRIER: u16 = 33;
const IFLA_XDP: u16 = 43;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFF_UP: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// All of them.
///
/// # Errors
/// What the kernel answered.
pub fn list() -> io::Result<Vec<Link>> {
    let messages = dump(NETLINK_ROUTE, RTM_GETLINK, &[0; IFINFOMSG])?;
    let links = messages
        .iter()
        .filter(|(kind, _)| *kind == RTM_NEWLINK)
        .filter_map(|(_, payload)| parse(payload));
    Ok(links.collect())
}

fn parse(payload: &[u8]) -> Option<Link> {
    let [_, _, type0, type1, i0, i1, i2, i3, f0, f1, f2, f3, ..] =
        *payload.first_chunk::<IFINFOMSG>()?;
    let mut link = Link {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        arphrd: u16::from_ne_bytes([type0, type1]),
        up: u32::from_ne_bytes([f0, f1, f2, f3]) & IFF_UP != 0,
        ..Link::default()
    };
    for attribute in attributes(payload.get(IFINFOMSG..)?) {
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => link.name = text_of(value),
            IFLA_ADDRESS if value.len() == 6 => link.mac = Some(mac(value)),
            IFLA_MTU => link.mtu = u32_of(value).unwrap_or_default(),
            IFLA_LINK => link.below = u32_of(value),
            IFLA_OPERSTATE => link.operstate = value.first().copied().unwrap_or_default(),
            IFLA_PROMISCUITY => link.promiscuous = u32_of(value).is_some_and(|count| count > 0),
            IFLA_CARRIER => link.carrier = value.first().map(|&carrier| carrier != 0),
            IFLA_XDP => {
                let id = self::attribute(value, IFLA_XDP_PROG_ID).and_then(u32_of);
                link.xdp = id.filter(|&id| id != 0);
            }
            IFLA_LINKINFO => info(value, &mut link),
            _ => {}
        }
    }
    Some(link)
}

fn info(value: &[u8], link: &mut Link) {
    link.kind = attribute(value, IFLA_INFO_KIND).map(text_of);
    let data = attribute(value, IFLA_INFO_DATA).unwrap_or_default();
    match link.kind.as_deref() {
        Some("vlan") => link.vlan = attribute(data, IFLA_VLAN_ID).and_then(u16_of),
        Some("vxlan") => link.vni = attribute(data, IFLA_VXLAN_ID).and_then(u32_of),
        _ => {}
    }
}

/// `02:00:00:00:00:01`
pub(super) fn mac(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

/// The addresses of all devices, with the index of each one's device.
///
/// # Errors
/// What the kernel answered.
pub fn addresses() -> io::Result<Vec<(u32, IpAddr)>> {
    let messages = dump(NETLINK_ROUTE, RTM_GETADDR, &[0; IFADDRMSG])?;
    let addresses = messages.iter().filter_map(|(kind, payload)| {
        let [_, _, _, _, i0, i1, i2, i3] = *payload.first_chunk::<IFADDRMSG>()?;
        let rest = payload.get(IFADDRMSG..)?;
        // Where the two differ, IFA_ADDRESS is the peer's.
        let address = attribute(rest, IFA_LOCAL).or_else(|| attribute(rest, IFA_ADDRESS))?;
        let index = u32::from_ne_bytes([i0, i1, i2, i3]);
        (*kind == RTM_NEWADDR).then_some((index, ip_of(address)?))
    });
    Ok(addresses.collect())
}

/// `IF_OPER_*` in words.
#[must_use]
pub fn operstate(state: u8) -> &'static str {
    match state {
        1 => "notpresent",
        2 => "down",
        3 => "lowerlayerdown",
        4 => "testing",
        5 => "dormant",
        6 => "up",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fact::netlink::push;

    #[test]
    fn the_loopback_device_and_its_address_are_there() {
        let links = list().expect("links");
        let lo = links.iter().find(|link| link.name == "lo").expect("lo");
        assert_eq!((lo.arphrd, lo.kind.as_deref()), (772, None));
        addresses().expect("addresses");
    }

    #[test]
    fn a_vlan_device_tells_its_id_and_every_prefix_is_survived() {
        let mut data = Vec::new();
        push(&mut data, IFLA_VLAN_ID, &42u16.to_ne_bytes());
        let mut info = Vec::new();
        push(&mut info, IFLA_INFO_KIND, b"vlan\0");
        push(&mut info, IFLA_INFO_DATA | 0x8000, &data);
        let mut xdp = Vec::new();
        push(&mut xdp, IFLA_XDP_PROG_ID, &7u32.to_ne_bytes());
        let mut bytes = vec![0; IFINFOMSG];
        push(&mut bytes, IFLA_LINK, &3u32.to_ne_bytes());
        push(&mut bytes, IFLA_XDP | 0x8000, &xdp);
        push(&mut bytes, IFLA_LINKINFO, &info);
        let link = parse(&bytes).expect("link");
        assert_eq!(
            (link.vlan, link.below, link.xdp),
            (Some(42), Some(3), Some(7))
        );
        for end in 0..bytes.len() {
            let _link = parse(bytes.get(..end).expect("prefix"));
        }
    }
}
