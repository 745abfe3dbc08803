//! Kernel settings below `/proc/sys/net`, of the calling thread's network namespace only.

use std::fs;
use std::io;

use super::LabError;
use super::namespace::{current_netns, netns_of};

/// Writes a setting: `write("ipv4/conf/tun0/rp_filter", "1")`.
///
/// # Errors
/// [`LabError::NotInLab`] when the calling thread is in the namespace that netdiag was started in, or in that of
/// process 1; otherwise what the kernel refused.
pub fn write(name: &str, value: &str) -> Result<(), LabError> {
    let leaves = |part: &str| matches!(part, "" | "." | "..");
    if name.split('/').any(leaves) {
        return Err(LabError::SysctlName(name.to_owned()));
    }
    let path = format!("/proc/sys/net/{name}");
    if !in_lab()? {
        return Err(LabError::NotInLab(path));
    }
    // Which namespace's files these are is decided when they are opened, by the thread that opens them.
    fs::write(&path, value).map_err(|source| LabError::Sysctl {
        path,
        value: value.to_owned(),
        source,
    })
}

/// Turns IPv6 off for every device, present and future, so that neighbour discovery and multicast reports do not
/// mix with what a scenario sends. A kernel without IPv6 needs nothing.
///
/// # Errors
/// As for [`write()`].
pub fn disable_ipv6() -> Result<(), LabError> {
    for scope in ["all", "default"] {
        match write(&format!("ipv6/conf/{scope}/disable_ipv6"), "1") {
            Err(LabError::Sysctl { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Whether the calling thread left the namespaces that are not the lab's.
fn in_lab() -> Result<bool, LabError> {
    let here = current_netns()?;
    // The main thread never enters a namespace of the lab.
    let started_in = netns_of("/proc/self/ns/net").map_err(|source| LabError::Namespace {
        operation: "read the id of the network namespace of the main thread",
        source,
    })?;
    // Sandboxes deny even root a look at process 1; the comparison above holds without it.
    let init = netns_of("/proc/1/ns/net").ok();
    Ok(here != started_in && Some(here) != init)
}
