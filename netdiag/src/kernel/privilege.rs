//! Capabilities: which ones this thread has, and giving up those that are not needed once the probes are attached.
//!
//! Capabilities belong to a thread. [`drop_to`] must run before the other threads are started, which then inherit the
//! reduced sets.

use std::fmt;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs,
};
use thiserror::Error;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(CapabilitySet);

impl Capabilities {
    /// What a run still needs once everything is attached: `CAP_SYS_ADMIN` to enter namespaces and to read the names of
    /// BPF programs, `CAP_NET_ADMIN` to read the rules of nftables, `CAP_SYS_PTRACE` for `/proc/PID/ns` and
    /// `/proc/PID/fd` of other users, `CAP_SYSLOG` for kernel addresses, and `CAP_DAC_READ_SEARCH` to walk directories
    /// of others.
    pub const AFTER_ATTACH: Self = Self(
        CapabilitySet::SYS_ADMIN
            .union(CapabilitySet::NET_ADMIN)
            .union(CapabilitySet::SYS_PTRACE)
            .union(CapabilitySet::SYSLOG)
            .union(CapabilitySet::DAC_READ_SEARCH),
    );

    /// The same, and for a dump that goes on to other files `CAP_DAC_OVERRIDE`, because root without it may make none in
    /// a directory of the user's, and `CAP_CHOWN` to make them the user's.
    pub const AFTER_ATTACH_ROTATING: Self = Self(
        Self::AFTER_ATTACH
            .0
            .union(CapabilitySet::DAC_OVERRIDE)
            .union(CapabilitySet::CHOWN),
    );

    /// No capability at all.
    pub const NONE: Self = Self(CapabilitySet::empty());

    /// `CAP_BPF` (5.8), or `CAP_SYS_ADMIN`, which includes it.
    #[must_use]
    pub fn has_bpf(self) -> bool {
        self.0
            .intersects(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN)
    }

    /// `CAP_PERFMON` (5.8), or `CAP_SYS_ADMIN`, which includes it.
    #[must_use]
    pub fn has_perfmon(self) -> bool {
        self.0
            .intersects(CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN)
    }

    /// `CAP_SYS_ADMIN`.
    #[must_use]
    pub fn has_sys_admin(self) -> bool {
        self.0.contains(CapabilitySet::SYS_ADMIN)
    }

    /// `CAP_NET_ADMIN`.
    #[must_use]
    pub fn has_net_admin(self) -> bool {
        self.0.contains(CapabilitySet::NET_ADMIN)
    }

    /// `CAP_SYSLOG`.
    #[must_use]
    pub fn has_syslog(self) -> bool {
        self.0.contains(CapabilitySet::SYSLOG)
    }

    /// `CAP_SYS_PTRACE`.
    #[must_use]
    pub fn has_sys_ptrace(self) -> bool {
        self.0.contains(CapabilitySet::SYS_PTRACE)
    }

    /// The names, as `CAP_BPF`, in the kernel's order; a capability newer than this program is `CAP_n`.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        (0..u64::BITS)
            .filter(|bit| self.0.bits() & (1 << bit) != 0)
            .map(|bit| {
                let one = CapabilitySet::from_bits_retain(1 << bit);
                one.iter_names()
                    .next()
                    .map_or_else(|| format!("CAP_{bit}"), |(name, _)| format!("CAP_{name}"))
            })
            .collect()
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("none")
        } else {
            f.write_str(&self.names().join(" "))
        }
    }
}

/// A capability call failed.
#[derive(Debug, Error)]
#[error("{operation} of this thread: {source}; a seccomp profile or security module may forbid it")]
pub struct PrivilegeError {
    /// What was tried.
    pub operation: &'static str,
    /// What the kernel answered.
    pub source: Errno,
}

fn failed(operation: &'static str) -> impl FnOnce(Errno) -> PrivilegeError {
    move |source| PrivilegeError { operation, source }
}

/// The capabilities in effect for this thread.
///
/// # Errors
/// When `capget` is forbidden.
pub fn effective() -> Result<Capabilities, PrivilegeError> {
    capabilities(None)
        .map(|sets| Capabilities(sets.effective))
        .map_err(failed("reading the capabilities"))
}

/// Keeps of this thread's permitted capabilities only those in `keep`, in effect and permitted; clears the
/// inheritable and ambient ones and sets `no_new_privs`, so that nothing executed later regains any. Answers what is
/// left.
///
/// # Errors
/// Names the step that the kernel refused; the steps before it hold.
pub fn drop_to(keep: Capabilities) -> Result<Capabilities, PrivilegeError> {
    set_no_new_privs(true).map_err(failed("setting no_new_privs"))?;
    clear_ambient_capability_set().map_err(failed("clearing the ambient capabilities"))?;
    let left = capabilities(None)
        .map_err(failed("reading the capabilities"))?
        .permitted
        & keep.0;
    let sets = CapabilitySets {
        effective: left,
        permitted: left,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(failed("reducing the capabilities"))?;
    Ok(Capabilities(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_implications() {
        let bpf = Capabilities(CapabilitySet::BPF | CapabilitySet::PERFMON);
        assert!(bpf.has_bpf() && bpf.has_perfmon() && !bpf.has_sys_admin() && !bpf.has_net_admin());
        assert_eq!(bpf.to_string(), "CAP_PERFMON CAP_BPF");
        assert!(Capabilities(CapabilitySet::SYS_ADMIN).has_bpf());
        assert_eq!(Capabilities::NONE.to_string(), "none");
        assert_eq!(
            Capabilities(CapabilitySet::from_bits_retain(1 << 60)).names(),
            ["CAP_60"]
        );
    }

    #[test]
    fn dropping_keeps_what_was_asked_and_no_more() {
        // Capabilities are per thread: the test's own thread stays as it is.
        std::thread::spawn(|| {
            let before = capabilities(None).expect("capget").permitted;
            let left = drop_to(Capabilities::AFTER_ATTACH).expect("dropping is always allowed");
            assert_eq!(left.0, before & Capabilities::AFTER_ATTACH.0);
            let sets = capabilities(None).expect("capget");
            assert_eq!((sets.effective, sets.permitted), (left.0, left.0));
            assert!(sets.inheritable.is_empty());
            assert_eq!(effective().expect("capget"), left);
            assert!(rustix::thread::no_new_privs().expect("prctl"));
            assert_eq!(
                drop_to(Capabilities::NONE).expect("drop"),
                Capabilities::NONE
            );
        })
        .join()
        .expect("thread");
    }
}
