//! Reasons of VXLAN and other tunnels.

use crate::analysis::explain::{Entry, kernels::SINCE_6_12, reason};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "VXLAN_INVALID_HDR",
        SINCE_6_12,
        "the VXLAN header is invalid",
        "vxlan_rcv: the flag that says \"there is a VNI\" is missing, reserved bits are set, or \
         an extension is used that this device does not know.",
    )
    .causes(&[
        "the peer uses an extension (GBP, GPE, remote checksum) that is not enabled here: set it \
         alike on both ends",
        "something else sends to the VXLAN port: Linux's old default 8472 against 4789",
    ])
    .commands(&[
        "ip -d link show type vxlan  # dstport, gbp, gpe",
        "tcpdump -n -v -i DEVICE udp port 4789",
    ])
    .see(&["VXLAN_VNI_NOT_FOUND", "TUNNEL_TXINFO"]),
    reason(
        "VXLAN_VNI_NOT_FOUND",
        SINCE_6_12,
        "there is no VXLAN device here for that network identifier",
        "vxlan_rcv: the port is right, and no device has this VNI (or this VNI and peer).",
    )
    .causes(&[
        "the VNI is not configured on this host, or is in another namespace",
        "a peer sends to a host that has left the network: stale forwarding entries on the peer \
         (bridge fdb)",
        "devices with a VNI filter that do not list it",
    ])
    .commands(&[
        "ip -d link show type vxlan; bridge vni show",
        "tcpdump -n -v -i DEVICE udp port 4789  # vni and peer",
    ])
    .see(&["VXLAN_INVALID_HDR", "NO_TX_TARGET"]),
    reason(
        "VXLAN_ENTRY_EXISTS",
        SINCE_6_12,
        "a frame wants to move an address that was set by hand",
        "vxlan_snoop: the source address is known as a static entry, or one that points to a \
         nexthop group, at another peer; such entries are not moved by learning.",
    )
    .causes(&[
        "a virtual machine has moved, and the controller has not updated its entry",
        "the same MAC address twice in the overlay",
    ])
    .commands(&[
        "bridge fdb show dev VXLAN | grep MAC",
        "ip -d link show dev VXLAN  # learning: switch it off where a controller fills the table",
    ])
    .see(&["LOCAL_MAC", "VXLAN_VNI_NOT_FOUND"]),
    reason(
        "NO_TX_TARGET",
        SINCE_6_12,
        "there is nowhere to send the frame",
        "vxlan_xmit: neither the destination nor a default remote is in the forwarding table. \
         br_flood: no port of the bridge may get the frame.",
    )
    .normal("Ordinary on a bridge with one port, for broadcasts.")
    .causes(&[
        "VXLAN without a default remote and without an entry for the address: bridge fdb append \
         00:00:00:00:00:00 dev VXLAN dst PEER, or repair the control plane",
        "flooding switched off on all other ports, or isolation between them",
    ])
    .commands(&[
        "bridge fdb show dev VXLAN; ip -d link show dev VXLAN",
        "bridge -d link show  # flood, isolated, state",
    ])
    .see(&["VXLAN_VNI_NOT_FOUND", "BRIDGE_INGRESS_STP_STATE"]),
    reason(
        "IP_TUNNEL_ECN",
        SINCE_6_12,
        "the outer header says congestion, and the inner one cannot carry that on",
        "__INET_ECN_decapsulate (RFC 6040): the outer header is marked CE, and the inner packet \
         is not ECN-capable. It must be dropped, as a router that cannot mark would have done.",
    )
    .causes(&[
        "congestion on the way: then it is a drop like any other",
        "the outer header is given ECN although the inner has none: a sending end with a fault; \
         or a router that sets CE in all packets by rewriting the TOS byte",
    ])
    .commands(&[
        "sysctl net.ipv4.tcp_ecn",
        "tcpdump -n -v -i DEVICE 'ip[1] & 3 == 3'  # outer packets with CE",
    ])
    .see(&["QDISC_CONGESTED"]),
    reason(
        "TUNNEL_TXINFO",
        SINCE_6_12,
        "the tunnel got a packet without the information where to send it",
        "A device in external (collect metadata) mode wants an address and key with each packet, \
         from a route, tc tunnel_key or eBPF (bpf_skb_set_tunnel_key), and this packet had none.",
    )
    .causes(&[
        "the packet came by a way that sets nothing: ordinary IPv6 neighbour discovery of the \
         device itself, a missing tc rule",
        "an eBPF or Open vSwitch rule that forgets to set the key",
    ])
    .commands(&[
        "ip -d link show dev DEVICE  # external",
        "tc filter show dev DEVICE egress; ip route show | grep encap",
    ])
    .see(&["NO_TX_TARGET", "VXLAN_INVALID_HDR"]),
];
