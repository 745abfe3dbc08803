//! Drops that are the same to a reader: one reason, one place, one device, one namespace.

use super::event::Event;
use netdiag_common::NetnsId;
use std::collections::HashMap;

/// More groups than this are counted together: a reader has no use for them, and memory stays bounded.
const MOST: usize = 4096;

/// What makes two drops the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The reason's name; empty where the kernel gave none.
    pub reason: String,
    /// `function+0xoffset [module]`.
    pub location: String,
    /// The device's name; empty without one.
    pub ifname: String,
    /// The namespace.
    pub netns: Option<NetnsId>,
}

/// Drops of one kind.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they have in common.
    pub key: GroupKey,
    /// How many.
    pub count: u64,
    /// The first one, in words.
    pub example: String,
}

/// All groups of a run.
#[derive(Debug, Default)]
pub struct Groups {
    groups: HashMap<GroupKey, Group>,
    /// The group of the last event: under a flood the next one is of the same kind.
    last: Option<GroupKey>,
    overflow: u64,
}

impl Groups {
    /// Counts an event.
    pub fn observe(&mut self, event: &Event<'_>) {
        if let Some(key) = &self.last
            && is(key, event)
            && let Some(group) = self.groups.get_mut(key)
        {
            group.count += 1;
            return;
        }
        let key = GroupKey {
            reason: event.reason.as_deref().unwrap_or_default().to_owned(),
            location: event.location.to_owned(),
            ifname: event.ifname.unwrap_or_default().to_owned(),
            netns: event.netns,
        };
        if self.groups.len() >= MOST && !self.groups.contains_key(&key) {
            self.overflow += 1;
            return;
        }
        let fresh = || Group {
            key: key.clone(),
            count: 0,
            example: event.packet.to_string(),
        };
        self.groups.entry(key.clone()).or_insert_with(fresh).count += 1;
        self.last = Some(key);
    }

    /// The groups, largest first.
    pub fn sorted(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.groups.values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        groups
    }

    /// Drops of kinds that no group was left for.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }
}

fn is(key: &GroupKey, event: &Event<'_>) -> bool {
    key.netns == event.netns
        && key.location == event.location
        && key.reason == event.reason.as_deref().unwrap_or_default()
        && key.ifname == event.ifname.unwrap_or_default()
}
