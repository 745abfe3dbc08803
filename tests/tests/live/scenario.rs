//! Every fault of the lab: each packet reported once, for the right reason, and each counter explained.

use std::time::Duration;

use netdiag::lab;
use netdiag_tests::{Live, Run, has_reasons, isolated};
use serde_json::{Value, json};

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
}

impl Facts {
    fn of(scenario: &str) -> Self {
        all()
            .into_iter()
            .find(|facts| facts.scenario == scenario)
            .unwrap_or_else(|| panic!("nobody wrote down what {scenario} must look like"))
    }
}

const IP: &[&str] = &["ip_rcv_core"];

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
    ]
}

/// Runs a scenario under `netdiag drops` and checks all that both must come to.
pub(crate) fn check(name: &str, arguments: &[&str]) -> Run {
    let scenario = lab::find(name).unwrap_or_else(|| panic!("no scenario {name}"));
    let expect = scenario.expect;
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
    for drop in &run.drops {
        check_drop(drop, &facts, expect.finding, netns);
    }
    let counter = expect.counter.expect("each of these has a counter");
    let whole = (expect.drops, expect.drops);
    assert_eq!(
        run.counter(counter, netns),
        whole,
        "{counter} in {:#}",
        run.summary
    );

    let found: Vec<_> = run.findings.iter().map(|finding| &finding["id"]).collect();
    match expect.finding {
        Some(finding) => {
            assert_eq!(found, [finding]);
            assert_eq!(
                run.findings[0]["count"], expect.drops,
                "{:#}",
                run.findings[0]
            );
            assert_eq!(run.findings[0]["interfaces"], json!(["tun0"]));
        }
        None => assert!(
            !found.contains(&&json!("ethernet-on-l3-device")),
            "{found:?}"
        ),
    }
    run
}

fn check_drop(drop: &Value, facts: &Facts, finding: Option<&str>, netns: u32) {
    if has_reasons() {
        let reason = drop["reason"].as_str().unwrap_or_default();
        assert!(facts.reasons.contains(&reason), "{drop:#}");
    } else {
        assert_eq!(drop.get("reason"), None, "{drop:#}");
    }
    let location = drop["location"].as_str().unwrap_or_default();
    let there = |function: &&str| location.starts_with(*function) && location.contains("+0x");
    assert!(facts.functions.iter().any(there), "{drop:#}");
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

/// One test a scenario, and one that none was forgotten.
macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            isolated(|| check($name, &[]));
        })*

        #[test]
        fn every_scenario_has_a_test() {
            let tested = [$($name),*];
            for scenario in lab::all() {
                assert!(tested.contains(&scenario.name), "{}", scenario.name);
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
