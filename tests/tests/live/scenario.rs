//! Faults of the lab to the last field: each packet reported once, for the right reason, as what it was injected, and
//! each counter explained. `tests/tests/lab.rs` scores every scenario, these and all others.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use netdiag::lab::{self, Layer, Namespace, PacketInfo, Tun, frame};
use netdiag_tests::{Live, Run, has_reasons, isolated};
use serde_json::{Value, json};

/// When something is wrong if no answer came.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the kernel says about a scenario, and what the packet is then shown as.
struct Facts {
    scenario: &'static str,
    /// One of these, where the kernel has reasons.
    reasons: &'static [&'static str],
    /// The place starts with one of these.
    functions: &'static [&'static str],
    /// The packet's length as it was injected.
    len: u64,
    /// Some of the packet's fields.
    packet: Value,
    /// What is wrong with it, among others.
    malformed: Option<&'static str>,
    /// Whether the scenario's finding is about it; else no rule claims it, and that is told.
    found: bool,
}

impl Facts {
    /// One for each kind of drop that the scenario leads to: as many drops of each.
    fn of(scenario: &str) -> Vec<Self> {
        let mut facts = all();
        facts.retain(|facts| facts.scenario == scenario);
        assert!(
            !facts.is_empty(),
            "nobody wrote down what {scenario} must look like"
        );
        facts
    }

    /// Whether it happens there.
    fn is_at(&self, drop: &Value) -> bool {
        let location = drop["location"].as_str().unwrap_or_default();
        let there = |function: &&str| location.starts_with(*function) && location.contains("+0x");
        self.functions.iter().any(there)
    }
}

const IP: &[&str] = &["ip_rcv_core"];

/// Where a packet ends whose protocol nobody registered for; the compiler decides which of the two.
const NOBODY: [&str; 2] = ["ip_protocol_deliver_rcu", "ip_local_deliver_finish"];

fn all() -> Vec<Facts> {
    let echo = json!({"protocol": "ipv4", "ip_proto": "icmp", "icmp_type": 8, "src": "10.99.0.2", "dst": "10.99.0.1"});
    let mut framed = echo.clone();
    framed["eth_src"] = json!("02:42:0a:63:00:02");
    framed["eth_dst"] = json!("02:42:0a:63:00:01");
    let mut tagged = framed.clone();
    tagged["vlans"] = json!([42]);
    let echo6 = json!({"protocol": "ipv6", "ip_proto": "icmpv6", "icmp_type": 128, "src": "fd99::2", "dst": "fd99::1"});
    let mut framed6 = echo6.clone();
    framed6["eth_src"] = json!("02:42:0a:63:00:02");
    let facts = |scenario, reasons, functions, len, packet, malformed| Facts {
        scenario,
        reasons,
        functions,
        len,
        packet,
        malformed,
        found: true,
    };
    let frame = Some("ethernet-frame");
    vec![
        facts(
            "ethernet-on-l3-device",
            &["IP_INHDR"],
            IP,
            98,
            framed,
            frame,
        ),
        facts("vlan-on-l3-device", &["IP_INHDR"], IP, 102, tagged, frame),
        facts(
            "arp-on-l3-device",
            &["IP_INHDR"],
            IP,
            42,
            json!({"protocol": "arp", "src": "10.99.0.2", "dst": "10.99.0.1", "eth_dst": "ff:ff:ff:ff:ff:ff"}),
            frame,
        ),
        facts(
            "ipv6-ethernet-on-l3-device",
            &["IP_INHDR"],
            IP,
            118,
            framed6,
            frame,
        ),
        facts(
            "truncated-ipv4-header",
            &["IP_INHDR"],
            IP,
            12,
            json!({"protocol": "ipv4", "caplen": 12}),
            Some("ip-truncated"),
        ),
        facts(
            "bad-ipv4-checksum",
            &["IP_CSUM"],
            IP,
            84,
            echo.clone(),
            Some("ip-checksum"),
        ),
        facts(
            "ipv6-wrong-version",
            // Since 6.1 the reason that the function starts with, which this branch does not set.
            &["UNHANDLED_PROTO", "IP_INHDR"],
            &["ip6_rcv_core"],
            104,
            json!({}),
            Some("ip-version"),
        ),
        facts(
            "total-length-beyond",
            &["PKT_TOO_SMALL"],
            IP,
            84,
            echo,
            Some("ip-length-beyond"),
        ),
        facts(
            "udp-closed-port",
            &["NO_SOCKET"],
            // Since 7.0 one function for both versions of UDP's receive path.
            &["__udp4_lib_rcv", "udp_rcv"],
            35,
            json!({"protocol": "ipv4", "ip_proto": "udp", "dport": 9, "src": "10.99.0.2", "dst": "10.99.0.1"}),
            None,
        ),
        facts(
            "ttl-expired",
            &["IP_INHDR"],
            &["ip_forward"],
            84,
            json!({"protocol": "ipv4", "ip_proto": "icmp", "src": "10.99.0.2", "dst": "10.99.1.2"}),
            None,
        ),
        facts(
            "hop-limit-expired",
            &["IP_INHDR"],
            &["ip6_forward"],
            104,
            json!({"protocol": "ipv6", "ip_proto": "icmpv6", "src": "fd99::2", "dst": "fd99:0:0:1::2"}),
            None,
        ),
        // Before 6.2 the kernel has reasons, and none for fragments. A double is missed by nobody.
        Facts {
            found: false,
            ..facts(
                "fragments",
                &["DUP_FRAG", "NOT_SPECIFIED"],
                &["ip_defrag", "ip_frag_queue"],
                84,
                json!({"protocol": "ipv4", "ip_proto": "udp", "src": "10.99.0.2", "dst": "10.99.0.1"}),
                None,
            )
        },
        facts(
            "fragments",
            &["FRAG_REASM_TIMEOUT", "NOT_SPECIFIED"],
            &["ip_expire"],
            84,
            json!({"protocol": "ipv4", "ip_proto": "udp", "dport": 9, "src": "10.99.0.2", "dst": "10.99.0.1"}),
            None,
        ),
        facts(
            "ipip-no-tunnel",
            &["IP_NOPROTO", "NOT_SPECIFIED"],
            &[NOBODY[0], NOBODY[1], "tunnel4_rcv"],
            55,
            json!({"protocol": "ipv4", "ip_proto": "ipip", "src": "10.99.0.2", "dst": "10.99.0.1"}),
            None,
        ),
        facts(
            "gre-no-tunnel",
            &["IP_NOPROTO", "NOT_SPECIFIED"],
            &[NOBODY[0], NOBODY[1], "gre_rcv"],
            108,
            json!({"protocol": "ipv4", "ip_proto": "gre", "src": "10.99.0.2", "dst": "10.99.0.1"}),
            None,
        ),
        facts(
            "vxlan-no-tunnel",
            &["NO_SOCKET"],
            &["__udp4_lib_rcv", "udp_rcv"],
            134,
            json!({"protocol": "ipv4", "ip_proto": "udp", "dport": 4789, "src": "10.99.0.2", "dst": "10.99.0.1"}),
            None,
        ),
    ]
}

/// Runs a scenario under `netdiag drops` and checks all that both must come to.
pub(crate) fn check(name: &str, arguments: &[&str]) -> Run {
    let scenario = lab::find(name).unwrap_or_else(|| panic!("no scenario {name}"));
    let expect = scenario.expect;
    let finding = expect.finding.expect("a fault");
    let facts = Facts::of(name);
    let mut bench = scenario.prepare().expect("the lab");
    let mut live = Live::within(bench.namespace(), arguments);
    bench.inject(Duration::ZERO).expect("the lab's packets");
    live.await_drops(usize::try_from(expect.drops).expect("a small number"));
    let run = live.stop();
    let netns = bench.netns().0;
    drop(bench);

    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr, "", "standard error of {name}");
    assert_eq!(run.ledger("reported"), expect.drops, "{:#?}", run.drops);
    assert_eq!(run.ledger("lost"), 0);
    let mut rest = 0;
    for drop in &run.drops {
        let kind = facts.iter().find(|facts| facts.is_at(drop));
        let kind = kind.unwrap_or_else(|| panic!("{name} has no such drop: {drop:#}"));
        check_drop(drop, kind, finding, netns);
        rest += u64::from(!kind.found);
    }
    for kind in &facts {
        let count = run.drops.iter().filter(|drop| kind.is_at(drop)).count();
        assert_eq!(count, run.drops.len() / facts.len(), "{:#?}", run.drops);
    }
    check_counter(&run, &expect, netns);

    let found = run.findings.iter().map(|finding| {
        assert_eq!(finding["interfaces"], json!(["tun0"]), "{finding:#}");
        json!([finding["id"], finding["count"]])
    });
    let mut expected = vec![json!([finding, expect.drops - rest])];
    expected.extend((rest > 0).then(|| json!(["unexplained-drop", rest])));
    assert_eq!(found.collect::<Vec<_>>(), expected, "{:#?}", run.findings);
    run
}

/// The counter grew as it must, and every step has its drop.
fn check_counter(run: &Run, expect: &lab::Expectation, netns: u32) {
    let (counter, counted) = match expect.counter {
        Some(counter) => (counter, expect.counted),
        // Where a module registered for the protocol, there is no counter.
        None => {
            let unknown = |drop: &&Value| {
                let location = drop["location"].as_str().unwrap_or_default();
                NOBODY.iter().any(|function| location.starts_with(function))
            };
            let count = run.drops.iter().filter(unknown).count();
            ("IpInUnknownProtos", count as u64)
        }
    };
    assert_eq!(
        run.counter(counter, netns),
        (counted, counted),
        "{counter} in {:#}",
        run.summary
    );
}

fn check_drop(drop: &Value, facts: &Facts, finding: &str, netns: u32) {
    if has_reasons() {
        let reason = drop["reason"].as_str().unwrap_or_default();
        assert!(facts.reasons.contains(&reason), "{drop:#}");
    } else {
        assert_eq!(drop.get("reason"), None, "{drop:#}");
    }
    let finding = facts.found.then_some(finding);
    assert_eq!(
        drop.get("finding").and_then(Value::as_str),
        finding,
        "{drop:#}"
    );
    let fields = json!({
        "probe": "kfree_skb", "netns": netns, "ifname": "tun0", "dev_type": "none", "len": facts.len,
    });
    assert_part(drop, &fields);
    assert_part(&drop["packet"], &facts.packet);
    // Up to the IP header's check the packet is still charged to the tun device's own socket, which no process has.
    let uid = facts.malformed.map(|_| json!(0));
    assert_eq!(drop.get("uid"), uid.as_ref(), "{drop:#}");
    for absent in ["pid", "comm"] {
        assert_eq!(drop.get(absent), None, "{drop:#}");
    }
    let malformed = drop["packet"]["malformed"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    match facts.malformed {
        Some(fault) => assert!(malformed.contains(&json!(fault)), "{drop:#}"),
        None => assert!(malformed.is_empty(), "{drop:#}"),
    }
}

/// Every field of `part` is in `whole`, with that value.
pub(crate) fn assert_part(whole: &Value, part: &Value) {
    for (name, value) in part.as_object().expect("an object") {
        assert_eq!(whole.get(name), Some(value), "{name} of {whole:#}");
    }
}

/// One test a scenario, and one that all that is written down above is tested.
macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            isolated(|| check($name, &[]));
        })*

        #[test]
        fn every_fact_has_a_test() {
            let tested = [$($name),*];
            for facts in all() {
                assert!(tested.contains(&facts.scenario), "{}", facts.scenario);
            }
        }
    };
}

scenarios! {
    ethernet_on_l3_device: "ethernet-on-l3-device",
    vlan_on_l3_device: "vlan-on-l3-device",
    arp_on_l3_device: "arp-on-l3-device",
    ipv6_ethernet_on_l3_device: "ipv6-ethernet-on-l3-device",
    truncated_ipv4_header: "truncated-ipv4-header",
    bad_ipv4_checksum: "bad-ipv4-checksum",
    ipv6_wrong_version: "ipv6-wrong-version",
    total_length_beyond: "total-length-beyond",
    udp_closed_port: "udp-closed-port",
    ttl_expired: "ttl-expired",
    hop_limit_expired: "hop-limit-expired",
    fragments: "fragments",
    ipip_no_tunnel: "ipip-no-tunnel",
    gre_no_tunnel: "gre-no-tunnel",
    vxlan_no_tunnel: "vxlan-no-tunnel",
}

const HEALTHY: &str = "healthy";

/// No false alarm. Up to 6.1 the kernel frees an echo request of ICMPv6 as if it dropped it, when it has answered
/// (`icmpv6_rcv`): that may be reported, and nothing may be made of it.
#[test]
fn healthy_traffic() {
    isolated(|| {
        let mut bench = lab::find(HEALTHY)
            .expect("a scenario")
            .prepare()
            .expect("the lab");
        let live = Live::within(bench.namespace(), &[]);
        let injected = bench.inject(Duration::ZERO).expect("the lab's packets");
        assert!(injected.packets > 20, "{injected:?}");
        let run = live.stop();
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        assert_eq!(run.findings, Vec::<Value>::new());
        let echoes = |drop: &Value| {
            let location = drop["location"].as_str().unwrap_or_default();
            location.starts_with("icmpv6_rcv+0x") && drop["packet"]["icmp_type"] == 128
        };
        assert!(run.drops.iter().all(echoes), "{:#?}", run.drops);
        assert!(run.drops.len() <= 2, "{:#?}", run.drops);
        let counters = run.summary["counters"].as_array().expect("an array");
        let netns = bench.netns().0;
        let moved = counters.iter().filter(|counter| counter["netns"] == netns);
        assert_eq!(moved.count(), 0, "{:#}", run.summary);
    });
}

/// What the README's first command shows.
#[test]
fn lab_run_tells_the_story() {
    isolated(|| {
        let ended = netdiag_tests::run(&["lab", "run", "ethernet-on-l3-device", "--fast"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let story = [
            "ip_rcv_core",
            "tun0",
            "02:42:0a:63:00:02",
            "02:42:0a:63:00:01",
            "10.99.0.2",
            "IpInHdrErrors",
            "+57",
            "all explained",
            "14-byte",
            "57 packets sent, 57 drops reported",
        ];
        for part in story {
            assert!(
                ended.stdout.contains(part),
                "no {part} in:\n{}",
                ended.stdout
            );
        }
        assert!(!ended.stdout.contains("Not live"), "{}", ended.stdout);
        netdiag_tests::assert_nothing_attached();
    });
}

/// A container ends while its peer takes no more: its devices go, and the kernel goes on asking the peer.
#[test]
fn what_a_container_leaves_behind_is_no_fault() {
    const PORT: u16 = 20_007;
    isolated(|| {
        let container = Namespace::new().expect("a namespace");
        let tun = Tun::create(&container, "tun0", Layer::Ip, PacketInfo::Absent).expect("a device");
        let listener = container.run(|| {
            lab::link::add_address("tun0", HERE.into(), 24).expect("an address");
            lab::link::set_up("tun0").expect("the device up");
            // It gives up soon, and is in no other test's way.
            lab::sysctl::write("ipv4/tcp_orphan_retries", "3").expect("a sysctl");
            TcpListener::bind((HERE, PORT)).expect("a listener")
        });
        let stream = converse(&tun, &listener, PORT);
        let live = {
            let mut live = Live::start(&["--host", &THERE.to_string()]);
            (&stream).write_all(b"never taken").expect("room");
            drop((stream, listener));
            container
                .run(|| lab::link::set_down("tun0"))
                .expect("the device down");
            live.await_drops(1);
            live
        };
        let netns = container.id().0;
        drop((tun, container));
        let run = live.stop();
        assert_eq!(run.findings.len(), 1, "{:#?}", run.findings);
        let finding = &run.findings[0];
        assert_eq!(finding["id"], "namespace-removed", "{finding:#}");
        assert_eq!(finding["severity"], "info", "{finding:#}");
        assert_eq!(finding["count"], run.ledger("reported"), "{finding:#}");
        let evidence = finding["evidence"].to_string();
        assert!(
            evidence.contains(&format!("namespace {netns} is gone")),
            "{finding:#}"
        );
        for drop in &run.drops {
            assert_eq!(drop["packet"]["src"], HERE.to_string(), "{drop:#}");
            assert_eq!(drop["packet"]["dst"], THERE.to_string(), "{drop:#}");
            assert_eq!(drop["packet"]["sport"], PORT, "{drop:#}");
            assert_eq!(drop["malformed"], Value::Null, "{drop:#}");
        }
    });
}

const HERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);

/// A connection with a peer that says what it must and no more.
fn converse(tun: &Tun, listener: &TcpListener, port: u16) -> TcpStream {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    let say = |flags, seq, ack| {
        let header = frame::TcpHeader {
            sport: 40_000,
            dport: port,
            seq,
            ack,
            flags,
            // It is full from the start.
            window: 0,
        };
        let segment = frame::tcp(THERE.into(), HERE.into(), header, &[], &[]);
        let packet = frame::ipv4(frame::PROTO_TCP, THERE, HERE, &segment, 64);
        tun.write(0x0800, &packet).expect("a packet");
    };
    say(SYN, 1000, 0);
    let seq = loop {
        let packet = tun.read(PATIENCE).expect("the device").expect("an answer");
        // IPv4 without options; TCP.
        if packet[0] == 0x45 && packet[9] == 6 && packet[33] == SYN | ACK {
            break u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]]);
        }
    };
    say(ACK, 1001, seq.wrapping_add(1));
    listener.accept().expect("a connection").0
}
