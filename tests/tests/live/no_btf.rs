//! A kernel that does not show its types: what is left, and how a file brings the rest back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use netdiag::lab::{self, Bench};
use netdiag_tests::{Live, Run, has_reasons, isolated};
use rustix::mount::{MountFlags, mount};

const BTF: &str = "/sys/kernel/btf/vmlinux";
const DROPS: usize = 57;

/// Hides the kernel's types from this test and what it starts.
pub(crate) fn hide_btf() {
    mount(
        "none",
        "/sys/kernel/btf",
        "tmpfs",
        MountFlags::empty(),
        None,
    )
    .expect("hide the BTF");
    assert!(!Path::new(BTF).exists());
}

fn bench() -> Bench {
    lab::find("ethernet-on-l3-device")
        .expect("a scenario")
        .prepare()
        .expect("the lab")
}

#[test]
fn the_classic_tracepoint_still_tells_reason_and_place() {
    isolated(|| {
        hide_btf();
        let mut bench = bench();
        // The namespace of a packet cannot be known, so none can be asked for.
        let mut live = Live::start(&[]);
        bench.inject(Duration::ZERO).expect("the lab's packets");
        live.await_drops(DROPS);
        let run = live.stop();
        assert_eq!(run.code, Some(0), "{}", run.stderr);

        assert_eq!(run.hook("kfree_skb"), Some("tracepoint"));
        for hook in ["tp_btf", "raw_tp"] {
            let why = run.rung("kfree_skb", hook).expect("it was considered");
            assert!(why.contains("without BTF"), "{why}");
        }
        for function in ["ip_rcv_core", "ip6_rcv_core", "icmp_rcv", "icmpv6_rcv"] {
            assert_eq!(run.hook(function), Some("deduced"), "{:#}", run.start);
        }
        let ours: Vec<_> = run
            .drops
            .iter()
            .filter(|drop| {
                drop["location"]
                    .as_str()
                    .is_some_and(|place| place.starts_with("ip_rcv_core+0x"))
            })
            .collect();
        assert_eq!(ours.len(), DROPS, "{:#?}", run.drops);
        for drop in ours {
            let reason = has_reasons().then_some("IP_INHDR");
            assert_eq!(
                drop.get("reason").and_then(|reason| reason.as_str()),
                reason
            );
            assert_eq!(drop["packet"]["protocol"], "ipv4", "{drop:#}");
            for unknown in ["ifname", "netns", "pid", "uid", "finding"] {
                assert_eq!(drop.get(unknown), None, "{drop:#}");
            }
        }
    });
}

#[test]
fn doctor_says_what_is_lost_without_btf() {
    isolated(|| {
        hide_btf();
        let ended = netdiag_tests::run(&["doctor"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for part in [
            "--btf FILE",
            "only time, reason, place and protocol are left",
            "by tracepoint",
        ] {
            assert!(
                ended.stdout.contains(part),
                "no {part} in:\n{}",
                ended.stdout
            );
        }
    });
}

#[test]
fn types_from_a_file_make_it_whole() {
    isolated(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let copy = directory.path().join("btf");
        fs::copy(BTF, &copy).expect("copy the BTF");
        hide_btf();
        let run: Run = crate::scenario::check(
            "ethernet-on-l3-device",
            &["--btf", copy.to_str().expect("a path in UTF-8")],
        );
        assert_eq!(run.hook("kfree_skb"), Some("raw_tp"), "{:#}", run.start);
    });
}
