//! Counters of devices and of the processors' backlogs.

use super::{ANYWHERE, CounterRule, Family, any, missing, on, rule};
use crate::analysis::place::{CORE, TUN};

pub(super) static RULES: &[CounterRule] = &[
    rule(
        "rx_dropped",
        Family::Device,
        &[
            // __netif_receive_skb_core raises rx_nohandler instead where only an exact match was sought.
            on(&["UNHANDLED_PROTO", "PFMEMALLOC"], CORE).choice("netif_receive"),
            on(&["CPU_BACKLOG"], ANYWHERE),
            // A GRE packet that belongs to no tunnel. Seen in 7.2; 6.12 raises nothing.
            any(&["gre_rcv"]).choice("gre_rcv"),
            // TC ingress drops here as well, and raises nothing.
            missing(CORE).choice("netif_receive"),
            // enqueue_to_backlog: the device is going down, since 6.10 not in softnet's count.
            on(&["DEV_READY"], &["enqueue_to_backlog", "netif_rx_internal"]),
            missing(&["enqueue_to_backlog", "netif_rx_internal"]),
        ],
        "received packets dropped: no protocol wants them, a full backlog, or the driver",
    ),
    rule(
        "rx_nohandler",
        Family::Device,
        &[
            on(&["UNHANDLED_PROTO"], CORE).choice("netif_receive"),
            missing(CORE).choice("netif_receive"),
        ],
        "packets received on an inactive device, such as the backup of a bond",
    ),
    rule(
        "rx_otherhost_dropped",
        Family::Device,
        // ip_rcv_core and ip6_rcv_core, since 5.19.
        &[on(&["OTHERHOST"], ANYWHERE)],
        "packets for another MAC address: flooding, or a VLAN device that is missing",
    ),
    rule(
        "tx_dropped",
        Family::Device,
        &[
            // noop_enqueue (a device that is down) counts since 6.11; other qdiscs count in their own statistics.
            on(&["QDISC_DROP"], ANYWHERE).choice("noop_enqueue"),
            any(TUN),
            any(&["validate_xmit_skb"]),
        ],
        "packets that a device could not send: it is down, or its queue is full",
    ),
    rule(
        "rx_errors",
        Family::Device,
        &[],
        "received packets that the device found bad",
    ),
    rule(
        "tx_errors",
        Family::Device,
        &[],
        "packets that the device failed to send",
    ),
    rule(
        "rx_length_errors",
        Family::Device,
        &[],
        "received packets of a wrong length",
    ),
    rule(
        "rx_over_errors",
        Family::Device,
        &[],
        "received packets that overran the device's buffer",
    ),
    rule(
        "rx_crc_errors",
        Family::Device,
        &[],
        "received packets with a bad CRC: cable or transceiver",
    ),
    rule(
        "rx_frame_errors",
        Family::Device,
        &[],
        "received packets that were misaligned",
    ),
    rule(
        "rx_fifo_errors",
        Family::Device,
        &[],
        "received packets that overran the device's FIFO",
    ),
    rule(
        "rx_missed_errors",
        Family::Device,
        &[],
        "packets that the device had no room for: ring too small",
    ),
    rule(
        "tx_aborted_errors",
        Family::Device,
        &[],
        "transmissions that the device gave up",
    ),
    rule(
        "tx_carrier_errors",
        Family::Device,
        &[],
        "transmissions without a carrier: cable, or the far end",
    ),
    rule(
        "tx_fifo_errors",
        Family::Device,
        &[],
        "transmissions that underran the device's FIFO",
    ),
    rule(
        "softnet_dropped",
        Family::Softnet,
        &[
            on(&["CPU_BACKLOG"], ANYWHERE),
            missing(&["enqueue_to_backlog", "netif_rx_internal"]),
        ],
        "packets dropped because a processor's backlog was full (netdev_max_backlog)",
    ),
    rule(
        "softnet_time_squeeze",
        Family::Softnet,
        &[],
        "times that a processor ran out of its budget: work waited",
    ),
    rule(
        "softnet_flow_limit",
        Family::Softnet,
        // Such a packet also raises softnet_dropped, and its event is the same.
        &[on(&["CPU_BACKLOG"], ANYWHERE)],
        "packets of a large flow dropped to keep the backlog free for others",
    ),
];
