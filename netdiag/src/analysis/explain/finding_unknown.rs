//! What netdiag says where it does not know.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[finding(
    "unexplained-drop",
    "packets were dropped, and no rule of netdiag's knows why",
    "One such finding a reason and function. It says what the reason means, and no more: its confidence is 0. Either \
     no rule speaks of these drops, or one did and what the host says of itself (routes, sysctls, devices) contradicts \
     it. Known noise, as a queue that is emptied when its socket closes, is not among them.",
)
.normal("A few, on any host: not every drop is a fault.")
.causes(&["something that netdiag has no rule for"])
.remedy(&["netdiag explain NAME"])
.commands(&[
    "netdiag explain REASON",
    "netdiag drops --each  # the packets themselves",
])
.see(&["NOT_SPECIFIED"])];
