//! How connections and attempts end.

use super::{
    Cause, ClosedBy, Conn, ConnEvent, ConnKind, LoneReset, Side, Tracker, Unaccepted, complete,
    errno::Errno,
    event::{event, existing_event},
    fits, state,
    waiting::{End, WAIT_NS},
};
use crate::decode::{Bytes, ConnHit, Flow};
use std::borrow::Cow;

impl Tracker {
    /// Lets an end wait for what is known a little later.
    fn wait(&mut self, sk: u64, end: End) {
        let before = self.waiting.add(sk, end);
        self.events.extend(before);
    }

    /// One of those that were open when the run began ends; it is told before, if it was not yet.
    fn was_existing(&mut self, hit: &ConnHit, flow: Flow) -> Option<super::Existing> {
        let key = (hit.netns, flow);
        let existing = self.existing.remove(&key);
        if self.untold.remove(&key)
            && let Some(found) = &existing
        {
            self.events.push_back(existing_event(found, hit.time_ns));
        }
        existing
    }

    /// A SYN was sent, and nothing came of it.
    pub(super) fn failed(&mut self, hit: ConnHit) {
        let conn = self.conns.remove(&hit.sk).unwrap_or_default();
        let mut event = event(ConnKind::Failed, &hit);
        event.id = conn.known();
        event.side = Some(Side::Active);
        event.flow = complete(hit.flow, conn.flow);
        let existing = self.was_existing(&hit, event.flow);
        event.caller = conn.caller.or(existing.and_then(|found| found.caller));
        event.latency_ns = conn.began_ns.map(|began| hit.time_ns.saturating_sub(began));
        event.syns = hit.retrans.map(|count| count.saturating_add(1));
        if let Some(began) = conn.began_ns {
            self.failed.add(hit.sk, began);
        }
        let began = conn.began_ns.unwrap_or(0);
        match hit.error {
            Some(0) => {
                // The process gave up, or `connect` itself did: what it returns says.
                event.result = None;
                self.gave_up(&mut event, began, hit.soft_error);
                self.syns.forget(&event.flow);
                let end = End {
                    event,
                    began_ns: conn.began_ns,
                    bound: conn.flow.sport.is_some(),
                    reset_in: false,
                };
                self.wait(hit.sk, end);
                return;
            }
            Some(error) => {
                let errno = Errno(i32::try_from(error).unwrap_or(0));
                event.result = Some(Some(errno));
                self.explain(&mut event, began, errno, conn.reset_in, hit.soft_error);
            }
            None => {
                event.evidence = if conn.reset_in {
                    Some("RST received".to_owned())
                } else {
                    self.syns.evidence(&event.flow, began)
                };
            }
        }
        self.syns.forget(&event.flow);
        self.events.push_back(event);
    }

    /// A connection of a listener that ended before its handshake was over.
    pub(super) fn unanswered(&mut self, hit: ConnHit) {
        let conn = self.conns.remove(&hit.sk).unwrap_or_default();
        let mut event = event(ConnKind::Failed, &hit);
        event.flow = complete(hit.flow, conn.flow);
        let existing = self.was_existing(&hit, event.flow);
        event.id = conn.known();
        event.side = Some(conn.side.unwrap_or(Side::Passive));
        event.caller = conn.caller.or(existing.and_then(|found| found.caller));
        if let Some(error) = hit.error.filter(|&error| error != 0) {
            event.result = Some(Some(Errno(i32::try_from(error).unwrap_or(0))));
        }
        if conn.reset_in {
            event.evidence = Some("RST received".to_owned());
        }
        self.events.push_back(event);
    }

    pub(super) fn closed(&mut self, hit: ConnHit) {
        let conn = self.conns.remove(&hit.sk).unwrap_or_default();
        let flow = complete(hit.flow, conn.flow);
        let existing = self.was_existing(&hit, flow);
        let mut event = event(ConnKind::Closed, &hit);
        event.id = conn.known();
        event.side = conn.side;
        event.flow = flow;
        event.duration_ns = conn
            .established_ns
            .map(|since| hit.time_ns.saturating_sub(since));
        event.handshake_ns = conn.handshake_ns;
        event.retrans = hit.retrans;
        event.srtt_us = hit.srtt_us;
        if let Some(bytes) = hit.bytes {
            event.bytes_sent = Some(bytes.sent.saturating_sub(bytes.retransmitted));
            event.bytes_received = self.received(bytes, hit.sk_flags);
        }
        let errno = hit
            .error
            .filter(|&error| error != 0)
            .and_then(|error| i32::try_from(error).ok())
            .map(Errno);
        event.result = hit.error.is_some().then_some(errno);
        event.closed_by = closed_by(hit.old_state, errno, conn.reset_in, hit.error.is_some());
        if conn.reset_in {
            event.evidence = Some("RST received".to_owned());
        } else if errno == Some(Errno::TIMED_OUT)
            && let Some(timeouts) = hit.retransmits
        {
            event.evidence = Some(match timeouts {
                // Probes have a counter of their own.
                0 => "no answer to keep-alive or window probes".to_owned(),
                1 => "no answer to 1 retransmission".to_owned(),
                _ => format!("no answer to {timeouts} retransmissions in a row"),
            });
        }
        self.remember_unaccepted(&conn, hit.sk, flow);
        event.caller = conn.caller.or(existing.and_then(|found| found.caller));
        let reset = self.lone_resets.take(hit.sk).filter(|reset| {
            reset.time_ns.saturating_add(WAIT_NS) >= hit.time_ns && fits(reset.flow, flow)
        });
        if let Some(reset) = reset {
            reset_here(&mut event, reset.reason, false);
            self.events.push_back(event);
            return;
        }
        // A reset of this host's comes right after the end that it tells of. What the kernel treats as a reset received
        // may be data that came after this end had closed: it is then answered with one.
        let closing = matches!(hit.old_state, state::FIN_WAIT1 | state::FIN_WAIT2);
        let orderly = matches!(hit.old_state, state::LAST_ACK | state::CLOSING)
            || hit.old_state == state::FIN_WAIT2
                && !conn.reset_in
                && self.done(hit.sk_flags) == Some(true);
        if orderly || conn.reset_in && !closing {
            self.events.push_back(event);
        } else {
            let end = End {
                event,
                began_ns: None,
                bound: false,
                reset_in: conn.reset_in,
            };
            self.wait(hit.sk, end);
        }
    }

    /// A process may accept it all the same.
    fn remember_unaccepted(&mut self, conn: &Conn, sk: u64, flow: Flow) {
        if conn.side == Some(Side::Passive) && conn.caller.is_none() {
            let was = Unaccepted {
                id: conn.known(),
                established_ns: conn.established_ns,
                flow,
            };
            self.unaccepted.add(sk, was);
        }
    }

    /// Whether the peer's FIN has come.
    fn done(&self, flags: Option<u64>) -> Option<bool> {
        let bit = self.names.done_flag?;
        Some(flags? >> bit & 1 == 1)
    }

    /// The kernel counts the FIN as a byte.
    fn received(&self, bytes: Bytes, flags: Option<u64>) -> Option<u64> {
        let fin = self.done(flags)?;
        Some(bytes.received.saturating_sub(u64::from(fin)))
    }

    pub(super) fn returned(&mut self, hit: ConnHit) {
        let errno = Errno(hit.result.saturating_neg());
        if let Some(end) = self.waiting.take(hit.sk) {
            if !same_call(&end, &hit) {
                self.events.push_back(end.event);
            } else {
                self.merged += 1;
                let mut event = end.event;
                event.result = Some(Some(errno));
                // No SYN was sent: the address was refused before.
                event.syns = None;
                event.cause = (errno == Errno::NO_ADDRESS).then_some(if end.bound {
                    Cause::PortTaken
                } else {
                    Cause::NoPort
                });
                self.explain(&mut event, hit.time_ns, errno, false, None);
                self.events.push_back(event);
                return;
            }
        }
        let began = hit.began_ns.unwrap_or(u64::MAX);
        let under_way = self
            .conns
            .get(&hit.sk)
            .and_then(|conn| conn.began_ns)
            .is_some_and(|at| at >= began);
        let told = self.failed.get(hit.sk).is_some_and(|&at| at >= began);
        if under_way || told {
            self.merged += 1;
            return;
        }
        let mut event = event(ConnKind::Failed, &hit);
        event.side = Some(Side::Active);
        event.caller.clone_from(&hit.caller);
        event.result = Some(Some(errno));
        self.explain(&mut event, hit.time_ns, errno, false, None);
        self.events.push_back(event);
    }

    pub(super) fn reset_out(&mut self, hit: &ConnHit) {
        self.merged += 1;
        *self.resets_out.entry(hit.netns).or_default() += 1;
        let reason = hit
            .reset_reason
            .and_then(|value| self.names.reset_reasons.get(&value).cloned());
        let ends =
            |end: &mut End| end.event.kind == ConnKind::Closed && fits(end.event.flow, hit.flow);
        if self.waiting.get(hit.sk).is_some_and(ends) {
            if let Some(mut end) = self.waiting.take(hit.sk) {
                reset_here(&mut end.event, reason, end.reset_in);
                self.events.push_back(end.event);
            }
            return;
        }
        let reset = LoneReset {
            time_ns: hit.time_ns,
            flow: hit.flow,
            reason,
        };
        self.lone_resets.add(hit.sk, reset);
    }
}

/// This host reset the connection.
fn reset_here(event: &mut ConnEvent, reason: Option<String>, late_data: bool) {
    event.reset_reason = reason.map(Cow::Owned);
    event.cause = Some(Cause::ResetHere);
    let said = if late_data {
        "data came after this end had closed; RST sent by this host".to_owned()
    } else {
        match event.evidence.take() {
            Some(before) => format!("{before}; RST sent by this host"),
            None => "RST sent by this host".to_owned(),
        }
    };
    event.evidence = Some(said);
    event.closed_by.get_or_insert(ClosedBy::Local);
}

/// Whether an attempt that ended without an error is the one that this call made: the socket's address may have been
/// given to another since.
fn same_call(end: &End, hit: &ConnHit) -> bool {
    if end.event.kind != ConnKind::Failed {
        return false;
    }
    let pid = |caller: &Option<crate::decode::Caller>| caller.as_ref().map(|caller| caller.pid);
    let caller = match (pid(&end.event.caller), pid(&hit.caller)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let began = match (end.began_ns, hit.began_ns) {
        (Some(attempt), Some(call)) => attempt >= call,
        _ => true,
    };
    let wanted = Flow {
        remote: hit.flow.remote,
        dport: hit.flow.dport,
        ..Flow::default()
    };
    caller && began && fits(end.event.flow, wanted)
}

fn closed_by(
    old_state: u8,
    errno: Option<Errno>,
    reset_in: bool,
    error_known: bool,
) -> Option<ClosedBy> {
    match old_state {
        state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSING => Some(ClosedBy::Local),
        state::CLOSE_WAIT | state::LAST_ACK => Some(ClosedBy::Remote),
        _ if reset_in => Some(ClosedBy::Remote),
        _ if !error_known => None,
        _ => match errno {
            Some(Errno::RESET | Errno::PIPE) => Some(ClosedBy::Remote),
            // The process, or this host's patience.
            _ => Some(ClosedBy::Local),
        },
    }
}
