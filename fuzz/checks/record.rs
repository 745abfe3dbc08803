//! Any bytes as a record of the ring buffer, and the packet in it.

use std::mem::offset_of;

use netdiag::decode::{
    RecordError, RetransContext, decode, drop_record, record_kind, retrans_record,
};
use netdiag_common::record::{
    ADDRESSES_LEN, DROP_HEADER_LEN, DropRecord, FLAG_ADDRESSES, KIND_DROP, KIND_RETRANS,
    RETRANS_LEN,
};

use super::invariants;

/// Reads one record and the packet in it.
pub(crate) fn check(data: &[u8]) {
    again(data);
    let number = |offset: usize| {
        let bytes = data.get(offset..)?.first_chunk::<2>()?;
        Some(u16::from_ne_bytes(*bytes))
    };
    let kind = number(offset_of!(DropRecord, kind)).unwrap_or_default();
    let caplen = usize::from(number(offset_of!(DropRecord, caplen)).unwrap_or_default());
    let event = match drop_record(data) {
        Ok(event) => event,
        Err(error) => {
            match error {
                RecordError::HeaderShort { got, needed } => {
                    assert_eq!((got, needed), (data.len(), DROP_HEADER_LEN));
                    assert!(got < needed);
                }
                RecordError::Kind { kind } => assert_ne!(kind, KIND_DROP),
                RecordError::PacketShort { got, claimed } => {
                    assert!(claimed == caplen && got < claimed);
                }
            }
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(kind, KIND_DROP);
    // Addresses before a segment are no part of the packet.
    let flags = number(offset_of!(DropRecord, flags)).unwrap_or_default();
    let expected = match flags & FLAG_ADDRESSES {
        0 => caplen,
        _ => caplen.saturating_sub(ADDRESSES_LEN),
    };
    assert_eq!(event.frame.bytes.len(), expected);
    assert!(event.frame.len >= expected);
    if let Some((bytes, len)) = event.completed() {
        assert!(bytes.ends_with(event.frame.bytes) && len >= bytes.len());
    }
    assert!(event.vlan.is_none_or(|id| id < 4096));
    // What stands for "none" has become none.
    assert!(
        event.protocol != Some(0)
            && event.ifindex != Some(0)
            && event.netns.is_none_or(|id| id.0 != 0)
    );
    assert!(event.reason != Some(u32::MAX) && event.uid != Some(u32::MAX));
    assert!(event.ifname.len() <= 3 * 16);
    assert!(!event.ifname.chars().any(char::is_control));
    let named = event.header_check.names().count() > 0;
    assert_eq!(event.header_check.is_malformed(), named);

    let padded = [data, &[0xa5; 8]].concat();
    assert_eq!(
        drop_record(&padded).as_ref(),
        Ok(&event),
        "padding is ignored"
    );

    let mut packet = decode(&event.frame);
    invariants::hold(&packet);
    if let Some(id) = event.vlan {
        packet.vlans.push_outer(id);
        assert_eq!(packet.vlans.ids().next(), Some(id));
        assert!(packet.vlans.ids().count() <= 2);
    }
}

/// The same bytes as a retransmission.
fn again(data: &[u8]) {
    let context = RetransContext {
        tick_ns: 4_000_000,
        probes_hooked: data.len().is_multiple_of(2),
    };
    let Some(retrans) = retrans_record(data, context) else {
        return;
    };
    assert!(data.len() >= RETRANS_LEN);
    assert_eq!(record_kind(data), Some(KIND_RETRANS));
    let socket = &retrans.socket;
    assert!(socket.local.is_none_or(|address| !address.is_unspecified()));
    assert!(socket.local_port != Some(0) && socket.netns.is_none_or(|id| id.0 != 0));
    assert!(
        socket
            .ifname
            .as_ref()
            .is_none_or(|name| !name.is_empty() && !name.chars().any(char::is_control))
    );
    assert!(
        retrans
            .ssthresh
            .is_none_or(|segments| segments < 0x7fff_ffff)
    );
    let padded = [data, &[0xa5; 8]].concat();
    assert_eq!(
        retrans_record(&padded, context),
        Some(retrans),
        "padding is ignored"
    );
}
