//! Findings: what each of them says, and the remedy that the rules fill in.

use super::{Entry, finding};

pub(super) const ENTRIES: &[Entry] = &[
    finding(
        "ethernet-on-l3-device",
        "whole Ethernet frames arrive on a device that carries bare IP packets",
        "A TUN, WireGuard, IPIP or other layer-3 device gets frames with their MAC header. The \
         kernel reads the destination MAC address as an IP header, finds a version that is not 4 \
         or 6, and drops every packet with IP_INHDR. Link, addresses and routes look right, and \
         captures show traffic.",
    )
    .doubt("The first bytes of a damaged IP packet can look like an Ethernet header; a series of them does not.")
    .causes(&[
        "an eBPF program or tc action redirects from an Ethernet device and does not take the \
         MAC header off",
        "a program opened the device as TUN and writes as if it were a TAP",
        "a virtual machine or container network is bridged to a layer-3 device",
    ])
    .remedy(&[
        "strip the 14-byte MAC header before redirecting to DEVICE, or make the device a TAP",
        "find the sender: `bpftool net`, `tc filter show dev DEVICE ingress`, or the process \
         that writes to DEVICE",
    ])
    .commands(&[
        "bpftool net; tc filter show dev DEVICE ingress",
        "ip -d link show dev DEVICE; ip -d tuntap show",
        "tcpdump -n -xx -i DEVICE  # the first bytes are MAC addresses",
    ])
    .see(&[
        "IP_INHDR",
        "IpInHdrErrors",
        "packet-info-left-on",
        "ip-on-ethernet-device",
    ]),
    finding(
        "packet-info-left-on",
        "the packet-info header of a TUN device stands before the IP header",
        "A TUN device opened without IFF_NO_PI has four bytes (flags and protocol) before each \
         packet. The writer sends them, and the device was opened as if there were none, so the \
         IP header starts four bytes late.",
    )
    .doubt("Four bytes before the IP header can be another encapsulation's; they are packet info where they name the protocol that follows.")
    .causes(&[
        "the flags of TUNSETIFF do not fit what the program writes: a library default, or a \
         device opened by another program",
    ])
    .remedy(&[
        "open DEVICE with IFF_NO_PI, or let the program that writes to it leave out the 4-byte \
         header",
    ])
    .commands(&[
        "ip -d tuntap show; lsof /dev/net/tun",
        "tcpdump -n -x -i DEVICE  # starts with 0000 0800 or 0000 86dd",
    ])
    .see(&["ethernet-on-l3-device", "DEV_HDR"]),
    finding(
        "ip-on-ethernet-device",
        "bare IP packets arrive on a device that carries Ethernet frames",
        "The bytes where the MAC header should be are an IP header: the kernel takes parts of \
         addresses for an EtherType and finds no protocol for it (UNHANDLED_PROTO, rx_dropped).",
    )
    .doubt("The first bytes of a damaged frame can look like an IP header; a series of them does not.")
    .causes(&[
        "an eBPF redirect from a layer-3 device to an Ethernet or veth device without adding a \
         MAC header",
        "a program opened the device as TAP and writes as if it were a TUN",
    ])
    .remedy(&[
        "put a MAC header before the packet when redirecting to DEVICE, or make the device a TUN",
    ])
    .commands(&[
        "bpftool net; tc filter show dev DEVICE ingress",
        "ip -d link show dev DEVICE; ip -d tuntap show",
    ])
    .see(&["ethernet-on-l3-device", "UNHANDLED_PROTO", "rx_dropped"]),
    finding(
        "ip-header-truncated",
        "the packet ends before its IP header does",
        "Fewer bytes than a header needs, or than its own length field says.",
    )
    .doubt("A capture with a short snapshot length cuts packets, too: only drops, and whole packets, say that the host got so little.")
    .causes(&[
        "a driver or tunnel that cuts packets, or an eBPF program that shrinks them",
        "a program that writes short packets to a tun device",
    ])
    .remedy(&[
        "find who cuts the packets: a driver, a tunnel's encapsulation, an eBPF program that \
         shrinks them, a program that writes short packets to a tun device",
        "compare on both ends: `tcpdump -nn -e -v`, `ip -s link`",
    ])
    .commands(&[
        "tcpdump -nn -e -v -i DEVICE; ip -s link show dev DEVICE",
        "nstat -az IpInHdrErrors Ip6InHdrErrors Ip6InTruncatedPkts",
    ])
    .see(&["HDR_TRUNC", "PKT_TOO_SMALL", "ip-length-beyond-packet"]),
    finding(
        "ip-length-beyond-packet",
        "the IP header claims more bytes than the packet has",
        "The total length (IPv4) or payload length (IPv6) goes beyond the end of what arrived: \
         the packet was cut, or the field is wrong.",
    )
    .doubt("A capture with a short snapshot length is no cut packet: only drops, and whole packets, say that the host got so little.")
    .causes(&[
        "a NIC or driver that truncates, or an MTU on the way that is too small and not honoured",
        "a tunnel that counts its own overhead into the inner length",
        "a sniffer's snap length, when it is a capture that is read",
    ])
    .remedy(&[
        "find who cuts the packets: a NIC or driver that truncates, a smaller MTU on the way \
         without fragmentation, a tunnel that counts its overhead wrongly",
        "compare MTUs along the path: `ip -d link`, `tracepath`",
    ])
    .commands(&[
        "ip -d link; tracepath -n ADDRESS",
        "nstat -az IpExtInTruncatedPkts Ip6InTruncatedPkts",
    ])
    .see(&[
        "PKT_TOO_SMALL",
        "IpExtInTruncatedPkts",
        "ip-header-truncated",
    ]),
    finding(
        "ip-header-checksum",
        "the checksum of the IP header is wrong",
        "Something changed the header after the sender computed the sum, or the sender computed \
         it wrongly.",
    )
    .doubt("A packet that was captured where it was sent may have a checksum that the device is still to fill in.")
    .causes(&[
        "from many senders: a NIC, cable, switch or receive offload",
        "from one: eBPF without bpf_l3_csum_replace, a user-space stack, NAT in a middlebox",
    ])
    .remedy(&[
        "from many senders: suspect a NIC, cable or switch (`ethtool -S`), and receive offloads \
         (`ethtool -k`)",
        "from one: suspect the program that rewrites its headers: eBPF without \
         bpf_l3_csum_replace, a userspace stack, NAT in a middlebox",
    ])
    .commands(&[
        "ethtool -S DEVICE | grep -iE 'crc|csum'; ethtool -k DEVICE",
        "nstat -az IpExtInCsumErrors",
    ])
    .see(&["IP_CSUM", "IpExtInCsumErrors"]),
    finding(
        "ip-header-version",
        "the version in the IP header is not that of the protocol it was announced as",
        "The EtherType or packet-info protocol says IPv4 and the first nibble is not 4, or IPv6 \
         and not 6, and nothing else fits the bytes either.",
    )
    .doubt("The bytes may be of a header that netdiag does not know; their first half byte is all that this rests on.")
    .causes(&[
        "the sender sets a fixed EtherType for both families",
        "a tunnel or eBPF program that changes the family and leaves skb->protocol as it was",
    ])
    .remedy(&[
        "find who sets the EtherType or the tun packet-info protocol: it must be 0x0800 for IPv4 \
         and 0x86dd for IPv6",
    ])
    .commands(&[
        "tcpdump -n -e -xx -i DEVICE",
        "bpftool net; ip -d tuntap show",
    ])
    .see(&["IP_INHDR", "UNHANDLED_PROTO", "ethernet-on-l3-device"]),
    finding(
        "ip-header-length",
        "a length in the IP header is impossible",
        "The header length is below five words, or the total length below that of the header.",
    )
    .doubt("The bytes may be of a header that netdiag does not know, and be taken for an IP header by mistake.")
    .causes(&["crafted packets, a broken user-space stack, or corrupted memory"])
    .remedy(&[
        "find who builds these packets: a crafted packet, a broken userspace stack, or corrupted \
         memory",
    ])
    .commands(&["tcpdump -n -v -x -i DEVICE 'ip[0] & 0x0f < 5 or ip[2:2] < 20'"])
    .see(&["IP_INHDR", "IpInHdrErrors"]),
    finding(
        "retransmission-dropped-here",
        "segments that TCP sent again were dropped on this very host",
        "Drops and retransmissions are matched by addresses, ports and sequence number: the \
         network is innocent, the host itself lost the segments on their way out or in.",
    )
    .doubt("Drops are matched by addresses, ports and sequence number: address translation between the socket and the place hides a drop, and a copy of the segment in another namespace looks like one.")
    .causes(&[
        "a netfilter rule, a full queue or shaper, a tc program, a full backlog on this host",
    ])
    .commands(&[
        "netdiag drops --each --host ADDRESS",
        "nft list ruleset; tc -s qdisc show",
    ])
    .see(&["NETFILTER_DROP", "QDISC_DROP", "packet-loss"]),
    finding(
        "retransmission-failed-here",
        "this host could not send the segment again",
        "tcp_retransmit_skb failed with an error before the packet reached a device.",
    )
    .doubt("Where in the output path it failed is not seen, and a later attempt may have gone out.")
    .causes(&[
        "EPERM: a netfilter rule or a program in the output path; NET_XMIT_DROP: a full queue or \
         a tc program; EHOSTUNREACH, ENETUNREACH: the route is gone; ENOBUFS: no memory",
    ])
    .remedy(&[
        "EPERM is a rule or program in the output path (nft list ruleset), NET_XMIT_DROP a full \
         queue or a tc program (tc -s qdisc show), EHOSTUNREACH and ENETUNREACH a route that is \
         gone, ENOBUFS no memory",
        "ip route get PEER",
    ])
    .commands(&[
        "ip route get ADDRESS; nft list ruleset",
        "nstat -az TcpExtTCPRetransFail",
    ])
    .see(&["TcpExtTCPRetransFail", "retransmission-dropped-here"]),
    finding(
        "zero-window-stall",
        "the peer has closed its receive window: its application does not read",
        "What was sent is not lost; the peer has no room, and this host probes until there is \
         some.",
    )
    .normal("For moments under load.")
    .doubt("A window that closes for moments under load is normal.")
    .causes(&[
        "the peer's application is stopped, blocked or too slow",
        "the peer's receive buffer is fixed too small for the path (SO_RCVBUF)",
    ])
    .remedy(&[
        "look at the peer's application: it does not read fast enough, or is stopped",
        "ss -tinm dst PEER (rwnd_limited on this side; Recv-Q of the socket on the other)",
    ])
    .commands(&[
        "ss -tinm dst ADDRESS  # rwnd_limited",
        "ss -tnm  # on the peer: Recv-Q of the socket",
    ])
    .see(&["TcpExtTCPWinProbe", "TCP_ZEROWINDOW"]),
    finding(
        "spurious-retransmission",
        "the peer had the data already: the acknowledgment was late or lost",
        "The segment arrived, and was sent again needlessly: the peer says so by D-SACK, or this \
         host saw its duplicate dropped as known data.",
    )
    .doubt("The counters of duplicates (DSACK) are of the whole namespace: with many connections they may be another's. A network that doubles packets looks alike.")
    .causes(&[
        "loss or delay on the way back",
        "reordering on the way",
        "a retransmission timeout below the real round trip (rto_min, tcp_rto_min_us)",
    ])
    .remedy(&[
        "look for loss and delay on the way back: acknowledgments are lost, held back or come \
         late",
        "reordering does the same: ss -ti shows reordering and reord_seen of a connection",
        "a retransmission timeout below the real round trip: ip route show (rto_min), \
         net.ipv4.tcp_rto_min_us",
    ])
    .commands(&[
        "ss -ti dst ADDRESS  # reordering, reord_seen, dsack_dups",
        "ip route show | grep rto_min; sysctl net.ipv4.tcp_rto_min_us",
    ])
    .see(&[
        "TcpExtTCPDSACKRecv",
        "TCP_OLD_DATA",
        "TcpExtTCPSpuriousRTOs",
    ]),
    finding(
        "host-queue-delay",
        "the first transmission still waited in a queue of this host",
        "The timer ran out while the segment itself had not left the host: the delay is here, \
         not in the network.",
    )
    .doubt("The kernel counts what it has not yet freed after sending: a device that is slow to tell that it has sent looks like a queue.")
    .causes(&[
        "a shaper or paused device with a deep queue",
        "a virtual device whose reader is slow",
    ])
    .remedy(&[
        "tc -s qdisc show dev DEVICE (backlog), and what shapes or pauses the device",
        "a queue with fairness (fq, fq_codel) and less buffering",
    ])
    .commands(&[
        "tc -s qdisc show dev DEVICE  # backlog",
        "ethtool -S DEVICE | grep -i pause",
    ])
    .see(&["TcpExtTCPSpuriousRtxHostQueues", "QDISC_DROP"]),
    finding(
        "peer-unreachable",
        "SYNs are not answered",
        "Connections are attempted, and nothing comes back: the SYN does not arrive, is dropped \
         there, or the SYN-ACK is lost.",
    )
    .doubt("Silence has no sender: a SYN-ACK that is lost on its way back looks the same from here.")
    .causes(&[
        "a filter that drops silently, on either host or between",
        "the host is down, or the address is wrong",
        "the peer's accept queue is full: it drops SYNs without a word",
    ])
    .remedy(&[
        "ip route get PEER; ip neigh show PEER",
        "on the peer: does the SYN arrive (netdiag drops, tcpdump), is it filtered (nft list \
         ruleset), is the accept queue full (ss -ltn, ListenOverflows)",
    ])
    .commands(&[
        "ip route get ADDRESS; ip neigh show ADDRESS",
        "tcpdump -n -i DEVICE host ADDRESS and tcp port PORT  # on both ends",
        "nft list ruleset; ss -ltn; nstat -az TcpExtListenOverflows",
    ])
    .see(&["TcpExtTCPSynRetrans", "NEIGH_FAILED", "return-path-lost"]),
    finding(
        "return-path-lost",
        "SYNs arrive, and the answers do not get back",
        "This host repeats SYN-ACKs: they are lost on the way back, or the client's last ACK is.",
    )
    .doubt("A client that has given up, or never existed, does not answer either.")
    .causes(&[
        "a filter or stateful firewall on another way back (asymmetric routing)",
        "a SYN flood from forged addresses",
        "a full accept queue here, which leaves the handshake hanging",
    ])
    .remedy(&[
        "ip route get PEER: is it the way that the SYNs come by",
        "a filter on the way back, asymmetric routing with a stateful firewall, a spoofed source \
         (SYN flood), or a full accept queue here (ss -ltn)",
    ])
    .commands(&[
        "ip route get ADDRESS  # is it the way that the SYNs come by",
        "ss -ltn; nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDoCookies",
    ])
    .see(&[
        "TcpExtListenOverflows",
        "TCP_LISTEN_OVERFLOW",
        "peer-unreachable",
    ]),
    finding(
        "path-mtu-black-hole",
        "only full-size segments are lost, and no ICMP says why",
        "Small packets pass and large ones vanish: a link on the way takes no packets of this \
         size, and the message about it does not reach this host.",
    )
    .doubt("Plain loss of a connection that only sends full segments looks the same; sizes that pass tell.")
    .causes(&[
        "a firewall that blocks ICMP \"fragmentation needed\" or \"packet too big\"",
        "a tunnel whose overhead nobody takes into account",
    ])
    .remedy(&[
        "tracepath -n PEER, or ping -M do -s 1472 PEER: which size still passes",
        "let ICMP type 3 code 4 and ICMPv6 type 2 through every firewall on the way",
        "until then: net.ipv4.tcp_mtu_probing=1, or clamp the MSS to the path's MTU",
    ])
    .commands(&[
        "tracepath -n ADDRESS; ping -M do -s 1472 ADDRESS",
        "sysctl net.ipv4.tcp_mtu_probing",
        "nstat -az TcpExtTCPMTUPFail IcmpInDestUnreachs Icmp6InPktTooBigs",
    ])
    .see(&["PKT_TOO_BIG", "TcpExtTCPMTUPFail"]),
    finding(
        "tail-loss",
        "the last segments of a burst were lost, and a probe brought them back",
        "Nothing after them could show the gap, so TCP sent a probe (TLP).",
    )
    .normal("Single ones.")
    .doubt("An acknowledgment that is only late (delayed ACKs of the peer) starts a probe, too.")
    .causes(&["a little loss on the way, or delayed acknowledgments of the peer"])
    .remedy(&["a single one is ordinary; many: look for loss on the way (mtr PEER)"])
    .commands(&[
        "mtr -n ADDRESS",
        "nstat -az TcpExtTCPLossProbes TcpExtTCPLossProbeRecovery",
    ])
    .see(&["TcpExtTCPLossProbes", "packet-loss"]),
    finding(
        "packet-loss",
        "segments are lost on the way, and no drop of them was seen on this host",
        "What is left when nothing local explains a retransmission.",
    )
    .normal("Below one in a thousand on the internet.")
    .doubt("The peer's host, a switch or a NIC may have dropped them; and what device and driver of this host drop has no event.")
    .causes(&[
        "congestion, a bad cable or wireless link, a policer on the way",
        "the receive ring or driver of this host's or the peer's NIC: those drops never become \
         events",
    ])
    .remedy(&[
        "mtr PEER: where on the way, and netdiag drops on the hosts along it",
        "ip -s link, ethtool -S DEVICE: errors and drops of the own NIC never become events",
    ])
    .commands(&[
        "mtr -n ADDRESS",
        "ip -s -s link; ethtool -S DEVICE | grep -iE 'drop|err|miss'",
        "netdiag drops --host ADDRESS  # on the hosts along the way",
    ])
    .see(&[
        "TcpRetransSegs",
        "rx_missed_errors",
        "retransmission-dropped-here",
    ]),
];
