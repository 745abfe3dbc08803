//! The ladders: which rungs hold here, how a refusal is told, and the same counts on each of them.

use std::process::Stdio;

use netdiag::lab::Namespace;
use netdiag_tests::{
    Live, assert_nothing_attached, every_rung, finish, isolated, netdiag as binary,
};
use serde_json::{Value, json};

use crate::scenario::check;

/// The functions that are hooked beside the tracepoint.
const FUNCTIONS: [&str; 4] = ["ip_rcv_core", "ip6_rcv_core", "icmp_rcv", "icmpv6_rcv"];

/// A refusal names the errno and what was checked about it, or says why there was nothing to try.
fn assert_refusal(why: &str) {
    let told = why.starts_with("refused at ") && why.contains("(verified: ") && why.contains(": E");
    assert!(told || why.contains("not in the kernel's BTF"), "{why}");
}

#[test]
fn doctor_answers_for_every_rung() {
    isolated(|| {
        let ended = finish(binary(&["doctor", "--json"]).stdout(Stdio::piped()));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let checks: Vec<Value> = ended
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect();
        let rung = |probe: &str, hook: &str| {
            let group = format!("{probe}: ");
            let found = checks.iter().find(|check| {
                check["group"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(&group))
                    && check["name"] == hook
            });
            found.unwrap_or_else(|| panic!("no {hook} of {probe}: {checks:#?}"))
        };
        for hook in ["tp_btf", "raw_tp", "tracepoint"] {
            let rung = rung("kfree_skb", hook);
            assert_eq!(rung["answer"], "yes", "{rung:#}");
            assert_eq!(rung["used"], hook == "tp_btf", "{rung:#}");
        }
        for function in FUNCTIONS {
            let mut used = None;
            for hook in ["fentry", "kprobe", "deduced"] {
                let rung = rung(function, hook);
                if rung["answer"] == "yes" {
                    used.get_or_insert(hook);
                } else {
                    assert!(!every_rung(), "{rung:#}");
                    assert_refusal(rung["detail"].as_str().unwrap_or_default());
                }
            }
            for hook in ["fentry", "kprobe", "deduced"] {
                assert_eq!(
                    rung(function, hook)["used"],
                    used == Some(hook),
                    "{checks:#?}"
                );
            }
        }
        assert_nothing_attached();
    });
}

#[test]
fn a_run_stands_on_the_best_rung_and_says_so() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let run = Live::within(&namespace, &[]).stop();
        assert_eq!(run.hook("kfree_skb"), Some("tp_btf"));
        for function in FUNCTIONS {
            match run.hook(function).expect("every ladder has a last rung") {
                "fentry" => {}
                hook => {
                    assert!(!every_rung(), "{function} by {hook}: {:#}", run.start);
                    assert_refusal(run.rung(function, "fentry").expect("fentry was tried"));
                }
            }
        }
    });
}

#[test]
fn the_header_check_can_be_left_out() {
    isolated(|| {
        let run = check("vlan-on-l3-device", &["--no-header-check"]);
        for function in ["ip_rcv_core", "ip6_rcv_core"] {
            assert_eq!(run.hook(function), Some("deduced"));
            assert_eq!(
                run.rung(function, "fentry"),
                Some("left out by --no-header-check")
            );
            assert!(run.header_check(function).is_null(), "{:#}", run.summary);
        }
    });
}

/// Runs two scenarios on one rung: what it saw is the same on each.
fn on(hook: &str) {
    isolated(|| {
        let faulty = check("ethernet-on-l3-device", &["--hook", hook]);
        let plain = check("udp-closed-port", &["--hook", hook]);
        let ladder = match hook {
            "tp_btf" | "raw_tp" | "tracepoint" => "kfree_skb",
            _ => "ip_rcv_core",
        };
        let stands = faulty.hook(ladder).expect("a rung");
        if stands != hook {
            assert!(
                !every_rung() && ladder == "ip_rcv_core",
                "{:#}",
                faulty.start
            );
            assert_refusal(faulty.rung(ladder, hook).expect("it was tried"));
        }
        match faulty.hook("ip_rcv_core") {
            Some("deduced") => {
                for run in [&faulty, &plain] {
                    assert!(
                        run.header_check("ip_rcv_core").is_null(),
                        "{:#}",
                        run.summary
                    );
                    assert!(
                        run.drops
                            .iter()
                            .all(|drop| drop.get("header_check").is_none())
                    );
                }
            }
            _ => {
                // The hook sees the whole host; malformed packets are the lab's alone.
                let check = faulty.header_check("ip_rcv_core");
                assert_eq!(check["malformed"], 57, "{check:#}");
                assert_eq!(check["accepted"], 0, "{check:#}");
                for count in ["refused", "calls"] {
                    assert!(
                        check[count].as_u64().is_some_and(|count| count >= 57),
                        "{check:#}"
                    );
                }
                for drop in &faulty.drops {
                    let found = drop["header_check"]
                        .as_array()
                        .expect("what the hook found");
                    assert!(found.contains(&json!("ip-version")), "{drop:#}");
                }
                assert_eq!(plain.header_check("ip_rcv_core")["malformed"], 0);
                assert!(
                    plain
                        .drops
                        .iter()
                        .all(|drop| drop.get("header_check").is_none())
                );
            }
        }
    });
}

#[test]
fn by_tp_btf() {
    on("tp_btf");
}

#[test]
fn by_raw_tracepoint() {
    on("raw_tp");
}

#[test]
fn by_classic_tracepoint() {
    on("tracepoint");
}

#[test]
fn by_fentry() {
    on("fentry");
}

#[test]
fn by_kprobe() {
    on("kprobe");
}

#[test]
fn by_deduction() {
    on("deduced");
}
