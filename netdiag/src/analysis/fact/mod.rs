//! What the host says of itself beyond the events: sysctls, devices, routes, neighbours, firewall rules, queues.
//!
//! A rule names the facts that it [needs](Need). Of what it has gathered, these become [questions](Question), which
//! `command` puts to the kernel when the run is over, each in the namespace that it is about. The answers are [`Facts`],
//! and go into the dump, so that `netdiag read` concludes the same. A fact that cannot be had is absent, with the error.

mod answer;
mod need;
#[cfg(test)]
mod tests;

pub use answer::{
    Answer, CgroupProgram, Device, Filter, Listener, Neighbour, NeighbourTable, PacketRule,
    Policies, Program, Queue, Route,
};
pub use need::{Need, Place, Question, questions};

use netdiag_common::NetnsId;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// More questions than this are not asked, and more answers not read from a file.
pub const MOST: usize = 256;

/// Why a namespace answers nothing that nobody holds any more.
pub const GONE: &str = "its namespace is gone";

/// Why a device answers nothing that its namespace has no longer.
pub const NO_DEVICE: &str = "there is no such device any more";

/// More facts than this are not told to be missing.
const MOST_UNREAD: usize = 8;

/// What is known of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    known: BTreeMap<Question, Result<Answer, String>>,
}

/// One fact as a line of text.
#[derive(Serialize, Deserialize)]
struct Line {
    ask: Question,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Facts {
    /// Takes in an answer, or why there is none. The first one counts.
    pub fn learn(&mut self, question: Question, answer: Result<Answer, String>) {
        if self.known.len() < MOST {
            self.known.entry(question).or_insert(answer);
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// All of them as text, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.known.iter().map(|(ask, answer)| {
            let (answer, error) = match answer {
                Ok(answer) => (Some(answer.clone()), None),
                Err(error) => (None, Some(error.clone())),
            };
            let ask = ask.clone();
            serde_json::to_string(&Line { ask, answer, error })
        });
        lines.flatten().collect()
    }

    /// Takes in a line of [`lines`](Self::lines); tells whether it was one.
    pub fn learn_line(&mut self, line: &str) -> bool {
        let Ok(Line { ask, answer, error }) = serde_json::from_str(line) else {
            return false;
        };
        match (answer, error) {
            (Some(answer), None) => self.learn(ask, Ok(answer)),
            (None, Some(error)) => self.learn(ask, Err(error)),
            _ => return false,
        }
        true
    }

    fn get(&self, question: &Question) -> Option<&Answer> {
        self.known.get(question)?.as_ref().ok()
    }

    /// Whether nobody holds the namespace any more; `None` where that was not asked, or cannot be told.
    #[must_use]
    pub fn is_gone(&self, netns: NetnsId) -> Option<bool> {
        match self.known.get(&Question::Namespace { netns: netns.0 })? {
            Ok(_) => Some(false),
            Err(error) => (error == GONE).then_some(true),
        }
    }

    /// Whether the device is known to be no longer in its namespace.
    #[must_use]
    pub fn is_removed(&self, netns: NetnsId, name: &str) -> bool {
        let question = Question::Device {
            netns: netns.0,
            name: name.to_owned(),
        };
        let answer = self.known.get(&question);
        answer.is_some_and(
            |answer| matches!(answer, Err(error) if error == NO_DEVICE || error == GONE),
        )
    }

    /// What was asked and could not be told, in words.
    pub fn unread<'a>(&'a self, asked: impl IntoIterator<Item = &'a Question>) -> Vec<String> {
        let failed = asked.into_iter().filter_map(|question| {
            let error = self.known.get(question)?.as_ref().err()?;
            // That is the answer.
            if matches!(question, Question::Namespace { .. }) && error == GONE {
                return None;
            }
            Some(format!("{question} could not be read: {error}"))
        });
        let failed: BTreeSet<_> = failed.collect();
        failed.into_iter().take(MOST_UNREAD).collect()
    }

    /// A sysctl: `net.ipv4.ip_forward`, or with `DEVICE` in its name, that of a device.
    #[must_use]
    pub fn sysctl(&self, netns: NetnsId, name: &str, device: Option<&str>) -> Option<&str> {
        let question = Question::Sysctl {
            netns: netns.0,
            name: name.to_owned(),
            device: device.map(str::to_owned),
        };
        match self.get(&question)? {
            Answer::Sysctl(value) => Some(value),
            _ => None,
        }
    }

    /// The same, as a number.
    #[must_use]
    pub fn number(&self, netns: NetnsId, name: &str, device: Option<&str>) -> Option<i64> {
        self.sysctl(netns, name, device)?.trim().parse().ok()
    }

    /// A device.
    #[must_use]
    pub fn device(&self, netns: NetnsId, name: &str) -> Option<&Device> {
        let question = Question::Device {
            netns: netns.0,
            name: name.to_owned(),
        };
        match self.get(&question)? {
            Answer::Device(device) => Some(device),
            _ => None,
        }
    }

    /// The way that the kernel takes for a packet of this host's to an address.
    #[must_use]
    pub fn route(&self, netns: NetnsId, to: IpAddr) -> Option<&Route> {
        self.route_of(netns, to, None, None)
    }

    /// The way that the kernel takes for a packet that came in by a device.
    #[must_use]
    pub fn route_of(
        &self,
        netns: NetnsId,
        to: IpAddr,
        from: Option<IpAddr>,
        device: Option<&str>,
    ) -> Option<&Route> {
        let question = Question::Route {
            netns: netns.0,
            to,
            from,
            device: device.map(str::to_owned),
        };
        match self.get(&question)? {
            Answer::Route(route) => Some(route),
            _ => None,
        }
    }

    /// What the next hop to an address is, and whether it answers.
    #[must_use]
    pub fn neighbour(&self, netns: NetnsId, to: IpAddr) -> Option<&Neighbour> {
        let question = Question::Neighbour { netns: netns.0, to };
        match self.get(&question)? {
            Answer::Neighbour(neighbour) => Some(neighbour),
            _ => None,
        }
    }

    /// The neighbour table of an IP version, which the host has once.
    #[must_use]
    pub fn neighbour_table(&self, netns: NetnsId, version: u8) -> Option<NeighbourTable> {
        let question = Question::NeighbourTable {
            netns: netns.0,
            version,
        };
        match self.get(&question)? {
            Answer::NeighbourTable(table) => Some(*table),
            _ => None,
        }
    }

    /// Rules of nftables that drop or reject. Those of iptables-nft are among them, those of the older iptables not.
    #[must_use]
    pub fn packet_rules(&self, netns: NetnsId) -> &[PacketRule] {
        match self.get(&Question::PacketRules { netns: netns.0 }) {
            Some(Answer::PacketRules(rules)) => rules,
            _ => &[],
        }
    }

    /// The listening TCP sockets of a port.
    #[must_use]
    pub fn listeners(&self, netns: NetnsId, port: u16) -> Option<&[Listener]> {
        let netns = netns.0;
        match self.get(&Question::Listeners { netns, port })? {
            Answer::Listeners(listeners) => Some(listeners),
            _ => None,
        }
    }

    /// Whether the namespace's counters were read for all of its drops: one that is not among those that rose stood
    /// still.
    #[must_use]
    pub fn counters_read(&self, netns: NetnsId) -> bool {
        self.get(&Question::Counters { netns: netns.0 }).is_some()
    }

    /// The BPF programs of cgroups that look at packets; `None` where that is not known.
    #[must_use]
    pub fn cgroup_programs(&self) -> Option<&[CgroupProgram]> {
        match self.get(&Question::CgroupPrograms)? {
            Answer::CgroupPrograms(programs) => Some(programs),
            _ => None,
        }
    }

    /// How many IPsec policies a namespace has.
    #[must_use]
    pub fn policies(&self, netns: NetnsId) -> Option<Policies> {
        match self.get(&Question::Policies { netns: netns.0 })? {
            Answer::Policies(policies) => Some(*policies),
            _ => None,
        }
    }
}
