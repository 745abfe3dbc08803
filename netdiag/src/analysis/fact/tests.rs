use super::*;
use proptest::{collection::vec, option, prelude::*};

fn ip() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>()
}

fn question() -> impl Strategy<Value = Question> {
    let name = vec(any::<char>(), 0..9).prop_map(String::from_iter).boxed();
    prop_oneof![
        (any::<u32>(), name.clone(), option::of(name.clone())).prop_map(|(netns, name, device)| {
            Question::Sysctl {
                netns,
                name,
                device,
            }
        }),
        (any::<u32>(), name.clone()).prop_map(|(netns, name)| Question::Device { netns, name }),
        (
            any::<u32>(),
            ip(),
            option::of(ip()),
            option::of(name.clone())
        )
            .prop_map(|(netns, to, from, device)| Question::Route {
                netns,
                to,
                from,
                device
            }),
        (any::<u32>(), ip()).prop_map(|(netns, to)| Question::Neighbour { netns, to }),
        (any::<u32>(), any::<u8>())
            .prop_map(|(netns, version)| Question::NeighbourTable { netns, version }),
        any::<u32>().prop_map(|netns| Question::PacketRules { netns }),
        (any::<u32>(), any::<u16>()).prop_map(|(netns, port)| Question::Listeners { netns, port }),
        Just(Question::CgroupPrograms),
        any::<u32>().prop_map(|netns| Question::Counters { netns }),
        any::<u32>().prop_map(|netns| Question::Policies { netns }),
        any::<u32>().prop_map(|netns| Question::Namespace { netns }),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    any::<(u32, String)>().prop_map(|(id, name)| Program { id, name })
}

prop_compose! {
    fn device()(
        (dev_type, kind, up, carrier) in any::<(u16, Option<String>, bool, Option<bool>)>(),
        (operstate, promiscuous, mtu, mac) in any::<(String, bool, u32, Option<String>)>(),
        addresses in vec(ip(), 0..3),
        (vlans, vnis) in any::<(Vec<u16>, Vec<u32>)>(),
        xdp in option::of(program()),
        offloads in vec(any::<String>(), 0..3),
        queues in vec(any::<(String, String, String, Option<(u32, String)>, Option<u32>, u64, u32)>(), 0..3),
        filters in vec((any::<String>(), any::<String>(), any::<u16>(), option::of(program())), 0..3),
    ) -> Device {
        Device {
            dev_type, kind, up, carrier, operstate, promiscuous, mtu, mac, addresses, vlans, vnis, xdp, offloads,
            queues: queues.into_iter().map(|(kind, handle, parent, limit, loss_ppm, drops, queued)| {
                Queue { kind, handle, parent, limit, loss_ppm, drops, queued }
            }).collect(),
            filters: filters.into_iter().map(|(parent, kind, preference, program)| {
                Filter { parent, kind, preference, program }
            }).collect(),
        }
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    let listener = (ip(), any::<(u16, u32, Option<u32>, Option<u32>)>()).prop_map(
        |(address, (port, queued, limit, drops))| Listener {
            address,
            port,
            queued,
            limit,
            drops,
        },
    );
    let rule = any::<(
        String,
        String,
        String,
        Option<String>,
        u64,
        String,
        Option<u64>,
    )>()
    .prop_map(
        |(family, table, chain, hook, handle, text, packets)| PacketRule {
            family,
            table,
            chain,
            hook,
            handle,
            text,
            packets,
        },
    );
    prop_oneof![
        any::<String>().prop_map(Answer::Sysctl),
        device().prop_map(|device| Answer::Device(Box::new(device))),
        (
            any::<(String, Option<String>, Option<u32>, Option<String>)>(),
            option::of(ip())
        )
            .prop_map(
                |((kind, device, mtu, refused), gateway)| Answer::Route(Route {
                    kind,
                    device,
                    mtu,
                    gateway,
                    refused
                })
            ),
        (ip(), any::<(String, String, Option<String>)>()).prop_map(
            |(address, (device, state, mac))| Answer::Neighbour(Neighbour {
                address,
                device,
                state,
                mac
            })
        ),
        any::<(u64, u64)>()
            .prop_map(|(entries, fulls)| Answer::NeighbourTable(NeighbourTable { entries, fulls })),
        vec(rule, 0..4).prop_map(Answer::PacketRules),
        vec(listener, 0..4).prop_map(Answer::Listeners),
        vec((any::<(String, bool)>(), program()), 0..4).prop_map(|programs| {
            let of = |((cgroup, egress), program)| CgroupProgram {
                cgroup,
                egress,
                program,
            };
            Answer::CgroupPrograms(programs.into_iter().map(of).collect())
        }),
        Just(Answer::Counters),
        Just(Answer::Namespace),
        any::<(u32, u32, u32)>().prop_map(|(input, output, forward)| Answer::Policies(Policies {
            input,
            output,
            forward,
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_fact_comes_back(
        learned in vec((question(), prop_oneof![answer().prop_map(Ok), any::<String>().prop_map(Err)]), 0..8),
    ) {
        let mut facts = Facts::default();
        for (question, answer) in learned {
            facts.learn(question, answer);
        }
        let mut again = Facts::default();
        for line in facts.lines() {
            prop_assert!(!line.contains('\n'));
            prop_assert!(again.learn_line(&line));
        }
        prop_assert_eq!(again, facts);
    }

    #[test]
    fn nonsense_is_no_fact(line in any::<String>()) {
        prop_assert!(!Facts::default().learn_line(&line));
    }
}

#[test]
fn needs_become_questions_of_the_place() {
    let to = "10.0.0.2".parse().expect("address");
    let place = Place {
        netns: NetnsId(7),
        device: Some("eth0.5".to_owned()),
        received: true,
        from: None,
        to: Some(to),
        port: None,
    };
    let needs = [
        Need::Sysctl("net.ipv4.conf.DEVICE.rp_filter"),
        Need::Sysctl("net.ipv4.ip_forward"),
        Need::Route,
        Need::RouteBack,
        Need::Listeners,
    ];
    let asked = questions(&needs, [&place, &place]);
    let words: Vec<_> = asked.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "net.ipv4.conf.eth0/5.rp_filter",
            "net.ipv4.ip_forward",
            "the route to 10.0.0.2"
        ]
    );
    let mut facts = Facts::default();
    for question in &asked {
        facts.learn(question.clone(), Err("EACCES".to_owned()));
    }
    assert_eq!(
        facts.unread(&asked)[1],
        "net.ipv4.ip_forward could not be read: EACCES"
    );
    assert_eq!(facts.number(NetnsId(7), "net.ipv4.ip_forward", None), None);
}
