//! What listeners say to findings: who listens, and how full the queue is.

use super::FEW;
use crate::analysis::fact::{Facts, Listener};
use crate::analysis::finding::{Tally, rule::Verdict, tally::Place};
use std::net::SocketAddr;

/// For a finding that says that nobody listens on a TCP port. Where the kernel does not say so, a listener that is there
/// speaks against it.
pub(in crate::analysis::finding) fn unheard(tally: &Tally, facts: &Facts) -> Verdict {
    let listens = !tally.places.is_empty()
        && tally.places.iter().all(|place| {
            heard(place, facts).iter().any(|listener| {
                let address = listener.address;
                // Dual-stack sockets have the IPv6 one.
                address.is_unspecified() || place.to == Some(address)
            })
        });
    if listens && tally.reasons.is_empty() {
        Verdict::contradicted()
    } else {
        Verdict::stands()
    }
}

/// For a finding that says that a listener's queue is full: how full it is.
pub(in crate::analysis::finding) fn queues(tally: &Tally, facts: &Facts) -> Verdict {
    let listeners = tally
        .places
        .iter()
        .flat_map(|place| heard(place, facts).iter().take(FEW));
    Verdict::stands().with_all(listeners.map(|listener| {
        let most = listener
            .limit
            .map_or_else(String::new, |most| format!(", {most} may"));
        let address = SocketAddr::new(listener.address, listener.port);
        format!(
            "{} connections wait to be accepted at {address}{most}, asked afterwards",
            listener.queued
        )
    }))
}

/// Who listens on the port that packets were for.
fn heard<'a>(place: &Place, facts: &'a Facts) -> &'a [Listener] {
    let listeners = place
        .port
        .and_then(|port| facts.listeners(place.netns, port));
    listeners.unwrap_or_default()
}
