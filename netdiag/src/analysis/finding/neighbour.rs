//! The next hop: it does not answer, too much waits for its answer, or there is no room for its entry.

use super::{
    Rule, Tally,
    rule::Verdict,
    seen::{advice, destination},
};
use crate::analysis::fact::{Facts, Need};
use std::net::IpAddr;

/// Where packets are dropped that waited for an address in vain.
const UNANSWERED: &[&str] = &["neigh_invalidate", "arp_error_report", "ndisc_error_report"];
const WAITING: &[&str] = &["__neigh_event_send"];
const OUTPUT: &[&str] = &["ip_finish_output2", "ip6_finish_output2"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "neighbour-unreachable",
        reasons: &[&["NEIGH_FAILED"]],
        functions: &[UNANSWERED],
        claims: |event| match () {
            () if event.reason_is(&["NEIGH_FAILED"]) => Some(0.97),
            () if event.is_unspecified() && event.dropped_in(UNANSWERED) => Some(0.95),
            () => None,
        },
        fault: |tally| {
            let question = match (tally.seen.ipv4, tally.seen.ipv6) {
                (true, false) => "ARP",
                (false, true) => "neighbour discovery",
                _ => "ARP or neighbour discovery",
            };
            format!(
                "the next hop to {} does not answer {question}",
                destination(tally)
            )
        },
        remedy: |tally| advice("neighbour-unreachable", tally),
        needs: &[Need::Neighbour],
        verdict: hops,
        ..Rule::ERROR
    },
    Rule {
        id: "neighbour-queue-full",
        reasons: &[&["NEIGH_QUEUEFULL"]],
        functions: &[WAITING],
        claims: |event| match () {
            () if event.reason_is(&["NEIGH_QUEUEFULL"]) => Some(0.97),
            // An entry that has failed drops here, too; that is for the moment between two attempts only.
            () if event.is_unspecified() && event.dropped_in(WAITING) => Some(0.7),
            () => None,
        },
        fault: |tally| {
            format!(
                "more packets than the queue takes wait for the link-layer address of the next hop to {}",
                destination(tally)
            )
        },
        remedy: |tally| advice("neighbour-queue-full", tally),
        needs: &[Need::Neighbour],
        verdict: hops,
        ..Rule::DEFAULT
    },
    Rule {
        id: "neighbour-table-full",
        reasons: &[&["NEIGH_CREATEFAIL"]],
        functions: &[OUTPUT],
        claims: |event| match () {
            () if event.reason_is(&["NEIGH_CREATEFAIL"]) => Some(0.9),
            () if event.is_unspecified() && event.dropped_in(OUTPUT) && !event.is_for_group() => {
                Some(0.65)
            }
            () => None,
        },
        fault: |tally| {
            format!(
                "the neighbour table takes no entry for the next hop to {}: it is full",
                destination(tally)
            )
        },
        remedy: |tally| advice("neighbour-table-full", tally),
        needs: &[Need::NeighbourTable],
        verdict: tables,
        ..Rule::ERROR
    },
];

/// What is known of the next hops. One that answers by now did not when the packets waited.
fn hops(tally: &Tally, facts: &Facts) -> Verdict {
    let hops = tally.places.iter().filter_map(|place| {
        let hop = facts.neighbour(place.netns, place.to?)?;
        let state = match hop.state.as_str() {
            "NONE" => "not known any more",
            state => state,
        };
        let (address, device) = (hop.address, &hop.device);
        Some(format!(
            "the next hop {address} on {device} is {state}, asked afterwards"
        ))
    });
    Verdict::stands().with_all(hops)
}

/// How full the tables of neighbours are.
fn tables(tally: &Tally, facts: &Facts) -> Verdict {
    let tables = tally.places.iter().filter_map(|place| {
        let version = match place.to {
            Some(IpAddr::V6(_)) => 6,
            _ => 4,
        };
        let table = facts.neighbour_table(place.netns, version)?;
        Some(format!(
            "the IPv{version} neighbour table has {} entries, and found no room {} times since the host started",
            table.entries, table.fulls
        ))
    });
    Verdict::stands().with_all(tables)
}
