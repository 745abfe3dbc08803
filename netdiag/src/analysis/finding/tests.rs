//! The engine on constructed drops; what each rule says is tested with the rule.

use super::{
    Finding, Findings, Rule, UNEXPLAINED,
    rule::{Counted, Verdict},
};
use crate::{
    analysis::{
        counter::{Correlated, CounterKey, Gap},
        event::Event,
        explain,
        fact::{Answer, Facts, Need, Question},
    },
    decode::{self, Frame, HeaderCheck, Link, Packet},
};
use netdiag_common::NetnsId;

const COUNTER: &str = "TestDrops";
const FORWARD: &str = "net.ipv4.ip_forward";

/// A rule with everything that a rule can have.
pub(super) const RULES: &[Rule] = &[Rule {
    id: "test-rule",
    claims: |event| (event.reason.as_deref() == Some("TEST_REASON")).then_some(0.6),
    counters: &[COUNTER],
    fault: |_| "it was a test".to_owned(),
    needs: &[Need::Sysctl(FORWARD)],
    verdict: |tally, facts| {
        let values = tally
            .namespaces
            .iter()
            .filter_map(|&netns| facts.number(netns, FORWARD, None));
        match values.max() {
            Some(0) => Verdict::stands().with("ip_forward is 0").sure(0.95),
            Some(_) => Verdict::contradicted(),
            None => Verdict::stands(),
        }
    },
    counted: |counters, _| {
        Some(Counted {
            fault: "it was counted".to_owned(),
            ..Counted::rest(counters, COUNTER)?
        })
    },
    ..Rule::DEFAULT
}];

fn of_test(facts: &Facts, counters: &[Correlated]) -> Vec<Finding> {
    let bytes = [0; 60];
    let packet = decode::packet(&frame(&bytes), None, false);
    let mut findings = Findings::default();
    for _ in 0..3 {
        let event = drop(&packet, &bytes, Some("TEST_REASON"), "some_function");
        assert_eq!(findings.observe(&event), Some("test-rule"));
    }
    let asked = findings.questions(counters);
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [forward(7)]);
    findings.finish(counters, facts)
}

fn forward(netns: u32) -> Question {
    Question::Sysctl {
        netns,
        name: FORWARD.to_owned(),
        device: None,
    }
}

fn known(answer: Result<&str, &str>) -> Facts {
    let mut facts = Facts::default();
    let answer = answer.map(|value| Answer::Sysctl(value.to_owned()));
    facts.learn(forward(7), answer.map_err(str::to_owned));
    facts
}

#[test]
fn facts_uphold_a_finding_or_contradict_it() {
    let upheld = of_test(&known(Ok("0")), &[]);
    assert_eq!((upheld[0].id, upheld[0].confidence), ("test-rule", 0.95));
    assert!(upheld[0].evidence.contains(&"ip_forward is 0".to_owned()));
    let contradicted = of_test(&known(Ok("1")), &[]);
    assert_eq!(
        (
            contradicted.len(),
            contradicted[0].id,
            contradicted[0].count
        ),
        (1, UNEXPLAINED, 3)
    );
    let unread = of_test(&known(Err("EACCES")), &[]);
    assert_eq!(unread[0].confidence, 0.6);
    let words = "net.ipv4.ip_forward could not be read: EACCES".to_owned();
    assert!(unread[0].evidence.contains(&words));
}

#[test]
fn counters_alone_are_a_finding() {
    let counters = [Correlated {
        key: CounterKey {
            netns: Some(NetnsId(7)),
            ifname: None,
            name: COUNTER.to_owned(),
        },
        delta: 5,
        explained: Some(1),
        gap: None,
    }];
    let findings = Findings::default();
    let asked = findings.questions(&counters);
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [forward(7)]);
    let found = findings.finish(&counters, &Facts::default());
    assert_eq!(
        (found.len(), found[0].id, found[0].count),
        (1, "test-rule", 4)
    );
    assert_eq!(
        found[0].title,
        "TestDrops rose by 4 without a drop event: it was counted"
    );
    assert_eq!(findings.finish(&counters, &known(Ok("1"))), []);
    // Where drops were seen as well, these are what is counted.
    let both = of_test(&Facts::default(), &counters);
    assert_eq!((both.len(), both[0].count), (1, 3));
    assert!(
        both[0]
            .evidence
            .contains(&"TestDrops +5, 1 of 5 explained".to_owned())
    );
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame {
        bytes,
        link: Link::Ethernet,
        network_offset: None,
        len: bytes.len(),
        ethertype: None,
    }
}

fn drop<'a>(
    packet: &'a Packet,
    bytes: &'a [u8],
    reason: Option<&'a str>,
    function: &'a str,
) -> Event<'a> {
    Event {
        time_ns: None,
        probe: Some("kfree_skb"),
        reason: reason.map(Into::into),
        location: function,
        function: Some(function),
        netns: Some(NetnsId(7)),
        ifindex: Some(2),
        ifname: Some("eth0"),
        dev_type: Some(1),
        cpu: Some(0),
        owner: None,
        cgroup_id: None,
        cgroup: None,
        uid: None,
        other_host: false,
        orphan: false,
        received: Some(true),
        header_check: HeaderCheck::default(),
        vlan: None,
        unread: false,
        frame: frame(bytes),
        source: None,
        packet,
    }
}

fn found(drops: &[(Option<&str>, &str)], bytes: &[u8]) -> Vec<Finding> {
    let packet = decode::packet(&frame(bytes), None, false);
    let mut findings = Findings::default();
    for (reason, function) in drops {
        findings.observe(&drop(&packet, bytes, *reason, function));
    }
    findings.finish(&[], &Facts::default())
}

#[test]
fn every_rule_has_a_name_of_its_own_that_explain_knows() {
    let mut names: Vec<_> = super::ids().filter(|id| *id != "test-rule").collect();
    for name in &names {
        assert!(
            explain::find(name)
                .iter()
                .any(|entry| entry.kind == explain::Kind::Finding),
            "{name}"
        );
    }
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn what_nobody_claims_is_told_by_reason_and_place() {
    let found = found(
        &[
            (Some("SOME_REASON"), "some_function"),
            (Some("SOME_REASON"), "some_function"),
            (None, "ip6_input_finish"),
        ],
        &[0; 60],
    );
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.id, found.count, found.confidence))
        .collect();
    assert_eq!(told, [(UNEXPLAINED, 2, 0.0), (UNEXPLAINED, 1, 0.0)]);
    assert_eq!(
        found[0].title,
        "2 packets dropped in some_function, reason SOME_REASON, on eth0: netdiag does not know why"
    );
    assert_eq!(found[0].interfaces, ["eth0"]);
}

#[test]
fn the_meaning_is_that_of_the_reason_or_else_of_the_place() {
    let found = found(
        &[
            (Some("CPU_BACKLOG"), "nowhere"),
            (Some("NOT_SPECIFIED"), "ip_error"),
        ],
        &[0; 60],
    );
    let mut commands: Vec<_> = found.iter().flat_map(|found| &found.remedy).collect();
    commands.retain(|command| command.starts_with("netdiag explain"));
    for command in commands {
        assert!(
            ["netdiag explain CPU_BACKLOG", "netdiag explain ip_error"].contains(&command.as_str()),
            "{command}"
        );
    }
}

#[test]
fn noise_is_no_finding() {
    let lldp = [0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc];
    assert_eq!(
        found(
            &[(Some("UNHANDLED_PROTO"), "__netif_receive_skb_core")],
            &lldp
        ),
        []
    );
    let noise = [
        (Some("QUEUE_PURGE"), "skb_queue_purge_reason"),
        (None, "skb_queue_purge"),
        (Some("NOT_SPECIFIED"), "nfnetlink_rcv_batch"),
        (Some("NOT_SPECIFIED"), "ip6_mc_input"),
        (None, "ip6_mc_input"),
    ];
    assert_eq!(found(&noise, &[0; 60]), []);
}

#[test]
fn many_kinds_are_summed_up() {
    let names: Vec<_> = (0..100).map(|n| format!("function_{n}")).collect();
    let drops: Vec<_> = names
        .iter()
        .map(|name| (Some("REASON"), name.as_str()))
        .collect();
    let found = found(&drops, &[0; 60]);
    assert_eq!(found.iter().map(|found| found.count).sum::<u64>(), 100);
    assert!(found.len() < 70);
}

#[test]
fn what_has_no_event_is_the_rest_of_its_counter() {
    let counter = |netns, delta, explained| Correlated {
        key: CounterKey {
            netns: Some(NetnsId(netns)),
            ifname: None,
            name: "TcpExtListenOverflows".to_owned(),
        },
        delta,
        explained,
        gap: None,
    };
    let counters = [
        counter(1, 5, Some(5)),
        counter(2, 5, Some(2)),
        counter(3, 4, None),
        // Some of it may have had its event.
        Correlated {
            gap: Some(Gap::Lost),
            ..counter(4, 9, Some(2))
        },
    ];
    let counted = Counted::rest(&counters, "TcpExtListenOverflows").expect("a rest");
    assert_eq!((counted.count, counted.namespaces.len()), (14, 3));
    assert!(counted.lost);
    let known = Counted::rest(&counters[..3], "TcpExtListenOverflows").expect("a rest");
    assert_eq!((known.count, known.lost), (7, false));
    let risen = Counted::risen(&counters[..1], "TcpExtListenOverflows").expect("a rise");
    assert_eq!((risen.count, risen.lost), (5, false));
    assert_eq!(Counted::rest(&counters, "TcpExtListenDrops"), None);
    assert_eq!((Rule::DEFAULT.counted)(&counters, &Facts::default()), None);
}

#[test]
fn a_verdict_keeps_what_it_is_told() {
    let verdict = Verdict::stands()
        .with("net.ipv4.ip_forward is 0")
        .sure(0.95);
    assert_eq!(verdict.confidence, Some(0.95));
    assert!(!verdict.contradicted && Verdict::contradicted().contradicted);
}
