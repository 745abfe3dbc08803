//! Reasons of Open vSwitch, whose enum is in its module.

use crate::analysis::explain::{Entry, kernels::NOT_6_18, reason};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "OVS_DROP_LAST_ACTION",
        NOT_6_18,
        "the flow's actions ended without sending the packet anywhere",
        "do_execute_actions: the list is empty, or its last action (a set, a ct, a hash) left \
         the packet with no output. The usual \"no flow matches, so drop\".",
    )
    .normal("Ordinary where the pipeline drops what it does not allow.")
    .causes(&[
        "a policy of the pipeline (OpenFlow rules, OVN ACL): find the rule",
        "a missing port or tunnel, so that no output is left",
    ])
    .commands(&[
        "ovs-appctl dpctl/dump-flows -m | grep drop  # the flow, with its counters",
        "ovs-appctl ofproto/trace BRIDGE 'in_port=PORT,FLOW'",
    ])
    .see(&["OVS_DROP_EXPLICIT"]),
    reason(
        "OVS_DROP_ACTION_ERROR",
        NOT_6_18,
        "an action of the flow failed",
        "do_execute_actions: an action returned an error: a header to be changed that the packet \
         does not have, or no memory.",
    )
    .causes(&[
        "a flow that rewrites headers of packets that have none: OpenFlow rules without the \
         needed match",
        "memory pressure",
    ])
    .commands(&[
        "ovs-appctl dpctl/dump-flows -m",
        "ovs-appctl coverage/show | grep -i drop",
    ])
    .see(&["OVS_DROP_LAST_ACTION"]),
    reason(
        "OVS_DROP_EXPLICIT",
        NOT_6_18,
        "a rule says drop",
        "The flow has the drop action with error code 0: user space decided so.",
    )
    .normal("Ordinary: a policy at work.")
    .causes(&["an ACL of OVN or an OpenFlow drop rule: trace the packet through the tables"])
    .commands(&[
        "ovs-appctl dpctl/dump-flows -m | grep drop",
        "ovs-appctl ofproto/trace BRIDGE 'in_port=PORT,FLOW'",
    ])
    .see(&["OVS_DROP_EXPLICIT_WITH_ERROR", "OVS_DROP_LAST_ACTION"]),
    reason(
        "OVS_DROP_EXPLICIT_WITH_ERROR",
        NOT_6_18,
        "the switch could not process the packet and told the kernel to drop it",
        "The drop action carries an error code of ovs-vswitchd's translation: too many \
         resubmits, a stack that is too deep, recursion, a tunnel without a route, a bridge that \
         was not found.",
    )
    .causes(&[
        "a loop or too much depth in the OpenFlow tables: the log of ovs-vswitchd names it",
        "patch ports that form a circle",
    ])
    .commands(&[
        "ovs-appctl coverage/show | grep -i drop_action",
        "grep -iE 'resubmit|recursion|over max' /var/log/openvswitch/ovs-vswitchd.log",
    ])
    .see(&["OVS_DROP_EXPLICIT"]),
    reason(
        "OVS_DROP_METER",
        NOT_6_18,
        "the rate limit of a meter was exceeded",
        "ovs_meter_execute: the band of the meter says drop.",
    )
    .normal("Ordinary: it is what the limit is for.")
    .causes(&[
        "QoS of a port, or protection of the controller (packet-in limits): raise the rate if it \
         is too low",
    ])
    .commands(&["ovs-ofctl -O OpenFlow13 meter-stats BRIDGE"])
    .see(&["QDISC_DROP"]),
    reason(
        "OVS_DROP_RECURSION_LIMIT",
        NOT_6_18,
        "the packet went through the switch too often",
        "ovs_execute_actions: recirculation or ports that lead back deeper than the limit of 5; \
         the log says so.",
    )
    .causes(&[
        "patch ports or veth pairs that form a loop between bridges",
        "rules with too many recirculations",
    ])
    .commands(&[
        "dmesg | grep -i 'ovs: recursion limit'",
        "ovs-vsctl show; ovs-appctl ofproto/trace BRIDGE 'in_port=PORT,FLOW'",
    ])
    .see(&["RECURSION_LIMIT", "OVS_DROP_DEFERRED_LIMIT"]),
    reason(
        "OVS_DROP_DEFERRED_LIMIT",
        NOT_6_18,
        "too many actions of the packet were put off",
        "Recirculations and sample actions beyond a depth wait in a list of 10; it is full.",
    )
    .causes(&["rules with many nested clones, samples or recirculations: make them flatter"])
    .commands(&[
        "ovs-appctl dpctl/dump-flows -m | grep -E 'recirc|clone|sample'",
        "dmesg | grep -i 'deferred action limit'",
    ])
    .see(&["OVS_DROP_RECURSION_LIMIT"]),
    reason(
        "OVS_DROP_FRAG_L2_TOO_LONG",
        NOT_6_18,
        "the link-layer header is too long to fragment the packet",
        "ovs_fragment keeps the header aside while it cuts; there is room for an Ethernet header \
         with a VLAN tag and three MPLS labels.",
    )
    .causes(&[
        "many VLAN or MPLS tags on a packet that is larger than the MTU: fewer tags, or a larger \
         MTU",
    ])
    .commands(&["ovs-vsctl get Interface PORT mtu; ip -d link"])
    .see(&["OVS_DROP_FRAG_INVALID_PROTO", "PKT_TOO_BIG"]),
    reason(
        "OVS_DROP_FRAG_INVALID_PROTO",
        NOT_6_18,
        "a packet larger than the MTU is neither IPv4 nor IPv6",
        "ovs_fragment can only cut IP packets.",
    )
    .causes(&["a port with a smaller MTU than the others: set them alike (mtu_request)"])
    .commands(&["ovs-vsctl --columns=name,mtu list Interface"])
    .see(&["OVS_DROP_FRAG_L2_TOO_LONG"]),
    reason(
        "OVS_DROP_CONNTRACK",
        NOT_6_18,
        "connection tracking of the switch failed for the packet",
        "ovs_ct_execute: the ct action returned an error: table full, no memory, a helper or NAT \
         that failed.",
    )
    .causes(&[
        "nf_conntrack's table or the limit of the zone is full: raise nf_conntrack_max, \
         ovs-appctl dpctl/ct-set-limits",
        "invalid packets, or fragments that could not be put together",
    ])
    .commands(&[
        "ovs-appctl dpctl/ct-stats-show; ovs-appctl dpctl/ct-get-limits",
        "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
    ])
    .see(&["NETFILTER_DROP"]),
    reason(
        "OVS_DROP_IP_TTL",
        NOT_6_18,
        "the TTL ran out in the switch",
        "execute_dec_ttl: the action that lowers the TTL met 1 or 0, and the flow has no actions \
         for that case.",
    )
    .normal("Ordinary for traceroute.")
    .causes(&["a routing loop between logical routers or to the outside"])
    .commands(&[
        "traceroute -n DESTINATION",
        "ovs-appctl ofproto/trace BRIDGE 'in_port=PORT,FLOW,nw_ttl=1'",
    ])
    .see(&["IP_INHDR"]),
];
