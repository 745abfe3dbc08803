//! Traffic that nothing is wrong with: what is reported of it would be a false alarm.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use super::traffic::{Pinger, tcp_exchange, udp_exchange};
use super::{Bench, Expectation, LabError, Namespace, Scenario};
use super::pair::{HERE, PATIENCE, Pair, THERE};

/// Where the services listen.
const PORT: u16 = 20_007;
/// How many pings and datagrams go each way, over each version of IP.
const EACH: u16 = 2;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "healthy",
    summary: "Ordinary traffic that nothing is wrong with",
    story: "Two hosts ping each other, exchange UDP datagrams, and open, use and close TCP connections, over IPv4 \
            and IPv6. Every packet is wanted and read, and nothing is lost. What old kernels report all the same is \
            untidiness: 6.1 and older free an ICMPv6 message that they have answered as if they dropped it.",
    expect: Expectation::HEALTHY,
    interval: Duration::from_millis(50),
    build,
}];

fn build() -> Result<Bench, LabError> {
    let Pair { here, there } = Pair::new()?;
    Ok(Bench::new(here, move |here, interval| {
        converse(here, &there, interval)
    }))
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
