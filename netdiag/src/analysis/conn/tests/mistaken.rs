//! What may be mistaken for another: connections at the address of an older one, and errors of several causes.

use super::super::{
    Cause, ClosedBy, ConnEvent, ConnKind, DroppedSyn, Existing, Names, Tracker, errno::Errno,
    finding::Findings, state,
};
use super::{change, connect, events, flow, hit, tracker};
use crate::decode::{Bytes, ConnHit, ConnWhat, Flow};

fn finding(event: &ConnEvent) -> Option<&'static str> {
    Findings::default().observe(event)
}

fn returned(sk: u64, time_ns: u64, errno: i32) -> ConnHit {
    ConnHit {
        result: -errno,
        flow: flow(0),
        caller: connect(sk, time_ns).caller,
        ..hit(sk, time_ns, ConnWhat::Returned)
    }
}

#[test]
fn an_attempt_given_up_is_not_the_next_call_at_its_address() {
    let other = Flow {
        remote: Some("203.0.113.1".parse().unwrap()),
        ..flow(0)
    };
    // By what the call was for, by when it began, and by who made it.
    for which in 0..3 {
        let mut tracker = tracker();
        tracker.observe(connect(1, 100));
        tracker.observe(change(1, 200, state::SYN_SENT, state::CLOSE));
        let mut next = returned(1, 300, 101);
        match which {
            0 => next.flow = other,
            1 => next.began_ns = Some(250),
            _ => next.caller.as_mut().unwrap().pid = 8,
        }
        tracker.observe(next.clone());
        let events = events(&mut tracker);
        assert_eq!(events.len(), 3, "{which}: {events:#?}");
        assert_eq!((events[1].result, events[1].syns), (None, Some(1)));
        assert_eq!(events[1].flow.remote, flow(0).remote);
        assert_eq!(events[2].result, Some(Some(Errno::NET_UNREACHABLE)));
        assert_eq!(events[2].flow.remote, next.flow.remote);
        assert_eq!((events[2].syns, tracker.merged), (None, 0));
        assert_eq!(finding(&events[2]), Some("connection-no-route"));
    }
    // Whatever begins there ends the wait.
    let mut tracker = tracker();
    tracker.observe(connect(1, 100));
    tracker.observe(change(1, 200, state::SYN_SENT, state::CLOSE));
    tracker.observe(connect(1, 300));
    tracker.observe(returned(1, 400, 99));
    let kinds: Vec<_> = events(&mut tracker)
        .iter()
        .map(|event| (event.kind, event.time_ns, event.result))
        .collect();
    assert_eq!(kinds[1], (ConnKind::Failed, 200, None));
    assert_eq!(kinds[2], (ConnKind::Connect, 300, None));
}

#[test]
fn a_reset_belongs_to_the_connection_that_it_names() {
    let mut tracker = tracker();
    tracker.observe(change(1, 100, state::ESTABLISHED, state::CLOSE));
    let mut reset = hit(1, 110, ConnWhat::ResetOut);
    reset.flow = flow(4001);
    tracker.observe(reset);
    // Something new at its address.
    tracker.observe(change(2, 120, state::ESTABLISHED, state::CLOSE));
    tracker.observe(connect(2, 130));
    tracker.observe(hit(2, 140, ConnWhat::ResetOut));
    let events = events(&mut tracker);
    let causes: Vec<_> = events.iter().map(|event| event.cause).collect();
    assert_eq!(causes, [None; 3], "{events:#?}");
}

#[test]
fn one_that_ended_before_it_was_accepted_leaves_nothing_behind() {
    let mut tracker = tracker();
    tracker.observe(change(1, 100, state::SYN_RECV, state::ESTABLISHED));
    tracker.observe(hit(1, 190, ConnWhat::ResetIn));
    let mut end = change(1, 200, state::ESTABLISHED, state::CLOSE);
    end.error = Some(104);
    tracker.observe(end);
    let mut accepted = hit(1, 300, ConnWhat::Accepted);
    accepted.state = state::CLOSE;
    accepted.flow.sport = None;
    accepted.caller = connect(1, 0).caller;
    tracker.observe(accepted);
    assert_eq!(tracker.remembered(), 0);
    // Another one at the same address.
    tracker.observe(change(1, 400, state::SYN_RECV, state::ESTABLISHED));
    let events = events(&mut tracker);
    let accept = &events[2];
    assert_eq!((accept.kind, accept.id), (ConnKind::Accept, events[0].id));
    assert_eq!((accept.latency_ns, accept.flow), (Some(200), flow(4000)));
    let next = &events[3];
    assert!(
        next.id != events[0].id && next.caller.is_none(),
        "{next:#?}"
    );
}

#[test]
fn one_whose_end_was_missed_is_not_the_next() {
    let mut tracker = tracker();
    tracker.observe(change(1, 100, state::SYN_RECV, state::ESTABLISHED));
    let mut accepted = hit(1, 110, ConnWhat::Accepted);
    accepted.caller = connect(1, 0).caller;
    tracker.observe(accepted);
    tracker.observe(change(1, 400, state::SYN_RECV, state::ESTABLISHED));
    let events = events(&mut tracker);
    assert!(events[2].id != events[0].id && events[2].caller.is_none());
}

#[test]
fn data_after_the_end_is_answered_by_this_host() {
    for answered in [true, false] {
        let mut tracker = tracker();
        tracker.observe(hit(1, 90, ConnWhat::ResetIn));
        let mut end = change(1, 100, state::FIN_WAIT2, state::CLOSE);
        end.error = Some(104);
        tracker.observe(end);
        if answered {
            tracker.observe(hit(1, 110, ConnWhat::ResetOut));
        }
        let events = events(&mut tracker);
        let evidence = events[0].evidence.as_deref().unwrap();
        let expected = if answered {
            "data came after this end had closed; RST sent by this host"
        } else {
            "RST received"
        };
        assert_eq!(evidence, expected);
        assert_eq!(events[0].closed_by, Some(ClosedBy::Local));
    }
}

#[test]
fn a_reset_may_come_before_the_end() {
    for (late, cause) in [(10, Some(Cause::ResetHere)), (1_000_000_000, None)] {
        let mut tracker = Tracker::new(Names {
            reset_reasons: [(3, "TCP_STATE".to_owned())].into(),
            ..Names::default()
        });
        let mut reset = hit(1, 100, ConnWhat::ResetOut);
        reset.reset_reason = Some(3);
        tracker.observe(reset);
        assert_eq!(tracker.remembered(), 0);
        let mut end = change(1, 100 + late, state::ESTABLISHED, state::CLOSE);
        end.error = Some(103);
        tracker.observe(end);
        let events = events(&mut tracker);
        assert_eq!(events[0].cause, cause);
        assert_eq!(
            events[0].reset_reason.as_deref(),
            cause.map(|_| "TCP_STATE")
        );
    }
}

#[test]
fn no_address_is_not_always_no_port() {
    let told = |connected: Option<u16>| {
        let mut tracker = tracker();
        if let Some(sport) = connected {
            let mut connect = connect(1, 0);
            connect.flow = flow(sport);
            tracker.observe(connect);
            tracker.observe(change(1, 5, state::SYN_SENT, state::CLOSE));
        }
        tracker.observe(returned(1, 6, 99));
        let event = events(&mut tracker).pop().unwrap();
        (finding(&event), event.evidence.unwrap())
    };
    let (exhausted, text) = told(Some(0));
    assert_eq!(exhausted, Some("ephemeral-ports-exhausted"), "{text}");
    let (taken, text) = told(Some(4000));
    assert!(taken.is_none() && text.contains("is in use"), "{text}");
    let (nowhere, text) = told(None);
    assert!(
        nowhere.is_none() && text.contains("local address"),
        "{text}"
    );
}

#[test]
fn what_rejects_a_syn_is_not_this_host() {
    let failed = |error: u32, soft: Option<u32>| {
        let mut tracker = tracker();
        tracker.observe(connect(1, 0));
        let mut end = change(1, 1_000_000_000, state::SYN_SENT, state::CLOSE);
        end.error = Some(error);
        end.soft_error = soft;
        end.retrans = Some(1);
        tracker.observe(end);
        let event = events(&mut tracker).pop().unwrap();
        (finding(&event), event.evidence.unwrap())
    };
    for errno in [1, 13, 92, 101, 113] {
        let (id, text) = failed(errno, None);
        assert_eq!(id, Some("connection-rejected"), "{errno}: {text}");
        assert!(!text.contains("before a packet"), "{text}");
    }
    assert_eq!(failed(110, None).0, Some("connection-filtered"));
    let (id, text) = failed(0, Some(113));
    assert_eq!(id, Some("connection-rejected"));
    assert_eq!(
        text,
        "given up by the process after 2 SYNs; EHOSTUNREACH on the way"
    );
    for (errno, id) in [
        (13, Some("connection-forbidden")),
        (101, Some("connection-no-route")),
        (22, None),
    ] {
        let mut tracker = tracker();
        tracker.observe(returned(1, 6, errno));
        let event = events(&mut tracker).pop().unwrap();
        assert_eq!(finding(&event), id, "{errno}: {event:?}");
    }
}

#[test]
fn a_reset_without_data_is_no_finding() {
    for (received, id) in [(0, None), (5, Some("connection-reset"))] {
        for by_peer in [true, false] {
            let mut tracker = tracker();
            let mut end = change(1, 100, state::ESTABLISHED, state::CLOSE);
            end.bytes = Some(Bytes {
                sent: 0,
                retransmitted: 0,
                received,
            });
            if by_peer {
                tracker.observe(hit(1, 90, ConnWhat::ResetIn));
                end.error = Some(104);
            }
            tracker.observe(end);
            tracker.observe(hit(1, 110, ConnWhat::ResetOut));
            let event = events(&mut tracker).pop().unwrap();
            assert_eq!(finding(&event), id, "{by_peer}: {event:?}");
        }
    }
}

#[test]
fn an_old_drop_speaks_for_no_new_attempt() {
    let mut tracker = tracker();
    for (drop, began, told) in [(100, 50, true), (900, 1000, false)] {
        tracker.dropped(drop, flow(4000), DroppedSyn::default());
        tracker.observe(connect(1, began));
        let mut end = change(1, began + 200, state::SYN_SENT, state::CLOSE);
        end.error = Some(110);
        tracker.observe(end);
        let event = events(&mut tracker).pop().unwrap();
        let text = event.evidence.unwrap();
        assert_eq!(text.contains("1 SYN dropped"), told, "{text}");
    }
}

#[test]
fn an_attempt_that_was_open_before_is_told_before_it_fails() {
    let mut tracker = tracker();
    tracker.existing([Existing {
        flow: flow(4000),
        netns: None,
        state: state::SYN_SENT,
        mapped: false,
        caller: connect(1, 0).caller,
        uid: None,
    }]);
    let mut end = change(1, 10, state::SYN_SENT, state::CLOSE);
    end.error = Some(110);
    tracker.observe(end);
    tracker.tell_existing(20);
    let events = events(&mut tracker);
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [ConnKind::Existing, ConnKind::Failed]);
    assert!(events[1].caller.is_some());
}

#[test]
fn a_syn_that_waited_for_its_data_is_no_slow_handshake() {
    for (sent, latency) in [(5, None), (0, Some(400_000_000))] {
        let mut tracker = tracker();
        tracker.observe(connect(1, 0));
        let mut open = change(1, 400_000_000, state::SYN_SENT, state::ESTABLISHED);
        open.srtt_us = Some(87);
        open.bytes = Some(Bytes {
            sent,
            retransmitted: 0,
            received: 0,
        });
        tracker.observe(open);
        let mut end = change(1, 500_000_000, state::LAST_ACK, state::CLOSE);
        end.srtt_us = Some(87);
        tracker.observe(end);
        let events = events(&mut tracker);
        assert_eq!(events[1].latency_ns, latency);
        let id = latency.map(|_| "slow-handshake");
        assert_eq!(finding(&events[2]), id);
    }
}

#[test]
fn one_that_nobody_answered_any_longer_is_a_finding() {
    for (count, text) in [
        (0, "no answer to keep-alive or window probes"),
        (7, "no answer to 7 retransmissions in a row"),
    ] {
        let mut tracker = tracker();
        let mut end = change(1, 100, state::ESTABLISHED, state::CLOSE);
        end.error = Some(110);
        end.retransmits = Some(count);
        tracker.observe(end);
        let event = events(&mut tracker).pop().unwrap();
        assert_eq!(event.evidence.as_deref(), Some(text));
        assert_eq!(finding(&event), Some("connection-timed-out"));
    }
}
