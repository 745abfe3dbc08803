//! What routes and forwarding say to findings: where the kernel would send a packet, and what it refuses.

use super::FEW;
use crate::analysis::fact::{Facts, Need, Route};
use crate::analysis::finding::{Tally, rule::Verdict, tally::Place};
use crate::analysis::place::{TCP_OUT, TCP6_OUT};
use std::{collections::BTreeSet, net::IpAddr};

/// What `ip_route_input_slow` asks (`IN_DEV_FORWARD`); `net.ipv4.ip_forward` sets it for all devices.
const FORWARDING: &str = "net.ipv4.conf.DEVICE.forwarding";
/// What `ip6_forward` asks.
const FORWARDING6: &str = "net.ipv6.conf.all.forwarding";
/// The larger one of the device's and of `all` counts (`IN_DEV_RPFILTER`).
const RP_FILTER: &str = "net.ipv4.conf.DEVICE.rp_filter";
const RP_FILTER_ALL: &str = "net.ipv4.conf.all.rp_filter";

/// The facts that [`forwarding`] needs.
pub(in crate::analysis::finding) const FORWARDS: &[Need] =
    &[Need::Sysctl(FORWARDING), Need::Sysctl(FORWARDING6)];
/// The facts that [`none`] and [`discards`] need.
pub(in crate::analysis::finding) const WAYS: &[Need] = &[
    Need::Route,
    Need::Sysctl(FORWARDING),
    Need::Sysctl(FORWARDING6),
];
/// The facts that [`reversed`] needs.
pub(in crate::analysis::finding) const BACK: &[Need] = &[
    Need::Sysctl(RP_FILTER),
    Need::Sysctl(RP_FILTER_ALL),
    Need::RouteBack,
];

/// Where a packet would go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// On, or to this host.
    Leads,
    /// Nobody knows.
    Missing,
    /// Into a route that discards.
    Discarded,
}

impl Way {
    fn of(route: &Route) -> Option<Self> {
        match (route.refused.as_deref(), route.kind.as_str()) {
            (Some("ENETUNREACH"), _) => Some(Self::Missing),
            (Some("EACCES" | "EINVAL" | "EHOSTUNREACH"), _) => Some(Self::Discarded),
            (None, "blackhole" | "unreachable" | "prohibit" | "throw") => Some(Self::Discarded),
            (None, _) => Some(Self::Leads),
            (Some(_), _) => None,
        }
    }
}

/// The kernel's answers for the destinations, each once, in words.
fn ways<'a>(tally: &'a Tally, facts: &'a Facts) -> impl Iterator<Item = (&'a Place, Way, String)> {
    tally.places.iter().filter_map(|place| {
        let to = place.to?;
        let came_in = place.received && place.device.is_some();
        let device = place.device.as_deref().filter(|_| came_in);
        let route = facts.route_of(place.netns, to, place.from.filter(|_| came_in), device)?;
        Some((place, Way::of(route)?, in_words(route, to)))
    })
}

fn in_words(route: &Route, to: IpAddr) -> String {
    let answer = match (&route.refused, &route.device) {
        (Some(error), _) => format!("{error} for {to}"),
        (None, Some(device)) => {
            let mtu = route
                .mtu
                .map_or_else(String::new, |mtu| format!(" (MTU {mtu})"));
            format!("{} by {device}{mtu} for {to}", route.kind)
        }
        (None, None) => format!("{} for {to}", route.kind),
    };
    format!("the kernel's route, asked afterwards: {answer}")
}

/// Whether packets are passed on where this one came in; `None` where that is not known.
fn forwards(place: &Place, facts: &Facts) -> Option<bool> {
    let value = match place.to? {
        IpAddr::V4(_) => facts.number(place.netns, FORWARDING, Some(place.device.as_deref()?)),
        IpAddr::V6(_) => facts.number(place.netns, FORWARDING6, None),
    };
    value.map(|value| value != 0)
}

/// IPv4 asks for forwarding first, and tells whoever asks for such a route that the host is unreachable.
fn is_refused_before(place: &Place, facts: &Facts) -> bool {
    let ipv4 = place.to.is_some_and(|to| to.is_ipv4());
    place.received && ipv4 && forwards(place, facts) == Some(false)
}

/// For a finding that says that there is no route.
pub(in crate::analysis::finding) fn none(tally: &Tally, facts: &Facts) -> Verdict {
    answered(tally, facts, |place, way| {
        way == Way::Missing && !is_refused_before(place, facts)
    })
}

/// For a finding that says that a route discards.
pub(in crate::analysis::finding) fn discards(tally: &Tally, facts: &Facts) -> Verdict {
    answered(tally, facts, |place, way| {
        way == Way::Discarded && !is_refused_before(place, facts)
    })
}

/// For a finding that says that packets are larger than their way: which way that is.
pub(in crate::analysis::finding) fn onward(tally: &Tally, facts: &Facts) -> Verdict {
    Verdict::stands().with_all(ways(tally, facts).map(|(_, _, words)| words))
}

/// Where the drops themselves leave a choice, the answers decide; a route that leads on may be a new one.
fn answered(tally: &Tally, facts: &Facts, fits: impl Fn(&Place, Way) -> bool) -> Verdict {
    let own = || {
        let mut functions = tally.functions.iter().map(String::as_str);
        functions.all(|name| TCP_OUT.contains(&name) || TCP6_OUT.contains(&name))
    };
    // What a tunnel has no route for goes to its other end, and not to the packet's destination.
    let open = tally.reasons.is_empty()
        || tally.seen.ipv6
        || tally.reasons.contains("IP_OUTNOROUTES") && own();
    let mut verdict = Verdict::stands();
    let (mut upheld, mut refuted) = (false, false);
    for (place, way, words) in ways(tally, facts) {
        verdict = verdict.with(words);
        upheld |= fits(place, way);
        refuted |= way != Way::Leads && !fits(place, way);
    }
    match () {
        () if upheld && open => verdict.sure(0.96),
        () if refuted && open => Verdict::contradicted(),
        () => verdict,
    }
}

/// For a finding that says that forwarding is off.
pub(in crate::analysis::finding) fn forwarding(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    let (mut off, mut on) = (false, false);
    for place in &tally.places {
        let Some(forwards) = forwards(place, facts) else {
            continue;
        };
        off |= !forwards;
        on |= forwards;
        let ipv4 = place.to.is_some_and(|to| to.is_ipv4());
        let name = match (&place.device, ipv4) {
            (Some(device), true) => FORWARDING.replace("DEVICE", &device.replace('.', "/")),
            _ => FORWARDING6.to_owned(),
        };
        verdict = verdict.with(format!("{name} is {}", u8::from(forwards)));
    }
    match () {
        () if off => verdict.sure(0.97),
        // It may have been switched on since, where the reason says that it was off.
        () if on && tally.reasons.is_empty() => Verdict::contradicted(),
        () => verdict,
    }
}

/// Whether the sources are addresses of this host; `None` where that is not known.
fn is_own(tally: &Tally, facts: &Facts) -> Option<bool> {
    let mut routes = tally
        .places
        .iter()
        .filter_map(|place| facts.route(place.netns, place.from?))
        .peekable();
    routes.peek()?;
    Some(routes.all(|route| route.kind == "local"))
}

/// For a finding that says that the source is none that a packet may have.
pub(in crate::analysis::finding) fn martian(tally: &Tally, facts: &Facts) -> Verdict {
    let mut sources = tally.places.iter().filter_map(|place| place.from);
    match is_own(tally, facts) {
        // Those of the loopback are every host's, and another finding.
        Some(true) if !sources.any(|source| source.is_loopback()) => Verdict::stands()
            .with("the source is an address of this host: the kernel's route to it is local")
            .sure(0.96),
        _ => Verdict::stands(),
    }
}

/// For a finding that says that answers would leave by another device.
pub(in crate::analysis::finding) fn reversed(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    let places: BTreeSet<_> = tally
        .places
        .iter()
        .filter_map(|place| Some((place.netns, place.device.as_deref()?)))
        .collect();
    let mut strictest = None;
    for (netns, device) in places {
        let own = facts.number(netns, RP_FILTER, Some(device));
        let all = facts.number(netns, RP_FILTER_ALL, None);
        let (Some(own), Some(all)) = (own, all) else {
            continue;
        };
        strictest = strictest.max(Some(own.max(all)));
        let name = RP_FILTER.replace("DEVICE", &device.replace('.', "/"));
        verdict = verdict.with(format!("{name} is {own}, {RP_FILTER_ALL} is {all}"));
    }
    let answers = tally.places.iter().filter_map(|place| {
        let from = place.from?;
        Some((from, facts.route(place.netns, from)?))
    });
    for (from, route) in answers.take(FEW) {
        let answer = match (&route.refused, &route.device) {
            (Some(error), _) => format!("{error} for {from}"),
            (None, Some(device)) => format!("{from} is reached by {device}"),
            (None, None) => format!("{} for {from}", route.kind),
        };
        verdict = verdict.with(format!("the kernel's way back, asked afterwards: {answer}"));
    }
    let refuted = strictest == Some(0) || is_own(tally, facts) == Some(true);
    if refuted && tally.reasons.is_empty() {
        Verdict::contradicted()
    } else {
        verdict
    }
}
