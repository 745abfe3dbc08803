//! What somebody told this host to drop: netfilter, tc, XDP, programs of cgroups and sockets, IPsec.

use super::{
    Event, Rule, Tally, known,
    seen::{advice, destination, owner, service, source},
};
use crate::analysis::fact::Need;
use crate::{
    analysis::place::{CORE, IP4_LOCAL, RAW, UDP_QUEUE, UDP6_QUEUE},
    decode::{Protocol, TcpFlags, Transport},
};

const HOOK: &[&str] = &["nf_hook_slow", "nf_hook_slow_list"];
const XDP: &[&str] = &[
    "do_xdp_generic",
    "netif_receive_generic_xdp",
    "bpf_prog_run_generic_xdp",
    "veth_xdp_rcv_skb",
    "veth_poll",
];
const CGROUP_OUT: &[&str] = &[
    "ip_finish_output",
    "ip6_finish_output",
    "ip_mc_finish_output",
];
const IPSEC_IN: &[&str] = &["xfrm_input", "xfrm4_rcv_encap", "xfrm6_rcv_encap"];
/// Where tc looks at what is sent.
const SENT: &[&str] = &["__dev_queue_xmit"];
/// What tc says when it cannot go on.
const TC_BROKEN: &[&str] = &["TC_COOKIE_ERROR", "TC_CHAIN_NOTFOUND", "TC_RECLASSIFY_LOOP"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "firewall-drop-output",
        reasons: &[&["NETFILTER_DROP"]],
        functions: &[HOOK],
        claims: |event| (event.received == Some(false)).then(|| filtered(event))?,
        counters: &["IpOutDiscards", "Ip6OutDiscards"],
        fault: |tally| {
            let who = owner(tally).map_or_else(String::new, |owner| format!(", of {owner},"));
            format!(
                "a netfilter rule of this host does not let packets{who} to {} out; the program gets EPERM",
                service(tally)
            )
        },
        remedy: |tally| advice("firewall-drop-output", tally),
        needs: &[Need::PacketRules],
        verdict: known::firewall::rules,
        ..Rule::DEFAULT
    },
    Rule {
        id: "firewall-drop",
        reasons: &[&["NETFILTER_DROP"]],
        functions: &[HOOK],
        claims: |event| (event.received != Some(false)).then(|| filtered(event))?,
        fault: |tally| {
            format!(
                "a netfilter rule of this host drops what {} sends to {}",
                source(tally),
                service(tally)
            )
        },
        remedy: |tally| advice("firewall-drop", tally),
        needs: &[Need::PacketRules],
        verdict: known::firewall::rules,
        ..Rule::DEFAULT
    },
    Rule {
        id: "conntrack-table-full",
        reasons: &[&["NETFILTER_DROP"]],
        functions: &[HOOK],
        // nf_conntrack_in refuses what opens a connection, and nf_hook_slow drops it.
        claims: |event| {
            let place = event.dropped_in(HOOK);
            (place && event.opens() && filtered(event).is_some()).then_some(0.25)
        },
        fault: |_| "the connection tracking table is full, and takes no new connection".to_owned(),
        remedy: |tally| advice("conntrack-table-full", tally),
        needs: &[
            Need::Sysctl(known::firewall::CONNTRACK_COUNT),
            Need::Sysctl(known::firewall::CONNTRACK_MAX),
        ],
        verdict: known::firewall::conntrack,
        ..Rule::ERROR
    },
    Rule {
        id: "conntrack-invalid",
        reasons: &[&["NETFILTER_DROP"]],
        functions: &[HOOK],
        claims: |event| (filtered(event).is_some() && is_midway(event)).then_some(0.3),
        fault: |tally| {
            format!(
                "connection tracking takes the packets of {} for invalid, and a rule drops such",
                source(tally)
            )
        },
        remedy: |tally| advice("conntrack-invalid", tally),
        needs: &[Need::PacketRules],
        verdict: known::firewall::invalid,
        ..Rule::DEFAULT
    },
    Rule {
        id: "tc-drop-ingress",
        reasons: &[TC_BROKEN, &["TC_INGRESS"]],
        functions: &[CORE],
        claims: |event| {
            let known = matches!(
                event.packet.protocol,
                Protocol::Ipv4 | Protocol::Ipv6 | Protocol::Arp
            );
            match () {
                () if event.reason_is(&["TC_INGRESS"]) => Some(0.97),
                () if event.reason_is(TC_BROKEN) && event.dropped_in(CORE) => Some(0.85),
                // Every kernel takes these protocols: it was no lack of a receiver.
                () if event.is_reasonless()
                    && event.dropped_in(CORE)
                    && known
                    && event.vlan_id().is_none() =>
                {
                    Some(0.75)
                }
                () => None,
            }
        },
        fault: |_| "a tc filter or program drops them as they come in".to_owned(),
        remedy: |tally| advice("tc-drop-ingress", tally),
        needs: &[Need::Device],
        verdict: known::program::filtered,
        ..Rule::DEFAULT
    },
    Rule {
        id: "tc-drop-egress",
        reasons: &[TC_BROKEN, &["TC_EGRESS"]],
        functions: &[SENT],
        claims: |event| {
            match () {
                () if event.reason_is(&["TC_EGRESS"]) => Some(0.97),
                () if event.reason_is(TC_BROKEN) && event.dropped_in(SENT) => Some(0.85),
                // The queueing disciplines' drops end in kfree_skb_list.
                () if event.is_reasonless() && event.dropped_in(SENT) => Some(0.8),
                () => None,
            }
        },
        fault: |_| "a tc filter or program drops them on their way out".to_owned(),
        remedy: |tally| advice("tc-drop-egress", tally),
        needs: &[Need::Device],
        verdict: known::program::filtered,
        ..Rule::DEFAULT
    },
    Rule {
        id: "xdp-drop",
        reasons: &[&["XDP"]],
        functions: &[XDP],
        claims: |event| {
            // Attaching a program to veth frees an empty skb in the same place.
            let packet = event.packet.protocol != Protocol::Unknown;
            match () {
                () if event.reason_is(&["XDP"]) => Some(0.97),
                () if event.is_unspecified() && packet && event.dropped_in(XDP) => Some(0.9),
                () => None,
            }
        },
        fault: |_| "an XDP program on the device drops them".to_owned(),
        remedy: |tally| advice("xdp-drop", tally),
        needs: &[Need::Device],
        verdict: known::program::attached,
        ..Rule::DEFAULT
    },
    Rule {
        id: "ipsec-policy",
        reasons: &[&["XFRM_POLICY"]],
        functions: &[IPSEC_IN, IP4_LOCAL, UDP_QUEUE, UDP6_QUEUE],
        claims: |event| {
            let sealed = event.carries(50) || event.carries(51);
            let plain = event.is_tcp() || event.is_udp() || event.carries(1);
            match () {
                () if event.reason_is(&["XFRM_POLICY"]) => Some(0.97),
                () if event.is_unspecified() && sealed && event.dropped_in(IPSEC_IN) => Some(0.75),
                // A protocol that is handled, and was not: ip_protocol_deliver_rcu asks the policy first.
                () if event.is_reasonless()
                    && event.is_ipv4()
                    && plain
                    && event.dropped_in(IP4_LOCAL) =>
                {
                    Some(0.6)
                }
                // Where there are such policies, a socket asks them as well.
                () if is_queued(event) => Some(0.2),
                () => None,
            }
        },
        fault: |tally| {
            format!(
                "no IPsec policy or security association fits what comes from {} to {}",
                source(tally),
                destination(tally)
            )
        },
        remedy: |tally| advice("ipsec-policy", tally),
        needs: &[Need::Policies],
        verdict: known::firewall::policies,
        ..Rule::ERROR
    },
];

/// A filter on a socket and a program of its cgroup end in one function, and with one reason (`sk_filter_trim_cap`): the
/// programs that cgroups have decide. They stand apart: where there are no reasons, what UDP drops at a socket's queue is
/// its full buffer more often.
pub(super) const SOCKET: &[Rule] = &[
    Rule {
        id: "socket-filter-drop",
        reasons: &[&["SOCKET_FILTER"]],
        functions: &[UDP_QUEUE, UDP6_QUEUE],
        claims: |event| match () {
            () if event.reason_is(&["SOCKET_FILTER"]) && !event.dropped_in(RAW) => Some(0.6),
            () if is_queued(event) => Some(0.35),
            () => None,
        },
        counters: &["UdpInErrors", "Udp6InErrors"],
        fault: |tally| {
            let whose = owner(tally).map_or_else(
                || "the socket".to_owned(),
                |owner| format!("the socket of {owner}"),
            );
            match tally.is_certain() {
                true => format!("a filter that is set on {whose} refuses them"),
                false => {
                    format!(
                        "a filter refuses them for {whose}: its own, or a BPF program of its cgroup"
                    )
                }
            }
        },
        remedy: |tally| advice("socket-filter-drop", tally),
        needs: &[Need::CgroupPrograms],
        verdict: known::program::own_filter,
        ..Rule::DEFAULT
    },
    Rule {
        id: "cgroup-program-drop",
        reasons: &[&["BPF_CGROUP_EGRESS", "SOCKET_FILTER"]],
        functions: &[CGROUP_OUT, UDP_QUEUE, UDP6_QUEUE],
        claims: |event| match () {
            () if event.reason_is(&["BPF_CGROUP_EGRESS"]) => Some(0.97),
            () if event.is_reasonless() && event.dropped_in(CGROUP_OUT) => Some(0.85),
            // Mostly it is a raw socket's own filter; a program that is there decides.
            () if event.reason_is(&["SOCKET_FILTER"]) && event.dropped_in(RAW) => Some(0.2),
            () if event.reason_is(&["SOCKET_FILTER"]) => Some(0.4),
            () if is_queued(event) => Some(0.3),
            () => None,
        },
        fault: |tally| {
            let whose = owner(tally)
                .map_or_else(|| "the socket's".to_owned(), |owner| format!("{owner}'s"));
            match is_outgoing(tally) {
                false => format!("a BPF program of {whose} cgroup does not let them in"),
                true => format!("a BPF program of {whose} cgroup does not let them out"),
            }
        },
        remedy: |tally| advice("cgroup-program-drop", tally),
        needs: &[Need::CgroupPrograms],
        verdict: |tally, facts| match is_outgoing(tally) {
            false => known::program::cgroup_ingress(tally, facts),
            true => known::program::cgroup_egress(tally, facts),
        },
        ..Rule::DEFAULT
    },
];

/// Where a kernel without reasons puts datagrams into their sockets.
fn is_queued(event: &Event<'_>) -> bool {
    event.is_reasonless() && (event.dropped_in(UDP_QUEUE) || event.dropped_in(UDP6_QUEUE))
}

/// Whether a cgroup's program refused what its sockets send.
fn is_outgoing(tally: &Tally) -> bool {
    let at = |function: &String| CGROUP_OUT.contains(&function.as_str());
    tally.reasons.contains("BPF_CGROUP_EGRESS") || tally.functions.iter().any(at)
}

/// How sure it is that a netfilter hook dropped it.
fn filtered(event: &Event<'_>) -> Option<f32> {
    match () {
        // With nftables the chain itself is the place. What nf_hook_slow drops is iptables', or connection tracking's.
        () if event.reason_is(&["NETFILTER_DROP"]) && event.dropped_in(HOOK) => Some(0.8),
        () if event.reason_is(&["NETFILTER_DROP"]) => Some(0.97),
        () if event.is_unspecified() && event.dropped_in(HOOK) => Some(0.85),
        () => None,
    }
}

/// Whether it can belong only to a conversation that has begun.
fn is_midway(event: &Event<'_>) -> bool {
    match event.packet.transport {
        Some(Transport::Tcp { flags, .. }) => !flags.has(TcpFlags::SYN) || flags.has(TcpFlags::ACK),
        Some(Transport::Icmp { kind, .. }) => matches!(kind, 0 | 3 | 11 | 12),
        Some(Transport::Icmpv6 { kind, .. }) => matches!(kind, 1..=4 | 129),
        _ => false,
    }
}
