//! The lab against this kernel. Without root, namespaces must fail with an error that says what is missing.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use netdiag_common::NetnsId;

use super::traffic::{DeafUdpSocket, udp_flood};
use super::{
    Bench, Cgroup, LabError, Namespace, Scenario, all, current_netns, find, frame, link, sysctl,
};

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

/// A counter of the calling thread's namespace; `None` when this kernel has none of that name.
fn counter(name: &str) -> Option<u64> {
    let snmp6 = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    for line in snmp6.lines() {
        if let [key, value] = line.split_whitespace().collect::<Vec<_>>()[..]
            && key == name
        {
            return Some(value.parse().unwrap());
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
                    return Some(value.parse().unwrap());
                }
            }
        }
    }
    None
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

/// Scenarios whose packets are wrong in one way only: no other counter of bad packets moves.
fn is_pure(name: &str) -> bool {
    const PURE: &[&str] = &[
        "ethernet-on-l3-device",
        "vlan-on-l3-device",
        "arp-on-l3-device",
        "ipv6-ethernet-on-l3-device",
        "truncated-ipv4-header",
        "ipv6-wrong-version",
        "total-length-beyond",
        "ttl-expired",
        "hop-limit-expired",
        "fragments",
        "vxlan-no-tunnel",
        "udp-closed-port",
        "forwarding-off",
        "unknown-protocol",
        "unknown-protocol6",
        "healthy",
    ];
    PURE.contains(&name)
}

/// Prepares and injects, and says what the kernel did that it should not have done.
fn complaint(scenario: &Scenario, host: NetnsId) -> Result<(), String> {
    let mut bench = match scenario.prepare() {
        Ok(bench) => bench,
        Err(LabError::Unsupported { what, .. }) => {
            return if scenario.expect.needs.contains(&what) {
                Ok(())
            } else {
                Err(format!("needs {what}, and does not say so"))
            };
        }
        Err(LabError::Global(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    assert_ne!(bench.netns(), host);
    let watched: Vec<_> = scenario
        .expect
        .faults()
        .filter_map(|fault| Some((fault.counter?, fault.counted)))
        .collect();
    let values = |bench: &Bench| {
        let watched = watched.clone();
        bench.namespace().run(move || {
            let values = watched.iter().map(|(name, _)| counter(name));
            values.collect::<Vec<_>>()
        })
    };
    let before = values(&bench);
    let injected = bench
        .inject(Duration::ZERO)
        .map_err(|error| error.to_string())?;
    let after = values(&bench);
    assert_eq!(injected.netns, bench.netns());
    if injected.packets == 0 {
        return Err("nothing was sent".to_owned());
    }
    for ((name, counted), (before, after)) in watched.iter().zip(before.iter().zip(&after)) {
        // A kernel without the counter cannot be wrong about it.
        if let (Some(before), Some(after)) = (before, after)
            && after - before != *counted
        {
            return Err(format!(
                "{name} rose by {}, not by {counted}",
                after - before
            ));
        }
    }
    let expected: Vec<&str> = watched.iter().map(|(name, _)| *name).collect();
    if is_pure(scenario.name) {
        let others = bench.namespace().run(move || {
            let moved = BAD.iter().copied().filter(|bad| counter(bad) > Some(0));
            moved.collect::<Vec<_>>()
        });
        if !others.iter().all(|moved| expected.contains(moved)) {
            return Err(format!("{others:?} moved, not {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_kernel_does_what_each_scenario_expects() {
    if !privileged() {
        return;
    }
    let host = (current_netns().unwrap(), devices());
    let complaints: Vec<String> = all()
        .iter()
        .filter_map(|scenario| {
            let complaint = complaint(scenario, host.0).err()?;
            Some(format!("{}: {complaint}", scenario.name))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
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
        (Some(57), Some(57)),
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
fn what_changes_the_whole_machine_is_refused() {
    let global: Vec<_> = all().iter().filter(|found| found.expect.global).collect();
    assert!(!global.is_empty());
    for scenario in global {
        let error = scenario.prepare().unwrap_err();
        assert!(matches!(error, LabError::Global(_)), "{error:?}");
        assert!(error.to_string().contains("--allow-global"));
    }
}

#[test]
fn a_cgroup_goes_with_its_owner_or_when_the_next_one_comes() {
    if !privileged() {
        return;
    }
    let Ok(cgroup) = Cgroup::new() else {
        // No cgroup2 for single threads here: the scenarios say so.
        return;
    };
    let path = cgroup.path().to_owned();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    // Nobody can have this process id.
    let left = path.with_file_name(name.replace(&std::process::id().to_string(), "4194305"));
    fs::create_dir(&left).unwrap();
    let inside = cgroup.run(|| Ok(fs::read_to_string("/proc/thread-self/cgroup").unwrap()));
    assert!(inside.unwrap().contains(&name));
    drop(Cgroup::new().unwrap());
    assert!(path.is_dir() && !left.exists());
    drop(cgroup);
    assert!(!path.exists());
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
        counter("UdpRcvbufErrors").unwrap()
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
        // Without the hook, which would print a fault where there is none.
        namespace.run(|| std::panic::resume_unwind(Box::new("inside")));
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
