//! Findings about what somebody told a host to drop.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "firewall-drop",
        "a netfilter rule of this host drops packets that come in or pass through",
        "nftables, iptables, ebtables, IPVS or connection tracking returned \"drop\" in ingress, prerouting, input, forward or postrouting. The sender hears nothing, unless the rule rejects.",
    )
    .normal("A firewall at work.")
    .doubt("Connection tracking drops in the same place: its table is full, or two packets of one new connection clashed.")
    .causes(&["a rule, or the policy of a chain, drops it", "a port that was never opened, or opened in another table: every table must accept", "a container or virtual machine runtime that sets its own rules"])
    .remedy(&[
        "nft -a list ruleset | grep -nE 'drop|reject': the rules and policies; iptables-save -c and ip6tables-save -c where iptables-legacy is in use",
        "nft add table inet look; nft add chain inet look pre '{ type filter hook prerouting priority -350; }'; nft add rule inet look pre ip saddr SOURCE meta nftrace set 1; nft monitor trace: names the rule for SOURCE; nft delete table inet look ends it",
        "nft add table inet look; nft add chain inet look pre '{ type filter hook prerouting priority -350; }'; nft add rule inet look pre ip6 saddr SOURCE meta nftrace set 1; nft monitor trace: names the rule for SOURCE; nft delete table inet look ends it",
        "accept DESTINATION port PORT before that rule, if SOURCE should reach it",
    ])
    .commands(&["nft -a list ruleset; nft monitor trace", "iptables-save -c; ip6tables-save -c", "conntrack -S"])
    .see(&["NETFILTER_DROP", "firewall-drop-output", "conntrack-invalid", "conntrack-table-full"]),
    finding(
        "firewall-drop-output",
        "a netfilter rule of this host does not let its own packets out",
        "A rule in output or postrouting dropped a packet that was made on this host. The program gets EPERM from send or connect, and IpOutDiscards rises.",
    )
    .normal("Where a host may only talk to some others.")
    .doubt("Connection tracking drops in the same place when its table is full.")
    .causes(&["a rule or a policy in the output chain, often per user, cgroup or mark", "a VPN's kill switch"])
    .remedy(&[
        "nft -a list ruleset | grep -nE 'hook (output|postrouting)|drop|reject': the chains that see this host's own packets",
        "nft add table inet look; nft add chain inet look out '{ type filter hook output priority -350; }'; nft add rule inet look out ip daddr DESTINATION meta nftrace set 1; nft monitor trace: names the rule for DESTINATION; nft delete table inet look ends it",
        "nft add table inet look; nft add chain inet look out '{ type filter hook output priority -350; }'; nft add rule inet look out ip6 daddr DESTINATION meta nftrace set 1; nft monitor trace: names the rule for DESTINATION; nft delete table inet look ends it",
        "accept DESTINATION port PORT before that rule, if COMM (pid PID) should reach it",
    ])
    .commands(&["nft -a list ruleset", "iptables-save -c; ip6tables-save -c", "nstat -az IpOutDiscards Ip6OutDiscards"])
    .see(&["NETFILTER_DROP", "IpOutDiscards", "Ip6OutDiscards", "firewall-drop"]),
    finding(
        "conntrack-table-full",
        "the connection tracking table is full",
        "nf_conntrack_max connections are tracked, and a packet that would begin another is dropped in nf_hook_slow. The log says \"nf_conntrack: table full, dropping packet\".",
    )
    .doubt("Rules of iptables drop in the same place; the number of entries against the limit decides.")
    .causes(&["many short connections, or a flood", "long timeouts: 5 days for an established TCP connection", "a table that is too small for the host's job"])
    .remedy(&[
        "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; dmesg | grep nf_conntrack",
        "conntrack -L | awk -F'src=| dst=' '{print $2}' | sort | uniq -c | sort -n | tail: whose connections fill it",
        "sysctl -w net.netfilter.nf_conntrack_max=262144, shorter timeouts (net.netfilter.nf_conntrack_tcp_timeout_established), or notrack for what needs no state",
    ])
    .commands(&["sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max", "conntrack -S", "dmesg | grep -i 'table full'"])
    .see(&["NETFILTER_DROP", "firewall-drop"]),
    finding(
        "conntrack-invalid",
        "packets that connection tracking takes for invalid are dropped by a rule",
        "The packet fits no connection that this host knows: its state is gone, its numbers lie outside the window, or this host saw only one direction. A rule with \"ct state invalid drop\" does the rest.",
    )
    .normal("In small numbers: late packets of connections that are over.")
    .doubt("Without the ruleset any rule that drops a packet in the middle of a connection looks the same.")
    .causes(&["asymmetric routing: the other direction goes another way", "state that was lost: a restart, a failover, conntrack -F, a timeout shorter than the connection's pauses", "window scaling or sequence numbers changed by a middlebox"])
    .remedy(&[
        "nft -a list ruleset | grep -n invalid; conntrack -L -s SOURCE: is there an entry",
        "sysctl -w net.netfilter.nf_conntrack_log_invalid=255; dmesg: says why",
        "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1, where only the window check is to blame",
        "both directions through this host, or no state for them: notrack",
    ])
    .commands(&["nft -a list ruleset | grep -n invalid", "conntrack -S  # invalid", "sysctl net.netfilter.nf_conntrack_tcp_be_liberal net.netfilter.nf_conntrack_tcp_loose"])
    .see(&["NETFILTER_DROP", "firewall-drop"]),
    finding(
        "tc-drop-ingress",
        "a tc filter or program drops packets as they come in",
        "A classifier on the device's ingress or clsact hook, or an eBPF program attached there (tcx), returned \"drop\" (TC_ACT_SHOT). Captures still show the packet, and netfilter never sees it.",
    )
    .normal("Where it is a policy: Cilium and other container networks drop here.")
    .doubt("On a kernel without reasons frames that nothing handles are dropped in the same place.")
    .causes(&["a policer or a filter with the action drop", "an eBPF program of a container network or a load balancer"])
    .remedy(&[
        "tc -s filter show dev DEVICE ingress: filters with their actions and numbers of packets",
        "bpftool net show dev DEVICE: the programs on DEVICE; bpftool prog show id ID names who loaded one",
    ])
    .commands(&["tc -s filter show dev DEVICE ingress; tc qdisc show dev DEVICE", "bpftool net"])
    .see(&["TC_INGRESS", "tc-drop-egress", "xdp-drop"]),
    finding(
        "tc-drop-egress",
        "a tc filter or program drops packets on their way out",
        "A classifier on the device's clsact egress hook, or an eBPF program attached there (tcx), returned \"drop\" (TC_ACT_SHOT), after netfilter and before the queue.",
    )
    .normal("Where it is a policy.")
    .doubt("On a kernel without reasons a packet that the device cannot take is dropped in the same place.")
    .causes(&["a filter with the action drop or a policer on egress", "an eBPF program of a container network"])
    .remedy(&[
        "tc -s filter show dev DEVICE egress: filters with their actions and numbers of packets",
        "bpftool net show dev DEVICE: the programs on DEVICE; bpftool prog show id ID names who loaded one",
    ])
    .commands(&["tc -s filter show dev DEVICE egress; tc qdisc show dev DEVICE", "bpftool net"])
    .see(&["TC_EGRESS", "tc-drop-ingress"]),
    finding(
        "xdp-drop",
        "an XDP program on the device drops packets",
        "The program returned XDP_DROP, or failed, on a packet that had a buffer already: in generic mode (do_xdp_generic) or on veth (veth_xdp_rcv_skb). XDP inside a NIC's driver drops before there is a packet, and no tool that watches packets sees it: only ethtool -S and the program's own maps do.",
    )
    .normal("Where it is a filter or a load balancer.")
    .doubt("A failed redirect (xdp:xdp_exception, xdp:xdp_redirect_err) ends in the same place.")
    .causes(&["a filter that is meant to drop these", "a program that meets a packet it was not written for: VLAN tags, IPv6, fragments", "XDP_TX or XDP_REDIRECT to a device that does not take it"])
    .remedy(&[
        "ip -d link show dev DEVICE | grep -o 'xdp.*': the program and its id",
        "bpftool prog show id ID; bpftool net show dev DEVICE: who loaded it, and what else is there",
        "perf trace -e 'xdp:*', or bpftool prog tracelog: exceptions are no drops on purpose",
    ])
    .commands(&["bpftool net show dev DEVICE", "ip -d link show dev DEVICE", "ethtool -S DEVICE | grep -i xdp"])
    .see(&["XDP", "NOT_SPECIFIED", "tc-drop-ingress"]),
    finding(
        "cgroup-program-drop",
        "a BPF program of a cgroup drops its packets",
        "A cgroup_skb program decides for all sockets of a cgroup. On the way out it drops in ip_finish_output (BPF_CGROUP_EGRESS); on the way in it counts as a socket filter (SOCKET_FILTER).",
    )
    .normal("Where it is a policy: IPAddressDeny= and IPAddressAllow= of systemd units work like this.")
    .doubt("On the way in, a filter on the socket itself has the same reason: bpftool cgroup tree tells.")
    .causes(&["IPAddressDeny=, SocketBindDeny= or RestrictNetworkInterfaces= of the systemd unit", "a program of a container runtime or security agent"])
    .remedy(&[
        "bpftool cgroup tree /sys/fs/cgroup: the programs, cgroup_inet_egress and cgroup_inet_ingress are these",
        "bpftool cgroup show /sys/fs/cgroupCGROUP effective: the programs that count for CGROUP",
        "systemctl show $(ps -o unit= -p PID) | grep -E 'IPAddress|RestrictNetwork': a rule of the systemd unit",
    ])
    .commands(&["bpftool cgroup tree", "systemctl show UNIT | grep -E 'IPAddress|RestrictNetwork'"])
    .see(&["BPF_CGROUP_EGRESS", "SOCKET_FILTER", "socket-filter-drop"]),
    finding(
        "socket-filter-drop",
        "a filter on the socket refuses packets",
        "The program attached a filter (SO_ATTACH_FILTER, SO_ATTACH_BPF) to its socket, or its cgroup has an ingress program, and it returned 0 for the packet. Before 6.4 a security module's refusal counts as this, too.",
    )
    .normal("Some programs filter in the kernel on purpose: VPN daemons, DNS servers under attack.")
    .doubt("The kernel has one reason for the socket's filter and the cgroup's program. Without reasons a full receive buffer is dropped in the same place. What the own filter of a raw socket refuses is taken for ordinary: it mostly refuses what is for others.")
    .causes(&["the program's own filter", "an ingress program of its cgroup", "a security module, on older kernels"])
    .remedy(&[
        "ss -ulnpe 'sport = :PORT': the socket, its program and its cgroup (the kernel shows no filter of it)",
        "bpftool cgroup tree /sys/fs/cgroup | grep -B3 ingress: whether it is the cgroup's program instead",
        "strace -f -e setsockopt -p PID: when COMM sets SO_ATTACH_FILTER",
    ])
    .commands(&["ss -anpe", "bpftool cgroup tree", "bpftool prog show"])
    .see(&["SOCKET_FILTER", "cgroup-program-drop", "udp-receive-buffer-full"]),
    finding(
        "ipsec-policy",
        "an IPsec policy refuses packets, or no security association fits them",
        "There is a policy for these addresses, and the packet did not come through the security association that it demands: mostly because it came in plain. Or ESP came in with an SPI that this host does not know.",
    )
    .doubt("On a kernel without reasons a protocol that nothing handles is dropped in the same place.")
    .causes(&["one end has lost its associations: a restart, a rekey that failed", "a policy on one end only, or for other networks (traffic selectors)", "NAT in between that changes the addresses of the policy"])
    .remedy(&[
        "ip -s xfrm policy; ip -s xfrm state: is there an association between SOURCE and DESTINATION, and do its bytes rise",
        "cat /proc/net/xfrm_stat: XfrmInNoPols, XfrmInNoStates, XfrmInTmplMismatch say which",
        "swanctl --list-sas, or ipsec status: have both ends negotiate anew",
    ])
    .commands(&["ip -s xfrm policy; ip -s xfrm state", "cat /proc/net/xfrm_stat", "ip xfrm monitor"])
    .see(&["XFRM_POLICY"]),
];
