//! What facts say to findings, for the rules of several topics.

use super::{Tally, rule::Verdict};
use crate::analysis::fact::{Device, Facts, PacketRule};
use std::collections::BTreeSet;

/// Evidence names no more rules or queues than this.
const FEW: usize = 4;

/// The devices at which the packets were, as far as they are known.
pub(super) fn devices<'a>(
    tally: &'a Tally,
    facts: &'a Facts,
) -> impl Iterator<Item = (&'a str, &'a Device)> {
    let named: BTreeSet<_> = tally
        .places
        .iter()
        .filter_map(|place| Some((place.netns, place.device.as_deref()?)))
        .collect();
    named
        .into_iter()
        .filter_map(|(netns, name)| Some((name, facts.device(netns, name)?)))
}

/// Whether nothing can leave by a device, and why.
fn is_down(device: &Device) -> Option<String> {
    match (device.up, device.carrier) {
        (false, _) => Some("is switched off".to_owned()),
        (true, Some(false)) => Some(format!("has no carrier (state {})", device.operstate)),
        _ => None,
    }
}

/// For a finding that says that the device is down.
pub(super) fn down(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::contradicted();
    let mut known = false;
    for (name, device) in devices(tally, facts) {
        known = true;
        if let Some(how) = is_down(device) {
            verdict.contradicted = false;
            verdict = verdict.with(format!("{name} {how}")).sure(0.97);
        }
    }
    if known { verdict } else { Verdict::stands() }
}

/// For a finding that says that netem loses packets.
pub(super) fn netem(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::contradicted();
    let mut known = false;
    for (name, device) in devices(tally, facts) {
        known = true;
        let lossy = device.queues.iter().find_map(|queue| {
            let loss = queue.loss_ppm.filter(|loss| *loss > 0)?;
            (queue.kind == "netem").then_some((queue, loss))
        });
        if let Some((queue, loss)) = lossy {
            verdict.contradicted = false;
            let percent = f64::from(loss) / 10_000.0;
            let line = format!(
                "netem {} on {name} loses {percent} % of the packets",
                queue.handle
            );
            verdict = verdict.with(line).sure(0.96);
        }
    }
    if known { verdict } else { Verdict::stands() }
}

/// For a finding that says that a queue is full: what queues there are.
pub(super) fn queues(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    for (name, device) in devices(tally, facts) {
        let queues = device.queues.iter().filter(|queue| queue.kind != "noqueue");
        for queue in queues.take(FEW) {
            let limit = queue.limit.as_ref().map_or_else(String::new, |(most, of)| {
                format!(" holds {most} {of} at most,")
            });
            let (kind, handle, drops) = (&queue.kind, &queue.handle, queue.drops);
            verdict = verdict.with(format!(
                "{kind} {handle} on {name}{limit} has dropped {drops} packets since it was set up"
            ));
        }
    }
    verdict
}

/// The MAC address of every device is the one that the frames were for; `None` where either is not known.
fn is_own_mac(tally: &Tally, facts: &Facts) -> Option<bool> {
    let target = tally.seen.target()?.to_string();
    let mut macs = devices(tally, facts)
        .filter_map(|(_, device)| device.mac.as_deref())
        .peekable();
    macs.peek()?;
    Some(macs.all(|mac| mac.eq_ignore_ascii_case(&target)))
}

/// For a finding that says that nobody takes the frames' VLAN tag. The kernel takes it off before it drops them.
pub(super) fn vlan_missing(tally: &Tally, facts: &Facts) -> Verdict {
    let mut tags = tally.vlans.iter().peekable();
    let tagged = tags.peek().is_some();
    let mut there = devices(tally, facts).flat_map(|(_, device)| &device.vlans);
    if tagged && there.any(|id| tally.vlans.contains(id)) {
        return Verdict::contradicted();
    }
    match is_own_mac(tally, facts) {
        Some(true) => Verdict::stands()
            .with(
                "the frames are for the device's own MAC address: only a VLAN tag that no device takes makes the \
                 kernel mark such as another host's",
            )
            .sure(0.95),
        Some(false) if !tagged => Verdict::contradicted(),
        _ => Verdict::stands(),
    }
}

/// For a finding that says that the frames are for another host.
pub(super) fn foreign_mac(tally: &Tally, facts: &Facts) -> Verdict {
    if is_own_mac(tally, facts) == Some(true) {
        return Verdict::contradicted();
    }
    let mut verdict = Verdict::stands();
    for (name, device) in devices(tally, facts) {
        let own = |place: &&super::tally::Place| {
            place.to.is_some_and(|to| device.addresses.contains(&to))
        };
        if let Some(to) = tally.places.iter().find(own).and_then(|place| place.to) {
            let mac = device.mac.as_deref().unwrap_or("another one");
            verdict = verdict.with(format!(
                "{to} is an address of {name}, whose MAC address is {mac}: the sender has a wrong one for it"
            ));
        }
        if device.promiscuous {
            verdict = verdict.with(format!(
                "{name} is in promiscuous mode, and takes in what is for others"
            ));
        }
    }
    verdict
}

/// The rules that drop, of the namespaces where packets were.
fn packet_rules<'a>(tally: &'a Tally, facts: &'a Facts) -> Vec<&'a PacketRule> {
    let all = tally
        .namespaces
        .iter()
        .flat_map(|&netns| facts.packet_rules(netns));
    all.collect()
}

fn in_words(rule: &PacketRule) -> String {
    let PacketRule {
        family,
        table,
        chain,
        handle,
        text,
        ..
    } = rule;
    let hook = rule
        .hook
        .as_deref()
        .map_or_else(String::new, |hook| format!(" (hook {hook})"));
    match handle {
        0 => format!("nftables: {family} {table} {chain}{hook}: {text}"),
        _ => format!("nftables: {family} {table} {chain}{hook}, handle {handle}: {text}"),
    }
}

/// For a finding that says that the firewall drops: which rules do.
pub(super) fn firewall(tally: &Tally, facts: &Facts) -> Verdict {
    let rules = packet_rules(tally, facts);
    let more = rules.len().saturating_sub(FEW);
    let mut verdict = Verdict::stands();
    for rule in rules.iter().take(FEW) {
        verdict = verdict.with(in_words(rule));
    }
    if more > 0 {
        verdict = verdict.with(format!("nftables: {more} more rules that drop"));
    }
    verdict
}

/// For a finding that says that connection tracking takes the packets for invalid.
pub(super) fn invalid(tally: &Tally, facts: &Facts) -> Verdict {
    let rules = packet_rules(tally, facts);
    let of_state =
        |rule: &&&PacketRule| rule.text.contains("ct state") && rule.text.contains("invalid");
    let mut found = rules.iter().filter(of_state).peekable();
    let Some(first) = found.peek().map(|rule| in_words(rule)) else {
        // Those of the older iptables are not among them.
        return Verdict::stands();
    };
    // Surer than that it is any rule only where there is no other.
    let others = rules.len() > found.count();
    Verdict::stands()
        .with(first)
        .sure(if others { 0.6 } else { 0.98 })
}

/// For a finding that says that the table of connections is full.
pub(super) fn conntrack(tally: &Tally, facts: &Facts) -> Verdict {
    let mut known = false;
    for &netns in &tally.namespaces {
        let number = |name| facts.number(netns, name, None);
        let (Some(count), Some(most)) = (number(CONNTRACK_COUNT), number(CONNTRACK_MAX)) else {
            continue;
        };
        known = true;
        // Entries end while the facts are fetched.
        if most > 0 && count.saturating_mul(100) >= most.saturating_mul(95) {
            return Verdict::stands()
                .with(format!(
                    "{CONNTRACK_COUNT} is {count}, {CONNTRACK_MAX} is {most}"
                ))
                .sure(0.97);
        }
    }
    if known {
        Verdict::contradicted()
    } else {
        Verdict::stands()
    }
}

/// Connections that are tracked in the namespace.
pub(super) const CONNTRACK_COUNT: &str = "net.netfilter.nf_conntrack_count";
/// How many may be.
pub(super) const CONNTRACK_MAX: &str = "net.netfilter.nf_conntrack_max";

/// For findings about programs: those that are loaded.
pub(super) fn programs(facts: &Facts, kind: &str, what: &str) -> Verdict {
    let mut verdict = Verdict::stands();
    for program in facts.programs(kind).iter().take(FEW) {
        verdict = verdict.with(format!("{program} is loaded {what}"));
    }
    verdict
}

/// For findings about a device's XDP program or TC filters.
pub(super) fn attached(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    for (name, device) in devices(tally, facts) {
        if let Some(program) = &device.xdp {
            verdict = verdict.with(format!("XDP on {name}: {program}"));
        }
        for filter in device.filters.iter().take(FEW) {
            let what = filter
                .program
                .as_ref()
                .map_or_else(String::new, |program| format!(", {program}"));
            verdict = verdict.with(format!(
                "tc filter on {name}: {} at {}, preference {}{what}",
                filter.kind, filter.parent, filter.preference
            ));
        }
    }
    verdict
}

/// For findings that say that tc drops. Kernels without reasons have no programs but those of filters.
pub(super) fn filtered(tally: &Tally, facts: &Facts) -> Verdict {
    let mut known = devices(tally, facts).peekable();
    let bare = known.peek().is_some() && known.all(|(_, device)| device.filters.is_empty());
    if bare && tally.reasons.is_empty() {
        Verdict::contradicted()
    } else {
        attached(tally, facts)
    }
}

/// For findings about a sysctl: its value where the packets were.
pub(super) fn sysctl(tally: &Tally, facts: &Facts, name: &str) -> Verdict {
    let mut verdict = Verdict::stands();
    let places: BTreeSet<_> = tally
        .places
        .iter()
        .map(|place| {
            (
                place.netns,
                place.device.as_deref().filter(|_| name.contains("DEVICE")),
            )
        })
        .collect();
    for (netns, device) in places {
        if let Some(value) = facts.sysctl(netns, name, device) {
            let name = device.map_or_else(
                || name.to_owned(),
                |device| name.replace("DEVICE", &device.replace('.', "/")),
            );
            verdict = verdict.with(format!("{name} is {value}"));
        }
    }
    verdict
}

/// For findings about routes: what the kernel answers for the destinations.
pub(super) fn routes(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    for place in tally.places.iter().take(FEW) {
        let Some(to) = place.to else { continue };
        let came_in = place.received && place.device.is_some();
        let device = place.device.as_deref().filter(|_| came_in);
        let found = facts.route_of(place.netns, to, place.from.filter(|_| came_in), device);
        if let Some(route) = found {
            let answer = match (&route.refused, &route.device) {
                (Some(error), _) => format!("{error} for {to}"),
                (None, Some(device)) => format!("{} by {device} for {to}", route.kind),
                (None, None) => format!("{} for {to}", route.kind),
            };
            verdict = verdict.with(format!("the kernel's route, asked afterwards: {answer}"));
        }
    }
    verdict
}
