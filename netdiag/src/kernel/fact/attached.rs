//! Which BPF programs are attached to a cgroup, or to a device by TCX: the kernel's answer to `BPF_PROG_QUERY`.

use crate::kernel::owner;
use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, RawFd},
};

/// A program that is attached to a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfCgroup {
    /// The cgroup's path below the cgroup2 mount, `/` for its root.
    pub cgroup: String,
    /// Whether it is asked about what sockets send; the others about what they receive.
    pub egress: bool,
    /// Its id.
    pub program: u32,
}

// Of linux/bpf.h: `enum bpf_cmd` and `enum bpf_attach_type`.
const BPF_PROG_QUERY: libc::c_long = 16;
const CGROUP_INET_INGRESS: u32 = 0;
const CGROUP_INET_EGRESS: u32 = 1;
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;

/// More cgroups than this are not asked about.
const MOST_CGROUPS: usize = 4096;
/// More programs than this at one place are not told.
const MOST: usize = 64;
/// More programs than this on the host are none that anybody wants to read.
const MOST_OF_CGROUPS: usize = 1024;

/// The part of `union bpf_attr` that `BPF_PROG_QUERY` wants, as of 4.14. The device's index stands in for the
/// descriptor since 6.6.
#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// The programs that look at IP packets of cgroups' sockets, of all cgroups.
///
/// # Errors
/// No cgroup2 is mounted, or the kernel does not tell: this needs `CAP_NET_ADMIN`.
pub fn of_cgroups() -> io::Result<Vec<OfCgroup>> {
    let mount = owner::cgroup_mount().ok_or(io::ErrorKind::NotFound)?;
    let mut found = Vec::new();
    for cgroup in owner::cgroups(&mount, MOST_CGROUPS) {
        // One that has gone meanwhile has no programs.
        let Ok(directory) = File::open(mount.join(cgroup.trim_start_matches('/'))) else {
            continue;
        };
        for (kind, egress) in [(CGROUP_INET_INGRESS, false), (CGROUP_INET_EGRESS, true)] {
            let programs = match query(of_descriptor(directory.as_raw_fd()), kind) {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            found.extend(programs.into_iter().map(|program| OfCgroup {
                cgroup: cgroup.clone(),
                egress,
                program,
            }));
        }
        if found.len() > MOST_OF_CGROUPS {
            // A part of them would say that the rest has none.
            return Err(io::Error::other("there are too many"));
        }
    }
    Ok(found)
}

/// Whether the cgroup was removed meanwhile.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

/// The programs that a device has by TCX, those of ingress first, with `true` for egress.
///
/// # Errors
/// What the kernel answered; before 6.6 there is no TCX (`EINVAL`).
pub fn of_device(index: u32) -> io::Result<Vec<(bool, u32)>> {
    let mut found = Vec::new();
    for (kind, egress) in [(TCX_INGRESS, false), (TCX_EGRESS, true)] {
        let programs = query(index, kind)?;
        found.extend(programs.into_iter().map(|program| (egress, program)));
    }
    Ok(found)
}

/// Descriptors are not negative.
fn of_descriptor(descriptor: RawFd) -> u32 {
    u32::try_from(descriptor).unwrap_or(u32::MAX)
}

/// The ids of the programs that are attached to the target in a way.
fn query(target: u32, kind: u32) -> io::Result<Vec<u32>> {
    let mut ids = [0u32; MOST];
    let mut request = Query {
        target,
        kind,
        flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: u32::try_from(ids.len()).unwrap_or(0),
        padding: 0,
    };
    // SAFETY: the kernel reads the request and writes its `attach_flags` and `count`, and as many ids as `count` said.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            std::ptr::from_mut(&mut request),
            size_of::<Query>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(request.count).unwrap_or(0);
    Ok(ids.into_iter().take(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_of_the_kernel() {
        // Without privilege it refuses, and without cgroup2 there is nothing to ask about.
        match of_cgroups() {
            Ok(programs) => assert!(programs.len() <= MOST_OF_CGROUPS + MOST),
            Err(error) => assert!(
                error.kind() == io::ErrorKind::NotFound || error.raw_os_error().is_some(),
                "{error}"
            ),
        }
        let error = of_device(u32::MAX).expect_err("there is no such device");
        assert!(error.raw_os_error().is_some(), "{error}");
    }
}
