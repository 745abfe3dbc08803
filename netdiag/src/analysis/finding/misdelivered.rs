//! Packets that are in good order but stand where they do not belong.

use super::{Event, Rule, Severity, Tally};
use crate::{analysis::explain::remedy, decode::DisguiseKind};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "ethernet-on-l3-device",
        severity: Severity::Error,
        claims: |event| {
            let found = disguised(event, DisguiseKind::EthernetFrame);
            found
                .filter(|_| event.on_layer3_device())
                .or_else(|| is_written_raw(event).then_some(0.9))
        },
        counters: &[
            "IpInHdrErrors",
            "IpExtInCsumErrors",
            "IpExtInTruncatedPkts",
            "Ip6InHdrErrors",
        ],
        fault: |tally| {
            match tally.functions.contains(WRITTEN) {
            true => "a program writes Ethernet frames to a TUN device that takes bare IP packets, and gets EINVAL"
                .to_owned(),
            false => format!("the bytes are an {}, not an IP header", tally.example),
        }
        },
        evidence: |tally| tally.faults.clone(),
        remedy: |tally| {
            let device = device(tally, "DEVICE");
            let mut remedy = remedy("ethernet-on-l3-device", &[("DEVICE", Some(device))]);
            if let Some(strip) = remedy.first_mut().filter(|_| tally.tagged > 0) {
                *strip = format!(
                    "strip the MAC header and its VLAN tag (18 bytes) before redirecting to {device}, or make the \
                     device a TAP"
                );
            }
            remedy
        },
        ..Rule::DEFAULT
    },
    Rule {
        id: "packet-info-left-on",
        severity: Severity::Error,
        claims: |event| disguised(event, DisguiseKind::PacketInfo),
        counters: &["IpInHdrErrors", "IpExtInCsumErrors", "Ip6InHdrErrors"],
        fault: |_| {
            "the IP header stands four bytes too late, behind the packet-info header of a tun device".to_owned()
        },
        evidence: |tally| tally.faults.clone(),
        remedy: |tally| {
            let device = device(tally, "DEVICE");
            remedy("packet-info-left-on", &[("DEVICE", Some(device))])
        },
        ..Rule::DEFAULT
    },
    Rule {
        id: "ip-on-ethernet-device",
        severity: Severity::Error,
        claims: |event| disguised(event, DisguiseKind::BareIp),
        counters: &["rx_dropped"],
        fault: |_| {
            "the bytes start with an IP header where an Ethernet header should be".to_owned()
        },
        evidence: |tally| tally.faults.clone(),
        remedy: |tally| {
            let device = device(tally, "DEVICE");
            remedy("ip-on-ethernet-device", &[("DEVICE", Some(device))])
        },
        ..Rule::DEFAULT
    },
];

/// Where the driver takes what a program writes. Without packet info it looks at the first half byte, before it has said
/// whose packet it is.
const WRITTEN: &str = "tun_get_user";

/// Whether a TUN device without packet info refused an Ethernet frame.
fn is_written_raw(event: &Event<'_>) -> bool {
    let version = event.frame.bytes.first().map(|byte| byte >> 4);
    event.dropped_in(&[WRITTEN])
        && event.ifname.is_none()
        && (event.is_unspecified() || event.reason_is(&["INVALID_PROTO"]))
        && event.packet.link.is_some()
        && !matches!(version, Some(4 | 6))
}

fn disguised(event: &Event<'_>, kind: DisguiseKind) -> Option<f32> {
    let disguise = event.packet.disguise.as_ref()?;
    (disguise.kind == kind).then_some(disguise.confidence)
}

fn device<'a>(tally: &'a Tally, unknown: &'a str) -> &'a str {
    match (tally.interfaces.first(), tally.interfaces.len()) {
        (Some(name), 1) => name,
        _ => unknown,
    }
}
