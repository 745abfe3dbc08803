//! Packets for which this host has no way on: no route, a route that discards, forwarding off, an MTU too small.
//!
//! A kernel without reasons drops the first three in one function. What each of them claims there is below one half, and
//! the counters that speak for it are the ones that only it raises.

use super::{
    Event, Rule, Severity, known,
    rule::Counted,
    seen::{advice, destination, evidence_with_length, source},
};
use crate::analysis::{
    counter::Correlated,
    fact::{Facts, Need},
    place::{DISCARD, IP_ERROR, IP6_ROUTE, TCP_OUT, TCP6_OUT},
};

/// IPv6 links take at least this.
const IPV6_MIN_MTU: usize = 1280;

/// Where a prohibit route of IPv6 ends.
const PROHIBIT: &[&str] = &["ip6_pkt_prohibit", "ip6_pkt_prohibit_out"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "packet-too-big",
        reasons: &[&["PKT_TOO_BIG"]],
        functions: &[&["ip_fragment", "ip6_fragment", "ip_forward", "ip6_forward"]],
        claims: too_big,
        counters: &["IpFragFails", "Ip6FragFails", "Ip6InTooBigErrors"],
        fault: |tally| {
            format!(
                "they are larger than the MTU of the way to {}, and may not be cut into fragments",
                destination(tally)
            )
        },
        evidence: evidence_with_length,
        remedy: |tally| advice("packet-too-big", tally),
        needs: &[Need::Route],
        verdict: known::route::onward,
        ..Rule::DEFAULT
    },
    Rule {
        id: "no-route",
        reasons: &[&["IP_INNOROUTES", "IP_OUTNOROUTES"]],
        functions: &[IP_ERROR, IP6_ROUTE, TCP_OUT, TCP6_OUT],
        claims: no_route,
        counters: &[
            "IpExtInNoRoutes",
            "Ip6InNoRoutes",
            "IpOutNoRoutes",
            "Ip6OutNoRoutes",
        ],
        always_counted: true,
        fault: |tally| {
            let destination = destination(tally);
            let own = tally.places.iter().all(|place| !place.received);
            match (tally.reasons.is_empty(), tally.seen.ipv6) {
                _ if tally.is_certain() => format!("there is no route to {destination}"),
                _ if own => format!("there is no route to {destination}, or one that discards"),
                (true, _) => format!(
                    "there is no route to {destination}, forwarding is off, or a route discards it (this kernel does \
                     not say which)"
                ),
                (_, true) => format!(
                    "there is no route to {destination}, or one that says unreachable or prohibit"
                ),
                _ => format!("there is no route to {destination}"),
            }
        },
        remedy: |tally| advice("no-route", tally),
        needs: known::route::WAYS,
        verdict: known::route::none,
        counted: unsent,
        ..Rule::ERROR
    },
    Rule {
        id: "forwarding-off",
        reasons: &[&["IP_INADDRERRORS"]],
        functions: &[IP_ERROR, &["ip6_forward"]],
        claims: forwarding_off,
        counters: &["IpInAddrErrors", "Ip6InAddrErrors"],
        always_counted: true,
        fault: |tally| {
            format!(
                "{} is none of this host's addresses, and forwarding is off where the packets of {} come in",
                destination(tally),
                source(tally)
            )
        },
        remedy: |tally| advice("forwarding-off", tally),
        needs: known::route::FORWARDS,
        verdict: known::route::forwarding,
        ..Rule::ERROR
    },
    Rule {
        id: "route-discards",
        reasons: &[&["IP_INNOROUTES", "IP_OUTNOROUTES"]],
        functions: &[IP_ERROR, PROHIBIT, DISCARD, IP6_ROUTE, TCP_OUT, TCP6_OUT],
        claims: |event| match () {
            () if event.dropped_in(IP_ERROR) && event.reason_is(&["NOT_SPECIFIED"]) => Some(0.9),
            () if event.dropped_in(PROHIBIT) => Some(0.95),
            // Routes of a device that goes away end there, too.
            () if event.dropped_in(DISCARD) && event.is_unspecified() && !event.is_for_group() => {
                Some(0.7)
            }
            () if event.dropped_in(IP_ERROR) && event.is_reasonless() => Some(0.3),
            // A connection's own packets: what kind of route it was, nothing tells.
            () if (event.dropped_in(TCP_OUT) || event.dropped_in(TCP6_OUT))
                && (event.is_unspecified() || event.reason_is(&["IP_OUTNOROUTES"])) =>
            {
                Some(0.3)
            }
            () if is_silent_ipv6(event) => Some(0.3),
            // Every refusal but a black hole's has this reason there.
            () if event.reason_is(&["IP_INNOROUTES"])
                && event.is_ipv6()
                && !event.is_for_group() =>
            {
                Some(0.3)
            }
            () => None,
        },
        fault: |tally| {
            format!(
                "the route to {} is of type blackhole, unreachable or prohibit",
                destination(tally)
            )
        },
        remedy: |tally| advice("route-discards", tally),
        needs: known::route::WAYS,
        verdict: known::route::discards,
        ..Rule::DEFAULT
    },
];

fn too_big(event: &Event<'_>) -> Option<f32> {
    if event.reason_is(&["PKT_TOO_BIG"]) {
        return Some(0.97);
    }
    if !event.is_unspecified() || event.is_group_frame() {
        return None;
    }
    // ip_fragment refuses for DF alone; ip6_fragment also when memory is short.
    if event.dropped_in(&["ip_fragment"]) {
        return Some(0.9);
    }
    let ip = event.packet.ip?;
    if event.dropped_in(&["ip6_fragment"]) {
        return Some(0.8);
    }
    if !event.is_reasonless() || ip.ttl <= 1 {
        return None;
    }
    let whole = event.upper().is_some_and(|upper| upper.is_unfragmentable());
    match () {
        () if event.dropped_in(&["ip_forward"]) && whole => Some(0.85),
        () if event.dropped_in(&["ip6_forward"]) && is_large(event) => Some(0.6),
        () => None,
    }
}

fn no_route(event: &Event<'_>) -> Option<f32> {
    // A device that comes up asks its neighbours before it has a route for them.
    if event.is_for_group() {
        return None;
    }
    match () {
        () if event.reason_is(&["IP_INNOROUTES"]) && event.is_ipv6() => Some(0.85),
        () if event.reason_is(&["IP_INNOROUTES"]) => Some(0.97),
        () if event.reason_is(&["IP_OUTNOROUTES"]) => Some(0.9),
        () if event.is_reasonless() && event.dropped_in(TCP_OUT) => Some(0.9),
        // It has a reason of its own on 7.2, and none on 6.18.
        () if event.is_unspecified() && event.dropped_in(TCP6_OUT) => Some(0.9),
        () if is_silent_ipv6(event) => Some(0.7),
        () if event.is_reasonless() && event.dropped_in(IP_ERROR) => Some(0.45),
        () => None,
    }
}

/// What has no route is mostly refused before there is a packet.
fn unsent(counters: &[Correlated], _: &Facts) -> Option<Counted> {
    let names = ["IpOutNoRoutes", "Ip6OutNoRoutes"];
    let found = names
        .into_iter()
        .find_map(|name| Counted::rest(counters, name))?;
    // A host without IPv6 to the world: programs try it first, and go on with IPv4.
    let severity = (found.name == "Ip6OutNoRoutes").then_some(Severity::Info);
    Some(Counted {
        confidence: 0.9,
        severity,
        fault: "there is no route to where a program wants to send: its connect or sendto gets ENETUNREACH".to_owned(),
        evidence: vec!["no packet was made, so there is nothing to show of it".to_owned()],
        remedy: vec![
            "ip route show table all; ip -6 route show table all".to_owned(),
            "netdiag conn --failed shows who wants to connect, and where to".to_owned(),
        ],
        ..found
    })
}

fn forwarding_off(event: &Event<'_>) -> Option<f32> {
    let ipv6 = event.dropped_in(&["ip6_forward"]);
    match () {
        () if event.is_for_group() => None,
        () if event.reason_is(&["IP_INADDRERRORS"]) && event.dropped_in(IP_ERROR) => Some(0.97),
        () if event.reason_is(&["IP_INADDRERRORS"]) && ipv6 => Some(0.9),
        () if event.reason_is(&["IP_INADDRERRORS"]) && event.function.is_none() => Some(0.8),
        // Or it is larger than the MTU.
        () if event.is_reasonless() && ipv6 && is_large(event) => Some(0.4),
        () if event.is_reasonless() && ipv6 && !event.is_group_frame() => Some(0.7),
        () if event.is_reasonless() && event.dropped_in(IP_ERROR) => Some(0.4),
        () => None,
    }
}

fn is_large(event: &Event<'_>) -> bool {
    event
        .packet
        .ip
        .is_some_and(|ip| ip.total_len > IPV6_MIN_MTU)
}

/// IPv6 has one function for every route that is an error, and 5.10 gives no reason.
fn is_silent_ipv6(event: &Event<'_>) -> bool {
    event.is_reasonless() && event.dropped_in(IP6_ROUTE) && !event.is_for_group()
}
