//! Counters of devices and of the receive path.

use crate::analysis::explain::{Entry, counter};

pub(super) const ENTRIES: &[Entry] = &[
    counter(
        "rx_dropped",
        "A sum over causes: __netif_receive_skb_core when no protocol wants the frame, \
         enqueue_to_backlog when the processor's queue is full, and whatever the driver calls \
         dropped.",
    )
    .normal(
        "LLDP, spanning tree and VLANs that this host does not know raise it on nearly every \
             link.",
    )
    .causes(&[
        "unknown EtherTypes or VLANs; a full backlog; receive buffers that the driver could not \
         refill",
    ])
    .commands(&[
        "netdiag drops --each --iface DEVICE  # what is not seen there was dropped by the driver",
        "ethtool -S DEVICE | grep -iE 'drop|miss|no_buf|no_desc'",
    ])
    .see(&["UNHANDLED_PROTO", "CPU_BACKLOG", "rx_missed_errors"]),
    counter(
        "rx_nohandler",
        "__netif_receive_skb_core: the device takes only frames for exactly itself, as the \
         backup of a bond does, and nobody wanted this one.",
    )
    .normal("Ordinary on backup ports: broadcasts arrive there, too.")
    .causes(&["a bond whose backup gets unicast: the switch is not configured for it"])
    .commands(&["cat /proc/net/bonding/BOND; ip -d link show dev DEVICE"])
    .see(&["UNHANDLED_PROTO", "rx_dropped"]),
    counter(
        "rx_otherhost_dropped",
        "ip_rcv_core and ip6_rcv_core, since 5.19: the frame was for another MAC address.",
    )
    .normal("A promiscuous device (a capture runs), or short flooding by the switch.")
    .causes(&[
        "a VLAN device is missing; an old ARP entry at the sender; a switch that floods all the \
         time",
    ])
    .commands(&["netdiag drops --each --reason OTHERHOST; ip -d link show dev DEVICE"])
    .see(&["OTHERHOST"]),
    counter(
        "tx_dropped",
        "The device or driver could not take the packet: noop qdisc of a device that is down, \
         tun's full ring, validate_xmit_skb. Drops of other queues are in tc -s.",
    )
    .causes(&[
        "the device is down or without carrier; the program behind a TUN or TAP device is too \
         slow",
    ])
    .commands(&[
        "ip -s link show dev DEVICE; tc -s qdisc show dev DEVICE",
        "netdiag drops --each --iface DEVICE",
    ])
    .see(&["QDISC_DROP", "FULL_RING", "DEV_READY"]),
    counter(
        "rx_errors",
        "The driver's sum of bad frames: CRC, length, framing, overruns. The parts are in the \
         other rx_*_errors.",
    )
    .causes(&["cable, transceiver, duplex, or a NIC that is failing"])
    .commands(&["ip -s -s link show dev DEVICE; ethtool -S DEVICE | grep -i err"])
    .see(&["rx_crc_errors", "rx_length_errors", "rx_missed_errors"]),
    counter(
        "tx_errors",
        "The driver's sum of failed transmissions; tunnels count packets without a route or with \
         a loop here.",
    )
    .causes(&["carrier lost, a tunnel whose remote end cannot be reached, a recursion of tunnels"])
    .commands(&["ip -s -s link show dev DEVICE; dmesg | grep -i DEVICE"])
    .see(&["tx_carrier_errors", "RECURSION_LIMIT"]),
    counter(
        "rx_length_errors",
        "Frames that are too long or too short for the device, dropped by hardware or driver.",
    )
    .causes(&[
        "jumbo frames on a link with a smaller MTU; virtio and tunnel devices with lengths that \
         do not fit",
    ])
    .commands(&["ip link show dev DEVICE; ethtool -S DEVICE | grep -iE 'long|short|length|jabber'"])
    .see(&["PKT_TOO_SMALL", "rx_errors"]),
    counter(
        "rx_over_errors",
        "The receive ring or FIFO was full when the frame came; drivers differ in which of \
         rx_over, rx_fifo and rx_missed they use.",
    )
    .causes(&["interrupts handled too late, a ring that is too small"])
    .commands(&["ethtool -g DEVICE; ethtool -S DEVICE | grep -iE 'over|fifo|miss'"])
    .see(&["rx_missed_errors", "softnet_time_squeeze"]),
    counter(
        "rx_crc_errors",
        "The checksum of the Ethernet frame was wrong when it arrived at the NIC.",
    )
    .causes(&[
        "a bad cable, dirty fibre, failing transceiver; a duplex mismatch on old links; a \
         cut-through switch that passes bad frames on from elsewhere",
    ])
    .commands(&[
        "ethtool -S DEVICE | grep -iE 'crc|fcs|symbol'; ethtool -m DEVICE  # optical power",
    ])
    .see(&["rx_errors"]),
    counter(
        "rx_frame_errors",
        "Frames that do not end on a byte boundary.",
    )
    .causes(&["cable or transceiver; duplex mismatch"])
    .commands(&["ethtool DEVICE; ethtool -S DEVICE | grep -iE 'align|frame'"])
    .see(&["rx_crc_errors"]),
    counter(
        "rx_fifo_errors",
        "The NIC's own FIFO ran over: the bus or memory did not take the data in time.",
    )
    .causes(&[
        "a starved PCIe link, power saving states, too many interrupts; some drivers count a \
         full ring here",
    ])
    .commands(&["ethtool -S DEVICE | grep -i fifo; ethtool -g DEVICE"])
    .see(&["rx_missed_errors"]),
    counter(
        "rx_missed_errors",
        "The NIC had no free receive descriptor. The packet never became one for the kernel: no \
         event, no other counter.",
    )
    .causes(&[
        "the processor does not empty the ring in time: larger ring, more queues, interrupts on \
         other processors",
        "bursts: ethtool -G DEVICE rx N",
    ])
    .commands(&[
        "ethtool -g DEVICE; ethtool -l DEVICE; ethtool -S DEVICE | grep -iE \
         'miss|no_buf|discard'",
        "netdiag counters --interval 1s  # softnet_time_squeeze beside it",
    ])
    .see(&["softnet_time_squeeze", "rx_dropped", "packet-loss"]),
    counter(
        "tx_aborted_errors",
        "The driver gave the frame up, such as after too many collisions on half-duplex links.",
    )
    .causes(&["half duplex by a failed negotiation; a hanging transmitter"])
    .commands(&["ethtool DEVICE | grep -iE 'speed|duplex'; dmesg | grep -i 'transmit queue'"])
    .see(&["tx_errors"]),
    counter(
        "tx_carrier_errors",
        "The carrier was lost while sending; tunnels count an unreachable remote end here.",
    )
    .causes(&["a loose cable, a far end that restarts, a flapping link; a tunnel without a route"])
    .commands(&["ip -s -s link show dev DEVICE; dmesg | grep -i 'link is'"])
    .see(&["tx_errors", "IP_OUTNOROUTES"]),
    counter(
        "tx_fifo_errors",
        "The NIC ran out of data in the middle of a frame; for some virtual devices a full ring.",
    )
    .causes(&["a starved PCIe bus; bonding and other devices count a full queue here"])
    .commands(&["ethtool -S DEVICE | grep -i fifo"])
    .see(&["tx_errors"]),
    counter(
        "softnet_dropped",
        "enqueue_to_backlog, over all processors: netdev_max_backlog packets were waiting on one \
         of them.",
    )
    .causes(&["all packets go to one processor; bursts; softirq work that takes too long"])
    .commands(&["cat /proc/net/softnet_stat; mpstat -P ALL 1; sysctl net.core.netdev_max_backlog"])
    .see(&["CPU_BACKLOG", "rx_dropped"]),
    counter(
        "softnet_time_squeeze",
        "net_rx_action had to stop with work left: netdev_budget packets (300) or \
         netdev_budget_usecs were used up. Not a drop, but what comes before rx_missed_errors.",
    )
    .normal("Now and then under load.")
    .causes(&[
        "a processor that cannot keep up: spread interrupts and queues; raise netdev_budget and \
         netdev_budget_usecs",
    ])
    .commands(&["sysctl net.core.netdev_budget net.core.netdev_budget_usecs; mpstat -P ALL 1"])
    .see(&["rx_missed_errors", "softnet_dropped"]),
    counter(
        "softnet_flow_limit",
        "skb_flow_limit in enqueue_to_backlog: the backlog is more than half full, and one flow \
         has most of it.",
    )
    .causes(&[
        "one very large flow on a processor that RPS chose; the limit is on by \
         flow_limit_cpu_bitmap",
    ])
    .commands(&["cat /proc/sys/net/core/flow_limit_cpu_bitmap; cat /proc/net/softnet_stat"])
    .see(&["CPU_BACKLOG", "softnet_dropped"]),
];
