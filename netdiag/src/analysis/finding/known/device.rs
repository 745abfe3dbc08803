//! What devices say to findings: whether they are up, for whom they take frames, and what they leave to hardware.

use super::{devices, is_removed};
use crate::analysis::fact::{Device, Facts};
use crate::analysis::finding::device::BACKLOG;
use crate::analysis::finding::{Tally, rule::Verdict, tally::Place};

/// Whether nothing can leave by a device, and why.
fn is_down(device: &Device) -> Option<String> {
    match (device.up, device.carrier) {
        (false, _) => Some("is switched off".to_owned()),
        (true, Some(false)) => Some(format!("has no carrier (state {})", device.operstate)),
        _ => None,
    }
}

/// For a finding that says that the device is down.
pub(in crate::analysis::finding) fn down(tally: &Tally, facts: &Facts) -> Verdict {
    let under_way = tally
        .functions
        .iter()
        .all(|name| BACKLOG.contains(&name.as_str()));
    let removed = |place: &Place| is_removed(place, facts);
    if under_way && !tally.places.is_empty() && tally.places.iter().all(removed) {
        return Verdict::stands()
            .with("the device is gone by now: what is under way when one is removed is dropped so")
            .harmless();
    }
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
pub(in crate::analysis::finding) fn vlan_missing(tally: &Tally, facts: &Facts) -> Verdict {
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
pub(in crate::analysis::finding) fn foreign_mac(tally: &Tally, facts: &Facts) -> Verdict {
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

/// For findings about checksums: what the device does about them.
pub(in crate::analysis::finding) fn offloads(tally: &Tally, facts: &Facts) -> Verdict {
    let on = devices(tally, facts).filter(|(_, device)| !device.offloads.is_empty());
    Verdict::stands().with_all(on.map(|(name, device)| {
        let offloads = device.offloads.join(", ");
        format!("offloads of {name} that are on: {offloads}")
    }))
}
