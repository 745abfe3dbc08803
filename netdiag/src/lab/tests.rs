//! The lab against this kernel. Without root, namespaces must fail with an error that says what is missing.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use super::traffic::{DeafUdpSocket, udp_flood};
use super::{Bench, LabError, Namespace, all, current_netns, find, frame, link, sysctl};

/// Whether namespaces can be had here; checks the error when not.
fn privileged() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let error = Namespace::new().unwrap_err();
    assert!(matches!(error, LabError::Privilege(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("root") && text.contains("CAP_SYS_ADMIN"),
        "{text}"
    );
    false
}

/// A counter of the calling thread's namespace.
fn counter(name: &str) -> u64 {
    let snmp6 = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    for line in snmp6.lines() {
        if let [key, value] = line.split_whitespace().collect::<Vec<_>>()[..]
            && key == name
        {
            return value.parse().unwrap();
        }
    }
    for file in ["snmp", "netstat"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            let (protocol, names) = pair[0].split_once(':').unwrap();
            let (_, values) = pair[1].split_once(':').unwrap();
            for (key, value) in names.split_whitespace().zip(values.split_whitespace()) {
                if format!("{protocol}{key}") == name {
                    return value.parse().unwrap();
                }
            }
        }
    }
    panic!("no counter {name}");
}

/// Counters of packets that the kernel found wrong.
const BAD: &[&str] = &[
    "IpInHdrErrors",
    "IpInAddrErrors",
    "IpExtInCsumErrors",
    "IpExtInTruncatedPkts",
    "IpInDiscards",
    "IpInUnknownProtos",
    "Ip6InHdrErrors",
    "Ip6InDiscards",
    "UdpNoPorts",
    "UdpInErrors",
    "UdpInCsumErrors",
    "IcmpInErrors",
];

/// The devices of the calling thread's namespace.
fn devices() -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[test]
fn the_kernel_does_what_each_scenario_expects() {
    if !privileged() {
        return;
    }
    let host = (current_netns().unwrap(), devices());
    for scenario in all() {
        let name = scenario.name;
        let expect = scenario.expect;
        let mut bench = scenario
            .prepare()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(bench.netns(), host.0, "{name}");
        let usual: &[&str] = match name {
            "ttl-expired" | "hop-limit-expired" => &["lo", "tun0", "tun1"],
            "healthy" => &["lo", "veth0"],
            _ => &["lo", "tun0"],
        };
        // Modules of tunnels give every namespace a device of theirs, which is down.
        const FALLBACK: &[&str] = &["tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0"];
        let mut found = bench.namespace().run(devices);
        found.retain(|device| !FALLBACK.contains(&device.as_str()));
        assert_eq!(found, usual, "{name}");
        let value = |bench: &Bench| {
            let watched = expect.counter;
            bench.namespace().run(move || watched.map_or(0, counter))
        };
        let before = value(&bench);
        let injected = bench.inject(Duration::ZERO).unwrap();
        let after = value(&bench);
        assert_eq!(
            after - before,
            expect.counted,
            "{name}: {:?}",
            expect.counter
        );
        let packets = match name {
            // Of three fragments one waits for the rest, and is dropped with it, and is not told of.
            "fragments" => expect.drops / 2 * 3,
            "healthy" => injected.packets,
            _ => expect.drops,
        };
        assert_eq!(injected.packets, packets, "{name}");
        assert_ne!(injected.packets, 0, "{name}");
        // Wrong in one way only: no other counter of bad packets moves. But `ip_rcv_core` counts a bad checksum as a
        // bad header as well (`csum_error` falls through to `inhdr_error`), and whether anybody knows the protocol of
        // a tunnel depends on the modules that are loaded.
        let others = bench.namespace().run(move || {
            let moved = BAD
                .iter()
                .copied()
                .filter(|&bad| expect.counter != Some(bad) && counter(bad) > 0);
            moved.collect::<Vec<_>>()
        });
        let fits = match (name, expect.counter) {
            (_, Some("IpExtInCsumErrors")) => others == ["IpInHdrErrors"],
            ("ipip-no-tunnel" | "gre-no-tunnel", None) => {
                others.is_empty() || others == ["IpInUnknownProtos"]
            }
            _ => others.is_empty(),
        };
        assert!(fits, "{name}: {others:?}");
        assert_eq!(injected.netns, bench.netns(), "{name}");
    }
    assert_eq!((current_netns().unwrap(), devices()), host);
}

#[test]
fn the_first_scenario_writes_57_frames() {
    if !privileged() {
        return;
    }
    let mut bench = find("ethernet-on-l3-device").unwrap().prepare().unwrap();
    assert_eq!(bench.inject(Duration::ZERO).unwrap().packets, 57);
    let (header, received) = bench
        .namespace()
        .run(|| (counter("IpInHdrErrors"), counter("IpInReceives")));
    assert_eq!(
        (header, received),
        (57, 57),
        "nothing else may arrive in the namespace"
    );
}

#[test]
fn names_are_unique_and_found() {
    let names: HashSet<&str> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all().len());
    for scenario in all() {
        assert_eq!(find(scenario.name).unwrap().name, scenario.name);
        assert!(!scenario.summary.contains('\n') && !scenario.story.is_empty());
    }
    assert!(find("no-such-scenario").is_none());
}

#[test]
fn settings_of_the_host_are_refused() {
    let error = sysctl::write("ipv4/ip_forward", "0").unwrap_err();
    assert!(matches!(error, LabError::NotInLab(_)), "{error:?}");
    let error = sysctl::write("../kernel/hostname", "x").unwrap_err();
    assert!(matches!(error, LabError::SysctlName(_)), "{error:?}");
}

#[test]
fn errors_name_the_device_and_the_errno() {
    if !privileged() {
        return;
    }
    let namespace = Namespace::new().unwrap();
    let text = namespace
        .run(|| link::set_up("nope0"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("bring up nope0") && text.contains("os error 19"),
        "{text}"
    );
    let text = namespace
        .run(|| link::add_address("lo", Ipv4Addr::LOCALHOST.into(), 8))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("add an address to lo") && text.contains("os error 17"),
        "{text}"
    );
    let long = namespace
        .run(|| link::create_dummy("a-name-too-long0"))
        .unwrap_err();
    assert!(matches!(long, LabError::DeviceName(_)), "{long:?}");
}

#[test]
fn a_veth_pair_joins_two_namespaces() {
    if !privileged() {
        return;
    }
    let (left, right) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    let fd = right.open().unwrap();
    left.run(move || {
        link::create_veth("veth0", "veth1", fd.as_fd())?;
        link::set_mac("veth0", [2, 0, 0, 0, 0, 1])?;
        link::add_address("veth0", Ipv4Addr::new(10, 98, 0, 1).into(), 24)?;
        link::set_up("veth0")
    })
    .unwrap();
    right
        .run(|| {
            link::add_address("veth1", Ipv4Addr::new(10, 98, 0, 2).into(), 24)?;
            link::set_up("veth1")
        })
        .unwrap();
    assert_eq!(left.run(devices), ["lo", "veth0"]);
    assert_eq!(right.run(devices), ["lo", "veth1"]);
}

#[test]
fn a_deaf_socket_overflows() {
    if !privileged() {
        return;
    }
    let namespace = Namespace::new().unwrap();
    let errors = namespace.run(|| {
        let deaf = DeafUdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let to = deaf.address().unwrap();
        assert_eq!(udp_flood(to.ip(), to.port(), 512, 100).unwrap(), 100);
        counter("UdpRcvbufErrors")
    });
    assert!((50..100).contains(&errors), "{errors}");
}

#[test]
fn a_panic_inside_reaches_the_caller_and_spares_the_namespace() {
    if !privileged() {
        return;
    }
    let namespace = Namespace::new().unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        namespace.run(|| panic!("inside"));
    }));
    assert!(caught.is_err());
    assert_eq!(namespace.run(current_netns).unwrap(), namespace.id());
    assert_eq!(
        super::namespace::netns_of(&format!("/proc/{}/ns/net", namespace.tid())).unwrap(),
        namespace.id()
    );
}

#[test]
fn the_frame_of_the_first_scenario_is_as_documented() {
    let src = Ipv4Addr::new(10, 99, 0, 2);
    let dst = Ipv4Addr::new(10, 99, 0, 1);
    let echo = frame::icmp_echo_request(1, 1, &[0; 56]);
    let packet = frame::ipv4(frame::PROTO_ICMP, src, dst, &echo, 64);
    let bytes = frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], 0x0800, &packet);
    assert_eq!(bytes.len(), 98);
    assert_eq!(bytes[12..18], [0x08, 0x00, 0x45, 0x00, 0x00, 84]);
    // A header with its checksum sums up to all ones (RFC 1071).
    let sum: u32 = packet[..20]
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
}
