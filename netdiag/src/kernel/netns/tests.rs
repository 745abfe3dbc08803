//! Namespaces of this host, and of threads that the tests make.

use std::sync::mpsc;

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::*;

/// Runs `f` with a namespace that a thread holds open meanwhile. Without privilege the kernel must say EPERM.
fn with_namespace(f: impl FnOnce(Netns)) {
    let (send, receive) = mpsc::channel();
    let (done, wait) = mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        // SAFETY: CLONE_NEWNET alone changes neither the file table nor memory of other threads.
        let result = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
        let tid = rustix::thread::gettid().as_raw_nonzero();
        let path = PathBuf::from(format!("/proc/{}/task/{tid}/ns/net", std::process::id()));
        send.send(result.map(|()| (current().expect("own namespace"), path)))
            .expect("receiver");
        let _ended = wait.recv();
    });
    match receive.recv().expect("holder") {
        Ok((id, path)) => {
            f(Netns {
                id,
                name: NetnsName::Named("test".to_owned()),
                path,
            });
        }
        Err(errno) => {
            assert!(
                !rustix::process::geteuid().is_root(),
                "root may make namespaces: {errno}"
            );
            assert_eq!(errno, rustix::io::Errno::PERM);
        }
    }
    drop(done);
    holder.join().expect("holder");
}

#[test]
fn lists_the_own_namespace_and_resolves_its_process() {
    let own = current().expect("own");
    assert!(list().expect("list").iter().any(|netns| netns.id == own));
    assert_eq!(resolve(&std::process::id().to_string()).expect("pid"), own);
    assert_eq!(resolve(&own.0.to_string()).expect("inode"), own);
}

#[test]
fn an_unknown_name_says_where_it_was_looked_for() {
    for spec in ["no-such-netns", "../proc/self/ns/net", "4294967295", ""] {
        let text = resolve(spec).expect_err("unknown").to_string();
        assert!(
            text.contains("/run/netns") && text.contains("available"),
            "{text}"
        );
    }
}

#[test]
fn enters_another_namespace_and_leaves_this_thread_alone() {
    with_namespace(|netns| {
        let before = current().expect("own");
        assert_ne!(netns.id, before);
        assert_eq!(
            enter(&netns, || current().expect("inside")).expect("enter"),
            netns.id
        );
        assert_eq!(current().expect("own"), before);
        let inside = enter(&netns, crate::kernel::device::list)
            .expect("enter")
            .expect("dump");
        assert_eq!(
            inside.first().map(|device| device.name.as_str()),
            Some("lo")
        );
        assert!(
            enter(&netns, crate::kernel::procnet::read)
                .expect("enter")
                .is_ok()
        );
    });
}

#[test]
fn a_replaced_namespace_is_not_entered() {
    with_namespace(|netns| {
        let stale = Netns {
            id: NetnsId(netns.id.0 ^ 1),
            ..netns
        };
        assert!(matches!(
            enter(&stale, || ()),
            Err(NetnsError::Replaced { .. })
        ));
    });
}

#[test]
fn the_own_namespace_needs_no_file() {
    let netns = Netns {
        id: current().expect("own"),
        name: NetnsName::Host,
        path: PathBuf::from("/nowhere"),
    };
    assert_eq!(enter(&netns, || 7).expect("enter"), 7);
}

#[test]
fn a_missing_file_is_named() {
    let netns = Netns {
        id: NetnsId(1),
        name: NetnsName::Host,
        path: PathBuf::from("/nowhere/net"),
    };
    let text = enter(&netns, || ()).expect_err("missing").to_string();
    assert!(text.contains("/nowhere/net"), "{text}");
}

#[test]
fn names_are_neutral_and_the_unknown_shows_its_number() {
    let mut names = NetnsNames::new();
    assert_eq!(names.name(NetnsId(1)), "netns 1");
    let own = names.name(current().expect("own"));
    assert_eq!(
        own.starts_with("netns "),
        names.refreshed.is_some() && !names.names.contains_key(&current().expect("own"))
    );
    let evil = NetnsName::Process {
        pid: 7,
        comm: "a\u{1b}[31mb\u{202e}".to_owned(),
    };
    assert_eq!(evil.to_string(), "a\u{fffd}[31mb\u{fffd}[7]");
}

#[test]
fn plain_files_are_no_namespaces() {
    let directory = tempfile::tempdir().expect("directory");
    fs::write(directory.path().join("left-over"), "").expect("file");
    assert!(named(directory.path()).is_empty());
}
