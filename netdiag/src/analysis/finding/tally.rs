//! What a rule has gathered.

use super::{seen::Seen, unexplained::Sums};
use crate::analysis::event::Event;
pub(super) use crate::analysis::fact::Place;
use netdiag_common::NetnsId;
use std::collections::BTreeSet;

/// What a rule has gathered.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Of these, the ones that a hook saw dropped.
    pub(super) drops: u64,
    /// Sum over the packets of how sure the rule is, to tell the mean. Known when the packets are a rule's.
    pub(super) confidence: f64,
    pub(super) functions: BTreeSet<String>,
    pub(super) reasons: BTreeSet<String>,
    pub(super) interfaces: BTreeSet<String>,
    pub(super) layer3: bool,
    pub(super) namespaces: BTreeSet<NetnsId>,
    /// The first one, in words.
    pub(super) example: String,
    /// What is wrong with the first one's header, in words.
    pub(super) faults: Vec<String>,
    /// Packets of which the header check at the entry of the IP receive function saw the same.
    pub(super) checked: u64,
    /// VLAN-tagged ones.
    pub(super) tagged: u64,
    /// Ids of their tags.
    pub(super) vlans: BTreeSet<u16>,
    /// Where they were and where they were to go: what facts are asked about.
    pub(super) places: BTreeSet<Place>,
    /// How many were dropped for which reason, and where: they are unexplained where facts contradict.
    pub(super) sums: Sums,
    /// What else there is to say of them.
    pub(super) seen: Seen,
}

impl Tally {
    pub(super) fn observe(&mut self, event: &Event<'_>) {
        if self.count == 0 {
            self.example = event.packet.to_string();
            self.faults = event.packet.faults().map(ToString::to_string).collect();
        }
        self.count += 1;
        self.drops += u64::from(event.is_drop());
        self.layer3 |= event.on_layer3_device();
        self.checked += u64::from(event.header_check.is_malformed());
        let mut vlans = event.packet.probable().vlans.ids().peekable();
        self.tagged += u64::from(vlans.peek().is_some());
        if self.vlans.len() < FEW {
            self.vlans.extend(vlans.chain(event.vlan));
        }
        remember(&mut self.functions, event.bare_function());
        remember(&mut self.reasons, event.reason.as_deref());
        remember(&mut self.interfaces, event.ifname);
        self.namespaces.extend(event.netns);
        self.seen.observe(event);
        self.place(event);
        if event.is_drop() {
            self.sums.observe(event);
        }
    }

    /// Takes in another one's packets, of which a rule is so sure.
    pub(super) fn merge(&mut self, other: &Self, confidence: f64) {
        if self.count == 0 {
            self.example.clone_from(&other.example);
            self.faults.clone_from(&other.faults);
        }
        self.count += other.count;
        self.drops += other.drops;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of packets far below 2^52"
        )]
        let packets = other.count as f64;
        self.confidence += confidence * packets;
        self.layer3 |= other.layer3;
        self.checked += other.checked;
        self.tagged += other.tagged;
        self.vlans.extend(&other.vlans);
        for (mine, others) in [
            (&mut self.functions, &other.functions),
            (&mut self.reasons, &other.reasons),
            (&mut self.interfaces, &other.interfaces),
        ] {
            for name in others {
                remember(mine, Some(name));
            }
        }
        self.namespaces.extend(&other.namespaces);
        self.places.extend(other.places.iter().take(FEW).cloned());
        self.sums.add(&other.sums);
        self.seen.merge(&other.seen);
    }

    /// Keeps a few different ones, and at least one of each device.
    fn place(&mut self, event: &Event<'_>) {
        let Some(netns) = event.netns else { return };
        let packet = event.packet.probable();
        let (from, to, port) = (packet.src(), packet.dst(), packet.dport());
        let received = event.received == Some(true);
        let full = self.places.len() >= FEW;
        let known = self.places.iter().any(|place| {
            place.netns == netns
                && place.device.as_deref() == event.ifname
                && (full
                    || place.received == received
                        && (place.from, place.to, place.port) == (from, to, port))
        });
        if known || self.places.len() >= 2 * FEW {
            return;
        }
        self.places.insert(Place {
            netns,
            device: event.ifname.map(str::to_owned),
            received,
            from,
            to,
            port,
        });
    }

    /// "57 packets dropped in ip_rcv_core, reason IP_INHDR, on tun0 (a layer-3 device)"
    pub(super) fn subject(&self) -> String {
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

    /// Whether the kernel said why.
    pub(super) fn has_reasons(&self) -> bool {
        self.reasons.iter().any(|reason| reason != "NOT_SPECIFIED")
    }

    /// Whether there is little doubt, counters and facts considered.
    pub(super) fn is_certain(&self) -> bool {
        self.mean() >= 0.9
    }

    /// How sure the rule was, on average.
    pub(super) fn mean(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of packets far below 2^52"
        )]
        let count = self.count.max(1) as f64;
        self.confidence / count
    }
}

/// A set holds no more than this: names are the kernel's or the host's, and a report wants few.
pub(super) const FEW: usize = 16;

pub(super) fn remember(set: &mut BTreeSet<String>, name: Option<&str>) {
    if let Some(name) = name
        && set.len() < FEW
        && !set.contains(name)
    {
        set.insert(name.to_owned());
    }
}

pub(super) fn list(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn packets(count: u64) -> String {
    if count == 1 {
        "1 packet".to_owned()
    } else {
        format!("{count} packets")
    }
}
