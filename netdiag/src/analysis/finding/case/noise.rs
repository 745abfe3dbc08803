use super::*;

#[test]
fn known_noise_is_nobodys() {
    let packets = || {
        [
            udp4(),
            udp6(),
            segment(4, ACK, b"x"),
            segment(6, SYN, b""),
            Vec::new(),
        ]
    };
    for bytes in packets() {
        nothing([
            drop(bytes.clone(), "QUEUE_PURGE", "skb_queue_purge_reason"),
            drop(bytes.clone(), "NOT_SPECIFIED", "skb_queue_purge"),
            drop(bytes.clone(), "", "skb_queue_purge"),
            drop(bytes.clone(), "NOT_SPECIFIED", "tun_queue_purge"),
            drop(bytes.clone(), "SOCKET_FILTER", "raw_rcv"),
            drop(bytes.clone(), "SOCKET_FILTER", "rawv6_rcv_skb"),
            // A copy is not the datagram.
            drop(bytes.clone(), "SOCKET_RCVBUFF", "raw_rcv_skb"),
            drop(bytes.clone(), "NOT_SPECIFIED", "nfnetlink_rcv_batch"),
            drop(bytes.clone(), "", "nfnetlink_rcv_batch"),
            drop(bytes.clone(), "NOT_SPECIFIED", "inet_rtm_getroute"),
            drop(bytes.clone(), "", "inet6_rtm_getroute"),
            drop(bytes.clone(), "NOT_SPECIFIED", "ip6_mc_input"),
            drop(bytes.clone(), "", "ip6_mc_input"),
            drop(bytes.clone(), "SOCKET_CLOSE", "unix_release_sock"),
            drop(bytes.clone(), "PACKET_SOCK_ERROR", "packet_rcv"),
            drop(bytes, "", "packet_release"),
        ]);
    }
}
