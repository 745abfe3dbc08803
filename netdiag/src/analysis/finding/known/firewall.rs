//! What firewall, connection tracking and IPsec say to findings: which rules and policies drop.

use super::FEW;
use crate::analysis::fact::{Facts, PacketRule};
use crate::analysis::finding::{Tally, rule::Verdict};

/// The rules that may have dropped the packets, of the namespaces where these were.
fn packet_rules<'a>(tally: &'a Tally, facts: &'a Facts) -> Vec<&'a PacketRule> {
    let outgoing = tally.places.iter().all(|place| !place.received);
    let all = tally
        .namespaces
        .iter()
        .flat_map(|&netns| facts.packet_rules(netns))
        .filter(|rule| may_drop(rule, outgoing));
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

/// Whether packets of a direction pass the hook of a rule, and it may have dropped some; a chain that others jump to may
/// be anywhere. A rule whose own counter is at 0 has dropped nothing.
fn may_drop(rule: &PacketRule, outgoing: bool) -> bool {
    if rule.packets == Some(0) {
        return false;
    }
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
pub(in crate::analysis::finding) fn rules(tally: &Tally, facts: &Facts) -> Verdict {
    let mut rules = packet_rules(tally, facts);
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
pub(in crate::analysis::finding) fn invalid(tally: &Tally, facts: &Facts) -> Verdict {
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

/// Connections that are tracked in the namespace.
pub(in crate::analysis::finding) const CONNTRACK_COUNT: &str = "net.netfilter.nf_conntrack_count";

/// How many may be.
pub(in crate::analysis::finding) const CONNTRACK_MAX: &str = "net.netfilter.nf_conntrack_max";

/// For a finding that says that the table of connections is full.
pub(in crate::analysis::finding) fn conntrack(tally: &Tally, facts: &Facts) -> Verdict {
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

/// For a finding that says that an IPsec policy refuses.
pub(in crate::analysis::finding) fn policies(tally: &Tally, facts: &Facts) -> Verdict {
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
