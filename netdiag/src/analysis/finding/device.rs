//! Devices: frames that are for somebody else or for a VLAN that is not there, queues of devices, tunnels.

use super::{
    Event, Rule, known,
    seen::{advice, ethertype, evidence_with_macs, service, vlan, vni},
};
use crate::analysis::fact::Need;
use crate::{
    analysis::place::{CORE, IP4, IP6, TUN},
    decode::{MacAddr, Protocol, Tunnel},
};

/// Where packets wait for a processor.
pub(super) const BACKLOG: &[&str] = &["enqueue_to_backlog", "netif_rx_internal"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "vlan-device-missing",
        reasons: &[&["UNHANDLED_PROTO", "OTHERHOST"]],
        functions: &[CORE, IP4, IP6],
        claims: |event| {
            // A tag that no device takes makes the kernel mark a frame as another host's; so does a foreign MAC. It has
            // taken the tag off when it drops the frame.
            let other = is_for_another_host(event) && !event.is_group_frame();
            match () {
                () if other && event.vlan_id().is_some() => Some(0.8),
                () if other => Some(0.3),
                // Without a tag it was no lack of a VLAN: the backup of a bond takes nothing, either.
                () if event.vlan_id().is_none() => None,
                () if event.dropped_in(CORE) && event.reason_is(&["UNHANDLED_PROTO"]) => Some(0.8),
                // A tc filter drops here as well.
                () if event.dropped_in(CORE) && event.is_reasonless() => Some(0.6),
                () => None,
            }
        },
        counters: &["rx_otherhost_dropped", "rx_dropped"],
        fault: |tally| {
            let which = match tally.tagged {
                0 => "a VLAN".to_owned(),
                _ => vlan(tally),
            };
            format!("frames of {which} come in, and there is no device for it here")
        },
        evidence: evidence_with_macs,
        remedy: |tally| advice("vlan-device-missing", tally),
        needs: &[Need::Device],
        verdict: known::device::vlan_missing,
        ..Rule::DEFAULT
    },
    Rule {
        id: "foreign-mac",
        reasons: &[&["OTHERHOST"]],
        functions: &[IP4, IP6],
        claims: |event| {
            (is_for_another_host(event) && event.vlan_id().is_none() && !event.is_group_frame())
                .then_some(0.9)
        },
        counters: &["rx_otherhost_dropped"],
        fault: |_| "the frames are for another MAC address than the device's".to_owned(),
        evidence: evidence_with_macs,
        remedy: |tally| advice("foreign-mac", tally),
        needs: &[Need::Device],
        verdict: known::device::foreign_mac,
        ..Rule::INFO
    },
    Rule {
        id: "unhandled-ethertype",
        reasons: &[&["UNHANDLED_PROTO"]],
        functions: &[CORE],
        claims: |event| {
            if !event.dropped_in(CORE) || event.vlan_id().is_some() || !is_worth_telling(event) {
                return None;
            }
            match () {
                () if event.reason_is(&["UNHANDLED_PROTO"]) => Some(0.95),
                () if event.is_reasonless() => Some(0.7),
                () => None,
            }
        },
        counters: &["rx_dropped"],
        fault: |tally| format!("nothing on this host handles {}", ethertype(tally)),
        evidence: evidence_with_macs,
        remedy: |tally| advice("unhandled-ethertype", tally),
        ..Rule::INFO
    },
    Rule {
        id: "tun-queue-full",
        reasons: &[&["FULL_RING"]],
        functions: &[TUN, &["tap_handle_frame"]],
        claims: |event| match () {
            () if event.reason_is(&["FULL_RING"]) => Some(0.95),
            () if event.is_unspecified()
                && (event.dropped_in(TUN) || event.dropped_in(&["tap_handle_frame"])) =>
            {
                Some(0.7)
            }
            () => None,
        },
        counters: &["tx_dropped", "rx_dropped"],
        fault: |_| {
            "the program behind the device does not take packets as fast as they come".to_owned()
        },
        remedy: |tally| advice("tun-queue-full", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "cpu-backlog",
        reasons: &[&["CPU_BACKLOG"]],
        functions: &[BACKLOG],
        claims: |event| match () {
            () if event.reason_is(&["CPU_BACKLOG"]) => Some(0.97),
            // A device that goes away drops here, too: where there are reasons, only that has none.
            () if event.is_reasonless() && event.dropped_in(BACKLOG) => Some(0.85),
            () => None,
        },
        counters: &["softnet_dropped", "softnet_flow_limit", "rx_dropped"],
        fault: |_| "a processor's receive queue is full".to_owned(),
        remedy: |tally| advice("cpu-backlog", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "tunnel-id-unknown",
        reasons: &[&["VXLAN_VNI_NOT_FOUND"]],
        functions: &[&["vxlan_rcv"]],
        claims: |event| {
            let vxlan = matches!(event.packet.tunnel, Some(Tunnel::Vxlan { .. }));
            match () {
                () if event.reason_is(&["VXLAN_VNI_NOT_FOUND"]) => Some(0.97),
                () if event.is_unspecified() && vxlan && event.dropped_in(&["vxlan_rcv"]) => {
                    Some(0.8)
                }
                () => None,
            }
        },
        fault: |tally| {
            format!(
                "no VXLAN device here has {}, sent to {}",
                vni(tally),
                service(tally)
            )
        },
        remedy: |tally| advice("tunnel-id-unknown", tally),
        ..Rule::ERROR
    },
];

fn is_for_another_host(event: &Event<'_>) -> bool {
    let place = event.dropped_in(IP4) || event.dropped_in(IP6);
    event.reason_is(&["OTHERHOST"]) || (event.other_host && event.is_unspecified() && place)
}

/// Protocols by which neighbours make themselves known, or look for a loop: on every network, and for nobody here.
const DISCOVERY: &[u16] = &[
    0x8035, 0x86ff, 0x8809, 0x8863, 0x887b, 0x888e, 0x8899, 0x88a2, 0x88cc, 0x88d9, 0x88e1, 0x88e3,
    0x88e7, 0x88f7, 0x8902, 0x890d, 0x8912, 0x893a, 0x9000, 0x9003, 0x9998,
];
/// Below it the field is a length: spanning tree, and the vendors' protocols behind LLC and SNAP.
const FIRST_ETHERTYPE: u16 = 0x0600;

/// Whether an `EtherType` that nobody takes is more than what every network is full of.
fn is_worth_telling(event: &Event<'_>) -> bool {
    let Some(link) = event.packet.link else {
        return false;
    };
    event.packet.protocol == Protocol::Ethernet
        && link.ethertype >= FIRST_ETHERTYPE
        && !DISCOVERY.contains(&link.ethertype)
        && !is_for_bridges(link.destination)
}

/// The groups that bridges keep to themselves (IEEE 802.1D: 01:80:c2:00:00:0x), and those of Cisco's protocols.
fn is_for_bridges(MacAddr(address): MacAddr) -> bool {
    matches!(
        address,
        [0x01, 0x80, 0xc2, 0, 0, _] | [0x01, 0, 0x0c, 0xcc, 0xcc, _]
    )
}
