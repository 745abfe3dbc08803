//! Reasons of the core: memory, lengths, segmentation, protocols that nobody handles.

use crate::analysis::explain::{
    Entry,
    kernels::{NOT_6_18, SINCE_6_1, SINCE_6_12, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "NOT_SPECIFIED",
        SINCE_6_1,
        "the kernel gave no reason: the place says what happened",
        "The code that dropped the packet calls kfree_skb without a reason, or sets none on this \
         path. The function in the place column is then the only clue, so treat reason and place \
         together as the name of the drop.",
    )
    .normal(
        "At ip6_mc_input it is multicast that nobody here has joined, which is ordinary on \
             every link with IPv6. At unix_* and netlink_* functions it is the end of a socket.",
    )
    .causes(&[
        "ip_error: a blackhole, unreachable or prohibit route matches; look at the route and \
         delete it if it is not meant",
        "tun_get_user: a program wrote something that is no packet to a TUN device; the write \
         returned EINVAL to it",
        "ip_rcv_core, ip6_rcv_core: no memory to trim or copy the packet (IpInDiscards, \
         Ip6InDiscards)",
        "tcp_v4_rcv, tcp_check_req: TCP_DEFER_ACCEPT leaves out the bare ACK of a handshake",
        "kfree_skb_list_reason on sending: the queue or the device refused a list of packets",
    ])
    .commands(&[
        "netdiag drops --each --reason NOT_SPECIFIED  # the place of every one",
        "ip route get ADDRESS from SOURCE iif DEVICE  # what the routing table says to such a \
         packet",
        "ip route show table all type blackhole; ip route show table all type unreachable",
    ])
    .see(&["IP_INNOROUTES", "QUEUE_PURGE", "ip_error"]),
    reason(
        "NOMEM",
        SINCE_6_1,
        "no memory for the packet or for a copy of it",
        "An allocation for a packet failed: in tun_get_user and tap_get_user for what a program \
         wrote, in br_flood for the copies of a flooded frame, in the IP output path for room in \
         front of the header.",
    )
    .causes(&[
        "the host is out of memory, or memory is so fragmented that atomic allocations fail: \
         find who uses it",
        "a cgroup's memory limit is charged for socket buffers: raise memory.max or use smaller \
         buffers",
        "the reserve for atomic allocations is too small for the packet rate: raise \
         vm.min_free_kbytes",
    ])
    .commands(&[
        "dmesg --level=err,warn | grep -i 'page allocation failure'",
        "grep -E 'allocstall|pgsteal|oom_kill' /proc/vmstat",
        "slabtop -o | grep -E 'skbuff|kmalloc'",
    ])
    .see(&["PFMEMALLOC", "PROTO_MEM"]),
    reason(
        "PFMEMALLOC",
        SINCE_6_18,
        "a packet in the emergency memory reserve is for an ordinary socket",
        "When memory runs low, drivers may take receive buffers from the reserve that keeps \
         swapping over the network alive. Such a packet is given only to sockets marked \
         SO_MEMALLOC (NFS and iSCSI swap); sk_filter_trim_cap and __netif_receive_skb_core drop \
         it for all others.",
    )
    .causes(&[
        "the host is close to running out of memory: find who uses it, and look for reclaim in \
         the same second",
        "the reserve is small for the receive rings: raise vm.min_free_kbytes",
    ])
    .commands(&[
        "nstat -az TcpExtPFMemallocDrop",
        "grep -E 'allocstall|oom_kill|pgscan_direct ' /proc/vmstat",
        "cat /proc/sys/vm/min_free_kbytes; ethtool -g DEVICE",
    ])
    .see(&["NOMEM", "TcpExtPFMemallocDrop"]),
    reason(
        "QUEUE_PURGE",
        SINCE_6_12,
        "a whole queue was emptied, with what was still in it",
        "skb_queue_purge threw away a queue at once: the receive queue of a socket that is \
         closed, or queues of a device or protocol that is shut down. No single packet was \
         judged.",
    )
    .normal("Nearly always ordinary: whatever a closing socket had not read yet.")
    .causes(&[
        "a process exits or closes a socket with unread data: ordinary, but for TCP the peer \
         then gets a reset",
        "a device or namespace goes away with packets waiting in it",
    ])
    .commands(&[
        "netdiag drops --each --reason QUEUE_PURGE  # place and process of each",
        "nstat -az TcpExtTCPAbortOnClose  # TCP sockets closed with unread data",
    ])
    .see(&["SOCKET_CLOSE", "NOT_SPECIFIED"]),
    reason(
        "HDR_TRUNC",
        SINCE_6_1,
        "a header could not be brought into the packet's linear part",
        "The code needed a header in one piece (pskb_may_pull, pskb_trim) and the packet was too \
         short for it, or there was no memory. Given by tun_get_user, tun_net_xmit and by \
         protocol code that parses inner headers.",
    )
    .causes(&[
        "a program writes frames to a TUN or TAP device that are shorter than their headers: fix \
         that program",
        "an eBPF program or tc action shrank the packet",
        "memory pressure, when packets of all kinds are hit at once",
    ])
    .commands(&[
        "netdiag drops --each --reason HDR_TRUNC",
        "ip -d link show dev DEVICE; lsof /dev/net/tun  # who writes to the device",
    ])
    .see(&["PKT_TOO_SMALL", "NOMEM", "tun_get_user"]),
    reason(
        "PKT_TOO_SMALL",
        SINCE_6_1,
        "the packet is shorter than its headers say",
        "ip_rcv_core and ip6_rcv_core give it when the IP length is beyond the end of the \
         packet, tcp_v4_rcv when TCP's data offset is below five words or beyond the segment, \
         udp_rcv when the UDP length is below 8 or beyond the datagram.",
    )
    .causes(&[
        "a NIC, driver or tunnel cuts packets: compare tcpdump -e on both ends",
        "an MTU in the path is smaller than both ends think, and the device truncates in place \
         of dropping",
        "crafted or broken packets, when they come from one sender",
    ])
    .commands(&[
        "nstat -az IpExtInTruncatedPkts Ip6InTruncatedPkts TcpInErrs UdpInErrors  # which layer \
         complains",
        "ip -s -s link show dev DEVICE; ethtool -S DEVICE | grep -iE 'length|short|trunc|runt'",
        "netdiag drops --each --reason PKT_TOO_SMALL",
    ])
    .see(&[
        "IpExtInTruncatedPkts",
        "ip-length-beyond-packet",
        "HDR_TRUNC",
    ]),
    reason(
        "PKT_TOO_BIG",
        SINCE_6_1,
        "the packet is larger than the MTU of the way out",
        "ip_forward gives it for a packet with DF set, ip6_forward for every IPv6 packet: the \
         route's MTU is smaller, and the sender was told so by ICMP \"fragmentation needed\" or \
         ICMPv6 \"packet too big\".",
    )
    .normal(
        "One per path and sender belongs to path MTU discovery: the sender learns the size \
             and goes on.",
    )
    .causes(&[
        "the same sender again and again: the ICMP message does not reach it; let ICMP type 3 \
         code 4 and ICMPv6 type 2 pass",
        "a tunnel or VPN in between takes its overhead from the MTU: clamp the MSS, or lower the \
         MTU of the inner devices",
        "GRO or LRO merged packets that cannot be taken apart again: switch LRO off on routers \
         and bridges",
    ])
    .commands(&[
        "ip route get DESTINATION from SOURCE iif DEVICE; ip -d link  # the MTU that was too \
         small",
        "tracepath -n DESTINATION",
        "nft add rule inet FILTER FORWARD tcp flags syn tcp option maxseg size set rt mtu  # \
         clamp the MSS",
        "nstat -az IpFragFails Ip6FragFails Ip6InTooBigErrors IcmpOutDestUnreachs \
         Icmp6OutPktTooBigs",
    ])
    .see(&["IpFragFails", "Ip6InTooBigErrors", "path-mtu-black-hole"]),
    reason(
        "SKB_CSUM",
        SINCE_6_1,
        "a checksum is wrong, or could not be computed",
        "rawv6_rcv found the checksum of a packet for a raw IPv6 socket (IPV6_CHECKSUM) wrong; \
         or skb_checksum_help failed where a tap device (tap_handle_frame, used by macvtap and \
         ipvtap) has to fill a checksum in, because its offsets do not fit the data.",
    )
    .causes(&[
        "raw sockets (OSPFv3, PIM, ping programs): corruption on the way, or a sender that \
         computes it wrongly",
        "tap devices: a guest gives a virtio header with csum_start or csum_offset beyond the \
         packet: update or fix it",
    ])
    .commands(&[
        "ss -6 -w -a -n -p  # raw sockets and their processes",
        "ethtool -k DEVICE | grep -E 'checksum|scatter'",
        "netdiag drops --each --reason SKB_CSUM",
    ])
    .see(&["TCP_CSUM", "UDP_CSUM", "DEV_HDR"]),
    reason(
        "SKB_GSO_SEG",
        SINCE_6_1,
        "a large packet could not be cut into segments",
        "Segmentation in software (__skb_gso_segment) failed for a packet that the next device \
         could not take whole, such as in tap_handle_frame: the headers do not agree with the \
         GSO type, or there is no memory.",
    )
    .causes(&[
        "a tunnel's overhead makes segments exceed the MTU: lower the MTU inside",
        "a guest marks packets as GSO that are not what they say: update its driver, or switch \
         its offloads off",
        "an encapsulation that the kernel cannot segment in software",
    ])
    .commands(&[
        "ethtool -k DEVICE | grep -E 'segmentation|gso'",
        "ethtool -K DEVICE gso off tso off  # to prove it: slower, but nothing left to cut",
        "ip -d link show dev DEVICE  # gso_max_size and MTU",
    ])
    .see(&["SKB_BAD_GSO", "PKT_TOO_BIG"]),
    reason(
        "SKB_BAD_GSO",
        NOT_6_18,
        "a large packet says of itself what its headers do not bear out",
        "The packet is marked for segmentation, and its headers do not hold what that needs: no \
         complete TCP or UDP header behind the IP header. 7.x finds it in \
         qdisc_pkt_len_segs_init, before a driver can trip over it.",
    )
    .causes(&[
        "a virtual machine or a program with a TAP or packet socket builds malformed virtio \
         headers: find and fix the sender",
        "crafted packets, to crash a driver",
    ])
    .commands(&[
        "netdiag drops --each --reason SKB_BAD_GSO  # sender, device, process",
        "ss -0 -p; lsof /dev/net/tun  # who injects frames on this host",
    ])
    .see(&["SKB_GSO_SEG", "DEV_HDR"]),
    reason(
        "SKB_UCOPY_FAULT",
        SINCE_6_1,
        "data that stayed in user memory could not be read",
        "Zero-copy sending leaves the bytes in the memory of the process. When tun_get_user or \
         tap_get_user pins that memory, or skb_orphan_frags_rx copies it for a local receiver, \
         the pages were not there or there was no memory for the copy.",
    )
    .causes(&[
        "a program passes an address that it has already unmapped: a bug in the program",
        "memory pressure, with vhost-net zero copy: load vhost_net with experimental_zcopytx=0",
    ])
    .commands(&[
        "netdiag drops --each --reason SKB_UCOPY_FAULT",
        "cat /sys/module/vhost_net/parameters/experimental_zcopytx",
    ])
    .see(&["NOMEM"]),
    reason(
        "UNHANDLED_PROTO",
        SINCE_6_1,
        "nothing on this host handles the packet's protocol",
        "__netif_receive_skb_core went through all receivers and no one took the EtherType. \
         icmp_rcv gives it for an unknown ICMP type, ip6_rcv_core for a version that is not 6, \
         and extension header code for an unknown option or routing type.",
    )
    .normal(
        "Ordinary for LLDP, spanning tree, LACP, vendor discovery and broadcast protocols \
             that this host does not take part in: they also raise the device's rx_dropped.",
    )
    .causes(&[
        "frames of a VLAN for which there is no VLAN device: add it, or take the VLAN off the \
         switch port",
        "a protocol module is not loaded: modprobe 8021q, mpls_router, pppoe and the like",
        "a backup port of a bond or a bridge port gets a copy of broadcasts",
        "IPv6 with a wrong version: somebody sets the EtherType without looking at the packet",
    ])
    .commands(&[
        "netdiag drops --each --reason UNHANDLED_PROTO  # EtherType and source address of each",
        "tcpdump -e -n -i DEVICE 'not ip and not ip6 and not arp'",
        "cat /proc/net/ptype; bridge vlan show; ip -d link show type vlan",
    ])
    .see(&[
        "rx_dropped",
        "rx_nohandler",
        "IP_NOPROTO",
        "ip-header-version",
    ]),
    reason(
        "INVALID_PROTO",
        SINCE_6_1,
        "a message that its protocol forbids here, such as a ping to a broadcast address",
        "icmp_rcv gives it for echo and timestamp requests to a broadcast or multicast address \
         while icmp_echo_ignore_broadcasts is 1 (the default), and for other ICMP types that \
         must not be broadcast. Other protocols use it for messages that break their rules.",
    )
    .normal("Ordinary: somebody pings a broadcast address, and hosts rightly stay silent.")
    .causes(&[
        "network scanners and discovery tools: find the source",
        "a smurf attack, when the rate is high",
    ])
    .commands(&[
        "sysctl net.ipv4.icmp_echo_ignore_broadcasts",
        "netdiag drops --each --reason INVALID_PROTO",
    ])
    .see(&["ICMP_CSUM", "IcmpInErrors"]),
    reason(
        "RECURSION_LIMIT",
        SINCE_6_18,
        "the packet went in circles through virtual devices",
        "Each stacked device sends by the one below, and __dev_queue_xmit or the tunnel code \
         counts the depth. Past the limit (8 for devices, fewer for tunnels) it is taken for an \
         endless loop, with \"Dead loop on virtual device\" in the log.",
    )
    .causes(&[
        "a tunnel's own packets are routed into the tunnel: give the remote end a route by the \
         real device",
        "tc mirred redirects or BPF redirects that point at each other: take one away",
        "bonds, VLANs, macvlans and tunnels stacked deeper than the limit",
    ])
    .commands(&[
        "dmesg | grep -i 'dead loop'",
        "ip route get REMOTE-END; ip -d link show type vxlan; ip -d tunnel show",
        "tc filter show dev DEVICE egress; bpftool net",
    ])
    .see(&["TC_RECLASSIFY_LOOP", "OVS_DROP_RECURSION_LIMIT"]),
];
