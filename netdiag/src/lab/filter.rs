//! Packets that a rule of nftables or an IPsec policy drops.

use std::net::SocketAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};

use super::forwarded::{self, forwarding};
use super::frame::TcpHeader;
use super::l3::{self, CLOSED_PORT, DEVICE, Ip, PACKETS, arriving, scenario};
use super::nft::{self, Hook, Match, Verdict};
use super::udp::{OPEN_PORT, listening};
use super::{Bench, Expectation, LabError, Owner, Scenario, frame, netlink, sysctl};

/// Since 6.1 the function that found the verdict, before it the caller's. 6.18 has the hook's, too.
const NFT: &[&str] = &["nft_do_chain", "nf_hook_slow", "nft_do_chain_inet", "nft_do_chain_netdev"];

pub(super) const FIREWALL: Expectation = Expectation::finding("firewall-drop")
    .at(&["NETFILTER_DROP"], NFT)
    .needs(&["nft"]);

const OUTPUT: Expectation = Expectation::finding("firewall-drop-output")
    .at(&["NETFILTER_DROP"], NFT)
    .on(None)
    .of(Owner::Process)
    .needs(&["nft"]);

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        "nft-input",
        "An nftables rule drops datagrams for this host",
        "The firewall drops UDP for port 9 in its input chain. The sender waits in vain.",
        FIREWALL,
        || input(Ip::V4, Hook::Input, Verdict::Drop),
    ),
    scenario(
        "nft-input6",
        "An nftables rule drops IPv6 datagrams for this host",
        "As nft-input, with IPv6.",
        FIREWALL,
        || input(Ip::V6, Hook::Input, Verdict::Drop),
    ),
    scenario(
        "nft-prerouting",
        "An nftables rule drops datagrams before they are routed",
        "As nft-input, in a prerouting chain, where NAT and raw tables stand.",
        FIREWALL,
        || input(Ip::V4, Hook::Prerouting, Verdict::Drop),
    ),
    scenario(
        "nft-ingress",
        "An nftables rule drops datagrams as soon as the device has received them",
        "As nft-input, in an ingress chain of the device, before IP sees the packet.",
        FIREWALL,
        || input(Ip::V4, Hook::Ingress(DEVICE), Verdict::Drop),
    ),
    scenario(
        "nft-reject",
        "An nftables rule rejects datagrams for this host",
        "As nft-input, but the sender is told that the port is unreachable.",
        FIREWALL,
        || input(Ip::V4, Hook::Input, Verdict::Reject),
    ),
    scenario(
        "nft-forward",
        "An nftables rule drops packets that this host would have passed on",
        "This host is a router, and its firewall drops everything in its forward chain.",
        FIREWALL,
        || forward(Ip::V4),
    ),
    scenario(
        "nft-forward6",
        "An nftables rule drops IPv6 packets that this host would have passed on",
        "As nft-forward, with IPv6.",
        FIREWALL,
        || forward(Ip::V6),
    ),
    scenario(
        "nft-output",
        "An nftables rule drops what a program of this host sends",
        "The firewall drops UDP for port 9 in its output chain. The program is told that this is not permitted \
         (EPERM).",
        OUTPUT.counter("IpOutDiscards"),
        || output(Ip::V4),
    ),
    scenario(
        "nft-output6",
        "An nftables rule drops what a program of this host sends over IPv6",
        "As nft-output, with IPv6.",
        OUTPUT.counter("Ip6OutDiscards"),
        || output(Ip::V6),
    ),
    scenario(
        "conntrack-invalid",
        "An nftables rule drops what connection tracking can make nothing of",
        "Routing changed, and segments of connections arrive that this host never saw the beginning of. Connection \
         tracking calls them invalid, and the firewall drops what is invalid.",
        Expectation::finding("conntrack-invalid")
            .at(&["NETFILTER_DROP"], NFT)
            .needs(&["nft", "conntrack"]),
        invalid,
    ),
    scenario(
        "ipsec-block",
        "An IPsec policy blocks what arrives",
        "An IPsec policy for incoming packets says block: what arrives for a program that listens is dropped before \
         it is delivered.",
        Expectation::finding("ipsec-policy")
            .at(&["XFRM_POLICY"], &["udp_queue_rcv_one_skb", "__udp4_lib_rcv", "udp_rcv"])
            .of(Owner::Receiver)
            .needs(&["xfrm"]),
        blocked,
    ),
];

fn input(ip: Ip, hook: Hook, verdict: Verdict) -> Result<Bench, LabError> {
    let setup = move || nft::add(hook, Match::Udp(CLOSED_PORT), verdict);
    arriving(ip, setup, |seq| ip.datagram(seq, CLOSED_PORT))
}

fn forward(ip: Ip) -> Result<Bench, LabError> {
    let bench = forwarding(ip, |seq| ip.ping(forwarded::beyond(ip), seq, 56, 64))?;
    let namespace = bench.namespace();
    namespace.run(|| nft::add(Hook::Forward, Match::All, Verdict::Drop))?;
    Ok(bench)
}

fn output(ip: Ip) -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(ip == Ip::V6)?;
    namespace.run(|| nft::add(Hook::Output, Match::Udp(CLOSED_PORT), Verdict::Drop))?;
    let to = SocketAddr::new(ip.remote(), CLOSED_PORT);
    Ok(l3::sending(namespace, to, PACKETS)?.keeping(tun))
}

fn invalid() -> Result<Bench, LabError> {
    let setup = || {
        nft::add(Hook::Input, Match::Invalid, Verdict::Drop)?;
        // Else the first segment would begin a connection, wherever it belongs.
        sysctl::write("netfilter/nf_conntrack_tcp_loose", "0")
            .map_err(|error| error.lacking("conntrack"))
    };
    arriving(Ip::V4, setup, |seq| {
        let header = TcpHeader {
            sport: 30_000 + seq,
            dport: OPEN_PORT,
            seq: 1000,
            ack: 2000,
            flags: 16,
            window: 1000,
        };
        let segment = frame::tcp(Ip::V4.remote(), Ip::V4.here(), header, &[], b"netdiag");
        Ip::V4.packet(frame::PROTO_TCP, &segment)
    })
}

fn blocked() -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(false)?;
    let socket = listening(Ip::V4, &namespace)?;
    namespace.run(block)?;
    let packets = l3::repeat(frame::ETHERTYPE_IPV4, |seq| Ip::V4.datagram(seq, OPEN_PORT));
    Ok(Bench::writing(namespace, tun, packets).keeping(socket))
}

/// Adds the IPsec policy "block all that arrives over IPv4" to the calling thread's namespace.
fn block() -> Result<(), LabError> {
    /// `NETLINK_XFRM` and `XFRM_MSG_NEWPOLICY`.
    const XFRM: isize = 6;
    const NEW_POLICY: u16 = 0x13;
    /// `XFRM_POLICY_BLOCK`
    const BLOCK: u8 = 1;
    let family = u16::try_from(libc::AF_INET).unwrap_or_default();
    // `struct xfrm_userpolicy_info`
    let policy = [
        // The selector: all addresses and ports of the family.
        &[0; 40][..],
        &family.to_ne_bytes(),
        &[0; 14],
        // Limits by bytes and packets: none.
        &[0xff; 32],
        // Limits by time, lifetime, priority, index, and the direction: in.
        &[0; 73],
        // The action.
        &[BLOCK],
        &[0; 6],
    ]
    .concat();
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let message = netlink::message(NEW_POLICY, flags, 1, &policy);
    netlink::exchange(XFRM, &message).map_err(|source| {
        LabError::Refused {
            operation: "add an IPsec policy",
            object: "block".to_owned(),
            source,
        }
        .lacking("xfrm")
    })
}
