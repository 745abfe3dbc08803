//! Queues that drop what a program sends.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::l3::{self, CLOSED_PORT, DEVICE, Ip, PACKETS, scenario};
use super::qdisc::{self, Queue};
use super::{Bench, Expectation, LabError, Namespace, Owner, Scenario, link};

/// What a queue says of what it drops; 6.18 alone tells more.
pub(super) const QDISC: &[&str] = &["QDISC_DROP", "QDISC_OVERLIMIT"];
/// Where: 6.12, 6.1, 5.10 and 7.2.
pub(super) const ROOT: &[&str] = &[
    "__dev_queue_xmit",
    "kfree_skb_list",
    "__tcf_kfree_skb_list",
    "tcf_kfree_skb_list",
];

/// How many datagrams the token bucket lets through at once, and how many it lets wait.
const AT_ONCE: u16 = 2;
const WAIT: u16 = 3;

const OVERFLOW: Expectation = Expectation::finding("queue-overflow")
    .at(QDISC, ROOT)
    .of(Owner::Process)
    .needs(&["tbf", "pfifo"]);

/// When something is wrong if a device has not changed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "tbf-overflow",
        "A program sends more than a token bucket lets through",
        "Somebody limited the device to a rate (tbf). What is sent faster waits, and when the queue is full, it is \
         dropped.",
        OVERFLOW.counter("IpOutDiscards"),
        || shaped(Ip::V4, None),
    ),
    scenario(
        "tbf-overflow6",
        "A program sends more over IPv6 than a token bucket lets through",
        "As tbf-overflow, with IPv6.",
        OVERFLOW.counter("Ip6OutDiscards"),
        || shaped(Ip::V6, None),
    ),
    scenario(
        "pfifo-overflow",
        "A program sends more than the queue behind a token bucket holds",
        "As tbf-overflow, but the packets wait in a queue of three packets (pfifo) behind the token bucket.",
        OVERFLOW.counter("IpOutDiscards"),
        || shaped(Ip::V4, Some(WAIT)),
    ),
    scenario(
        "netem-loss",
        "The device loses packets at random, as it was told to",
        "Somebody tested with netem and left it in place: here it loses every packet.",
        Expectation::finding("queue-random-loss")
            .at(QDISC, ROOT)
            .of(Owner::Process)
            .needs(&["netem"]),
        || lossy(Ip::V4),
    ),
    scenario(
        "netem-loss6",
        "The device loses IPv6 packets at random, as it was told to",
        "As netem-loss, with IPv6.",
        Expectation::finding("queue-random-loss")
            .at(QDISC, ROOT)
            .of(Owner::Process)
            .needs(&["netem"]),
        || lossy(Ip::V6),
    ),
];

fn shaped(ip: Ip, fifo: Option<u16>) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    let size = u32::try_from(ip.datagram(1, CLOSED_PORT).len()).unwrap_or_default();
    namespace.run(move || {
        let queue = Queue::TokenBucket {
            burst: u32::from(AT_ONCE) * size,
            limit: u32::from(WAIT) * size,
        };
        qdisc::set(DEVICE, queue)?;
        fifo.map_or(Ok(()), |packets| {
            qdisc::set_inner_fifo(DEVICE, u32::from(packets))
        })
    })?;
    let to = SocketAddr::new(ip.remote(), CLOSED_PORT);
    Ok(l3::sending(namespace, to, AT_ONCE + WAIT + PACKETS)?.keeping(tun))
}

fn lossy(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    namespace.run(|| qdisc::set(DEVICE, Queue::Lossy))?;
    let to = SocketAddr::new(ip.remote(), CLOSED_PORT);
    Ok(l3::sending(namespace, to, PACKETS)?.keeping(tun))
}

/// Waits until the kernel has got round to it that a device has a carrier, or has none (`linkwatch_do_dev`).
pub(super) fn await_carrier(
    namespace: &Namespace,
    device: &'static str,
    carrier: bool,
) -> Result<(), LabError> {
    let end = Instant::now() + PATIENCE;
    while namespace.run(move || link::is_running(device))? != carrier {
        if Instant::now() > end {
            return Err(LabError::Link {
                operation: "wait for the carrier of",
                device: device.to_owned(),
                source: io::ErrorKind::TimedOut.into(),
            });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
