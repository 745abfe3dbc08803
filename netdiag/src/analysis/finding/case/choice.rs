//! Where one function and no reason stand for several causes, counters and facts choose.

mod segment;

use super::*;
use crate::analysis::{
    counter::{Correlated, CounterKey},
    fact::{
        Answer, CgroupProgram, Device, GONE, Listener, NO_DEVICE, PacketRule, Policies, Question,
        Route,
    },
    finding::{Severity, UNEXPLAINED},
};
use std::net::IpAddr;

const QUEUE: &str = "udp_queue_rcv_one_skb";
const FORWARDING: &str = "net.ipv4.conf.DEVICE.forwarding";
const RP_FILTER: &str = "net.ipv4.conf.DEVICE.rp_filter";
const NETNS: u32 = 1;

fn rose(name: &str, delta: u64) -> Correlated {
    Correlated {
        key: CounterKey {
            netns: Some(NetnsId(NETNS)),
            ifname: None,
            name: name.to_owned(),
        },
        delta,
        explained: Some(0),
        gap: None,
    }
}

/// What four such drops are in the end, of a namespace whose counters were read where any is given.
fn concluded(drop: &Drop, counters: &[Correlated], facts: &Facts) -> Vec<(&'static str, u64)> {
    let mut facts = facts.clone();
    if !counters.is_empty() {
        facts.learn(Question::Counters { netns: NETNS }, Ok(Answer::Counters));
    }
    let mut findings = Findings::default();
    for _ in 0..4 {
        drop.with(|event| findings.observe(event));
    }
    let found = findings.finish(counters, &facts);
    found.iter().map(|found| (found.id, found.count)).collect()
}

fn facts(known: impl IntoIterator<Item = (Question, Answer)>) -> Facts {
    let mut facts = Facts::default();
    for (question, answer) in known {
        facts.learn(question, Ok(answer));
    }
    facts
}

fn sysctl(name: &str, device: Option<&str>, value: &str) -> (Question, Answer) {
    let question = Question::Sysctl {
        netns: NETNS,
        name: name.to_owned(),
        device: device.map(str::to_owned),
    };
    (question, Answer::Sysctl(value.to_owned()))
}

/// The route of what came in.
fn onward(from: IpAddr, to: IpAddr, refused: &str) -> (Question, Answer) {
    let question = Question::Route {
        netns: NETNS,
        to,
        from: Some(from),
        device: Some("eth0".to_owned()),
    };
    let route = Route {
        refused: Some(refused.to_owned()),
        ..Route::default()
    };
    (question, Answer::Route(route))
}

#[test]
fn the_route_was_an_error() {
    let drop = drop(udp4(), "", "ip_error");
    let on = || sysctl(FORWARDING, Some("eth0"), "1");
    let off = || sysctl(FORWARDING, Some("eth0"), "0");
    let route = |refused| onward(SRC.into(), DST.into(), refused);
    let of = |known: Vec<_>| concluded(&drop, &[], &facts(known));
    assert_eq!(of(vec![on(), route("ENETUNREACH")]), [("no-route", 4)]);
    for refused in ["EACCES", "EINVAL", "EHOSTUNREACH"] {
        assert_eq!(of(vec![on(), route(refused)]), [("route-discards", 4)]);
    }
    // With forwarding off, the kernel gives this answer whatever the route is.
    assert_eq!(
        of(vec![off(), route("EHOSTUNREACH")]),
        [("forwarding-off", 4)]
    );
    let counted = |name| concluded(&drop, &[rose(name, 4)], &Facts::default());
    assert_eq!(counted("IpInAddrErrors"), [("forwarding-off", 4)]);
    assert_eq!(counted("IpExtInNoRoutes"), [("no-route", 4)]);
    // What nobody counts is what a route discards.
    assert_eq!(counted("UdpNoPorts"), [("route-discards", 4)]);
}

#[test]
fn what_is_left_of_a_container_is_no_fault() {
    let namespace = || Question::Namespace { netns: NETNS };
    let failed = |question: Question, why: &str| {
        let mut facts = Facts::default();
        facts.learn(question, Err(why.to_owned()));
        facts
    };
    let gone = || failed(namespace(), GONE);
    for drop in [
        drop(udp4(), "IP_OUTNOROUTES", "__ip_queue_xmit"),
        drop(udp4(), "", "__ip_queue_xmit"),
        drop(udp6(), "NOT_SPECIFIED", "inet6_csk_xmit"),
        drop(udp6(), "IP_OUTNOROUTES", "inet6_csk_xmit"),
        drop(udp6(), "", "inet6_csk_xmit"),
    ] {
        let sent = drop.sent();
        let left = sent.clone().of_nobody();
        assert_eq!(
            concluded(&left, &[], &gone()),
            [("namespace-removed", 4)],
            "{left:?}"
        );
        let none = [("no-route", 4)];
        // A program's own packets had no route while it was there.
        assert_eq!(concluded(&sent, &[], &gone()), none, "{sent:?}");
        // That nobody knows, and that it is there, is no sign.
        for facts in [
            Facts::default(),
            failed(namespace(), "EPERM"),
            facts([(namespace(), Answer::Namespace)]),
        ] {
            assert_eq!(concluded(&left, &[], &facts), none, "{left:?}");
        }
    }
    // A container that came and went with a fault is another matter.
    let received = drop(udp4(), "IP_INNOROUTES", "ip_error");
    assert_eq!(concluded(&received, &[], &gone()), [("no-route", 4)]);
}

#[test]
fn a_connection_has_no_route_or_one_that_discards() {
    let to = |destination: IpAddr, refused: &str| {
        let question = Question::Route {
            netns: NETNS,
            to: destination,
            from: None,
            device: None,
        };
        let route = Route {
            refused: Some(refused.to_owned()),
            ..Route::default()
        };
        facts([(question, Answer::Route(route))])
    };
    for (drop, destination) in [
        (
            drop(udp4(), "IP_OUTNOROUTES", "__ip_queue_xmit"),
            IpAddr::from(DST),
        ),
        (drop(udp4(), "", "__ip_queue_xmit"), DST.into()),
        (drop(udp6(), "NOT_SPECIFIED", "inet6_csk_xmit"), DST6.into()),
        (drop(udp6(), "", "inet6_csk_xmit"), DST6.into()),
    ] {
        let sent = drop.sent();
        let of = |refused| concluded(&sent, &[], &to(destination, refused));
        assert_eq!(of("ENETUNREACH"), [("no-route", 4)], "{sent:?}");
        for refused in ["EACCES", "EINVAL", "EHOSTUNREACH"] {
            assert_eq!(of(refused), [("route-discards", 4)], "{sent:?}");
        }
    }
}

#[test]
fn a_tunnel_has_no_route_to_its_other_end() {
    // Whatever becomes of the packet inside.
    let drop = drop(udp4(), "IP_OUTNOROUTES", "vxlan_xmit_one");
    let known = onward(SRC.into(), DST.into(), "EHOSTUNREACH");
    assert_eq!(concluded(&drop, &[], &facts([known])), [("no-route", 4)]);
}

#[test]
fn a_queue_of_a_device_that_is_gone_may_have_gone_with_it() {
    let question = Question::Device {
        netns: NETNS,
        name: "eth0".to_owned(),
    };
    let mut gone = Facts::default();
    gone.learn(question, Err(NO_DEVICE.to_owned()));
    // One that says that it was full was full.
    for (reason, sure, doubted) in [("QDISC_DROP", 0.4, true), ("QDISC_OVERLIMIT", 0.95, false)] {
        let drop = drop(udp4(), reason, "__dev_queue_xmit").sent();
        let mut findings = Findings::default();
        drop.with(|event| findings.observe(event));
        let found = findings.finish(&[], &gone);
        assert_eq!(found[0].id, "queue-overflow");
        assert!((found[0].confidence - sure).abs() < 0.01, "{found:#?}");
        let said = |line: &String| line.contains("is being removed");
        assert_eq!(found[0].evidence.iter().any(said), doubted, "{found:#?}");
    }
}

#[test]
fn multicast_that_nobody_joined_is_noise_unless_its_source_is_at_fault() {
    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
    let udp = frame::udp4(SRC, GROUP, 4000, 53, &[7; 32]);
    let bytes = || frame::ipv4(PROTO_UDP, SRC, GROUP, &udp, 64);
    let drop = |reason| drop(bytes(), reason, "ip_rcv_finish_core");
    for reason in ["", "NOT_SPECIFIED"] {
        assert_eq!(concluded(&drop(reason), &[], &Facts::default()), []);
        let local = Route {
            kind: "local".to_owned(),
            ..Route::default()
        };
        let question = Question::Route {
            netns: NETNS,
            to: SRC.into(),
            from: None,
            device: None,
        };
        let own = facts([(question, Answer::Route(local))]);
        let told = [("martian-source", 4)];
        assert_eq!(concluded(&drop(reason), &[], &own), told);
    }
    let refused = [rose("TcpExtIPReversePathFilter", 4)];
    let told = [("reverse-path-filter", 4)];
    assert_eq!(concluded(&drop(""), &refused, &Facts::default()), told);
}

#[test]
fn what_a_device_that_is_gone_dropped_is_no_fault() {
    let question = || Question::Device {
        netns: NETNS,
        name: "eth0".to_owned(),
    };
    let drop = drop(udp4(), "DEV_READY", "enqueue_to_backlog");
    let severity = |answer| {
        let mut facts = Facts::default();
        facts.learn(question(), answer);
        let mut findings = Findings::default();
        drop.with(|event| findings.observe(event));
        let found = findings.finish(&[], &facts);
        assert_eq!(found[0].id, "link-down");
        found[0].severity
    };
    for error in [NO_DEVICE, GONE] {
        assert_eq!(severity(Err(error.to_owned())), Severity::Info);
    }
    // Off, or unknown.
    let off = Box::new(Device::default());
    assert_eq!(severity(Ok(Answer::Device(off))), Severity::Error);
    let unread = Err("Operation not permitted".to_owned());
    assert_eq!(severity(unread), Severity::Error);
}

/// nft's rules that drop: hook, text, and what their counters have.
fn rules<const N: usize>(rules: [(&str, &str, Option<u64>); N]) -> Facts {
    let rule = |(hook, text, packets): (&str, &str, Option<u64>)| PacketRule {
        family: "inet".to_owned(),
        table: "filter".to_owned(),
        chain: hook.to_owned(),
        hook: Some(hook.to_owned()),
        handle: 4,
        text: text.to_owned(),
        packets,
    };
    let rules = rules.into_iter().map(rule).collect();
    facts([(
        Question::PacketRules { netns: NETNS },
        Answer::PacketRules(rules),
    )])
}

#[test]
fn a_rule_that_cannot_have_dropped_it_is_no_other_rule() {
    const INVALID: &str = "ct state invalid drop";
    let drop = drop(segment(4, ACK, b"x"), "NETFILTER_DROP", "nf_hook_slow");
    let of = |facts: &Facts| concluded(&drop, &[], facts);
    let invalid = [("conntrack-invalid", 4)];
    let any = [("firewall-drop", 4)];
    assert_eq!(of(&rules([("input", INVALID, None)])), invalid);
    for other in [
        ("output", "tcp dport 25 drop", None),
        ("input", "counter packets 0 bytes 0 drop", Some(0)),
    ] {
        assert_eq!(of(&rules([("input", INVALID, Some(4)), other])), invalid);
    }
    let policy = ("input", "policy drop", None);
    assert_eq!(of(&rules([("input", INVALID, None), policy])), any);
    assert_eq!(of(&rules([("input", INVALID, Some(0)), policy])), any);
    assert_eq!(of(&rules([("output", INVALID, None)])), any);
}

#[test]
fn ipv6_has_one_reason_for_every_route_that_is_an_error() {
    let drop = drop(udp6(), "IP_INNOROUTES", "ip6_pkt_drop");
    let of = |refused| {
        let known = onward(SRC6.into(), DST6.into(), refused);
        concluded(&drop, &[], &facts([known]))
    };
    assert_eq!(of("ENETUNREACH"), [("no-route", 4)]);
    assert_eq!(of("EACCES"), [("route-discards", 4)]);
    assert_eq!(concluded(&drop, &[], &Facts::default()), [("no-route", 4)]);
}

#[test]
fn a_reason_is_not_contradicted_by_what_is_true_later() {
    let of = |reason| {
        let drop = drop(udp4(), reason, "ip_error");
        let known = [
            sysctl(FORWARDING, Some("eth0"), "1"),
            onward(SRC.into(), DST.into(), "EACCES"),
        ];
        concluded(&drop, &[rose("UdpNoPorts", 1)], &facts(known))
    };
    assert_eq!(of("IP_INADDRERRORS"), [("forwarding-off", 4)]);
    assert_eq!(of("IP_INNOROUTES"), [("no-route", 4)]);
}

#[test]
fn a_source_is_impossible_or_comes_from_the_wrong_side() {
    let drop = drop(udp4(), "", "ip_rcv_finish_core");
    let back = |kind: &str| {
        let question = Question::Route {
            netns: NETNS,
            to: SRC.into(),
            from: None,
            device: None,
        };
        let route = Route {
            kind: kind.to_owned(),
            ..Route::default()
        };
        (question, Answer::Route(route))
    };
    let of = |known: Vec<_>| concluded(&drop, &[], &facts(known));
    assert_eq!(of(vec![]), [("reverse-path-filter", 4)]);
    assert_eq!(of(vec![back("local")]), [("martian-source", 4)]);
    assert_eq!(of(vec![back("unicast")]), [("reverse-path-filter", 4)]);
    let looped = super::drop(
        between([127, 0, 0, 1], DST.octets()),
        "",
        "ip_rcv_finish_core",
    );
    let mut own = back("local");
    if let Question::Route { to, .. } = &mut own.0 {
        *to = IpAddr::from([127, 0, 0, 1]);
    }
    let found = concluded(&looped, &[], &facts([own]));
    assert_eq!(found, [("loopback-on-wire", 4)]);
    let loose = vec![
        sysctl(RP_FILTER, Some("eth0"), "0"),
        sysctl("net.ipv4.conf.all.rp_filter", None, "0"),
    ];
    assert_eq!(of(loose), [("martian-source", 4)]);
    let counted = |name| concluded(&drop, &[rose(name, 4)], &Facts::default());
    assert_eq!(
        counted("TcpExtIPReversePathFilter"),
        [("reverse-path-filter", 4)]
    );
    assert_eq!(counted("IpInHdrErrors"), [("martian-source", 4)]);
}

fn program(cgroup: &str) -> (Question, Answer) {
    let program = CgroupProgram {
        cgroup: cgroup.to_owned(),
        ..CgroupProgram::default()
    };
    (
        Question::CgroupPrograms,
        Answer::CgroupPrograms(vec![program]),
    )
}

fn no_program() -> (Question, Answer) {
    (Question::CgroupPrograms, Answer::CgroupPrograms(Vec::new()))
}

fn policies(input: u32) -> (Question, Answer) {
    let policies = Policies {
        input,
        ..Policies::default()
    };
    (
        Question::Policies { netns: NETNS },
        Answer::Policies(policies),
    )
}

#[test]
fn a_datagram_is_not_put_into_its_socket() {
    let drop = drop(udp4(), "", QUEUE);
    let of = |counter: &str, known: Vec<_>| concluded(&drop, &[rose(counter, 4)], &facts(known));
    assert_eq!(
        of("UdpRcvbufErrors", vec![]),
        [("udp-receive-buffer-full", 4)]
    );
    assert_eq!(of("UdpInErrors", vec![]), [("socket-filter-drop", 4)]);
    assert_eq!(
        of("UdpInErrors", vec![no_program()]),
        [("socket-filter-drop", 4)]
    );
    // Whose cgroup it is, nobody knows.
    assert_eq!(
        of("UdpInErrors", vec![program("/service")]),
        [("socket-filter-drop", 4)]
    );
    assert_eq!(of("UdpInErrors", vec![policies(1)]), [("ipsec-policy", 4)]);
    assert_eq!(
        of("UdpInErrors", vec![policies(1), no_program()]),
        [("ipsec-policy", 4)]
    );
    assert_eq!(
        of("UdpInErrors", vec![policies(0)]),
        [("socket-filter-drop", 4)]
    );
    // Two of four were counted: as many were not.
    let half = concluded(&drop, &[rose("UdpRcvbufErrors", 2)], &Facts::default());
    assert_eq!(half, [("udp-receive-buffer-full", 4)]);
    let few = [rose("UdpRcvbufErrors", 1), rose("UdpInErrors", 4)];
    let few = concluded(&drop, &few, &Facts::default());
    assert_eq!(few, [("socket-filter-drop", 4)]);
}

#[test]
fn a_filter_on_a_socket_and_one_of_its_cgroup_are_told_apart_by_what_cgroups_have() {
    let drop = drop(udp4(), "SOCKET_FILTER", QUEUE);
    let of = |known: Vec<_>| concluded(&drop, &[], &facts(known));
    assert_eq!(of(vec![]), [("socket-filter-drop", 4)]);
    assert_eq!(of(vec![no_program()]), [("socket-filter-drop", 4)]);
    assert_eq!(of(vec![program("/service")]), [("socket-filter-drop", 4)]);
    let mut findings = Findings::default();
    let inside = |findings: &mut Findings| {
        drop.with(|event| {
            findings.observe(&Event {
                cgroup: Some("/service/worker"),
                ..event.clone()
            })
        })
    };
    inside(&mut findings);
    let of = |known| findings.finish(&[], &facts([known])).remove(0).id;
    assert_eq!(of(program("/service")), "cgroup-program-drop");
    assert_eq!(of(program("/")), "cgroup-program-drop");
    // Another one's, however alike its name is.
    assert_eq!(of(program("/serv")), "socket-filter-drop");
    // One of two services is enough.
    drop.with(|event| {
        findings.observe(&Event {
            cgroup: Some("/other"),
            ..event.clone()
        })
    });
    let of = |known| findings.finish(&[], &facts([known])).remove(0).id;
    assert_eq!(of(program("/service")), "cgroup-program-drop");
}
