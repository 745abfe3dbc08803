//! SYNs that this host itself dropped: what filtered a connection, with where and why.

use crate::decode::Flow;
use std::collections::{HashMap, VecDeque};

/// How many flows are remembered; the oldest give way.
const MOST: usize = 4096;

/// Where and why a SYN was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedSyn {
    /// The kernel's reason; `None` before 5.17.
    pub reason: Option<String>,
    /// The function and its offset.
    pub place: String,
    /// The device.
    pub ifname: Option<String>,
    /// Whether it was the answer to a SYN.
    pub answer: bool,
}

/// Those of one flow.
#[derive(Debug)]
struct Dropped {
    count: u64,
    last_ns: u64,
    syn: DroppedSyn,
}

/// Dropped SYNs by flow.
#[derive(Debug, Default)]
pub struct Syns {
    flows: HashMap<Flow, Dropped>,
    ages: VecDeque<Flow>,
}

impl Syns {
    /// A SYN of this flow, seen from who connects, was dropped. It may have been in any namespace of this host.
    pub fn add(&mut self, time_ns: u64, flow: Flow, syn: DroppedSyn) {
        if let Some(dropped) = self.flows.get_mut(&flow) {
            dropped.count += 1;
            dropped.last_ns = dropped.last_ns.max(time_ns);
            return;
        }
        if self.ages.len() >= MOST
            && let Some(oldest) = self.ages.pop_front()
        {
            self.flows.remove(&oldest);
        }
        self.ages.push_back(flow);
        let dropped = Dropped {
            count: 1,
            last_ns: time_ns,
            syn,
        };
        self.flows.insert(flow, dropped);
    }

    /// The attempt is over: another one between the same ports has nothing to do with its SYNs.
    pub fn forget(&mut self, flow: &Flow) {
        if self.flows.remove(flow).is_some() {
            self.ages.retain(|age| age != flow);
        }
    }

    /// What is known, in words, about the SYNs of an attempt that began then.
    pub fn evidence(&self, flow: &Flow, began_ns: u64) -> Option<String> {
        let Dropped { count, syn, .. } = self
            .flows
            .get(flow)
            .filter(|dropped| dropped.last_ns >= began_ns)?;
        let what = if syn.answer { "SYN-ACK" } else { "SYN" };
        let mut text = match count {
            1 => format!("1 {what} dropped on this host"),
            count => format!("{count} {what}s dropped on this host"),
        };
        if let Some(reason) = &syn.reason {
            text += &format!(", reason {reason}");
        }
        text += &format!(", in {}", syn.place);
        if let Some(ifname) = &syn.ifname {
            text += &format!(", on {ifname}");
        }
        Some(text)
    }
}
