//! A namespace with a TAP device: whole Ethernet frames arrive on it, and what the kernel sends goes to nobody.

use super::ethernet_on_l3_device::{DEVICE_MAC, REMOTE_MAC};
use super::l3::{DEVICE_IP, DEVICE_IP6};
use super::{Bench, LabError, Layer, Namespace, PacketInfo, Tun};
use super::{frame, l3, link, queue, sysctl};

/// The TAP device.
pub(super) const DEVICE: &str = "tap0";

/// A namespace with a TAP device that is up and has the usual addresses. It has no link-local address, so that it asks
/// for no routers.
pub(super) fn device(ipv6: bool) -> Result<(Namespace, Tun), LabError> {
    let namespace = Namespace::new()?;
    if !ipv6 {
        namespace.run(sysctl::disable_ipv6)?;
    }
    let tap = Tun::create(&namespace, DEVICE, Layer::Ethernet, PacketInfo::Absent)?;
    namespace.run(move || {
        link::set_mac(DEVICE, DEVICE_MAC)?;
        if ipv6 {
            sysctl::write("ipv6/conf/tap0/addr_gen_mode", "1")?;
        }
        link::add_address(DEVICE, DEVICE_IP.into(), 24)?;
        link::set_up(DEVICE)
    })?;
    // Before that, an IPv6 address would be tentative.
    queue::await_carrier(&namespace, DEVICE, true)?;
    if ipv6 {
        namespace.run(|| {
            link::add_address(DEVICE, DEVICE_IP6.into(), 64)?;
            link::await_address(DEVICE, DEVICE_IP6)
        })?;
    }
    Ok((namespace, tap))
}

/// A bench that writes a handful of frames.
pub(super) fn arriving(ipv6: bool, packet: impl Fn(u16) -> Vec<u8>) -> Result<Bench, LabError> {
    let (namespace, tap) = device(ipv6)?;
    Ok(Bench::writing(namespace, tap, l3::repeat(0, packet)))
}

/// A frame from the other end to that address.
pub(super) fn frame(dst: frame::Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    frame::ethernet(dst, REMOTE_MAC, ethertype, payload)
}
