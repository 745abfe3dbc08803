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

/// Dropped SYNs by flow.
#[derive(Debug, Default)]
pub struct Syns {
    flows: HashMap<Flow, (u64, DroppedSyn)>,
    ages: VecDeque<Flow>,
}

impl Syns {
    /// A SYN of this flow, seen from who connects, was dropped. It may have been in any namespace of this host.
    pub fn add(&mut self, flow: Flow, syn: DroppedSyn) {
        if let Some((count, _)) = self.flows.get_mut(&flow) {
            *count += 1;
            return;
        }
        if self.ages.len() >= MOST
            && let Some(oldest) = self.ages.pop_front()
        {
            self.flows.remove(&oldest);
        }
        self.ages.push_back(flow);
        self.flows.insert(flow, (1, syn));
    }

    /// What is known about a connection's SYNs, in words.
    pub fn evidence(&self, flow: &Flow) -> Option<String> {
        let (count, syn) = self.flows.get(flow)?;
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
