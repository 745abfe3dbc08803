//! Findings about devices and their queues.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "foreign-mac",
        "frames are for another MAC address than the device's",
        "The device took frames that are for somebody else, because it is promiscuous or the switch floods, and IP drops them (OTHERHOST).",
    )
    .normal("While tcpdump or a bridge keeps the device promiscuous, and for a few flooded frames.")
    .doubt("If the IP destination is an address of this host, it is no noise: the sender has an old MAC address of it.")
    .causes(&["a capture or a bridge: the device is promiscuous", "a switch that floods unicast because it does not know the address", "a neighbour with an old ARP entry after this host's MAC address changed"])
    .remedy(&[
        "ip -br address | grep -F DESTINATION: if it is this host's own, the sender has an old MAC address; on SOURCE: ip neigh flush DESTINATION",
        "ip -d link show dev DEVICE: promiscuity above 0 is a capture or a bridge, and ordinary",
        "else the switch floods: its MAC table, and whether the other host ever sends",
    ])
    .commands(&["ip -d -s -s link show dev DEVICE", "bridge fdb show dev DEVICE", "tcpdump -n -e -p -i DEVICE"])
    .see(&["OTHERHOST", "rx_otherhost_dropped", "vlan-device-missing"]),
    finding(
        "vlan-device-missing",
        "tagged frames come in, and no device takes their VLAN",
        "The kernel takes the tag off and looks for the VLAN device. Without one the packet counts as another host's (OTHERHOST), although its MAC address may be right, or nothing handles it (UNHANDLED_PROTO).",
    )
    .normal("On a trunk port that is only captured from.")
    .doubt("A frame whose MAC address is foreign as well may just be flooded.")
    .causes(&["the VLAN device was not made, or on another device, or is down", "the switch port is a trunk, or tags what should be untagged", "a bridge with vlan_filtering, or a virtual machine's port with the wrong tag"])
    .remedy(&[
        "ip -d link show type vlan: is there one for VLAN VLAN_ID on DEVICE, and is it up",
        "ip link add link DEVICE name DEVICE.VLAN_ID type vlan id VLAN_ID; ip link set DEVICE.VLAN_ID up",
        "or let the switch send untagged: its port's VLAN settings",
        "bridge vlan show: where DEVICE is a port of a bridge",
    ])
    .commands(&["ip -d link show type vlan", "tcpdump -n -e -i DEVICE vlan", "bridge vlan show"])
    .see(&["OTHERHOST", "UNHANDLED_PROTO", "rx_otherhost_dropped", "foreign-mac"]),
    finding(
        "unhandled-ethertype",
        "frames carry an EtherType that nothing on this host handles",
        "No protocol handler, bridge, VLAN or packet socket takes the frame, and it raises the device's rx_dropped. Spanning tree, LLDP and the like are no finding: they are on every network.",
    )
    .normal("Nearly always: somebody else's protocol that the switch floods.")
    .doubt("On a kernel without reasons a tc filter on the way in drops in the same place.")
    .causes(&["a protocol that needs a module or daemon (MPLS, PPPoE, AoE, FCoE, batman)", "a program that sends with a wrong EtherType", "discovery broadcasts of a vendor"])
    .remedy(&[
        "tcpdump -n -e -xx -i DEVICE 'not ip and not ip6 and not arp': what it is and who sends it",
        "cat /proc/net/ptype: what this host takes; where it is wanted, load its module (mpls_router, pppoe, aoe)",
    ])
    .commands(&["cat /proc/net/ptype", "ip -s link show dev DEVICE  # rx dropped", "tcpdump -n -e -xx -i DEVICE 'not ip and not ip6 and not arp'"])
    .see(&["UNHANDLED_PROTO", "rx_dropped", "vlan-device-missing"]),
    finding(
        "link-down",
        "packets are sent to a device that is down or not connected",
        "A device that is down or has no carrier drops what is sent: its queue is noop (QDISC_DROP), or its driver says DEV_READY because no program has the TUN device open.",
    )
    .normal("While a VPN, container or virtual machine starts or stops.")
    .doubt("A full queue has the same reason on most kernels; the state of the device decides.")
    .causes(&["the device was never set up, or its cable, peer or program is gone", "routes still point to it (ignore_routes_with_linkdown is off by default)"])
    .remedy(&[
        "ip -br link show dev DEVICE: DOWN or NO-CARRIER; ip link set DEVICE up",
        "ethtool DEVICE | grep Link, and for veth its other end: ip -d link show dev DEVICE (link-netns)",
        "ip route show dev DEVICE: routes that should not use it now; sysctl net.ipv4.conf.DEVICE.ignore_routes_with_linkdown",
    ])
    .commands(&["ip -d -s link show dev DEVICE", "ip route show dev DEVICE", "ip -d tuntap show"])
    .see(&["DEV_READY", "QDISC_DROP", "tx_dropped", "queue-overflow"]),
    finding(
        "tun-queue-full",
        "the program behind a TUN or TAP device does not keep up",
        "The ring between kernel and program holds txqueuelen packets, and is full: the VPN, virtual machine or container runtime reads too slowly.",
    )
    .doubt("On a kernel without reasons a filter of the device, or a queue that nobody holds, drops in the same place.")
    .causes(&["the program is busy: encryption on one processor, a virtual machine that is paused or starved", "one queue for all flows", "a burst longer than the ring"])
    .remedy(&[
        "ip -d tuntap show: the program that holds DEVICE; top -H -p its pid: does it use a whole processor",
        "several queues (IFF_MULTI_QUEUE), where program or hypervisor can: ip -d link show dev DEVICE says multi_queue",
        "ip link set DEVICE txqueuelen 5000: a longer ring takes longer bursts, and delays",
    ])
    .commands(&["ip -d tuntap show; ip -s link show dev DEVICE", "ethtool -l DEVICE"])
    .see(&["FULL_RING", "tx_dropped"]),
    finding(
        "cpu-backlog",
        "a processor's receive queue is full",
        "Packets from the loopback, veth, tunnels and receive packet steering wait in a queue per processor, netdev_max_backlog (1000) long. Above it they are dropped: the processor does not keep up.",
    )
    .doubt("On a kernel without reasons a device that is going away drops in the same place.")
    .causes(&["all load on one processor: one flow, RPS off, interrupts not spread", "expensive work for each packet: firewall rules, eBPF programs, captures", "a burst longer than the queue"])
    .remedy(&[
        "cat /proc/net/softnet_stat: the second column, a line a processor, is this; mpstat -P ALL 1: is one at 100 % soft",
        "spread the load: echo f > /sys/class/net/DEVICE/queues/rx-0/rps_cpus",
        "sysctl -w net.core.netdev_max_backlog=10000 takes longer bursts",
    ])
    .commands(&["cat /proc/net/softnet_stat", "sysctl net.core.netdev_max_backlog net.core.flow_limit_cpu_bitmap", "mpstat -P ALL 1 5"])
    .see(&["CPU_BACKLOG", "softnet_dropped", "softnet_flow_limit"]),
    finding(
        "tunnel-id-unknown",
        "tunnel packets have a network identifier that no device here has",
        "VXLAN packets reach the right UDP port, and no VXLAN device in this namespace has their VNI, or it is for another peer or local address.",
    )
    .doubt("On kernels without a name for it, a bad inner frame is dropped in the same place.")
    .causes(&["the two ends were given different identifiers", "the device is missing, or in another namespace", "the overlay sends to a host that is not a part of this network"])
    .remedy(&[
        "ip -d link show type vxlan: the identifiers that this host has; the packets carry VNI_ID",
        "ip link add vxlanVNI_ID type vxlan id VNI_ID dstport PORT: the missing device; or correct the one on SOURCE",
        "bridge fdb show | grep SOURCE: on the sender, what makes it send here",
    ])
    .commands(&["ip -d link show type vxlan", "tcpdump -n -e -i DEVICE udp port 4789", "bridge fdb show"])
    .see(&["VXLAN_VNI_NOT_FOUND"]),
    finding(
        "queue-overflow",
        "the queue of the device on the way out is full, or shapes",
        "The queueing discipline took no more: its limit was reached, a shaper (tbf, htb) is out of tokens, or active queue management dropped early. Most kernels have one reason for all, for netem's loss and for a device that is down.",
    )
    .normal("A few under load: it is how TCP learns the rate.")
    .doubt("netem's random loss and a device that is down or being removed have the same reason and place on most kernels: tc -s qdisc and the link's state tell.")
    .causes(&["more is sent than the link or the shaper takes", "a queue that is too short for bursts (tbf limit, pfifo of txqueuelen)", "a class of htb or a policer with too small a rate"])
    .remedy(&[
        "tc -s qdisc show dev DEVICE; tc -s class show dev DEVICE: whose dropped rises, and what its limit or rate is",
        "ip -br link show dev DEVICE: a device that is down drops everything",
        "raise rate, burst or limit of the shaper, or let fq_codel share what there is: tc qdisc replace dev DEVICE root fq_codel",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE", "tc -s class show dev DEVICE", "ip -s link show dev DEVICE"])
    .see(&["QDISC_DROP", "QDISC_OVERLIMIT", "QDISC_CONGESTED", "queue-random-loss", "link-down"]),
    finding(
        "queue-random-loss",
        "netem on the device loses packets on purpose",
        "A netem queueing discipline was told to lose, corrupt or limit packets, to try out how programs take it. The kernel has no reason of its own for it.",
    )
    .normal("In a test.")
    .doubt("A full queue has the same reason and place: only the kind of the queueing discipline tells.")
    .causes(&["a test of bad networks that is still there"])
    .remedy(&[
        "tc qdisc show dev DEVICE | grep netem: loss, corrupt and limit of it",
        "tc qdisc del dev DEVICE root: takes it away, if it is the root",
    ])
    .commands(&["tc -s qdisc show dev DEVICE"])
    .see(&["QDISC_DROP", "queue-overflow"]),
];
