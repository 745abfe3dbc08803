//! What facts say to findings: each function upholds a finding or contradicts it, by what is known of the host beyond
//! the packets.

pub(super) mod device;
pub(super) mod firewall;
pub(super) mod listener;
pub(super) mod namespace;
pub(super) mod program;
pub(super) mod queue;
pub(super) mod route;

use super::{Tally, tally::Place};
use crate::analysis::fact::{Device, Facts};
use std::collections::BTreeSet;

/// Evidence names no more rules, queues or ways than this.
const FEW: usize = 4;

/// Whether the device of a place is gone by the end of the run.
fn is_removed(place: &Place, facts: &Facts) -> bool {
    let name = place.device.as_deref();
    name.is_some_and(|name| facts.is_removed(place.netns, name))
}

/// The devices at which the packets were, as far as they are known.
fn devices<'a>(tally: &'a Tally, facts: &'a Facts) -> impl Iterator<Item = (&'a str, &'a Device)> {
    let named: BTreeSet<_> = tally
        .places
        .iter()
        .filter_map(|place| Some((place.netns, place.device.as_deref()?)))
        .collect();
    named
        .into_iter()
        .filter_map(|(netns, name)| Some((name, facts.device(netns, name)?)))
}
