use super::{ClosedBy, ConnEvent, ConnKind, Names, Side, Tracker, errno::Errno, state};
use crate::decode::{Bytes, Caller, ConnHit, ConnWhat, Flow};

mod mistaken;

fn flow(sport: u16) -> Flow {
    Flow {
        local: Some("10.0.0.1".parse().unwrap()),
        remote: Some("10.0.0.2".parse().unwrap()),
        sport: Some(sport).filter(|&port| port != 0),
        dport: Some(80),
    }
}

fn hit(sk: u64, time_ns: u64, what: ConnWhat) -> ConnHit {
    ConnHit {
        time_ns,
        what,
        sk,
        flow: flow(4000),
        mapped: false,
        wanted: false,
        state: 0,
        old_state: 0,
        netns: None,
        uid: None,
        cgroup_id: None,
        inode: None,
        ifname: None,
        caller: None,
        began_ns: None,
        result: 0,
        error: Some(0),
        soft_error: None,
        bytes: None,
        sk_flags: Some(0),
        retrans: Some(0),
        retransmits: None,
        srtt_us: None,
        reset_reason: None,
        queue: None,
    }
}

fn change(sk: u64, time_ns: u64, old_state: u8, new: u8) -> ConnHit {
    ConnHit {
        state: new,
        old_state,
        ..hit(sk, time_ns, ConnWhat::State)
    }
}

fn connect(sk: u64, time_ns: u64) -> ConnHit {
    ConnHit {
        flow: flow(0),
        caller: Some(Caller {
            pid: 7,
            comm: "client".to_owned(),
            uid: Some(0),
        }),
        ..change(sk, time_ns, state::CLOSE, state::SYN_SENT)
    }
}

fn tracker() -> Tracker {
    Tracker::new(Names {
        done_flag: Some(1),
        sees_resets: true,
        ..Names::default()
    })
}

fn events(tracker: &mut Tracker) -> Vec<ConnEvent> {
    tracker.finish();
    std::iter::from_fn(|| tracker.next_event()).collect()
}

#[test]
fn a_connection_has_a_beginning_and_an_end() {
    let mut tracker = tracker();
    tracker.observe(connect(1, 1000));
    tracker.observe(change(1, 101_000, state::SYN_SENT, state::ESTABLISHED));
    let mut end = change(1, 900_000, state::FIN_WAIT2, state::CLOSE);
    end.sk_flags = Some(2);
    end.bytes = Some(Bytes {
        sent: 300,
        retransmitted: 100,
        received: 51,
    });
    tracker.observe(end);
    let events = events(&mut tracker);
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [ConnKind::Connect, ConnKind::Established, ConnKind::Closed]
    );
    assert_eq!(events[0].flow.sport, None);
    assert_eq!(events[1].latency_ns, Some(100_000));
    let closed = &events[2];
    assert_eq!(closed.duration_ns, Some(799_000));
    assert_eq!(
        (closed.bytes_sent, closed.bytes_received),
        (Some(200), Some(50))
    );
    assert_eq!(closed.closed_by, Some(ClosedBy::Local));
    assert_eq!(closed.result, Some(None));
    assert_eq!(
        closed.caller.as_ref().map(|caller| caller.pid),
        Some(7),
        "also at the end"
    );
    assert_eq!((tracker.merged, tracker.remembered()), (0, 0));
}

#[test]
fn a_reset_refuses_and_an_icmp_message_does_too() {
    for reset in [true, false] {
        let mut tracker = tracker();
        tracker.observe(connect(1, 0));
        if reset {
            tracker.observe(hit(1, 10, ConnWhat::ResetIn));
        }
        let mut end = change(1, 11, state::SYN_SENT, state::CLOSE);
        end.error = Some(111);
        tracker.observe(end);
        let events = events(&mut tracker);
        assert_eq!(events[1].result, Some(Some(Errno::REFUSED)));
        let evidence = events[1].evidence.as_deref().unwrap();
        assert_eq!(evidence.starts_with("RST"), reset, "{evidence}");
        assert_eq!(tracker.merged, u64::from(reset));
    }
}

#[test]
fn what_connect_returns_completes_a_failure_or_is_one() {
    let mut tracker = tracker();
    // No free port: the state went to SYN_SENT and back.
    tracker.observe(connect(1, 0));
    tracker.observe(change(1, 5, state::SYN_SENT, state::CLOSE));
    let mut returned = hit(1, 6, ConnWhat::Returned);
    returned.result = -99;
    tracker.observe(returned.clone());
    // No route: no state changed.
    returned.time_ns = 100;
    returned.began_ns = Some(90);
    returned.result = -101;
    tracker.observe(returned);
    let events = events(&mut tracker);
    assert_eq!(events.len(), 3);
    assert_eq!(events[1].result, Some(Some(Errno::NO_ADDRESS)));
    assert_eq!(events[2].result, Some(Some(Errno::NET_UNREACHABLE)));
    assert_eq!(events[2].evidence.as_deref(), Some("no route"));
    assert_eq!(tracker.merged, 1);
}

#[test]
fn what_a_system_call_returns_is_not_told_twice() {
    let mut tracker = tracker();
    tracker.observe(connect(1, 100));
    let mut end = change(1, 200, state::SYN_SENT, state::CLOSE);
    end.error = Some(111);
    tracker.observe(end);
    let mut returned = hit(1, 210, ConnWhat::Returned);
    returned.began_ns = Some(90);
    returned.result = -111;
    tracker.observe(returned);
    assert_eq!(events(&mut tracker).len(), 2);
    assert_eq!(tracker.merged, 1);
}

#[test]
fn an_end_waits_for_the_reset_that_tells_why() {
    let mut tracker = Tracker::new(Names {
        reset_reasons: [(5, "TCP_ABORT_ON_CLOSE".to_owned())].into(),
        ..Names::default()
    });
    tracker.observe(change(1, 100, state::ESTABLISHED, state::CLOSE));
    assert!(tracker.next_event().is_none());
    let mut reset = hit(1, 101, ConnWhat::ResetOut);
    reset.reset_reason = Some(5);
    tracker.observe(reset);
    let event = tracker.next_event().unwrap();
    assert_eq!(event.reset_reason.as_deref(), Some("TCP_ABORT_ON_CLOSE"));
    assert_eq!(event.closed_by, Some(ClosedBy::Local));
    assert_eq!(event.side, None, "it was open before the run");
}

#[test]
fn the_listener_waits_in_its_queue() {
    let mut tracker = tracker();
    let mut open = change(1, 1000, state::SYN_RECV, state::ESTABLISHED);
    open.srtt_us = Some(250);
    tracker.observe(open);
    tracker.observe(hit(1, 5000, ConnWhat::Accepted));
    let events = events(&mut tracker);
    assert_eq!(events[0].side, Some(Side::Passive));
    assert_eq!(events[0].latency_ns, Some(250_000));
    assert_eq!(events[1].kind, ConnKind::Accept);
    assert_eq!(events[1].latency_ns, Some(4000));
}

#[test]
fn an_existing_one_is_told_once_and_before_its_end() {
    let open = |sport: u16| super::Existing {
        flow: flow(sport),
        netns: None,
        state: state::ESTABLISHED,
        mapped: false,
        caller: None,
        uid: None,
    };
    let mut tracker = tracker();
    tracker.existing([open(4000), open(4001), open(4002)]);
    // Came about since.
    let mut young = change(9, 5, state::SYN_RECV, state::ESTABLISHED);
    young.flow = flow(4001);
    tracker.observe(young);
    // Ends before they are told.
    tracker.observe(change(1, 10, state::LAST_ACK, state::CLOSE));
    tracker.tell_existing(20);
    tracker.tell_existing(30);
    let kinds: Vec<_> = events(&mut tracker)
        .iter()
        .map(|event| (event.kind, event.flow.sport.unwrap_or(0)))
        .collect();
    assert_eq!(
        kinds,
        [
            (ConnKind::Established, 4001),
            (ConnKind::Existing, 4000),
            (ConnKind::Closed, 4000),
            (ConnKind::Existing, 4002),
        ]
    );
}

#[test]
fn memory_is_bounded() {
    let mut tracker = tracker();
    let most = u64::try_from(super::MOST).unwrap();
    for sk in 0..most + 1000 {
        tracker.observe(connect(sk, sk));
        while tracker.next_event().is_some() {}
    }
    assert_eq!(tracker.remembered(), super::MOST);
    assert!(!tracker.conns.contains_key(&0) && tracker.conns.contains_key(&most));
    // Connections that come and go leave nothing.
    for turn in 0..4 * most {
        tracker.observe(connect(1 << 40, turn));
        let mut end = change(1 << 40, turn, state::SYN_SENT, state::CLOSE);
        end.error = Some(111);
        tracker.observe(end);
        while tracker.next_event().is_some() {}
    }
    assert!(tracker.ages.len() <= 2 * super::MOST + 1);
}
