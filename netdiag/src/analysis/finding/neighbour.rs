//! The next hop: it does not answer, too much waits for its answer, or there is no room for its entry.

use super::{
    Rule,
    seen::{advice, destination},
};

/// Where packets are dropped that waited for an address in vain.
const UNANSWERED: &[&str] = &["neigh_invalidate", "arp_error_report", "ndisc_error_report"];
const WAITING: &[&str] = &["__neigh_event_send"];
const OUTPUT: &[&str] = &["ip_finish_output2", "ip6_finish_output2"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "neighbour-unreachable",
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
        ..Rule::ERROR
    },
    Rule {
        id: "neighbour-queue-full",
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
        ..Rule::DEFAULT
    },
    Rule {
        id: "neighbour-table-full",
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
        ..Rule::ERROR
    },
];
