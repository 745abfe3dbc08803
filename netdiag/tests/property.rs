//! Properties of the packet decoder: what pnet_packet builds is read back field by field and found without fault,
//! wherever the capture cuts it; any bytes at all are read as something.
//!
//! The same cases in every run: `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others and for more.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic there is a failed test"
)]

use std::mem::offset_of;

use netdiag::decode::{DropEvent, Frame, Link, Packet, Protocol, decode, drop_record};
use netdiag_common::record::{
    ADDRESSES_LEN, CHECK_IHL, CHECK_LENGTH, CHECK_SEEN, CHECK_SHORT, CHECK_VERSION,
    DROP_HEADER_LEN, DropRecord, FLAG_ADDRESSES, FLAG_DEVICE, FLAG_NO_SKB, FLAG_ORPHAN,
    FLAG_OTHERHOST, FLAG_RECEIVED, FLAG_SOCKET, FLAG_VLAN, KIND_DROP, NO_OFFSET, NO_REASON, NO_UID,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[path = "../../fuzz/checks/invariants.rs"]
mod invariants;
#[path = "property/model.rs"]
mod model;
#[path = "../../fuzz/checks/packet.rs"]
mod packet;

use model::{Sent, frames, ip_packets};

/// Fixed unless the environment says otherwise: a test fails for the change that broke it, not by chance. Nothing is
/// written beside the sources; what fails is printed, and becomes an ordinary test.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let config = ProptestConfig {
        cases: config.cases.max(1000),
        failure_persistence: None,
        ..config
    };
    match config.rng_seed {
        RngSeed::Random => ProptestConfig {
            rng_seed: RngSeed::Fixed(4),
            ..config
        },
        RngSeed::Fixed(_) => config,
    }
}

fn frame(bytes: &[u8], link: Link) -> Frame<'_> {
    Frame {
        bytes,
        link,
        network_offset: None,
        len: bytes.len(),
        ethertype: None,
    }
}

/// Panics where the packet is not what was sent, or has a fault.
fn assert_read(sent: &Sent, got: &Packet) {
    assert_eq!(got.malformed, [], "{got}");
    assert_eq!(got.disguise, None);
    assert_eq!(got.protocol, sent.protocol);
    assert_eq!(got.link, sent.link);
    assert!(got.vlans.ids().eq(sent.vlans.iter().copied()));
    assert_eq!((got.ip, got.arp), (sent.ip, sent.arp));
    assert_eq!(got.transport, sent.transport);
    assert_eq!(got.tunnel, sent.tunnel);
    match (&sent.inner, &got.inner) {
        (Some(sent), Some(got)) => assert_read(sent, got),
        (None, None) => {}
        (sent, got) => panic!("{sent:?} was sent, {got:?} was read"),
    }
}

/// No fault, at any depth. What is believed counts, not only what is proven.
fn assert_no_fault(packet: &Packet) {
    assert_eq!(packet.malformed, [], "{packet}");
    assert_eq!(packet.disguise, None);
    if let Some(inner) = &packet.inner {
        assert_no_fault(inner);
    }
}

/// Every place where the capture can end. The rest of the packet stays, uncaptured.
fn assert_no_cut_is_a_fault(bytes: &[u8], link: Link) {
    for caplen in 0..=bytes.len() {
        let cut = Frame {
            bytes: bytes.get(..caplen).unwrap(),
            ..frame(bytes, link)
        };
        let packet = decode(&cut);
        assert_eq!(packet.snapped, caplen < bytes.len());
        assert_no_fault(&packet);
    }
}

/// One row for each field of a record, and the packet behind it.
#[derive(Clone, Debug)]
struct Record {
    bytes: Vec<u8>,
    record: DropRecordFields,
    packet: Vec<u8>,
}

/// The fields of [`DropRecord`]; that one cannot be printed.
#[derive(Clone, Debug)]
struct DropRecordFields {
    time_ns: u64,
    location: u64,
    cgroup_id: u64,
    socket_inode: u64,
    flags: u16,
    reason: u32,
    netns: u32,
    ifindex: u32,
    len: u32,
    uid: u32,
    cpu: u32,
    network_offset: u16,
    dev_type: u16,
    protocol: u16,
    header_check: u16,
    vlan_tci: u16,
    ifname: String,
}

prop_compose! {
    fn fields()(
        (time_ns, location) in any::<(u64, u64)>(),
        cgroup_id in prop_oneof![Just(0), any::<u64>()],
        socket_inode in prop_oneof![Just(0), any::<u64>()],
        flags in 0_u16..512,
        reason in prop_oneof![Just(NO_REASON), any::<u32>()],
        netns in prop_oneof![Just(0), any::<u32>()],
        (ifindex, len, cpu) in (prop_oneof![Just(0), any::<u32>()], any::<u32>(), any::<u32>()),
        uid in prop_oneof![Just(NO_UID), any::<u32>()],
        network_offset in prop_oneof![Just(NO_OFFSET), any::<u16>()],
        dev_type in any::<u16>(),
        protocol in prop_oneof![Just(0), Just(0x0800), Just(0x86dd), any::<u16>()],
        header_check in 0_u16..32,
        vlan_tci in any::<u16>(),
        ifname in "[a-zA-Z0-9@._-]{0,15}",
    ) -> DropRecordFields {
        DropRecordFields {
            time_ns, location, cgroup_id, socket_inode, flags, reason, netns, ifindex, len, uid,
            cpu, network_offset, dev_type, protocol, header_check, vlan_tci, ifname,
        }
    }
}

prop_compose! {
    fn records()(
        record in fields(),
        packet in vec(any::<u8>(), 0..200),
        padding in vec(any::<u8>(), 0..16),
    ) -> Record {
        let mut bytes = vec![0; DROP_HEADER_LEN];
        macro_rules! set {
            ($($field:ident: $value:expr),* $(,)?) => {
                $(for (byte, value) in bytes.iter_mut().skip(offset_of!(DropRecord, $field)).zip($value) {
                    *byte = value;
                })*
            };
        }
        set! {
            time_ns: record.time_ns.to_ne_bytes(),
            location: record.location.to_ne_bytes(),
            cgroup_id: record.cgroup_id.to_ne_bytes(),
            socket_inode: record.socket_inode.to_ne_bytes(),
            kind: KIND_DROP.to_ne_bytes(),
            flags: record.flags.to_ne_bytes(),
            reason: record.reason.to_ne_bytes(),
            netns: record.netns.to_ne_bytes(),
            ifindex: record.ifindex.to_ne_bytes(),
            len: record.len.to_ne_bytes(),
            uid: record.uid.to_ne_bytes(),
            cpu: record.cpu.to_ne_bytes(),
            caplen: u16::try_from(packet.len()).unwrap().to_ne_bytes(),
            network_offset: record.network_offset.to_ne_bytes(),
            dev_type: record.dev_type.to_ne_bytes(),
            protocol: record.protocol.to_be_bytes(),
            header_check: record.header_check.to_ne_bytes(),
            vlan_tci: record.vlan_tci.to_ne_bytes(),
            ifname: record.ifname.bytes(),
        }
        bytes.extend(&packet);
        bytes.extend(padding);
        Record { bytes, record, packet }
    }
}

/// Panics where a record did not come back as it was sent.
fn assert_same_record(sent: &Record, got: &DropEvent<'_>) {
    let Record { record, packet, .. } = sent;
    let has = |flag| record.flags & flag != 0;
    let number = |value: u32| (value != 0).then_some(value);
    assert_eq!(
        (got.time_ns, got.location),
        (record.time_ns, record.location)
    );
    assert_eq!(got.cgroup_id.unwrap_or(0), record.cgroup_id);
    assert_eq!(got.socket_inode.unwrap_or(0), record.socket_inode);
    assert_eq!(got.reason.unwrap_or(NO_REASON), record.reason);
    assert_eq!(got.netns.map(|netns| netns.0), number(record.netns));
    assert_eq!((got.ifindex, got.cpu), (number(record.ifindex), record.cpu));
    assert_eq!(got.ifname, record.ifname.as_str());
    assert_eq!(got.uid.unwrap_or(NO_UID), record.uid);
    assert_eq!(got.dev_type, has(FLAG_DEVICE).then_some(record.dev_type));
    assert_eq!(got.vlan, has(FLAG_VLAN).then_some(record.vlan_tci & 0xfff));
    assert_eq!(
        (got.other_host, got.received),
        (has(FLAG_OTHERHOST), has(FLAG_RECEIVED))
    );
    assert_eq!(
        (got.has_socket, got.orphan, got.no_skb),
        (has(FLAG_SOCKET), has(FLAG_ORPHAN), has(FLAG_NO_SKB))
    );
    assert_eq!(got.protocol.unwrap_or(0), record.protocol);
    // Addresses before a segment are no part of it.
    let before = match has(FLAG_ADDRESSES) {
        true => packet.len().min(ADDRESSES_LEN),
        false => 0,
    };
    let known = has(FLAG_ADDRESSES) && before == ADDRESSES_LEN;
    let spoken = matches!(record.protocol, 0x0800 | 0x86dd);
    assert_eq!(got.addresses.is_some(), known && spoken);
    let ethertype = got.protocol.filter(|_| got.addresses.is_none());
    assert_eq!(got.frame.ethertype, ethertype);
    if has(FLAG_ADDRESSES) && !known {
        assert_eq!(got.frame.bytes, [0u8; 0]);
        return;
    }
    assert_eq!(got.frame.bytes, packet.get(before..).unwrap());
    let len = usize::try_from(record.len).unwrap();
    let rest = len.saturating_sub(before);
    assert_eq!(got.frame.len, (packet.len() - before).max(rest));
    let offset = got.frame.network_offset;
    assert_eq!(
        offset.unwrap_or(usize::from(NO_OFFSET)),
        usize::from(record.network_offset)
    );
    let checks = [
        (CHECK_VERSION, "ip-version"),
        (CHECK_IHL, "ip-ihl"),
        (CHECK_SHORT, "ip-truncated"),
        (CHECK_LENGTH, "ip-length"),
    ];
    let named = checks
        .iter()
        .filter(|(flag, _)| record.header_check & flag != 0);
    assert!(got.header_check.names().eq(named.map(|(_, name)| *name)));
    assert_eq!(
        got.header_check.seen(),
        record.header_check & CHECK_SEEN != 0
    );
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_sent_is_read(sent in ip_packets()) {
        assert_read(&sent, &decode(&frame(&sent.bytes, Link::Ip)));
        let ethertype = if sent.protocol == Protocol::Ipv4 { 0x0800 } else { 0x86dd };
        for link in [Link::Ip, Link::Unknown] {
            let announced = Frame { ethertype: Some(ethertype), ..frame(&sent.bytes, link) };
            assert_read(&sent, &decode(&announced));
        }
        // Where nobody says what it is, it says so itself.
        assert_read(&sent, &decode(&frame(&sent.bytes, Link::Unknown)));
        // Behind headers that are not looked at.
        let behind = [&[0x5a; 24], &sent.bytes[..]].concat();
        let offset = Frame { network_offset: Some(24), ..frame(&behind, Link::Ip) };
        assert_read(&sent, &decode(&offset));
    }

    #[test]
    fn what_is_sent_in_a_frame_is_read(sent in frames()) {
        assert_read(&sent, &decode(&frame(&sent.bytes, Link::Ethernet)));
    }

    #[test]
    fn a_cut_packet_has_no_fault(sent in ip_packets()) {
        assert_no_cut_is_a_fault(&sent.bytes, Link::Ip);
        assert_no_cut_is_a_fault(&sent.bytes, Link::Unknown);
    }

    #[test]
    fn a_cut_frame_has_no_fault(sent in frames()) {
        assert_no_cut_is_a_fault(&sent.bytes, Link::Ethernet);
    }

    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..300)) {
        packet::check(&bytes);
    }

    #[test]
    fn a_damaged_packet_is_read(
        sent in frames(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = sent.bytes;
        for (position, byte) in damage {
            *position.get_mut(&mut bytes) = byte;
        }
        for link in [Link::Ethernet, Link::Ip, Link::Unknown] {
            invariants::hold(&decode(&frame(&bytes, link)));
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_sent(sent in records()) {
        let event = drop_record(&sent.bytes).unwrap();
        assert_same_record(&sent, &event);
        invariants::hold(&decode(&event.frame));
    }
}
