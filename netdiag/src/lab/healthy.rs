//! Traffic that nothing is wrong with: what is reported of it would be a false alarm.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use super::traffic::{Pinger, tcp_exchange, udp_exchange};
use super::{Bench, Expectation, LabError, Namespace, Scenario, link, sysctl};

/// One host's end of the link.
#[derive(Clone, Copy, Debug)]
struct Host {
    device: &'static str,
    mac: super::frame::Mac,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
}

/// The host that netdiag looks at.
const HERE: Host = Host {
    device: "veth0",
    mac: [0x02, 0x42, 0x0a, 0x62, 0x00, 0x01],
    ipv4: Ipv4Addr::new(10, 98, 0, 1),
    ipv6: Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 1),
};
/// The host that it talks to.
const THERE: Host = Host {
    device: "veth1",
    mac: [0x02, 0x42, 0x0a, 0x62, 0x00, 0x02],
    ipv4: Ipv4Addr::new(10, 98, 0, 2),
    ipv6: Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 2),
};

/// Where the services listen.
const PORT: u16 = 20_007;
/// How many pings and datagrams go each way, over each version of IP.
const EACH: u16 = 2;

/// When something is wrong if no answer came.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a ping is tried that may come before the link is ready, and how long each waits.
const WARM_UPS: u16 = 100;
const WARM_UP: Duration = Duration::from_millis(100);

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "healthy",
    summary: "Ordinary traffic that nothing is wrong with",
    story: "Two hosts ping each other, exchange UDP datagrams, and open, use and close TCP connections, over IPv4 \
            and IPv6. Every packet is wanted and read, and nothing is lost. What old kernels report all the same is \
            untidiness: 6.1 and older free an ICMPv6 message that they have answered as if they dropped it.",
    expect: Expectation {
        finding: None,
        drops: 0,
        counter: None,
        counted: 0,
    },
    interval: Duration::from_millis(50),
    build,
}];

fn build() -> Result<Bench, LabError> {
    let (here, there) = (Namespace::new()?, Namespace::new()?);
    let other = there.open()?;
    here.run(move || link::create_veth(HERE.device, THERE.device, other.as_fd()))?;
    here.run(|| set_up(HERE, THERE))?;
    there.run(|| set_up(THERE, HERE))?;
    warm_up(&here, THERE)?;
    warm_up(&there, HERE)?;
    Ok(Bench::new(here, move |here, interval| {
        converse(here, &there, interval)
    }))
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

/// All that the two hosts have to say to each other; says how many messages that were.
fn converse(here: &Namespace, there: &Namespace, interval: Duration) -> Result<u64, LabError> {
    let mut sent = 0;
    let mut pause = |messages: u64| {
        sent += messages;
        thread::sleep(interval);
    };
    for (from, to) in [(there, HERE), (here, THERE)] {
        for address in [IpAddr::from(to.ipv4), IpAddr::from(to.ipv6)] {
            let pinger = from.run(move || Pinger::open(address))?;
            for seq in 1..=EACH {
                pinger.ping(seq, PATIENCE)?;
                pause(2);
            }
        }
    }
    for address in [IpAddr::from(HERE.ipv4), IpAddr::from(HERE.ipv6)] {
        let address = SocketAddr::new(address, PORT);
        pause(udp_exchange(here, there, address, EACH, PATIENCE)?);
        pause(tcp_exchange(here, there, address, PATIENCE)?);
    }
    Ok(sent)
}
