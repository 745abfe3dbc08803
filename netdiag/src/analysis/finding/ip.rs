//! IP packets that this host does not accept: addresses, options, fragments, protocols, IPv6 switched off.

use super::{
    Event, Rule, known,
    seen::{advice, destination, evidence_with_macs, evidence_with_ttl, protocol, source},
};
use crate::analysis::fact::Need;
use crate::analysis::place::{EXTHDRS, IP4_FINISH, IP4_LOCAL, IP6, IP6_LOCAL};
use std::net::IpAddr;

/// Where fragments wait for the others, and are dropped when these do not come.
const REASSEMBLY: &[&str] = &[
    "ip_expire",
    "ip6_frag_expire",
    "ip6frag_expire_frag_queue",
    "nf_ct_frag6_expire",
    "inet_frag_destroy",
    "inet_frag_rbtree_purge",
];

/// Where packets of tunnels are dropped that nobody has set up, once the tunnels' modules are loaded.
const TUNNELS: &[&str] = &["tunnel4_rcv", "tunnel6_rcv", "tunnel46_rcv", "gre_rcv"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "loopback-on-wire",
        reasons: &[&["IP_LOCALNET", "IP_INHDR"]],
        functions: &[IP4_FINISH, IP6],
        claims: loopback,
        counters: &["Ip6InHdrErrors"],
        fault: |_| {
            "an address of the loopback network is on a device that is not the loopback".to_owned()
        },
        evidence: evidence_with_macs,
        remedy: |tally| advice("loopback-on-wire", tally),
        ..Rule::ERROR
    },
    Rule {
        id: "ip-option-refused",
        reasons: &[&["IP_INHDR"]],
        functions: &[EXTHDRS, IP4_FINISH, &["ip_forward"]],
        claims: options,
        counters: &["IpInHdrErrors", "Ip6InHdrErrors"],
        fault: |tally| {
            let what = match (tally.seen.ipv4, tally.seen.ipv6) {
                (true, false) => "options in the IPv4 header",
                (false, true) => "an IPv6 extension header",
                _ => "IP options or extension headers",
            };
            format!(
                "{what} that this host does not accept, from {}",
                source(tally)
            )
        },
        remedy: |tally| advice("ip-option-refused", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "martian-source",
        reasons: &[&[
            "IP_LOCAL_SOURCE",
            "IP_INVALID_SOURCE",
            "IP_INVALID_DEST",
            "IP_INHDR",
            "IP_INADDRERRORS",
        ]],
        functions: &[IP6, IP4_FINISH, &["ip6_forward"]],
        claims: martian,
        counters: &["Ip6InHdrErrors", "Ip6InAddrErrors"],
        fault: |tally| {
            let source = source(tally);
            if tally.reasons.contains("IP_INVALID_DEST") {
                return format!(
                    "{} is no address that a packet may be sent to",
                    destination(tally)
                );
            }
            if tally.reasons.contains("IP_LOCAL_SOURCE") {
                return format!(
                    "{source} is an address of this very host, and the packet came from outside"
                );
            }
            if tally.reasons.contains("IP_INVALID_SOURCE") || !tally.seen.ipv4 {
                return format!("{source} is no address that such a packet may come from");
            }
            format!(
                "the kernel takes the source {source} for impossible: it is this host's own, or none that a packet may have"
            )
        },
        evidence: evidence_with_macs,
        remedy: |tally| advice("martian-source", tally),
        needs: &[Need::RouteBack],
        verdict: known::route::martian,
        ..Rule::ERROR
    },
    Rule {
        id: "reverse-path-filter",
        reasons: &[&["IP_RPFILTER"]],
        functions: &[IP4_FINISH],
        claims: |event| {
            if event.reason_is(&["IP_RPFILTER"]) {
                return Some(0.97);
            }
            if !event.is_reasonless() || !event.is_ipv4() || !event.dropped_in(IP4_FINISH) {
                return None;
            }
            // What is for a group that nobody joined ends there, too: the counter decides.
            match event.is_group_frame() || event.is_for_group() {
                true => Some(0.2),
                // What has a martian address or options has been claimed.
                false => Some(0.7),
            }
        },
        counters: &["TcpExtIPReversePathFilter"],
        always_counted: true,
        fault: |tally| {
            let source = source(tally);
            let doubt = match tally.reasons.is_empty() && !tally.is_certain() {
                true => ", or it is this host's own address (this kernel gives no reasons)",
                false => "",
            };
            format!(
                "answers to {source} would leave by another device than the one it came in by{doubt}"
            )
        },
        remedy: |tally| advice("reverse-path-filter", tally),
        needs: known::route::BACK,
        verdict: known::route::reversed,
        ..Rule::ERROR
    },
    Rule {
        id: "fragments-missing",
        reasons: &[&["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR"]],
        functions: &[REASSEMBLY],
        claims: |event| {
            if event.reason_is(&["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR"]) {
                return Some(0.97);
            }
            let fragment = event.packet.ip.is_some_and(|ip| ip.fragment.is_some());
            (event.is_unspecified() && fragment && event.dropped_in(REASSEMBLY)).then_some(0.85)
        },
        counters: &[
            "IpReasmTimeout",
            "IpReasmFails",
            "Ip6ReasmTimeout",
            "Ip6ReasmFails",
        ],
        fault: |tally| {
            format!(
                "other fragments of the packets from {} did not arrive in time, and without them these are useless",
                source(tally)
            )
        },
        remedy: |tally| advice("fragments-missing", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "unknown-ip-protocol",
        reasons: &[&["IP_NOPROTO"]],
        functions: &[IP4_LOCAL, IP6_LOCAL, TUNNELS],
        claims: |event| {
            if event.reason_is(&["IP_NOPROTO"]) {
                return Some(0.97);
            }
            let here = event.dropped_in(IP4_LOCAL) || event.dropped_in(IP6_LOCAL);
            let tunnel = event.dropped_in(TUNNELS);
            (event.is_unspecified()
                && (here && !always_handled(event) || tunnel)
                && !event.is_for_group())
            .then_some(0.8)
        },
        counters: &["IpInUnknownProtos", "Ip6InUnknownProtos"],
        fault: |tally| format!("nothing on this host handles IP {}", protocol(tally)),
        remedy: |tally| advice("unknown-ip-protocol", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "ipv6-disabled",
        reasons: &[&["IPV6DISABLED"]],
        functions: &[IP6],
        claims: |event| {
            // Neighbours' multicast comes whether IPv6 is wanted or not.
            if event.is_for_group() {
                return None;
            }
            if event.reason_is(&["IPV6DISABLED"]) {
                return Some(0.97);
            }
            let sound = event.packet.faults().next().is_none();
            (event.is_reasonless()
                && event.is_ipv6()
                && sound
                && !event.other_host
                && !event.is_group_frame()
                && event.packet.ip.is_some()
                && event.dropped_in(IP6))
            .then_some(0.75)
        },
        counters: &["Ip6InDiscards"],
        fault: |tally| {
            format!(
                "IPv6 is switched off on the device, and packets for {} come in",
                destination(tally)
            )
        },
        remedy: |tally| advice("ipv6-disabled", tally),
        ..Rule::DEFAULT
    },
    Rule {
        id: "ttl-expired",
        reasons: &[&["IP_INHDR"]],
        functions: &[&["ip_forward", "ip6_forward"]],
        claims: |event| {
            let forwarding = event.dropped_in(&["ip_forward", "ip6_forward"]);
            let spent = event.packet.ip.is_some_and(|ip| ip.ttl <= 1);
            match () {
                () if !spent || !forwarding => None,
                () if event.reason_is(&["IP_INHDR"]) => Some(0.97),
                // ip6_forward looks at `forwarding` first, ip_forward at the IPsec policy.
                () if event.is_unspecified() => Some(0.85),
                () => None,
            }
        },
        counters: &["IpInHdrErrors", "Ip6InHdrErrors"],
        fault: |tally| {
            format!(
                "the TTL ran out on the way to {}: a routing loop, or traceroute",
                destination(tally)
            )
        },
        evidence: evidence_with_ttl,
        remedy: |tally| advice("ttl-expired", tally),
        ..Rule::DEFAULT
    },
];

/// ICMP, IGMP, IPIP, TCP, UDP, IPv6 in IP, ICMPv6, and the extension headers: a kernel with IP has a handler, or it is
/// a tunnel's.
fn always_handled(event: &Event<'_>) -> bool {
    const HANDLED: [u8; 9] = [0, 1, 2, 6, 17, 43, 44, 58, 60];
    event
        .packet
        .ip_proto()
        .is_none_or(|protocol| HANDLED.contains(&protocol.0))
}

fn loopback(event: &Event<'_>) -> Option<f32> {
    if event.reason_is(&["IP_LOCALNET"]) {
        return Some(0.97);
    }
    let ipv4 = event.is_unspecified() && event.dropped_in(IP4_FINISH);
    let ipv6 = (event.is_unspecified() || event.reason_is(&["IP_INHDR"])) && event.dropped_in(IP6);
    let here = event.ifname == Some("lo") || event.other_host;
    ((ipv4 || ipv6) && !here && event.either_end(|address| address.is_loopback())).then_some(0.95)
}

fn options(event: &Event<'_>) -> Option<f32> {
    let fragment = event.packet.ip.is_some_and(|ip| ip.fragment.is_some());
    if event.dropped_in(EXTHDRS) && event.is_ipv6() && !fragment {
        let named = [
            "IP_INHDR",
            "IPV6_BAD_EXTHDR",
            "IPV6_TOO_MANY_EXTHDRS",
            "UNHANDLED_PROTO",
        ];
        return match () {
            () if event.reason_is(&named) => Some(0.95),
            () if event.is_unspecified() => Some(0.85),
            () => None,
        };
    }
    let place = event.dropped_in(IP4_FINISH) || event.dropped_in(&["ip_forward"]);
    if !place || !event.upper().is_some_and(|upper| upper.has_ip_options()) {
        return None;
    }
    let forwarded = event.dropped_in(&["ip_forward"]);
    match () {
        () if event.reason_is(&["IP_INHDR"]) && !forwarded => Some(0.95),
        // A strict source route whose next hop is not next.
        () if event.reason_is(&["NOT_SPECIFIED"]) => Some(0.8),
        // ip_forward drops for the TTL and the length as well.
        () if event.is_reasonless() && !forwarded => Some(0.75),
        () => None,
    }
}

fn martian(event: &Event<'_>) -> Option<f32> {
    if event.reason_is(&["IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_INVALID_DEST"]) {
        return Some(0.97);
    }
    let ip = event.packet.ip?;
    if event.is_ipv6() {
        let arrived = event.dropped_in(IP6)
            && !event.other_host
            && (event.is_unspecified() || event.reason_is(&["IP_INHDR"]));
        if arrived && ip.source.is_multicast() {
            return Some(0.95);
        }
        let refused = event.is_unspecified() || event.reason_is(&["IP_INADDRERRORS"]);
        return (event.dropped_in(&["ip6_forward"]) && refused && stays_on_link(ip.source))
            .then_some(0.95);
    }
    if !event.is_unspecified() || !event.dropped_in(IP4_FINISH) {
        return None;
    }
    match () {
        () if is_never_a_source(ip.source) => Some(0.95),
        // The reverse path filter drops in the same place. Whose address it is will tell.
        () if event.reason.is_none() && !event.is_group_frame() && !event.is_for_group() => {
            Some(0.4)
        }
        // Of what gets no name here, an own address is left: fib_validate_source, before IP_LOCAL_SOURCE.
        () if event.reason.is_some() && !event.is_group_frame() && !event.is_for_group() => {
            Some(0.75)
        }
        // Mostly nobody has joined the group.
        () => Some(0.2),
    }
}

fn is_never_a_source(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            address.is_multicast() || first == 0 || first >= 240
        }
        IpAddr::V6(address) => address.is_multicast(),
    }
}

/// Sources that no router passes on.
fn stays_on_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => {
            address.is_multicast()
                || address.is_unspecified()
                || address.is_loopback()
                || address.is_unicast_link_local()
        }
    }
}
