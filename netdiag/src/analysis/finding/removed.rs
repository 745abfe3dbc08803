//! What is still on its way out when a container ends. The kernel drops it like anything else that has no way on, and
//! nobody misses it.

use super::{Event, Rule, known, seen::advice};
use crate::analysis::{
    fact::Need,
    place::{DISCARD, TCP_OUT, TCP6_OUT},
};

pub(super) const RULES: &[Rule] = &[Rule {
    id: "namespace-removed",
    reasons: &[&["IP_OUTNOROUTES"]],
    functions: &[DISCARD, TCP_OUT, TCP6_OUT],
    // That the socket was nobody's is known when it drops; it is a suspicion until nobody has the namespace, either.
    claims: |event| {
        (event.received == Some(false) && event.orphan && is_possible(event)).then_some(0.15)
    },
    fault: |_| {
        "they are the last of connections whose program and network namespace are gone, as when a container ends"
            .to_owned()
    },
    remedy: |tally| advice("namespace-removed", tally),
    needs: &[Need::Namespace],
    verdict: known::namespace::gone,
    ..Rule::INFO
}];

/// The routes go with the devices.
fn is_possible(event: &Event<'_>) -> bool {
    let places = [TCP_OUT, TCP6_OUT, DISCARD];
    event.reason_is(&["IP_OUTNOROUTES"])
        || event.is_unspecified() && places.iter().any(|place| event.dropped_in(place))
}
