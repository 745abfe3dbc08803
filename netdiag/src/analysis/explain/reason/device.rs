//! Reasons of devices: backlogs, TUN and TAP, macvlan, CAN, bridge ports.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_6_18, SINCE_7_2},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "CPU_BACKLOG",
        SINCE_6_1,
        "the receive queue of a processor was full",
        "enqueue_to_backlog: packets from the loopback, veth, tunnels and from receive packet \
         steering wait in a queue per processor, net.core.netdev_max_backlog long (1000). With a \
         flow limit one large flow is dropped first.",
    )
    .causes(&[
        "one processor does the work of all: spread with RPS (rps_cpus) or more NIC queues, or \
         take a hot process away from it",
        "bursts: raise net.core.netdev_max_backlog",
        "long work in softirq: many rules, expensive eBPF, tunnels in tunnels",
        "flow limit is on and one flow dominates: net.core.flow_limit_cpu_bitmap",
    ])
    .commands(&[
        "netdiag counters --interval 1s  # softnet_dropped, softnet_time_squeeze",
        "cat /proc/net/softnet_stat  # one line a processor: column 2 dropped, 11 flow limit",
        "mpstat -P ALL 1; sysctl net.core.netdev_max_backlog",
    ])
    .see(&["softnet_dropped", "softnet_flow_limit", "SOCKET_BACKLOG"]),
    reason(
        "MACVLAN_BROADCAST_BACKLOG",
        SINCE_7_2,
        "too many broadcasts wait for the macvlan devices",
        "macvlan_broadcast_enqueue hands broadcasts and multicasts to a worker, bcqueuelen (1000 \
         by default) at most.",
    )
    .causes(&[
        "a broadcast storm or heavy multicast on the lower device: find its source",
        "many macvlan devices, each of which gets a copy: raise bcqueuelen, or use bridge ports",
    ])
    .commands(&[
        "ip -d link show type macvlan  # bcqueuelen, usedbcqueuelen",
        "ip link set dev MACVLAN type macvlan bcqueuelen 10000",
        "tcpdump -n -e -i DEVICE 'ether multicast'",
    ])
    .see(&["IPVLAN_MULTICAST_BACKLOG", "CPU_BACKLOG"]),
    reason(
        "IPVLAN_MULTICAST_BACKLOG",
        SINCE_7_2,
        "too many multicasts wait for the ipvlan devices",
        "ipvlan_multicast_enqueue hands them to a worker, through a queue of fixed length \
         (1000).",
    )
    .causes(&[
        "a broadcast storm or heavy multicast on the lower device: find its source",
        "many ipvlan devices, each of which gets a copy",
    ])
    .commands(&[
        "ip -d link show type ipvlan",
        "tcpdump -n -e -i DEVICE 'ether multicast'",
    ])
    .see(&["MACVLAN_BROADCAST_BACKLOG"]),
    reason(
        "DEV_HDR",
        SINCE_6_1,
        "the header that a device or program put before the packet is invalid",
        "tun_get_user and tap_get_user: the virtio-net header (offsets, GSO type, lengths) does \
         not fit the packet.",
    )
    .causes(&[
        "a guest driver or a program with IFF_VNET_HDR that fills the header wrongly: update or \
         fix it",
        "the program writes packets without that header although it asked for it",
    ])
    .commands(&[
        "ip -d tuntap show; lsof /dev/net/tun  # vnet_hdr, and who has it open",
        "netdiag drops --each --reason DEV_HDR",
    ])
    .see(&["SKB_BAD_GSO", "SKB_CSUM", "tun_get_user"]),
    reason(
        "DEV_READY",
        SINCE_6_1,
        "the device was not up, or not connected to anything",
        "tun_net_xmit with no program attached to the queue, tun_get_user or tap while the \
         device is down, and enqueue_to_backlog for a device that is going away.",
    )
    .normal("Ordinary while a VPN, container or virtual machine starts or stops.")
    .causes(&[
        "the program behind the TUN or TAP device has ended, and the device is persistent: start \
         it, or delete the device",
        "the device is administratively down: ip link set DEVICE up",
    ])
    .commands(&[
        "ip -d link show dev DEVICE; ip -d tuntap show",
        "lsof /dev/net/tun",
    ])
    .see(&["FULL_RING", "tx_dropped"]),
    reason(
        "FULL_RING",
        SINCE_6_1,
        "the program behind a TUN or TAP device does not read fast enough",
        "tun_net_xmit and tap_handle_frame: the ring of txqueuelen packets (500 or 1000) between \
         kernel and program is full. Also given by other devices with such a ring.",
    )
    .causes(&[
        "the VPN or hypervisor is too slow: processor time, encryption, one thread for all",
        "bursts: ip link set DEVICE txqueuelen 10000, or several queues (multi_queue)",
        "the program hangs: look at it",
    ])
    .commands(&[
        "ip -s link show dev DEVICE  # TX dropped, qlen",
        "top -H -p PID; cat /proc/pressure/cpu",
    ])
    .see(&["tx_dropped", "DEV_READY"]),
    reason(
        "TAP_FILTER",
        SINCE_6_1,
        "an eBPF filter on the TUN or TAP device dropped it",
        "run_ebpf_filter: the program set by TUNSETFILTEREBPF, or the socket filter attached to \
         the device's file, returned 0.",
    )
    .normal("Ordinary where the program that owns the device wants it.")
    .causes(&["a policy of the hypervisor or VPN: see its configuration"])
    .commands(&[
        "ip -d tuntap show; lsof /dev/net/tun",
        "bpftool prog show | grep socket_filter",
    ])
    .see(&["TAP_TXFILTER", "SOCKET_FILTER"]),
    reason(
        "TAP_TXFILTER",
        SINCE_6_1,
        "the address filter of a TAP device does not let the frame through",
        "check_filter in tun_net_xmit: the owner has set a list of MAC addresses \
         (TUNSETTXFILTER), and the frame's destination is not in it.",
    )
    .normal("Ordinary: the owner of the device does not want other addresses.")
    .causes(&[
        "the guest has changed its MAC address or joined a group, and the list was not updated",
    ])
    .commands(&["tcpdump -n -e -i DEVICE", "ip -d link show dev DEVICE"])
    .see(&["TAP_FILTER", "OTHERHOST"]),
    reason(
        "CAN_RX_INVALID_FRAME",
        SINCE_6_18,
        "a frame on a CAN device is no valid CAN frame",
        "can_rcv: wrong size, or a length above 8 bytes.",
    )
    .causes(&[
        "a program or virtual CAN setup that sends other frames to the device; a driver with a \
         fault",
    ])
    .commands(&["ip -d -s link show type can; candump DEVICE"])
    .see(&["CANFD_RX_INVALID_FRAME", "CANXL_RX_INVALID_FRAME"]),
    reason(
        "CANFD_RX_INVALID_FRAME",
        SINCE_6_18,
        "a frame on a CAN device is no valid CAN FD frame",
        "canfd_rcv: wrong size, or a length above 64 bytes.",
    )
    .causes(&[
        "a program or virtual CAN setup that sends other frames to the device; a driver with a \
         fault",
    ])
    .commands(&["ip -d -s link show type can; candump DEVICE"])
    .see(&["CAN_RX_INVALID_FRAME"]),
    reason(
        "CANXL_RX_INVALID_FRAME",
        SINCE_6_18,
        "a frame on a CAN device is no valid CAN XL frame",
        "canxl_rcv: wrong size, or a length that does not fit the header.",
    )
    .causes(&[
        "a program or virtual CAN setup that sends other frames to the device; a driver with a \
         fault",
    ])
    .commands(&["ip -d -s link show type can; candump DEVICE"])
    .see(&["CAN_RX_INVALID_FRAME"]),
    reason(
        "MAC_IEEE_MAC_CONTROL",
        SINCE_6_18,
        "a pause frame reached a bridge",
        "br_handle_frame: the destination is 01:80:c2:00:00:01, flow control between two ends of \
         one link, which no bridge passes on.",
    )
    .normal("Ordinary, but a NIC mostly eats these itself.")
    .causes(&[
        "a device that does not handle flow control by itself, or hands pause frames up: ethtool \
         -A DEVICE rx off tx off",
        "a neighbour in distress that sends many: look at it",
    ])
    .commands(&["ethtool -a DEVICE; ethtool -S DEVICE | grep -i pause"])
    .see(&["BRIDGE_INGRESS_STP_STATE"]),
    reason(
        "BRIDGE_INGRESS_STP_STATE",
        SINCE_6_18,
        "the bridge port is not in a state that forwards",
        "br_handle_frame_finish: spanning tree has the port blocking, listening or disabled, so \
         what comes in by it is dropped.",
    )
    .normal(
        "Ordinary on a port that is blocked to prevent a loop, and for the forward delay \
             after a port came up.",
    )
    .causes(&[
        "a port that has just come up: forward_delay seconds (15, twice); rstp, or stp_state 0 \
         where there is no loop",
        "a port blocked on purpose; check that the right one is",
    ])
    .commands(&[
        "bridge -d link show; ip -d link show type bridge",
        "bridge link set dev PORT state 3  # forwarding, only where nothing else controls it",
    ])
    .see(&["MAC_IEEE_MAC_CONTROL", "NO_TX_TARGET"]),
    reason(
        "MAC_INVALID_SOURCE",
        SINCE_6_12,
        "the source MAC address is one that no frame may have",
        "br_handle_frame and vxlan_set_mac: the source is all zeros, or a multicast address.",
    )
    .causes(&[
        "a program that builds frames itself (TAP, packet socket, DPDK) and leaves the source \
         out",
        "corrupted frames",
    ])
    .commands(&["tcpdump -n -e -i DEVICE 'ether[6] & 1 != 0 or ether src 00:00:00:00:00:00'"])
    .see(&["LOCAL_MAC", "VXLAN_INVALID_HDR"]),
    reason(
        "LOCAL_MAC",
        SINCE_6_12,
        "a frame came in with this device's own MAC address as source",
        "vxlan_set_mac: the inner frame claims to be from this very VXLAN device.",
    )
    .causes(&[
        "a loop: frames of this host come back by the overlay or a second cable",
        "two hosts with the same MAC address: cloned virtual machine",
    ])
    .commands(&[
        "bridge fdb show | grep MAC; ip -d link | grep MAC",
        "dmesg | grep -i 'own address'",
    ])
    .see(&["IP_LOCAL_SOURCE", "MAC_INVALID_SOURCE"]),
];
