//! Findings: evidence turned into what is wrong and what to change.
//!
//! A rule is data plus a small predicate, in a file per topic. Rules stand in order of precedence: a drop counts for
//! the first that claims it.

#[cfg(test)]
mod case;
mod device;
mod filter;
mod header;
mod ip;
mod misdelivered;
mod neighbour;
mod qdisc;
mod route;
mod seen;
mod tcp;
mod tcp_segment;
mod udp;

use super::{counter::Correlated, event::Event};
use netdiag_common::NetnsId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Packets are lost; that may be meant.
    Warning,
    /// Something is broken.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What netdiag concludes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule's stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure, from 0 to 1.
    pub confidence: f64,
    /// Packets that it rests on.
    pub count: u64,
    /// What is wrong, in a sentence.
    pub title: String,
    /// What it rests on.
    pub evidence: Vec<String>,
    /// What to do.
    pub remedy: Vec<String>,
    /// The devices concerned.
    pub interfaces: Vec<String>,
}

impl Finding {
    /// By which findings are ordered: worst and most frequent first.
    pub fn rank(&self) -> (u8, u64) {
        let severity = match self.severity {
            Severity::Error => 0,
            Severity::Warning => 1,
            Severity::Info => 2,
        };
        (severity, u64::MAX - self.count)
    }
}

/// One way in which things go wrong.
struct Rule {
    id: &'static str,
    severity: Severity,
    /// How sure the rule is of this drop; `None` when it is none of its business.
    claims: fn(&Event<'_>) -> Option<f32>,
    /// Counters that speak for the finding.
    counters: &'static [&'static str],
    /// What is wrong, after "57 packets dropped in ip_rcv_core ...".
    fault: fn(&Tally) -> String,
    /// What more there is to say for it.
    evidence: fn(&Tally) -> Vec<String>,
    /// What to do.
    remedy: fn(&Tally) -> Vec<String>,
}

impl Rule {
    /// What most rules have: `Rule { id, claims, .., ..Rule::DEFAULT }`.
    const DEFAULT: Self = Self {
        id: "",
        severity: Severity::Warning,
        claims: |_| None,
        counters: &[],
        fault: |_| String::new(),
        evidence: seen::evidence,
        remedy: |_| Vec::new(),
    };
    /// The same, where something is broken.
    const ERROR: Self = Self {
        severity: Severity::Error,
        ..Self::DEFAULT
    };
    /// The same, where it is only worth knowing.
    const INFO: Self = Self {
        severity: Severity::Info,
        ..Self::DEFAULT
    };
}

/// In order of precedence.
const RULES: &[&[Rule]] = &[
    misdelivered::RULES,
    header::RULES,
    ip::RULES,
    route::RULES,
    device::RULES,
    neighbour::RULES,
    filter::RULES,
    qdisc::RULES,
    udp::RULES,
    filter::SOCKET,
    tcp::RULES,
    tcp_segment::RULES,
];

fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().flatten()
}

/// The names of all findings about packets.
pub fn ids() -> impl Iterator<Item = &'static str> {
    rules().map(|rule| rule.id)
}

/// What a rule has gathered.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    /// Of these, the ones that a hook saw dropped.
    drops: u64,
    /// Sum over the drops, to tell the mean.
    confidence: f64,
    functions: BTreeSet<String>,
    reasons: BTreeSet<String>,
    interfaces: BTreeSet<String>,
    layer3: bool,
    namespaces: BTreeSet<NetnsId>,
    /// The first one, in words.
    example: String,
    /// What is wrong with the first one's header, in words.
    faults: Vec<String>,
    /// Packets of which the header check at the entry of the IP receive function saw the same.
    checked: u64,
    /// VLAN-tagged ones.
    tagged: u64,
    /// What else there is to say of them.
    seen: seen::Seen,
}

impl Tally {
    fn observe(&mut self, event: &Event<'_>, confidence: f32) {
        if self.count == 0 {
            self.example = event.packet.to_string();
            self.faults = event.packet.faults().map(ToString::to_string).collect();
        }
        self.count += 1;
        self.drops += u64::from(event.is_drop());
        self.confidence += f64::from(confidence);
        self.layer3 |= event.on_layer3_device();
        self.checked += u64::from(event.header_check.is_malformed());
        self.tagged += u64::from(event.packet.probable().vlans.ids().next().is_some());
        remember(&mut self.functions, event.bare_function());
        remember(&mut self.reasons, event.reason.as_deref());
        remember(&mut self.interfaces, event.ifname);
        self.namespaces.extend(event.netns);
        self.seen.observe(event);
    }

    /// "57 packets dropped in ip_rcv_core, reason IP_INHDR, on tun0 (a layer-3 device)"
    fn subject(&self) -> String {
        let mut text = match self.drops {
            0 => format!("{} captured", packets(self.count)),
            drops if drops == self.count => format!("{} dropped", packets(self.count)),
            drops => format!("{} captured, {drops} of them dropped", packets(self.count)),
        };
        if !self.functions.is_empty() {
            text += &format!(" in {}", list(&self.functions));
        }
        if !self.reasons.is_empty() {
            text += &format!(", reason {}", list(&self.reasons));
        }
        if !self.interfaces.is_empty() {
            text += &format!(", on {}", list(&self.interfaces));
        }
        if self.layer3 {
            text += match (self.interfaces.is_empty(), self.drops) {
                (true, 0) => " without link-layer headers",
                _ => " (a layer-3 device)",
            };
        }
        text
    }
}

/// A set holds no more than this: names are the kernel's or the host's, and a report wants few.
const FEW: usize = 16;

fn remember(set: &mut BTreeSet<String>, name: Option<&str>) {
    if let Some(name) = name
        && set.len() < FEW
        && !set.contains(name)
    {
        set.insert(name.to_owned());
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn packets(count: u64) -> String {
    if count == 1 {
        "1 packet".to_owned()
    } else {
        format!("{count} packets")
    }
}

/// Findings in the making.
#[derive(Debug, Default)]
pub struct Findings {
    tallies: BTreeMap<&'static str, Tally>,
}

impl Findings {
    /// Takes a drop into account, and tells which finding it belongs to.
    pub fn observe(&mut self, event: &Event<'_>) -> Option<&'static str> {
        let (rule, confidence) = rules().find_map(|rule| Some((rule, (rule.claims)(event)?)))?;
        self.tallies
            .entry(rule.id)
            .or_default()
            .observe(event, confidence);
        Some(rule.id)
    }

    /// The findings, worst and most frequent first, with the counters that speak for them.
    pub fn finish(&self, counters: &[Correlated]) -> Vec<Finding> {
        let mut findings: Vec<_> = rules()
            .filter_map(|rule| Some(describe(rule, self.tallies.get(rule.id)?, counters)))
            .collect();
        findings.sort_by_key(Finding::rank);
        findings
    }
}

fn describe(rule: &Rule, tally: &Tally, counters: &[Correlated]) -> Finding {
    let title = format!("{}: {}", tally.subject(), (rule.fault)(tally));
    let mut evidence = Vec::new();
    if !title.contains(&tally.example) {
        evidence.push(format!("for example: {}", tally.example));
    }
    evidence.extend((rule.evidence)(tally));
    if tally.checked > 0 {
        evidence.push(format!(
            "the header check saw the same fault at the function's entry in {} of {}",
            tally.checked, tally.count
        ));
    }
    evidence.extend(
        counters
            .iter()
            .filter_map(|counter| speaks(rule, tally, counter)),
    );
    // A mean of ratios between 0 and 1; two digits are all that it is worth.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of packets far below 2^52"
    )]
    let confidence = (tally.confidence / tally.count as f64 * 100.0).round() / 100.0;
    Finding {
        id: rule.id,
        severity: rule.severity,
        confidence,
        count: tally.count,
        title,
        evidence,
        remedy: (rule.remedy)(tally),
        interfaces: tally.interfaces.iter().cloned().collect(),
    }
}

/// "IpInHdrErrors +57, all explained"
fn speaks(rule: &Rule, tally: &Tally, counter: &Correlated) -> Option<String> {
    if !rule.counters.contains(&counter.key.name.as_str()) {
        return None;
    }
    if counter
        .key
        .netns
        .is_some_and(|netns| !tally.namespaces.contains(&netns))
    {
        return None;
    }
    Some(format!(
        "{} +{}{}",
        counter.key.name,
        counter.delta,
        account(counter)
    ))
}

/// ", all explained"
fn account(counter: &Correlated) -> String {
    match counter.explained {
        None => String::new(),
        Some(explained) if explained == counter.delta => ", all explained".to_owned(),
        Some(explained) => format!(", {explained} of {} explained", counter.delta),
    }
}
