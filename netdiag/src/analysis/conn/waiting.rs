//! What is remembered for a short time by the address of its socket, which may soon be another's.

use super::ConnEvent;
use std::collections::{HashMap, VecDeque};

/// How long the end of a connection waits for what is known a little later: the reset that it was ended with, or what
/// `connect` returns. Microseconds, unless the task loses its processor in between.
pub(super) const WAIT_NS: u64 = 100_000_000;
/// How many may wait.
const MOST_WAITING: usize = 16_384;
/// How many others are remembered.
const MOST_RECENT: usize = 4096;

/// An end that waits.
#[derive(Debug)]
pub(super) struct End {
    pub(super) event: ConnEvent,
    /// When the call began that made it.
    pub(super) began_ns: Option<u64>,
    /// Whether the process had chosen the local port.
    pub(super) bound: bool,
    /// Whether the kernel took a reset for its end.
    pub(super) reset_in: bool,
}

/// The ends that wait, one for a socket.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    ends: HashMap<u64, (u64, End)>,
    order: VecDeque<(u64, u64, u64)>,
    next: u64,
}

impl Waiting {
    /// Lets an end wait. What waited at its address before is returned.
    pub(super) fn add(&mut self, sk: u64, end: End) -> Option<ConnEvent> {
        self.next += 1;
        self.order.push_back((end.event.time_ns, sk, self.next));
        let before = self.ends.insert(sk, (self.next, end));
        before.map(|(_, end)| end.event)
    }

    pub(super) fn get(&mut self, sk: u64) -> Option<&mut End> {
        self.ends.get_mut(&sk).map(|(_, end)| end)
    }

    pub(super) fn take(&mut self, sk: u64) -> Option<End> {
        self.ends.remove(&sk).map(|(_, end)| end)
    }

    /// The next that has waited long enough.
    pub(super) fn over(&mut self, now_ns: u64) -> Option<ConnEvent> {
        while let Some(&(time_ns, sk, number)) = self.order.front()
            && (time_ns.saturating_add(WAIT_NS) <= now_ns || self.order.len() > MOST_WAITING)
        {
            self.order.pop_front();
            // Others have been told before.
            if self.ends.get(&sk).is_some_and(|(at, _)| *at == number) {
                return self.take(sk).map(|end| end.event);
            }
        }
        None
    }
}

/// A bounded number of things by socket: the oldest give way.
#[derive(Debug)]
pub(super) struct Recent<T> {
    things: HashMap<u64, (u64, T)>,
    order: VecDeque<(u64, u64)>,
    next: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            things: HashMap::new(),
            order: VecDeque::new(),
            next: 0,
        }
    }
}

impl<T> Recent<T> {
    pub(super) fn add(&mut self, sk: u64, thing: T) {
        self.next += 1;
        self.order.push_back((sk, self.next));
        self.things.insert(sk, (self.next, thing));
        if self.order.len() > MOST_RECENT
            && let Some((sk, number)) = self.order.pop_front()
            && self.things.get(&sk).is_some_and(|(at, _)| *at == number)
        {
            self.things.remove(&sk);
        }
    }

    pub(super) fn get(&self, sk: u64) -> Option<&T> {
        self.things.get(&sk).map(|(_, thing)| thing)
    }

    pub(super) fn take(&mut self, sk: u64) -> Option<T> {
        self.things.remove(&sk).map(|(_, thing)| thing)
    }
}
