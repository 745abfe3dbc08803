//! The same for segments of TCP: a kernel without reasons drops nearly all in one function.

use super::*;

#[test]
fn refused_syns_are_told_beside_segments_that_could_explain_the_counter() {
    let close = drop(segment(4, FIN | ACK, b""), "NOT_SPECIFIED", "tcp_v4_rcv");
    let explained = Correlated {
        explained: Some(4),
        ..rose("TcpExtListenOverflows", 4)
    };
    let told = [("accept-queue-overflow", 4)];
    assert_eq!(concluded(&close, &[explained], &Facts::default()), told);
}

#[test]
fn a_segment_is_refused_in_silence() {
    let drop = drop(segment(4, SYN, b""), "", "tcp_v4_rcv");
    let of = |counter: &str, known: Vec<_>| concluded(&drop, &[rose(counter, 4)], &facts(known));
    assert_eq!(of("TcpExtTCPMinTTLDrop", vec![]), [("tcp-ttl-too-low", 4)]);
    assert_eq!(of("TcpExtTCPMD5NotFound", vec![]), [("tcp-signature", 4)]);
    assert_eq!(
        of("TcpExtTCPBacklogDrop", vec![]),
        [("tcp-backlog-full", 4)]
    );
    assert_eq!(of("TcpExtListenDrops", vec![]), [("tcp-port-closed", 4)]);
    let port = 443;
    let listener = Listener {
        address: DST.into(),
        port,
        queued: 0,
        limit: None,
        drops: None,
    };
    let question = Question::Listeners { netns: NETNS, port };
    let listens = (question, Answer::Listeners(vec![listener]));
    assert_eq!(
        of("TcpExtListenDrops", vec![listens.clone()]),
        [(UNEXPLAINED, 4)]
    );
    // A program of some cgroup says nothing of a segment that may be a closed connection's.
    let programs = vec![listens, program("/")];
    assert_eq!(of("TcpExtListenDrops", programs), [(UNEXPLAINED, 4)]);
}

#[test]
fn a_suspicion_alone_is_no_finding() {
    // What is left of a connection that is over; without data it is noise.
    let late = drop(segment(4, FIN | ACK, b"x"), "", "tcp_v4_rcv");
    assert_eq!(late.finding(), None);
    for counters in [vec![], vec![rose("TcpInErrs", 1)]] {
        let found = concluded(&late, &counters, &Facts::default());
        assert_eq!(found, [(UNEXPLAINED, 4)]);
    }
}

#[test]
fn a_few_counted_ones_do_not_make_a_finding_of_all() {
    let late = drop(segment(4, FIN | ACK, b"x"), "", "tcp_v4_rcv");
    let mut findings = Findings::default();
    for _ in 0..100 {
        late.with(|event| findings.observe(event));
    }
    let read = facts([(Question::Counters { netns: NETNS }, Answer::Counters)]);
    let found = findings.finish(&[rose("TcpExtTCPBacklogDrop", 3)], &read);
    let told: Vec<_> = found.iter().map(|found| (found.id, found.count)).collect();
    assert_eq!(told, [(UNEXPLAINED, 100)]);
}

#[test]
fn two_devices_do_not_share_what_was_counted_once() {
    let syn = drop(segment(4, SYN, b""), "", "tcp_v4_rcv");
    let mut findings = Findings::default();
    for device in ["eth0", "eth1"] {
        for _ in 0..4 {
            syn.with(|event| {
                findings.observe(&Event {
                    ifname: Some(device),
                    ..event.clone()
                })
            });
        }
    }
    let read = facts([(Question::Counters { netns: NETNS }, Answer::Counters)]);
    let found = findings.finish(&[rose("TcpExtTCPMinTTLDrop", 4)], &read);
    let mut told: Vec<_> = found.iter().map(|found| (found.id, found.count)).collect();
    told.sort_unstable();
    assert_eq!(told, [("tcp-port-closed", 4), ("tcp-ttl-too-low", 4)]);
}

#[test]
fn what_stood_still_must_have_been_read() {
    let syn = drop(segment(4, SYN, b""), "NOT_SPECIFIED", "tcp_v4_rcv");
    assert_eq!(
        concluded(&syn, &[], &Facts::default()),
        [("tcp-ttl-too-low", 4)]
    );
    let read = facts([(Question::Counters { netns: NETNS }, Answer::Counters)]);
    assert_eq!(concluded(&syn, &[], &read), [(UNEXPLAINED, 4)]);
    let ack = drop(segment(4, ACK, b""), "NOT_SPECIFIED", "tcp_v4_rcv");
    // It may be the last of a connection.
    assert_eq!(concluded(&ack, &[], &read), []);
    let counted = [rose("TcpExtListenOverflows", 4)];
    assert_eq!(
        concluded(&ack, &counted, &read),
        [("accept-queue-overflow", 4)]
    );
}
