//! Queues on the way out. The kernel has one reason for a full queue, for the loss that netem makes and for a device
//! that is down, and where it has none, one function: which it was, the device's queueing discipline tells.

use super::{
    Event, Rule,
    device::BACKLOG,
    known,
    seen::{advice, destination},
};
use crate::analysis::{fact::Need, place::QUEUE_FREED};

/// What queueing disciplines say of a queue that is full, in whatever words.
const FULL: &[&str] = &[
    "QDISC_OVERLIMIT",
    "QDISC_BURST_DROP",
    "CAKE_FLOOD",
    "FQ_BAND_LIMIT",
    "FQ_FLOW_LIMIT",
    "FQ_HORIZON_LIMIT",
    "QDISC_DROP_OVERLIMIT",
    "QDISC_DROP_FLOW_LIMIT",
    "QDISC_DROP_BAND_LIMIT",
    "QDISC_DROP_HORIZON_LIMIT",
    "QDISC_DROP_FLOOD_PROTECTION",
    "QDISC_DROP_MAXFLOWS",
];
/// Active queue management: dropped early, on purpose.
const EARLY: &[&str] = &[
    "QDISC_CONGESTED",
    "DUALPI2_STEP_DROP",
    "QDISC_DROP_CONGESTED",
    "QDISC_DROP_L4S_STEP_NON_ECN",
];
/// What most kernels say of all that a queue drops.
pub(super) const ANY: &[&str] = &["QDISC_DROP", "QDISC_DROP_GENERIC"];

/// Where the driver of a TUN or TAP device drops for one that is down, among other things.
const DRIVER: &[&str] = &[
    "tun_net_xmit",
    "tun_get_user",
    "tap_get_user",
    "tap_handle_frame",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "queue-overflow",
        reasons: &[FULL, EARLY, ANY],
        functions: &[QUEUE_FREED],
        claims: |event| match () {
            () if event.reason_is(FULL) => Some(0.95),
            () if event.reason_is(EARLY) => Some(0.85),
            () if event.reason_is(ANY) => Some(0.6),
            () if is_silent(event) => Some(0.5),
            () => None,
        },
        counters: &["tx_dropped", "IpOutDiscards", "Ip6OutDiscards"],
        fault: |tally| {
            let clear = tally
                .reasons
                .iter()
                .any(|reason| FULL.contains(&reason.as_str()) || EARLY.contains(&reason.as_str()));
            let doubt = match clear {
                true => "is full",
                false => "is full, shapes or loses packets on purpose, or the device is down",
            };
            format!(
                "the device's queue for what goes to {} {doubt}",
                destination(tally)
            )
        },
        remedy: |tally| advice("queue-overflow", tally),
        needs: &[Need::Device],
        verdict: known::queue::limits,
        ..Rule::DEFAULT
    },
    Rule {
        id: "queue-random-loss",
        reasons: &[ANY],
        functions: &[QUEUE_FREED],
        claims: |event| match () {
            () if event.reason_is(ANY) => Some(0.3),
            () if is_silent(event) => Some(0.25),
            () => None,
        },
        fault: |_| "netem on the device loses packets at random, as it was told to".to_owned(),
        remedy: |tally| advice("queue-random-loss", tally),
        needs: &[Need::Device],
        verdict: known::queue::netem,
        ..Rule::DEFAULT
    },
    Rule {
        id: "link-down",
        reasons: &[ANY, &["DEV_READY"]],
        functions: &[BACKLOG, DRIVER, QUEUE_FREED],
        claims: |event| {
            let place = event.dropped_in(DRIVER) || event.dropped_in(BACKLOG);
            match () {
                () if event.reason_is(&["DEV_READY"]) && place => Some(0.85),
                // `enqueue_to_backlog` up to 6.9: a full backlog has a reason, a device that is not running has none.
                () if event.reason_is(&["NOT_SPECIFIED"]) && event.dropped_in(BACKLOG) => {
                    Some(0.85)
                }
                // noop_enqueue drops all that is sent by a device that is down.
                () if event.reason_is(ANY) => Some(0.25),
                () if is_silent(event) => Some(0.2),
                () => None,
            }
        },
        counters: &["tx_dropped", "rx_dropped"],
        fault: |_| "the device is down, or nothing is connected to it".to_owned(),
        remedy: |tally| advice("link-down", tally),
        needs: &[Need::Device],
        verdict: known::device::down,
        ..Rule::ERROR
    },
];

/// The rest of a packet in several buffers is freed in the same way, and has no IP header.
fn is_silent(event: &Event<'_>) -> bool {
    event.is_unspecified()
        && event.dropped_in(QUEUE_FREED)
        && (event.packet.ip.is_some() || event.packet.arp.is_some())
}
