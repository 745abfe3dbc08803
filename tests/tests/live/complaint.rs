//! Bad input and bad surroundings: a message that says what to do, the right exit status, nothing left attached.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netdiag::lab::Namespace;
use netdiag_tests::{
    Attached, Ended, Live, NamedNetns, assert_nothing_attached, closed_port, finish, has_reasons,
    isolated, netdiag as binary, run,
};

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Nobody.
const USER: u32 = 65534;

/// It failed, said all of these, showed nothing and left nothing.
fn assert_fails(arguments: &[&str], parts: &[&str]) {
    assert_failed(&run(arguments), 1, parts);
}

fn assert_failed(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    assert_eq!(ended.stdout, "", "{ended:#?}");
    for part in parts {
        assert!(
            ended.stderr.contains(part),
            "no {part} in:\n{}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_nothing_attached();
}

#[test]
fn unknown_namespace() {
    isolated(|| {
        assert_fails(
            &["drops", "--netns", "no-such"],
            &["no-such", "available: no names"],
        );
        let namespace = Namespace::new().expect("the lab");
        let _name = NamedNetns::new(&namespace, "blue");
        assert_fails(
            &["drops", "--netns", "no-such"],
            &["no-such", "available: blue"],
        );
        // Neither a process nor a namespace.
        assert_fails(
            &["drops", "--json", "--netns", "4000000000"],
            &["4000000000", "blue"],
        );
        assert_fails(&["drops", "--netns", "../blue"], &["../blue"]);
    });
}

#[test]
fn unknown_device() {
    isolated(|| {
        assert_fails(
            &["drops", "--iface", "no-such0"],
            &["no-such0", "there are: ", "lo"],
        );
        assert_fails(
            &["drops", "--iface", "a-name-beyond-15-bytes"],
            &["1 to 15 bytes"],
        );
        let namespace = Namespace::new().expect("the lab");
        let _name = NamedNetns::new(&namespace, "blue");
        assert_fails(
            &["drops", "--netns", "blue", "--iface", "eth7"],
            &["eth7", "in that namespace; there are: ", "lo"],
        );
    });
}

#[test]
fn unknown_reason() {
    isolated(|| {
        let arguments = ["drops", "--json", "--reason", "NO_SUCH_REASON"];
        if has_reasons() {
            assert_fails(
                &arguments,
                &["NO_SUCH_REASON", "it has: ", "NO_SOCKET", "NETFILTER_DROP"],
            );
        } else {
            assert_fails(
                &arguments,
                &["gives no drop reasons", "5.17", "leave out --reason"],
            );
        }
    });
}

/// The types of a kernel that does not run here.
fn foreign() -> &'static [u8] {
    if has_reasons() {
        include_bytes!("../../../netdiag/tests/btf/5.10.btf")
    } else {
        include_bytes!("../../../netdiag/tests/btf/7.2.btf")
    }
}

#[test]
fn unusable_btf() {
    isolated(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, bytes).expect("write a file");
            path.to_str().expect("a path in UTF-8").to_owned()
        };
        let whole = fs::read(BTF).expect("the kernel's BTF");
        let (half, _) = whole.split_at(whole.len() / 2);
        let (header, _) = whole.split_at(24);
        let mut flipped = whole.clone();
        flipped
            .iter_mut()
            .skip(24)
            .step_by(97)
            .for_each(|byte| *byte ^= 0xa5);
        let directory_path = directory.path().to_str().expect("a path in UTF-8");
        for (path, part) in [
            ("/no/such/file".to_owned(), "No such file or directory"),
            (directory_path.to_owned(), "Is a directory"),
            (file("text", b"this is no BTF\n"), "not usable BTF"),
            (file("empty", b""), "not usable BTF"),
            (file("foreign", foreign()), "is not of the running kernel"),
            (file("header", header), ""),
            (file("half", half), ""),
            (file("flipped", &flipped), ""),
        ] {
            assert_fails(&["drops", "--json", "--btf", &path], &[&path, part]);
        }
    });
}

#[test]
fn wrong_command_line() {
    isolated(|| {
        for arguments in [
            &["drops", "--no-such-flag"][..],
            &["drops", "--json", "--each"],
            &["drops", "--snaplen", "7"],
            &["drops", "--duration", "soon"],
            &["drops", "--host", "not-an-address"],
            &["no-such-command"],
        ] {
            assert_failed(&run(arguments), 2, &["error: "]);
        }
    });
}

/// The binary where anyone may run it, as somebody without privilege.
pub(crate) fn unprivileged(arguments: &[&str]) -> Ended {
    let directory = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .expect("a directory");
    let copy = directory.path().join("netdiag");
    fs::copy(binary(&[]).get_program(), &copy).expect("copy the binary");
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("let anyone run it");
    let mut command = netdiag_tests::program(copy.to_str().expect("a path in UTF-8"));
    // Leaving user 0 takes every capability away.
    command.args(arguments).current_dir("/").uid(USER).gid(USER);
    finish(command.stdout(Stdio::piped()))
}

#[test]
fn no_privilege() {
    isolated(|| {
        assert_failed(&unprivileged(&["drops"]), 1, &["root", "CAP_BPF"]);
        assert_failed(&unprivileged(&["drops", "--json"]), 1, &["root", "CAP_BPF"]);
        let doctor = unprivileged(&["doctor"]);
        assert_eq!(doctor.code, Some(0), "{doctor:#?}");
        assert!(
            doctor.stdout.contains("run it as root"),
            "{}",
            doctor.stdout
        );
    });
}

/// The product can be seen without privilege.
#[test]
fn no_privilege_in_the_lab() {
    isolated(|| {
        let ended = unprivileged(&["lab", "run", "ethernet-on-l3-device"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for part in [
            "Not live",
            "root",
            "ethernet-on-l3-device",
            "02:42:0a:63:00:02",
            "14-byte",
        ] {
            assert!(
                ended.stdout.contains(part),
                "no {part} in:\n{}",
                ended.stdout
            );
        }
        assert_nothing_attached();
    });
}

/// As `netdiag drops --json | head -1`.
#[test]
fn a_reader_that_has_enough() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let _name = NamedNetns::new(&namespace, "blue");
        let mut child = binary(&["drops", "--json", "--netns", "blue"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("netdiag");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        assert!(line.starts_with("{\"kind\":\"start\""), "{line}");
        drop(stdout);
        closed_port(&namespace, 4242, 5);
        let status = child.wait().expect("netdiag");
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut stderr)
            .expect("text");
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
        assert_nothing_attached();
    });
}

/// A reader that does not read, and does not go away either, must not keep a run from ending.
#[test]
fn a_reader_that_does_not_read() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let _name = NamedNetns::new(&namespace, "blue");
        let mut child = binary(&["drops", "--json", "--netns", "blue"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("netdiag");
        let attached = {
            let mut line = String::new();
            let stdout = child.stdout.as_mut().expect("a pipe");
            // One byte at a time: nothing beyond the first line is to be read.
            while !line.ends_with('\n') {
                let mut byte = [0];
                stdout.read_exact(&mut byte).expect("a line");
                line.push(char::from(byte[0]));
            }
            Attached::by(child.id())
        };
        // Some 400 bytes each: the pipe holds 64 KiB.
        closed_port(&namespace, 4242, 1000);
        terminate(child.id());
        // Its output is held open and not read meanwhile: only by giving up can it end.
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = child.try_wait().expect("netdiag") {
                break status;
            }
            if Instant::now() > end {
                child.kill().expect("kill netdiag");
                panic!("SIGTERM does not end it");
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut stderr = String::new();
        let mut pipe = child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("text");
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("its reader did not read"), "{stderr}");
        attached.assert_gone();
        assert_nothing_attached();
    });
}

/// A buffer that is too small, and a program that is kept from emptying it: events are lost, counted and told.
#[test]
fn what_is_lost_is_told() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let live = Live::within(&namespace, &["--buffer-size", "64K", "--require-complete"]);
        signal(live.pid(), rustix::process::Signal::STOP);
        closed_port(&namespace, 4242, 2000);
        signal(live.pid(), rustix::process::Signal::CONT);
        let run = live.stop();
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        let lost = run.ledger("lost");
        assert!(lost > 0, "{:#}", run.summary);
        assert!(run.ledger("reported") + lost >= 2000, "{:#}", run.summary);
        // Beside each count.
        assert!(!run.findings.is_empty(), "{:#}", run.summary);
        for finding in &run.findings {
            assert_eq!(finding["lost"], lost, "{finding:#}");
        }
    });
}

fn terminate(pid: u32) {
    signal(pid, rustix::process::Signal::TERM);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process id"), signal).expect("a signal");
}

#[test]
fn a_full_disk() {
    isolated(|| {
        let full = || -> File {
            OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .expect("/dev/full")
        };
        let commands: [&mut Command; 4] = [
            &mut binary(&["drops", "--json", "--duration", "1s"]),
            &mut binary(&["drops", "--duration", "1s"]),
            &mut binary(&["doctor"]),
            &mut binary(&["counters", "--all"]),
        ];
        for command in commands {
            let ended = finish(command.stdout(full()));
            assert_failed(&ended, 1, &["No space left on device"]);
        }
    });
}

#[test]
fn nothing_stays_attached_however_it_ends() {
    isolated(|| {
        let namespace = Namespace::new().expect("the lab");
        let live = Live::within(&namespace, &[]);
        let attached = Attached::by(live.pid());
        let run = live.stop();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        attached.assert_gone();

        let live = Live::within(&namespace, &[]);
        let attached = Attached::by(live.pid());
        closed_port(&namespace, 4242, 5);
        live.kill();
        attached.assert_gone();
        assert_nothing_attached();
    });
}

/// The network namespaces of a process's threads.
fn namespaces(pid: &str) -> BTreeSet<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let inodes = threads.filter_map(|thread| fs::metadata(thread.path().join("ns/net")).ok());
    inodes.map(|inode| inode.ino()).collect()
}

#[test]
fn the_lab_is_gone_even_when_it_is_killed() {
    isolated(|| {
        let lab = Live::start_command(&mut binary(&[
            "lab",
            "run",
            "ethernet-on-l3-device",
            "--json",
        ]));
        let attached = Attached::by(lab.pid());
        let built = &namespaces(&lab.pid().to_string()) - &namespaces("self");
        assert_eq!(built.len(), 1, "the lab's namespace");
        lab.kill();
        attached.assert_gone();
        assert_nothing_attached();
        assert_eq!(fs::read_dir("/run/netns").expect("the names").count(), 0);
        for process in fs::read_dir("/proc").expect("the processes").flatten() {
            let pid = process.file_name().to_string_lossy().into_owned();
            assert!(
                namespaces(&pid).is_disjoint(&built),
                "process {pid} is in {built:?}"
            );
        }
    });
}
