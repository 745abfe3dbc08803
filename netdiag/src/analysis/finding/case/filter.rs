use super::*;

#[test]
fn netfilter_drops_in_both_directions() {
    for bytes in [udp4(), udp6(), segment(4, SYN, b""), segment(6, ACK, b"x")] {
        let at = |reason, function| drop(bytes.clone(), reason, function);
        check([
            (at("NETFILTER_DROP", "nft_do_chain"), "firewall-drop"),
            (at("NETFILTER_DROP", "nf_hook_slow"), "firewall-drop"),
            (at("", "nf_hook_slow"), "firewall-drop"),
            (
                at("NETFILTER_DROP", "nft_do_chain").sent(),
                "firewall-drop-output",
            ),
            (at("", "nf_hook_slow").sent(), "firewall-drop-output"),
        ]);
    }
    nothing([drop(udp4(), "NOT_SPECIFIED", "nfqnl_flush")]);
}

#[test]
fn connection_tracking_stands_behind_the_firewall() {
    for version in [4, 6] {
        let opening = drop(segment(version, SYN, b""), "", "nf_hook_slow");
        let midway = drop(
            segment(version, ACK, b"x"),
            "NETFILTER_DROP",
            "nft_do_chain",
        );
        assert!(opening.claim("conntrack-table-full").is_some());
        assert!(opening.claim("conntrack-invalid").is_none());
        assert!(midway.claim("conntrack-invalid").is_some());
        assert!(midway.claim("conntrack-table-full").is_none());
    }
    // With nftables a rule dropped it, and no table was full.
    let rule = drop(segment(4, SYN, b""), "NETFILTER_DROP", "nft_do_chain");
    assert!(rule.claim("conntrack-table-full").is_none());
}

#[test]
fn programs_drop() {
    const CORE: &str = "__netif_receive_skb_core.constprop.0";
    check([
        (drop(udp4(), "TC_INGRESS", CORE), "tc-drop-ingress"),
        (
            drop(udp6(), "", "__netif_receive_skb_core").framed(OURS),
            "tc-drop-ingress",
        ),
        (drop(udp4(), "TC_CHAIN_NOTFOUND", CORE), "tc-drop-ingress"),
        (
            drop(udp4(), "TC_EGRESS", "__dev_queue_xmit").sent(),
            "tc-drop-egress",
        ),
        (
            drop(udp6(), "", "__dev_queue_xmit").sent(),
            "tc-drop-egress",
        ),
        (drop(udp4(), "XDP", "do_xdp_generic"), "xdp-drop"),
        (drop(udp4(), "NOT_SPECIFIED", "do_xdp_generic"), "xdp-drop"),
        (
            drop(udp6(), "NOT_SPECIFIED", "veth_xdp_rcv_skb"),
            "xdp-drop",
        ),
        (drop(udp4(), "", "netif_receive_generic_xdp"), "xdp-drop"),
        (drop(udp6(), "", "veth_poll"), "xdp-drop"),
        (
            drop(udp4(), "BPF_CGROUP_EGRESS", "ip_finish_output").sent(),
            "cgroup-program-drop",
        ),
        (
            drop(udp6(), "", "ip6_finish_output").sent(),
            "cgroup-program-drop",
        ),
        (
            drop(udp4(), "SOCKET_FILTER", "udp_queue_rcv_one_skb"),
            "socket-filter-drop",
        ),
        (
            drop(udp6(), "SOCKET_FILTER", "udpv6_queue_rcv_one_skb"),
            "socket-filter-drop",
        ),
        (
            drop(udp4(), "XFRM_POLICY", "ip_local_deliver_finish"),
            "ipsec-policy",
        ),
        (
            drop(udp6(), "XFRM_POLICY", "ip6_protocol_deliver_rcu"),
            "ipsec-policy",
        ),
        (
            drop(frame::ipv4(50, SRC, DST, &[1; 32], 64), "", "xfrm_input"),
            "ipsec-policy",
        ),
        (
            drop(
                frame::ipv6(50, SRC6, DST6, &[1; 32], 64),
                "NOT_SPECIFIED",
                "xfrm_input",
            ),
            "ipsec-policy",
        ),
    ]);
    // Attaching XDP to veth frees an skb that is empty.
    nothing([drop(Vec::new(), "NOT_SPECIFIED", "veth_xdp_rcv_skb")]);
}

#[test]
fn a_packet_alone_does_not_tell_a_socket_filter_from_its_cgroups_program() {
    let both = drop(udp4(), "SOCKET_FILTER", "udp_queue_rcv_one_skb");
    assert!(both.claim("cgroup-program-drop") < both.claim("socket-filter-drop"));
    assert!(both.claim("cgroup-program-drop").is_some());
    let silent = drop(udp4(), "", "udp_queue_rcv_one_skb");
    for id in [
        "udp-receive-buffer-full",
        "socket-filter-drop",
        "udp-memory",
    ] {
        assert!(silent.claim(id).is_some_and(|claim| claim <= 0.5), "{id}");
    }
}
