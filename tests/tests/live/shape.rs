//! Packets of every shape: with a socket and without, without a device or a MAC header, in pages, IPv6, and in a
//! namespace that has a name.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use netdiag::lab::traffic::{DeafUdpSocket, udp_flood};
use netdiag::lab::{self, Namespace};
use netdiag_tests::{
    Live, Mounted, NamedNetns, finish, has_reasons, has_receiving_socket, isolated,
    netdiag as binary, program,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::mount::mount_bind;
use serde_json::{Value, json};

use crate::scenario::{assert_part, check};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Drops at one of these functions.
fn at<'a>(drops: &'a [Value], functions: &[&str]) -> Vec<&'a Value> {
    let there = |drop: &&Value| {
        let place = drop["location"].as_str().unwrap_or_default();
        functions.iter().any(|function| place.starts_with(function))
    };
    drops.iter().filter(there).collect()
}

fn assert_reason(drop: &Value, reason: &str) {
    let expected = has_reasons().then_some(reason);
    assert_eq!(
        drop.get("reason").and_then(Value::as_str),
        expected,
        "{drop:#}"
    );
}

/// A drop is this process's, by its socket.
fn assert_ours(drop: &Value) {
    let comm = fs::read_to_string("/proc/self/comm").expect("the name of this process");
    assert_part(
        drop,
        &json!({"uid": 0, "pid": std::process::id(), "comm": comm.trim_end()}),
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    if mounts.contains(" - cgroup2 ") {
        assert!(
            drop["cgroup_id"].as_u64().is_some_and(|id| id > 0),
            "{drop:#}"
        );
        assert!(
            drop["cgroup"]
                .as_str()
                .is_some_and(|path| path.starts_with('/')),
            "{drop:#}"
        );
    }
}

#[test]
fn a_receiver_that_does_not_read() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let (deaf, port) = namespace.run(|| {
            let deaf = DeafUdpSocket::bind((HERE, 0).into()).expect("a socket");
            let port = deaf.address().expect("its address").port();
            (deaf, port)
        });
        let mut live = Live::within(&namespace, &[]);
        let sent = namespace.run(move || udp_flood(HERE.into(), port, 512, 100));
        assert_eq!(sent.expect("datagrams"), 100);
        // The smallest buffer that the kernel allows holds a few of them.
        live.await_drops(90);
        let run = live.stop();
        drop(deaf);
        assert_eq!(run.ledger("lost"), 0);
        assert!(run.drops.len() < 100, "the buffer holds one at least");
        let (delta, explained) = run.counter("UdpRcvbufErrors", namespace.id().0);
        assert_eq!(
            (delta, explained),
            (run.drops.len() as u64, delta),
            "{:#}",
            run.summary
        );
        for drop in &run.drops {
            assert_reason(drop, "SOCKET_RCVBUFF");
            assert_part(drop, &json!({"ifname": "lo", "dev_type": "loopback"}));
            assert_eq!(drop["packet"]["dport"], port);
            if has_receiving_socket() {
                assert_ours(drop);
            } else {
                // The kernel does not say for whom it was, and the one who sent it is a bystander.
                for unknown in ["pid", "comm", "uid", "cgroup"] {
                    assert_eq!(drop.get(unknown), None, "{drop:#}");
                }
            }
        }
    });
}

/// The file of a TUN device's socket is `/dev/net/tun`, whose number is one of its own file system. A process that has a
/// socket with the same number has nothing to do with it.
#[test]
fn a_device_file_that_has_a_sockets_number() {
    isolated(|| {
        let _ours = UdpSocket::bind((HERE, 0)).expect("a socket");
        let files = Mounted::new("tmpfs", None);
        let number = lowest_socket();
        let node = files.path().join("tun");
        let tun = fs::metadata("/dev/net/tun").expect("the TUN driver").rdev();
        let make =
            || mknodat(CWD, &node, FileType::CharacterDevice, Mode::RWXU, tun).expect("a file");
        let made = || fs::metadata(&node).expect("the file").ino();
        make();
        // A tmpfs counts its files: each has the next number.
        for _ in made()..number {
            fs::remove_file(&node).expect("no file");
            make();
        }
        assert_eq!(made(), number);
        mount_bind(&node, "/dev/net/tun").expect("its place");
        check("ethernet-on-l3-device", &[]);
    });
}

/// The lowest number of all sockets that a process holds.
fn lowest_socket() -> u64 {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let files = processes.filter_map(|process| fs::read_dir(process.path().join("fd")).ok());
    let targets = files.flat_map(|files| files.flatten().map(|file| fs::read_link(file.path())));
    let number = |target: PathBuf| {
        let number = target.to_str()?.strip_prefix("socket:[")?;
        number.strip_suffix(']')?.parse().ok()
    };
    let numbers = targets.flatten().filter_map(number);
    numbers.min().expect("the socket of this test")
}

#[test]
fn a_closed_port_has_no_socket() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let mut live = Live::within(&namespace, &[]);
        let sent = namespace.run(|| udp_flood(HERE.into(), 4242, 64, 5));
        assert_eq!(sent.expect("datagrams"), 5);
        live.await_drops(5);
        let run = live.stop();
        assert_eq!(run.drops.len(), 5, "{:#?}", run.drops);
        for drop in &run.drops {
            assert_reason(drop, "NO_SOCKET");
            for absent in ["pid", "comm", "uid", "cgroup", "cgroup_id"] {
                assert_eq!(drop.get(absent), None, "{drop:#}");
            }
        }
    });
}

#[test]
fn ipv6() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let mut live = Live::within(&namespace, &["--port", "4242"]);
        let sent = namespace.run(|| udp_flood(Ipv6Addr::LOCALHOST.into(), 4242, 64, 5));
        assert_eq!(sent.expect("datagrams"), 5);
        live.await_drops(5);
        let run = live.stop();
        let ours = at(&run.drops, &["__udp6_lib_rcv", "udpv6_rcv", "udp_rcv"]);
        assert_eq!(ours.len(), 5, "{:#?}", run.drops);
        for drop in ours {
            assert_reason(drop, "NO_SOCKET");
            let packet = json!({"protocol": "ipv6", "ip_proto": "udp", "src": "::1", "dst": "::1", "dport": 4242});
            assert_part(&drop["packet"], &packet);
        }
        assert_eq!(
            run.counter("Udp6NoPorts", namespace.id().0),
            (5, 5),
            "{:#}",
            run.summary
        );
    });
}

/// Only the linear part is copied: what is missing is not missing from the packet.
#[test]
fn data_in_pages() {
    const PAYLOAD: usize = 60_000;
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let mut live = Live::within(&namespace, &[]);
        let sent = namespace.run(|| udp_flood(HERE.into(), 4242, PAYLOAD, 3));
        assert_eq!(sent.expect("datagrams"), 3);
        live.await_drops(3);
        let run = live.stop();
        assert_eq!(run.drops.len(), 3, "{:#?}", run.drops);
        for drop in &run.drops {
            let len = drop["len"].as_u64().expect("a number");
            assert!(len >= 60_028, "{drop:#}");
            assert!(
                drop["packet"]["caplen"]
                    .as_u64()
                    .is_some_and(|cap| cap < len),
                "{drop:#}"
            );
            assert_eq!(drop["packet"].get("malformed"), None, "{drop:#}");
            assert_eq!(drop["finding"], "udp-port-closed", "{drop:#}");
            assert_eq!(drop["packet"]["dport"], 4242, "{drop:#}");
        }
        assert_eq!(
            run.findings
                .iter()
                .filter(|found| found["severity"] == "error")
                .count(),
            0
        );
    });
}

/// Dropped before it has a device or a MAC header, but it has an owner.
#[test]
fn output_that_a_firewall_drops() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let _name = NamedNetns::new(&namespace, "walled");
        for rule in [
            "add table ip t",
            "add chain ip t out { type filter hook output priority 0 ; }",
            "add rule ip t out udp dport 4242 drop",
        ] {
            nft("walled", rule);
        }
        let mut live = Live::start(&["--netns", "walled"]);
        // Open until the end: what is closed has no owner any more.
        let socket = namespace.run(|| {
            let socket = UdpSocket::bind((HERE, 0)).expect("a socket");
            for _ in 0..5 {
                let refused = socket
                    .send_to(&[0; 32], (HERE, 4242))
                    .expect_err("a firewall");
                assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            }
            socket
        });
        live.await_drops(5);
        let run = live.stop();
        drop(socket);
        assert_eq!(run.drops.len(), 5, "{:#?}", run.drops);
        // Before 6.1 the hook's caller drops, since then the chain itself.
        assert_eq!(
            at(&run.drops, &["nf_hook_slow", "nft_do_chain"]).len(),
            5,
            "{:#?}",
            run.drops
        );
        for drop in &run.drops {
            assert_reason(drop, "NETFILTER_DROP");
            for absent in ["ifname", "ifindex", "dev_type"] {
                assert_eq!(drop.get(absent), None, "{drop:#}");
            }
            assert_eq!(drop["netns"], namespace.id().0);
            assert_ours(drop);
            let packet =
                json!({"protocol": "ipv4", "ip_proto": "udp", "dport": 4242, "dst": "127.0.0.1"});
            assert_part(&drop["packet"], &packet);
            assert_eq!(drop["packet"].get("eth_src"), None, "{drop:#}");
        }
    });
}

/// Has nft change the rules of a namespace.
pub(crate) fn nft(netns: &str, rule: &str) {
    let tool = |name: &str| {
        ["/usr/sbin", "/sbin"]
            .map(|directory| format!("{directory}/{name}"))
            .into_iter()
            .find(|path| Path::new(path).is_file())
            .unwrap_or_else(|| panic!("{name} is not there: install it"))
    };
    let mut command = program(&tool("ip"));
    command.args(["netns", "exec", netns, &tool("nft"), rule]);
    let ended = finish(command.stdout(Stdio::piped()));
    assert_eq!(ended.code, Some(0), "nft {rule}: {}", ended.stderr);
}

/// Two namespaces at once, told apart, each by its name.
#[test]
fn namespaces_have_names() {
    isolated(|| {
        let find = |name| {
            lab::find(name)
                .expect("a scenario")
                .prepare()
                .expect("the lab")
        };
        let (mut one, mut other) = (find("vlan-on-l3-device"), find("bad-ipv4-checksum"));
        let _one = NamedNetns::new(one.namespace(), "trunk");
        let _other = NamedNetns::new(other.namespace(), "flaky-memory");
        let mut live = Live::start(&["--host", "10.99.0.2"]);
        one.inject(Duration::ZERO).expect("the lab's packets");
        other.inject(Duration::ZERO).expect("the lab's packets");
        live.await_drops(10);
        let run = live.stop();
        for bench in [&one, &other] {
            let ours = run
                .drops
                .iter()
                .filter(|drop| drop["netns"] == bench.netns().0);
            assert_eq!(ours.count(), 5, "{:#?}", run.drops);
        }
        assert_eq!(run.counter("IpInHdrErrors", one.netns().0), (5, 5));
        assert_eq!(run.counter("IpExtInCsumErrors", other.netns().0), (5, 5));
    });
}

#[test]
fn the_table_shows_the_namespace_by_name() {
    isolated(|| {
        let mut bench = lab::find("vlan-on-l3-device")
            .expect("a scenario")
            .prepare()
            .expect("the lab");
        let _name = NamedNetns::new(bench.namespace(), "trunk");
        // A table says nothing before its end, so another run tells when packets are seen and when they were.
        let table = binary(&["drops", "--netns", "trunk", "--count", "5"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("netdiag");
        let mut watch = Live::start(&["--netns", "trunk"]);
        let held = || !netdiag_tests::Attached::by(table.id()).links.is_empty();
        while !held() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_secs(2));
        bench.inject(Duration::ZERO).expect("the lab's packets");
        watch.await_drops(5);
        let output = table.wait_with_output().expect("netdiag");
        let text = String::from_utf8_lossy(&output.stdout);
        let row = text
            .lines()
            .find(|line| line.contains("ip_rcv_core+0x"))
            .unwrap_or_else(|| {
                panic!("no row:\n{text}{}", String::from_utf8_lossy(&output.stderr))
            });
        assert!(
            text.lines()
                .next()
                .is_some_and(|line| line.contains("NAMESPACE")),
            "{text}"
        );
        for cell in ["trunk", "tun0", "5"] {
            assert!(row.split_whitespace().any(|word| word == cell), "{row}");
        }
    });
}
