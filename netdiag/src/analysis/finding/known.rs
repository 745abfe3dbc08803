//! What facts say to findings, for the rules of several topics.

use super::{Tally, rule::Verdict, tally::Place};
use crate::analysis::fact::{CgroupProgram, Device, Facts, Listener, PacketRule};
use std::{collections::BTreeSet, net::SocketAddr};

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
        let own = |place: &&Place| place.to.is_some_and(|to| device.addresses.contains(&to));
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

/// Whether packets of a direction pass the hook of a rule; a chain that others jump to may be anywhere.
fn is_passed(rule: &PacketRule, outgoing: bool) -> bool {
    match rule.hook.as_deref() {
        Some("input" | "prerouting" | "ingress" | "forward") => !outgoing,
        Some("output" | "egress") => outgoing,
        _ => true,
    }
}

/// Whether a rule is about a port that the packets were for.
fn names_a_port(rule: &PacketRule, tally: &Tally) -> bool {
    let mut ports = tally.places.iter().filter_map(|place| place.port);
    ports.any(|port| {
        let words = format!("dport {port}");
        rule.text
            .split_once(&words)
            .is_some_and(|(_, rest)| !rest.starts_with(|next: char| next.is_ascii_digit()))
    })
}

/// For a finding that says that the firewall drops: which rules do.
pub(super) fn firewall(tally: &Tally, facts: &Facts) -> Verdict {
    let outgoing = tally.places.iter().all(|place| !place.received);
    let mut rules = packet_rules(tally, facts);
    rules.retain(|rule| is_passed(rule, outgoing));
    let more = rules.len().saturating_sub(FEW);
    let mut verdict = Verdict::stands();
    // The rule that names the port is the likelier one.
    rules.sort_by_key(|rule| !names_a_port(rule, tally));
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
        if most > 0 && count.saturating_mul(100) >= most.saturating_mul(99) {
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

/// Those programs of cgroups that look at what the packets' sockets receive, or at what they send; of sockets whose
/// cgroup is not known, all that may be. `None` where the kernel did not tell.
fn of_cgroups<'a>(tally: &Tally, facts: &'a Facts, egress: bool) -> Option<Vec<&'a CgroupProgram>> {
    let programs = facts.cgroup_programs()?.iter();
    let concerned = |program: &&CgroupProgram| {
        let mut cgroups = tally.seen.cgroups().peekable();
        let is_over = cgroups.peek().is_none() || cgroups.any(|cgroup| program.is_over(cgroup));
        program.egress == egress && is_over
    };
    Some(programs.filter(concerned).collect())
}

/// For a finding that says that a socket's own filter refuses what comes in. Without a reason it is what is left.
pub(super) fn own_filter(tally: &Tally, facts: &Facts) -> Verdict {
    let sure = if tally.reasons.is_empty() { 0.5 } else { 0.95 };
    match of_cgroups(tally, facts, false) {
        Some(programs) if programs.is_empty() => Verdict::stands()
            .with("no BPF program of a cgroup looks at what comes in for it")
            .sure(sure),
        Some(programs) => told(programs, Verdict::stands(), "receives"),
        None => Verdict::stands(),
    }
}

/// For a finding that says that a cgroup's program refuses what comes in. A filter of a socket's own can not be asked
/// for, and is the rarer one; but where nobody knows the socket's cgroup, another one's program says nothing.
pub(super) fn cgroup_ingress(tally: &Tally, facts: &Facts) -> Verdict {
    let sure = tally.seen.cgroups().next().map(|_| 0.8);
    of_cgroup(tally, facts, false, sure)
}

/// For a finding that says that a cgroup's program refuses what goes out.
pub(super) fn cgroup_egress(tally: &Tally, facts: &Facts) -> Verdict {
    let sure = tally.seen.cgroups().next().map(|_| 0.97);
    of_cgroup(tally, facts, true, sure)
}

fn of_cgroup(tally: &Tally, facts: &Facts, egress: bool, sure: Option<f64>) -> Verdict {
    let Some(programs) = of_cgroups(tally, facts, egress) else {
        return Verdict::stands();
    };
    if programs.is_empty() {
        // One that was there when it dropped may have gone since.
        return match tally.reasons.contains("BPF_CGROUP_EGRESS") {
            true => Verdict::stands(),
            false => Verdict::contradicted(),
        };
    }
    let what = if egress { "sends" } else { "receives" };
    let verdict = Verdict {
        confidence: sure,
        ..Verdict::stands()
    };
    told(programs, verdict, what)
}

fn told(programs: Vec<&CgroupProgram>, verdict: Verdict, what: &str) -> Verdict {
    let words = programs.into_iter().take(FEW).map(|found| {
        let (program, cgroup) = (&found.program, &found.cgroup);
        format!("{program} looks at what the cgroup {cgroup} {what}")
    });
    verdict.with_all(words)
}

/// For a finding that says that an IPsec policy refuses.
pub(super) fn policies(tally: &Tally, facts: &Facts) -> Verdict {
    let known = tally.namespaces.iter();
    let counts: Vec<_> = known.filter_map(|&netns| facts.policies(netns)).collect();
    let silent = !tally.has_reasons();
    match counts.iter().map(|count| count.input).max() {
        None => Verdict::stands(),
        Some(0) if silent => Verdict::contradicted(),
        Some(0) => Verdict::stands(),
        Some(input) => {
            let words = format!("there are {input} IPsec policies about packets for this host");
            let verdict = Verdict::stands().with(words);
            if silent { verdict.sure(0.55) } else { verdict }
        }
    }
}

/// For a finding that says that nobody listens on a TCP port. Where the kernel does not say so, a listener that is there
/// speaks against it.
pub(super) fn unheard(tally: &Tally, facts: &Facts) -> Verdict {
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
pub(super) fn listeners(tally: &Tally, facts: &Facts) -> Verdict {
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

/// For findings about checksums: what the device does about them.
pub(super) fn offloads(tally: &Tally, facts: &Facts) -> Verdict {
    let on = devices(tally, facts).filter(|(_, device)| !device.offloads.is_empty());
    Verdict::stands().with_all(on.map(|(name, device)| {
        let offloads = device.offloads.join(", ");
        format!("offloads of {name} that are on: {offloads}")
    }))
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
            let (kind, parent, preference) = (&filter.kind, &filter.parent, filter.preference);
            verdict = verdict.with(match kind.as_str() {
                "tcx" => format!("tcx {parent} on {name}{what}"),
                _ => format!(
                    "tc filter on {name}: {kind} at {parent}, preference {preference}{what}"
                ),
            });
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
