//! Connections that retransmit, each with what its retransmissions have in common.

use super::{LocalDrop, RetransEvent, Verdict};
use crate::decode::{RetransKind, TcpState};
use netdiag_common::NetnsId;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

/// More connections than this are counted together: memory stays bounded.
const MOST: usize = 4096;
/// More places than this are not told apart: a connection's segments are dropped in one or two.
const MOST_PLACES: usize = 8;

/// What makes two retransmissions of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The own end.
    pub local: Option<IpAddr>,
    /// Its port.
    pub local_port: Option<u16>,
    /// The other end.
    pub remote: Option<IpAddr>,
    /// Its port.
    pub remote_port: Option<u16>,
    /// Which connection between these, from 0: ports are used again.
    pub generation: u32,
}

/// A connection that retransmits.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// Which.
    pub key: FlowKey,
    /// Calls that retransmit.
    pub calls: u64,
    /// Segments that these sent, where the hook tells.
    pub segs: u64,
    /// Calls by kind, in the order of [`RetransKind::ALL`].
    pub kinds: [u64; 5],
    /// Calls that failed on this host, by what they returned.
    pub failed: BTreeMap<i32, u64>,
    /// Segments retransmitted over its life.
    pub total: Option<u32>,
    /// Segments sent over its life: with data, where it has sent any.
    pub sent: Option<u32>,
    /// Smoothed round-trip time in microseconds, the last one.
    pub srtt_us: Option<u32>,
    /// The longest retransmission timeout in microseconds.
    pub rto_us: Option<u64>,
    /// Timeouts in a row without an answer, the most of them.
    pub retransmits: u8,
    /// The longest payload of a segment.
    pub mss: Option<u32>,
    /// Calls by the timer whose segment was of full size.
    pub full: u64,
    /// Calls while the peer's window was closed.
    pub stalled: u64,
    /// Duplicates that the peer had told of, at the first call and at the last.
    pub duplicates: Option<(u32, u32)>,
    /// Where on this host its segments were dropped, and how many.
    pub drops: BTreeMap<LocalDrop, u64>,
    /// Calls whose segment was dropped on this host, before it reached the receiver's TCP.
    pub dropped: u64,
    /// Calls whose segment the receiver, on this host too, had already.
    pub duplicate: u64,
    /// Calls whose segment reached the receiver's TCP, on this host too, and was of no more use to it.
    pub arrived: u64,
    /// The last state.
    pub state: Option<TcpState>,
    /// The process that holds it: id and name.
    pub owner: Option<(u32, String)>,
    /// The device that its route leads to.
    pub ifname: Option<String>,
}

impl Flow {
    fn observe(&mut self, event: &RetransEvent<'_>) {
        let retrans = event.retrans;
        self.calls += 1;
        self.segs += u64::from(retrans.segs.unwrap_or(1));
        if let Some(kind) = retrans.kind
            && let Some(count) = index(kind).and_then(|index| self.kinds.get_mut(index))
        {
            *count += 1;
        }
        if let Some(result) = retrans.result.filter(|&result| result != 0) {
            *self.failed.entry(result).or_default() += 1;
        }
        keep(&mut self.total, retrans.total);
        let data = retrans.data_sent.filter(|&segments| segments > 0);
        keep(&mut self.sent, data.or(retrans.sent));
        keep(&mut self.srtt_us, retrans.srtt_us);
        self.rto_us = self.rto_us.max(retrans.rto_us);
        self.retransmits = self.retransmits.max(retrans.retransmits.unwrap_or(0));
        keep(&mut self.mss, retrans.mss);
        let full = retrans
            .mss
            .is_some_and(|mss| mss > 0 && retrans.len >= Some(mss));
        self.full += u64::from(full && retrans.kind == Some(RetransKind::Rto));
        self.stalled += u64::from(event.is_stalled());
        if let Some(now) = retrans.duplicates {
            let (first, _) = self.duplicates.unwrap_or((now, now));
            self.duplicates = Some((first, now));
        }
        if let Some(dropped) = event.dropped {
            match dropped.verdict() {
                Verdict::Lost => self.dropped += 1,
                Verdict::Duplicate => self.duplicate += 1,
                Verdict::Arrived => self.arrived += 1,
            }
            if self.drops.len() < MOST_PLACES || self.drops.contains_key(dropped) {
                *self.drops.entry(dropped.clone()).or_default() += 1;
            }
        }
        keep(&mut self.state, retrans.socket.state);
        if let Some((pid, comm)) = event.owner {
            self.owner = Some((pid, comm.to_owned()));
        }
        if let Some(ifname) = &retrans.socket.ifname {
            self.ifname = Some(ifname.clone());
        }
    }

    /// Calls of a kind.
    pub fn count(&self, kind: RetransKind) -> u64 {
        index(kind)
            .and_then(|index| self.kinds.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// Whether all calls are of this kind.
    pub fn only(&self, kind: RetransKind) -> bool {
        self.count(kind) == self.calls
    }

    /// Calls that failed on this host in another way than because the first transmission is not sent yet (EBUSY), or the
    /// window is closed (EAGAIN).
    pub fn failures(&self) -> impl Iterator<Item = (i32, u64)> {
        const PASSING: [i32; 2] = [-16, -11];
        let failed = self.failed.iter().map(|(result, count)| (*result, *count));
        failed.filter(|(result, _)| !PASSING.contains(result))
    }

    /// Retransmitted per sent segments, over the connection's life.
    pub fn rate(&self) -> Option<f64> {
        let (total, sent) = (self.total?, self.sent.filter(|&sent| sent > 0)?);
        Some(f64::from(total) / f64::from(sent))
    }

    /// "10.0.0.1:4711 → 10.0.0.2:80"
    pub fn ends(&self) -> String {
        format!("{} → {}", self.key.here(), self.key.there())
    }
}

impl FlowKey {
    /// "10.0.0.1:4711", the own end.
    pub fn here(&self) -> String {
        endpoint(self.local, self.local_port)
    }

    /// "10.0.0.2:80", the other end.
    pub fn there(&self) -> String {
        endpoint(self.remote, self.remote_port)
    }
}

/// An address and a port, as URLs write them; "?" for what is not known.
pub fn endpoint(address: Option<IpAddr>, port: Option<u16>) -> String {
    let port = port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    match address {
        Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Some(address) => format!("{address}:{port}"),
        None => format!("?:{port}"),
    }
}

fn index(kind: RetransKind) -> Option<usize> {
    RetransKind::ALL.iter().position(|known| *known == kind)
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

/// All connections that retransmit.
#[derive(Debug, Default)]
pub struct Flows {
    flows: HashMap<FlowKey, Flow>,
    /// The generation of the last retransmission, where it is not the first.
    generations: HashMap<FlowKey, u32>,
    overflow: u64,
}

impl Flows {
    /// Counts a retransmission, and tells whose it was.
    pub fn observe(&mut self, event: &RetransEvent<'_>) -> FlowKey {
        let socket = &event.retrans.socket;
        let key = FlowKey {
            netns: socket.netns,
            local: socket.local,
            local_port: socket.local_port,
            remote: socket.remote,
            remote_port: socket.remote_port,
            generation: 0,
        };
        let key = self.current(key, event);
        if self.flows.len() >= MOST && !self.flows.contains_key(&key) {
            self.overflow += 1;
            return key;
        }
        let flow = self.flows.entry(key).or_default();
        flow.key = key;
        flow.observe(event);
        key
    }

    /// The key of this very connection. What a socket has retransmitted only grows: where it does not, the ports are
    /// another socket's by now.
    fn current(&mut self, mut key: FlowKey, event: &RetransEvent<'_>) -> FlowKey {
        let first = key;
        key.generation = self.generations.get(&first).copied().unwrap_or(0);
        let before = self.flows.get(&key).and_then(|flow| flow.total);
        let retrans = event.retrans;
        let anew = before
            .zip(retrans.total)
            .is_some_and(|(before, now)| now < before || now == before && retrans.segs != Some(0));
        if anew {
            key.generation += 1;
            self.generations.insert(first, key.generation);
        }
        key
    }

    /// The connections, the ones with the most retransmissions first.
    pub fn sorted(&self) -> Vec<&Flow> {
        let mut flows: Vec<_> = self.flows.values().collect();
        flows.sort_by(|a, b| b.segs.cmp(&a.segs).then_with(|| a.key.cmp(&b.key)));
        flows
    }

    /// The namespaces where segments were dropped.
    pub fn places(&self) -> impl Iterator<Item = NetnsId> {
        let drops = self.flows.values().flat_map(|flow| flow.drops.keys());
        drops.filter_map(|place| place.netns)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Retransmissions of connections that no room was left for.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }
}
