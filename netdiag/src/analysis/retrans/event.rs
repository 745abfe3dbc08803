//! A retransmission with everything that is known about it.

use super::{LocalDrop, Verdict};
use crate::decode::{Retrans, RetransKind};
use std::net::IpAddr;

/// A retransmission, live or as a dump has kept it.
#[derive(Clone, Copy, Debug)]
pub struct RetransEvent<'a> {
    /// Nanoseconds since 1970 UTC.
    pub time_ns: Option<i128>,
    /// What was observed, `tcp_retransmit_skb` or `tcp_retransmit_synack`.
    pub probe: &'a str,
    /// What the kernel said.
    pub retrans: &'a Retrans,
    /// The process that holds the socket: id and name.
    pub owner: Option<(u32, &'a str)>,
    /// Path of the socket's cgroup.
    pub cgroup: Option<&'a str>,
    /// Where on this host the segment was dropped, before or after it was retransmitted.
    pub dropped: Option<&'a LocalDrop>,
}

impl RetransEvent<'_> {
    /// What this one alone says to be wrong.
    pub fn finding(&self) -> Option<&'static str> {
        match self.dropped.map(LocalDrop::verdict) {
            Some(Verdict::Lost) => Some("retransmission-dropped-here"),
            Some(Verdict::Duplicate) => Some("spurious-retransmission"),
            _ if self.is_stalled() => Some("zero-window-stall"),
            _ => None,
        }
    }

    /// Whether the peer has closed its window.
    pub fn is_stalled(&self) -> bool {
        let handshake = matches!(
            self.retrans.kind,
            Some(RetransKind::Syn | RetransKind::SynAck)
        );
        self.retrans.peer_window == Some(0) && !handshake
    }
}

/// Which retransmissions the user asked for; empty ones admit all.
#[derive(Clone, Debug, Default)]
pub struct RetransFilter {
    /// One end is one of these.
    pub hosts: Vec<IpAddr>,
    /// The port of one end is one of these.
    pub ports: Vec<u16>,
    /// Of these kinds.
    pub kinds: Vec<RetransKind>,
    /// With a timeout of at least so many microseconds.
    pub min_rto_us: Option<u64>,
    /// Over this device. For a dump: live, the kernel side applies it.
    pub ifname: Option<String>,
    /// In this namespace. For a dump, too.
    pub netns: Option<netdiag_common::NetnsId>,
}

impl RetransFilter {
    /// Whether it leaves out anything that the counters of a namespace count.
    pub fn is_narrow(&self) -> bool {
        let all = self.hosts.is_empty() && self.ports.is_empty() && self.kinds.is_empty();
        !all || self.min_rto_us.is_some()
    }

    /// Whether the user wants this one.
    pub fn admits(&self, retrans: &Retrans) -> bool {
        let socket = &retrans.socket;
        let host = |address: Option<IpAddr>| address.is_some_and(|it| self.hosts.contains(&it));
        let port = |port: Option<u16>| port.is_some_and(|port| self.ports.contains(&port));
        let kind = |kind: Option<RetransKind>| kind.is_some_and(|kind| self.kinds.contains(&kind));
        (self.hosts.is_empty() || host(socket.local) || host(socket.remote))
            && (self.ports.is_empty() || port(socket.local_port) || port(socket.remote_port))
            && (self.kinds.is_empty() || kind(retrans.kind))
            && self
                .min_rto_us
                .is_none_or(|least| retrans.rto_us.is_some_and(|rto| rto >= least))
            && (self.ifname.is_none() || self.ifname == socket.ifname)
            && (self.netns.is_none() || self.netns == socket.netns)
    }
}
