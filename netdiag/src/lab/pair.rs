//! Two hosts on one cable: namespaces joined by a veth pair, who know each other and say nothing of their own accord.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use super::traffic::Pinger;
use super::{LabError, Namespace, frame, link, sysctl};

/// One host's end of the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub(super) device: &'static str,
    pub(super) mac: frame::Mac,
    pub(super) ipv4: Ipv4Addr,
    pub(super) ipv6: Ipv6Addr,
}

/// The host that netdiag looks at.
pub(super) const HERE: Host = Host {
    device: "veth0",
    mac: [0x02, 0x42, 0x0a, 0x62, 0x00, 0x01],
    ipv4: Ipv4Addr::new(10, 98, 0, 1),
    ipv6: Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 1),
};
/// The host that it talks to.
pub(super) const THERE: Host = Host {
    device: "veth1",
    mac: [0x02, 0x42, 0x0a, 0x62, 0x00, 0x02],
    ipv4: Ipv4Addr::new(10, 98, 0, 2),
    ipv6: Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 2),
};

/// When something is wrong if no answer came.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often a ping is tried that may come before the link is ready, and how long each waits.
const WARM_UPS: u16 = 100;
const WARM_UP: Duration = Duration::from_millis(100);

/// The two.
#[derive(Debug)]
pub(super) struct Pair {
    /// What netdiag looks at.
    pub(super) here: Namespace,
    /// Who is at the other end.
    pub(super) there: Namespace,
}

impl Pair {
    /// Both ends are up, and packets pass.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) fn new() -> Result<Self, LabError> {
        let (here, there) = (Namespace::new()?, Namespace::new()?);
        let other = there.open()?;
        here.run(move || link::create_veth(HERE.device, THERE.device, other.as_fd()))?;
        here.run(|| set_up(HERE, THERE))?;
        there.run(|| set_up(THERE, HERE))?;
        warm_up(&here, THERE)?;
        warm_up(&there, HERE)?;
        Ok(Self { here, there })
    }
}

/// Sets up one end, with the other end's addresses known.
fn set_up(own: Host, other: Host) -> Result<(), LabError> {
    // No link-local address, so no router solicitation from it.
    sysctl::write(&format!("ipv6/conf/{}/addr_gen_mode", own.device), "1")?;
    // Ping sockets, which need no privilege, are for these groups only.
    sysctl::write("ipv4/ping_group_range", "0 2147483647")?;
    link::set_mac(own.device, own.mac)?;
    // Without address resolution the device joins no multicast group (`addrconf_join_solict`). Its reports about
    // groups would come at times of their own choosing, and the other end would drop them (`ip6_mc_input`).
    link::set_up_without_arp(own.device)?;
    link::add_address(own.device, own.ipv4.into(), 24)?;
    link::add_address(own.device, own.ipv6.into(), 64)?;
    link::add_neighbour(own.device, other.ipv4.into(), other.mac)?;
    link::add_neighbour(own.device, other.ipv6.into(), other.mac)
}

/// Pings until it is answered: a device that came up before its peer sends only when the kernel got round to
/// activating it (`linkwatch_do_dev`).
fn warm_up(namespace: &Namespace, other: Host) -> Result<(), LabError> {
    let pinger = namespace.run(move || Pinger::open(other.ipv6.into()))?;
    let mut answer = Ok(());
    for seq in 1..=WARM_UPS {
        answer = pinger.ping(seq, WARM_UP);
        if answer.is_ok() {
            break;
        }
    }
    answer
}
