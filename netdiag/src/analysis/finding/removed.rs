//! What is still on its way out when a container or a device is removed. The kernel drops it like anything else that has
//! no way on, and nobody misses it.

use super::{Event, Rule, known, qdisc::ANY, seen::advice};
use crate::analysis::{
    fact::Need,
    place::{DISCARD, QUEUE_FREED, TCP_OUT, TCP6_OUT},
};

pub(super) const RULES: &[Rule] = &[Rule {
    id: "device-removed",
    reasons: &[&["IP_OUTNOROUTES"], ANY],
    functions: &[DISCARD, QUEUE_FREED, TCP_OUT, TCP6_OUT],
    // The packet does not tell: it is a suspicion until the device or the namespace cannot be found any more.
    claims: |event| (event.received == Some(false) && is_possible(event)).then_some(0.15),
    fault: |_| {
        "they were on their way out when the device or its network namespace was removed, as when a container ends".to_owned()
    },
    remedy: |tally| advice("device-removed", tally),
    needs: &[Need::Namespace, Need::Device],
    verdict: known::device::removed,
    ..Rule::INFO
}];

fn is_possible(event: &Event<'_>) -> bool {
    // The routes go with the device.
    let routed = [TCP_OUT, TCP6_OUT, DISCARD];
    let no_route = event.reason_is(&["IP_OUTNOROUTES"])
        || event.is_unspecified() && routed.iter().any(|place| event.dropped_in(place));
    // So does its queue: noop_enqueue is what is left.
    let no_queue = event.reason_is(ANY) || event.is_unspecified() && event.dropped_in(QUEUE_FREED);
    no_route || no_queue
}
