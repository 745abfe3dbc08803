//! Packets whose next hop has no MAC address that anybody would tell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use super::ethernet_on_l3_device::REMOTE_MAC;
use super::l3::{self, CLOSED_PORT, DEVICE_IP, Ip, PACKETS, scenario};
use super::{Bench, Expectation, LabError, Namespace, Owner, Scenario, Tun, frame, l2, sysctl};

/// A host that does not answer, or late.
const ABSENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 9);
const ABSENT6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 9);

/// How long the kernel waits for an answer before it gives up.
const RETRANSMIT: Duration = Duration::from_millis(100);

const INVALIDATE: &[&str] = &["neigh_invalidate", "arp_error_report", "ndisc_error_report"];
const UNREACHABLE: Expectation = Expectation::finding("neighbour-unreachable")
    .at(&["NEIGH_FAILED"], INVALIDATE)
    .on(Some(l2::DEVICE))
    .of(Owner::Process);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "neighbour-unreachable",
        "A program sends to a host on the same network that does not answer ARP",
        "The host is off, in another VLAN, or has another address: nobody answers who has 10.99.0.9, and what waits \
         for the answer is dropped.",
        UNREACHABLE,
        || absent(Ip::V4),
    ),
    scenario(
        "neighbour-unreachable6",
        "A program sends to a host on the same network that does not answer neighbour discovery",
        "As neighbour-unreachable, with IPv6.",
        // IPv6 gives no reason (`ndisc_error_report`).
        UNREACHABLE.at(&["NEIGH_FAILED", "NOT_SPECIFIED"], INVALIDATE),
        || absent(Ip::V6),
    ),
    scenario(
        "neighbour-queue-full",
        "More packets wait for an answer to ARP than may wait",
        "A program sends a burst to a host whose MAC address is not known yet. Few may wait for it (unres_qlen): of \
         the burst, only the last packet arrives.",
        Expectation::finding("neighbour-queue-full")
            .at(&["NEIGH_QUEUEFULL"], &["__neigh_event_send"])
            .on(Some(l2::DEVICE))
            .of(Owner::Process),
        burst,
    ),
];

fn to(ip: Ip) -> SocketAddr {
    let address: IpAddr = match ip {
        Ip::V4 => ABSENT.into(),
        Ip::V6 => ABSENT6.into(),
    };
    SocketAddr::new(address, CLOSED_PORT)
}

fn absent(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tap) = l2::device(ip == Ip::V6)?;
    let version = match ip {
        Ip::V4 => "ipv4",
        Ip::V6 => "ipv6",
    };
    namespace.run(move || {
        let milliseconds = RETRANSMIT.as_millis().to_string();
        let setting = |name| format!("{version}/neigh/{}/{name}", l2::DEVICE);
        sysctl::write(&setting("mcast_solicit"), "1")?;
        sysctl::write(&setting("retrans_time_ms"), &milliseconds)
    })?;
    let bench = l3::sending(namespace, to(ip), PACKETS)?.keeping(tap);
    Ok(bench.afterwards(|_| {
        // The last one waits until the kernel gives up: after one question, or later on a machine that is busy.
        thread::sleep(10 * RETRANSMIT);
        Ok(())
    }))
}

/// One packet may wait: each takes the place of the one before.
fn burst() -> Result<Bench, LabError> {
    let (namespace, tap) = l2::device(false)?;
    namespace.run(|| sysctl::write("ipv4/neigh/tap0/unres_qlen_bytes", "1"))?;
    let bench = l3::sending(namespace, to(Ip::V4), PACKETS + 1)?;
    Ok(bench.afterwards(move |_: &Namespace| appear(&tap)))
}

/// The host asks for our address, and thereby tells its own.
fn appear(tap: &Tun) -> Result<(), LabError> {
    let arp = frame::arp_request(REMOTE_MAC, ABSENT, DEVICE_IP);
    tap.write(0, &l2::frame([0xff; 6], frame::ETHERTYPE_ARP, &arp))
}
