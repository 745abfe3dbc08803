//! Segments that were dropped on this very host, by addresses and sequence number.
//!
//! What is retransmitted was lost somewhere. Where a drop of the same segment was seen here, before or after it was
//! retransmitted, the search is over.

use crate::decode::{Packet, Retrans, Transport};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    rc::Rc,
};

/// How many drops are remembered: memory stays bounded.
const MOST: usize = 8192;

/// What a drop says about a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did not get to the receiver's TCP.
    Lost,
    /// The receiver had it already.
    Duplicate,
    /// It got to the receiver's TCP, which may have taken what it needed. Without a reason (before 5.17) also what it
    /// refused.
    Arrived,
}

/// Where a segment was dropped, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalDrop {
    /// The kernel's name for the reason; `None` before 5.17.
    pub reason: Option<String>,
    /// `function+0xoffset [module]`.
    pub location: String,
    /// The device.
    pub ifname: Option<String>,
    /// The namespace of the device.
    pub netns: Option<netdiag_common::NetnsId>,
}

impl LocalDrop {
    /// What the drop says about the segment.
    pub fn verdict(&self) -> Verdict {
        const DUPLICATE: [&str; 3] = ["TCP_OLD_DATA", "TCP_OLD_SEQUENCE", "TCP_OFOMERGE"];
        // The receiver's TCP frees what it has dealt with and needs no more: a SYN that it has answered once more
        // (`tcp_check_req`), a SYN-ACK of a connection that is established (`tcp_validate_incoming`).
        const RECEIVING: [&str; 6] = [
            "tcp_v4_rcv",
            "tcp_v6_rcv",
            "tcp_v4_do_rcv",
            "tcp_v6_do_rcv",
            "tcp_validate_incoming",
            "tcp_rcv_state_process",
        ];
        let function = self.location.split(['+', '.']).next().unwrap_or_default();
        match self.reason.as_deref() {
            Some(reason) if DUPLICATE.contains(&reason) => Verdict::Duplicate,
            Some("TCP_INVALID_SYN") => Verdict::Arrived,
            Some("NOT_SPECIFIED") | None if RECEIVING.contains(&function) => Verdict::Arrived,
            _ => Verdict::Lost,
        }
    }

    /// "NETFILTER_DROP at nft_do_chain+0x1f on eth0 in namespace 4026531840"
    pub fn words(&self) -> String {
        let mut text = match &self.reason {
            Some(reason) => format!("{reason} at {}", self.location),
            None => format!("at {}", self.location),
        };
        if let Some(ifname) = &self.ifname {
            text += &format!(" on {ifname}");
        }
        if let Some(netns) = self.netns {
            text += &format!(" in namespace {}", netns.0);
        }
        text
    }
}

/// Sequence numbers: the first, and how many, SYN and FIN counted.
type Stretch = (u32, u32);

/// Source and destination of segments.
type Flow = (IpAddr, u16, IpAddr, u16);

/// The drops of late.
#[derive(Debug, Default)]
pub struct LocalDrops {
    flows: HashMap<Flow, VecDeque<(Stretch, Rc<LocalDrop>)>>,
    /// The flows of the drops, in the order of these.
    order: VecDeque<Flow>,
}

impl LocalDrops {
    /// Remembers a dropped packet, if it is TCP with something to send once more: an acknowledgment alone has the sequence
    /// number of what follows. `payload` is how many bytes it carries.
    pub fn add(&mut self, packet: &Packet, payload: u32, drop: LocalDrop) {
        const FIN: u8 = 1;
        const SYN: u8 = 2;
        let Some(Transport::Tcp {
            source,
            destination,
            seq,
            flags,
            ..
        }) = packet.transport
        else {
            return;
        };
        let (Some(src), Some(dst)) = (packet.src(), packet.dst()) else {
            return;
        };
        let beside = u32::from(flags.0 & SYN != 0) + u32::from(flags.0 & FIN != 0);
        let length = payload.saturating_add(beside);
        if length == 0 {
            return;
        }
        let flow = (plain(src), source, plain(dst), destination);
        if self.order.len() >= MOST {
            self.forget_oldest();
        }
        self.order.push_back(flow);
        let drops = self.flows.entry(flow).or_default();
        drops.push_back(((seq, length), Rc::new(drop)));
    }

    fn forget_oldest(&mut self) {
        let Some(flow) = self.order.pop_front() else {
            return;
        };
        if let Some(drops) = self.flows.get_mut(&flow) {
            drops.pop_front();
            if drops.is_empty() {
                self.flows.remove(&flow);
            }
        }
    }

    /// The last drop of what is retransmitted.
    pub fn find(&self, retrans: &Retrans) -> Option<Rc<LocalDrop>> {
        let socket = &retrans.socket;
        let flow = (
            plain(socket.local?),
            socket.local_port?,
            plain(socket.remote?),
            socket.remote_port?,
        );
        let start = retrans.seq?;
        let length = retrans.len.unwrap_or(0).max(1);
        // Segments are split and put together on their way: what they have in common counts.
        let overlaps =
            |(seq, len): Stretch| seq.wrapping_sub(start) < length || start.wrapping_sub(seq) < len;
        let drops = self.flows.get(&flow)?;
        let found = drops.iter().rev().find(|(stretch, _)| overlaps(*stretch));
        found.map(|(_, drop)| Rc::clone(drop))
    }
}

/// A mapped address is the IPv4 one that is on the wire.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Frame, Link, Socket, decode};

    /// 10.0.0.1:1000 → 10.0.0.2:80, TCP without payload.
    fn packet(seq: u32) -> Packet {
        let mut bytes = vec![
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 80,
        ];
        bytes.extend(seq.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
        decode(&Frame {
            bytes: &bytes,
            link: Link::Ip,
            network_offset: None,
            len: bytes.len(),
            ethertype: Some(0x0800),
        })
    }

    fn retrans(seq: u32, len: u32) -> Retrans {
        Retrans {
            socket: Socket {
                local: Some("10.0.0.1".parse().unwrap()),
                local_port: Some(1000),
                remote: Some("10.0.0.2".parse().unwrap()),
                remote_port: Some(80),
                ..Socket::default()
            },
            seq: Some(seq),
            len: Some(len),
            ..Retrans::default()
        }
    }

    fn drop(place: &str) -> LocalDrop {
        LocalDrop {
            location: place.to_owned(),
            ..LocalDrop::default()
        }
    }

    #[test]
    fn a_drop_belongs_to_the_segment_that_it_is_part_of() {
        let mut drops = LocalDrops::default();
        drops.add(&packet(u32::MAX - 10), 10, drop("first"));
        drops.add(&packet(5), 20, drop("second"));
        // An acknowledgment: nothing of it is ever sent once more.
        drops.add(&packet(30), 0, drop("third"));
        let place = |seq, len| drops.find(&retrans(seq, len)).map(|it| it.location.clone());
        // Sequence numbers start anew at zero.
        assert_eq!(place(u32::MAX - 10, 100).as_deref(), Some("second"));
        assert_eq!(place(u32::MAX - 10, 16).as_deref(), Some("first"));
        assert_eq!(place(5, 0).as_deref(), Some("second"));
        // A part of what was dropped as one.
        assert_eq!(place(6, 100).as_deref(), Some("second"));
        assert_eq!(place(25, 100), None);
        let mut other = retrans(5, 1);
        other.socket.local_port = Some(1001);
        assert_eq!(drops.find(&other), None);
    }

    #[test]
    fn what_the_receiver_has_dealt_with_is_not_lost() {
        let verdict = |reason: Option<&str>, location: &str| {
            let reason = reason.map(str::to_owned);
            let drop = LocalDrop {
                reason,
                ..drop(location)
            };
            drop.verdict()
        };
        let validate = "tcp_validate_incoming+0x1";
        assert_eq!(
            verdict(Some("TCP_OLD_DATA"), "tcp_data_queue+0x1"),
            Verdict::Duplicate
        );
        assert_eq!(verdict(Some("TCP_INVALID_SYN"), validate), Verdict::Arrived);
        assert_eq!(
            verdict(Some("NOT_SPECIFIED"), "tcp_v4_rcv+0x91"),
            Verdict::Arrived
        );
        assert_eq!(verdict(None, validate), Verdict::Arrived);
        assert_eq!(verdict(Some("NO_SOCKET"), "tcp_v4_rcv+0x91"), Verdict::Lost);
        assert_eq!(
            verdict(Some("NOT_SPECIFIED"), "ip_error+0x1"),
            Verdict::Lost
        );
        assert_eq!(verdict(None, "nf_hook_slow+0x1"), Verdict::Lost);
    }

    #[test]
    fn old_drops_are_forgotten() {
        let mut drops = LocalDrops::default();
        for seq in 0..u32::try_from(MOST).unwrap() + 10 {
            drops.add(&packet(seq), 1, drop("here"));
        }
        assert_eq!(drops.order.len(), MOST);
        assert_eq!(drops.find(&retrans(9, 1)), None);
        assert!(drops.find(&retrans(10, 1)).is_some());
    }
}
