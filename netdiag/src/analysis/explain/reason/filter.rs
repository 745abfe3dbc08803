//! Reasons of netfilter, IPsec, tc and XDP.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "NETFILTER_DROP",
        SINCE_6_1,
        "a netfilter rule dropped it: nftables, iptables, conntrack, IPVS",
        "A hook in nf_hook_slow returned NF_DROP. With nftables the place is nft_do_chain. On \
         the way out the program often sees EPERM.",
    )
    .normal("Ordinary: a firewall at work.")
    .causes(&[
        "a drop rule or a chain with policy drop: find it by its counter, and change it",
        "the conntrack table is full (\"nf_conntrack: table full, dropping packet\"): raise \
         nf_conntrack_max",
        "two connections that want the same translated tuple (insert_failed): nft masquerade \
         fully-random",
        "packets that conntrack finds invalid, and a rule that drops these: \
         nf_conntrack_tcp_be_liberal=1 for asymmetric paths",
    ])
    .commands(&[
        "nft list ruleset  # with counters; iptables-save -c for iptables",
        "nft monitor trace  # after: nft add rule inet TABLE CHAIN ip saddr ADDRESS meta nftrace \
         set 1",
        "conntrack -S; sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
        "dmesg | grep nf_conntrack",
    ])
    .see(&[
        "IpOutDiscards",
        "XFRM_POLICY",
        "retransmission-dropped-here",
        "nf_hook_slow",
    ]),
    reason(
        "XFRM_POLICY",
        SINCE_6_1,
        "an IPsec policy does not let the packet pass in this form",
        "xfrm_policy_check: there is a policy for these addresses and the packet did not come \
         through the security association that it demands, mostly because it came in plain.",
    )
    .causes(&[
        "the peer sends in plain: its tunnel is down or its policy does not cover these \
         addresses",
        "traffic selectors of both ends differ: compare them",
        "after decryption the inner packet needs a policy of direction in or fwd: missing for \
         forwarding",
    ])
    .commands(&[
        "ip -s xfrm policy; ip -s xfrm state",
        "cat /proc/net/xfrm_stat  # XfrmInNoPols, XfrmInTmplMismatch, XfrmInPolBlock",
        "swanctl --list-sas",
    ])
    .see(&["NETFILTER_DROP", "PSP_INPUT"]),
    reason(
        "TC_INGRESS",
        SINCE_6_1,
        "a tc filter or eBPF program on the way in dropped it",
        "The classifier on the device's ingress or clsact hook returned TC_ACT_SHOT \
         (sch_handle_ingress, tcx).",
    )
    .normal(
        "Ordinary where it implements a policy: Cilium and other container networks drop \
             here.",
    )
    .causes(&[
        "a policy of a container network: ask it (cilium monitor --type drop)",
        "a police action over its rate, or an explicit drop action",
        "an eBPF program that returns TC_ACT_SHOT for what it does not know",
    ])
    .commands(&[
        "tc -s filter show dev DEVICE ingress",
        "bpftool net show dev DEVICE; bpftool prog show",
    ])
    .see(&["TC_EGRESS", "XDP", "TC_CHAIN_NOTFOUND"]),
    reason(
        "TC_EGRESS",
        SINCE_6_1,
        "a tc filter or eBPF program on the way out dropped it",
        "The classifier on the device's clsact egress hook returned TC_ACT_SHOT \
         (sch_handle_egress, tcx).",
    )
    .normal("Ordinary where it implements a policy.")
    .causes(&[
        "a policy of a container network or security agent",
        "a police action over its rate, or an explicit drop action",
    ])
    .commands(&[
        "tc -s filter show dev DEVICE egress",
        "bpftool net show dev DEVICE",
    ])
    .see(&["TC_INGRESS", "QDISC_DROP", "BPF_CGROUP_EGRESS"]),
    reason(
        "TC_COOKIE_ERROR",
        SINCE_6_12,
        "tc could not go on where the hardware had stopped",
        "A packet that a NIC has partly processed carries a cookie that says at which action to \
         continue (tcf_classify). Nothing belongs to that cookie any more.",
    )
    .causes(&[
        "filters were replaced while packets were on their way: goes away by itself",
        "a driver with a fault in its tc offload: take skip_sw rules out to prove it",
    ])
    .commands(&[
        "tc -s filter show dev DEVICE ingress  # in_hw, not_in_hw",
        "ethtool -k DEVICE | grep hw-tc-offload",
    ])
    .see(&["TC_CHAIN_NOTFOUND"]),
    reason(
        "TC_CHAIN_NOTFOUND",
        SINCE_6_1,
        "a tc action jumps to a chain that does not exist",
        "goto chain N, or the chain that the hardware had reached, is not there (tcf_classify, \
         tcf_action_exec).",
    )
    .causes(&[
        "a rule set that refers to a chain without filters: add the chain, or correct the number",
        "rules being replaced at that moment",
    ])
    .commands(&["tc -s filter show dev DEVICE ingress; tc chain show dev DEVICE ingress"])
    .see(&["TC_COOKIE_ERROR", "TC_INGRESS"]),
    reason(
        "TC_RECLASSIFY_LOOP",
        SINCE_6_12,
        "tc filters send the packet round in circles",
        "A filter asked to classify again (TC_ACT_RECLASSIFY), and that led back to itself more \
         often than the limit of 16.",
    )
    .causes(&[
        "two filters or actions that each start over: change the action of one to pass or to a \
         later chain",
    ])
    .commands(&[
        "tc -s filter show dev DEVICE ingress; tc -s filter show dev DEVICE egress",
        "dmesg | grep -i reclassify",
    ])
    .see(&["TC_CHAIN_NOTFOUND", "RECURSION_LIMIT"]),
    reason(
        "XDP",
        SINCE_6_1,
        "an XDP program dropped it, in generic mode",
        "do_xdp_generic ran the program on a finished packet and it returned XDP_DROP, or \
         something it must not. XDP in the driver drops before there is a packet, and leaves no \
         event: only ethtool's counters tell.",
    )
    .normal("Ordinary where it implements a filter.")
    .causes(&[
        "a policy in the program: ask who loaded it",
        "XDP_ABORTED: the program failed (tracepoint xdp:xdp_exception)",
        "XDP_TX or XDP_REDIRECT to a device that cannot take it",
    ])
    .commands(&[
        "ip -d link show dev DEVICE  # xdpgeneric, with the program's id",
        "bpftool net show dev DEVICE; bpftool prog show id ID",
        "ethtool -S DEVICE | grep -i xdp",
    ])
    .see(&["TC_INGRESS"]),
];
