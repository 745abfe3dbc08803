//! Packets of which the kernel keeps a part elsewhere: `skb->dev` lent to a queue, a VLAN tag taken off.

use std::net::Ipv4Addr;

use netdiag::lab::frame::{ETHERTYPE_IPV4, ETHERTYPE_VLAN, PROTO_UDP, ethernet, ipv4, udp4, vlan};
use netdiag::lab::sysctl::disable_ipv6;
use netdiag::lab::traffic::{DeafUdpSocket, udp_flood};
use netdiag::lab::{Layer, Namespace, PacketInfo, Tun, link};
use netdiag_tests::{Live, NamedNetns, isolated};

use crate::shape::nft;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// In the receive queue of a UDP socket another value stands in the place of `skb->dev` (`udp_set_dev_scratch`): it
/// must not be followed as if it led to a device.
#[test]
fn datagrams_that_nobody_read() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let (deaf, port) = namespace.run(|| {
            let deaf = DeafUdpSocket::bind((HERE, 0).into()).expect("a socket");
            let port = deaf.address().expect("its address").port();
            (deaf, port)
        });
        let sent = namespace.run(move || udp_flood(HERE.into(), port, 1, 2));
        assert_eq!(sent.expect("datagrams"), 2);
        // Not only in the namespace: which one it was is just what such a packet does not tell.
        let mut live = Live::start(&["--port", &port.to_string()]);
        namespace.run(move || drop(deaf));
        live.await_drops(2);
        let run = live.stop();
        assert_eq!(run.drops.len(), 2, "{:#?}", run.drops);
        for drop in &run.drops {
            for unknown in ["ifname", "dev_type", "finding"] {
                assert_eq!(drop.get(unknown), None, "{drop:#}");
            }
            assert_eq!(drop["packet"]["dport"], port, "{drop:#}");
        }
    });
}

const COUNT: usize = 5;
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A TAP device with an address, and a frame for it in VLAN 77.
fn tagged(namespace: &Namespace) -> (Tun, Vec<u8>) {
    let tap =
        Tun::create(namespace, "tap0", Layer::Ethernet, PacketInfo::Absent).expect("a TAP device");
    let (source, destination) = (Ipv4Addr::new(10, 99, 1, 2), Ipv4Addr::new(10, 99, 1, 1));
    namespace.run(move || {
        disable_ipv6().expect("no IPv6");
        link::set_mac("tap0", OURS).expect("a MAC address");
        link::add_address("tap0", destination.into(), 24).expect("an address");
        link::set_up("tap0").expect("up");
    });
    let datagram = udp4(source, destination, 4000, 5000, b"tagged");
    let mut packet = ipv4(PROTO_UDP, source, destination, &datagram, 64);
    // A wrong checksum, which the kernel does not come to look at.
    packet[10] ^= 0xff;
    let inside = vlan(77, ETHERTYPE_IPV4, &packet);
    (
        tap,
        ethernet(OURS, [2, 0, 0, 0, 0, 2], ETHERTYPE_VLAN, &inside),
    )
}

/// Without a VLAN device a tagged packet is for another host (`__netif_receive_skb_core`), whatever its IP header says.
#[test]
fn a_vlan_without_a_device_is_no_fault_of_the_header() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let (tap, frame) = tagged(&namespace);
        let mut live = Live::within(&namespace, &[]);
        for _ in 0..COUNT {
            tap.write(ETHERTYPE_VLAN, &frame).expect("a frame");
        }
        live.await_drops(COUNT);
        let run = live.stop();
        drop(tap);
        assert_eq!(run.drops.len(), COUNT, "{:#?}", run.drops);
        for drop in &run.drops {
            assert_eq!(drop.get("header_check"), None, "{drop:#}");
        }
        let found: Vec<_> = run.findings.iter().map(|found| &found["id"]).collect();
        assert_eq!(found, ["vlan-device-missing"], "{:#?}", run.findings);
    });
}

/// The kernel takes the tag off before anything looks at the packet (`skb_vlan_untag`), and keeps it beside.
#[test]
fn a_tag_that_was_taken_off_is_put_back() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let _name = NamedNetns::new(&namespace, "trunk");
        let (tap, frame) = tagged(&namespace);
        for rule in [
            "add table netdev t",
            "add chain netdev t in { type filter hook ingress device tap0 priority 0 ; policy drop ; }",
        ] {
            nft("trunk", rule);
        }
        let mut live = Live::within(&namespace, &[]);
        for _ in 0..COUNT {
            tap.write(ETHERTYPE_VLAN, &frame).expect("a frame");
        }
        live.await_drops(COUNT);
        let run = live.stop();
        drop(tap);
        assert_eq!(run.drops.len(), COUNT, "{:#?}", run.drops);
        for drop in &run.drops {
            let packet = &drop["packet"];
            assert_eq!(packet["vlans"], serde_json::json!([77]), "{drop:#}");
            assert_eq!(
                (packet["dport"].as_u64(), packet["dst"].as_str()),
                (Some(5000), Some("10.99.1.1"))
            );
            assert_eq!(drop["finding"], "firewall-drop", "{drop:#}");
        }
    });
}
