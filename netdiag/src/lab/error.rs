//! What can go wrong in the lab: each names the operation, the object and, through its source, the errno.

use std::io;

/// Why the lab could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The caller may not create network namespaces.
    #[error(
        "cannot create a network namespace: this needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN; \
         try again with sudo ({0})"
    )]
    Privilege(#[source] io::Error),
    /// The namespace could not be created for another reason.
    #[error("cannot {operation}: {source}")]
    Namespace {
        /// What was attempted.
        operation: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The kernel has no TUN driver.
    #[error(
        "/dev/net/tun is missing: load the kernel module with `modprobe tun` \
         (in a container, pass the device in: `--device /dev/net/tun`)"
    )]
    TunMissing(#[source] io::Error),
    /// A TUN or TAP device refused something.
    #[error("cannot {operation} {device}: {source}")]
    Tun {
        /// What was attempted.
        operation: &'static str,
        /// The device.
        device: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// rtnetlink refused something.
    #[error("cannot {operation} {device}: {source}")]
    Link {
        /// What was attempted.
        operation: &'static str,
        /// The device.
        device: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A name that no network device can have.
    #[error("{0:?} cannot be the name of a network device: 1 to 15 bytes, without `/` or blanks")]
    DeviceName(String),
    /// A kernel setting could not be written.
    #[error("cannot write {value:?} to {path}: {source}")]
    Sysctl {
        /// The file under `/proc/sys`.
        path: String,
        /// What was to be written.
        value: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A kernel setting would have changed the machine's own network namespace.
    #[error("refusing to write {0}: this thread is not in a network namespace of the lab")]
    NotInLab(String),
    /// A name that is no setting below `/proc/sys/net`.
    #[error("{0:?} is not the name of a setting below /proc/sys/net")]
    SysctlName(String),
    /// A socket inside the namespace refused something.
    #[error("cannot {operation} {address}: {source}")]
    Socket {
        /// What was attempted.
        operation: &'static str,
        /// The address.
        address: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Another part of the kernel refused something.
    #[error("cannot {operation} {object}: {source}")]
    Refused {
        /// What was attempted.
        operation: &'static str,
        /// With what.
        object: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The kernel lacks what the scenario is made of.
    #[error("this kernel has no {what} ({source})")]
    Unsupported {
        /// What it lacks, such as `netem`.
        what: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The scenario turns a knob of the whole machine, and nobody said that this may be.
    #[error(
        "{0} changes a setting of the whole machine, not only of a network namespace; \
         run it in a virtual machine, with --allow-global"
    )]
    Global(&'static str),
}

impl LabError {
    /// The same, or, where the kernel's answer says that it knows no such thing, that it lacks `what`.
    pub(super) fn lacking(self, what: &'static str) -> Self {
        match self {
            Self::Link { source, .. }
            | Self::Refused { source, .. }
            | Self::Sysctl { source, .. }
            | Self::Socket { source, .. }
                if unknown(&source) =>
            {
                Self::Unsupported { what, source }
            }
            other => other,
        }
    }
}

/// Whether the kernel answered that it does not know what was asked for.
fn unknown(error: &io::Error) -> bool {
    let absent = [
        libc::ENOENT,
        libc::EOPNOTSUPP,
        libc::EPROTONOSUPPORT,
        libc::EAFNOSUPPORT,
        libc::ENOPROTOOPT,
        libc::ENOSYS,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| absent.contains(&code))
}
