//! The counter texts of `/proc/net`, raw: parsing them is `decode`'s.
//!
//! Read from `/proc/thread-self/net`, which follows the namespace of the calling *thread*; `/proc/net` is that of the
//! process's main thread, which never leaves its own namespace.

use std::io;

use thiserror::Error;

/// The counter files of one network namespace, as the kernel printed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcNet {
    /// `snmp`: Ip, Icmp, Tcp, Udp.
    pub snmp: String,
    /// `netstat`: TcpExt, IpExt.
    pub netstat: String,
    /// `snmp6`: Ip6, Icmp6, Udp6; empty when the kernel runs without IPv6.
    pub snmp6: String,
    /// `softnet_stat`: one line a processor, the same in every namespace.
    pub softnet: String,
}

/// A counter file could not be read.
#[derive(Debug, Error)]
#[error("reading {path}: {source}; is /proc mounted and readable?")]
pub struct ProcNetError {
    /// The file.
    pub path: String,
    /// What the kernel answered.
    pub source: io::Error,
}

const DIRECTORY: &str = "/proc/thread-self/net";

/// Reads the counters of the calling thread's namespace.
///
/// # Errors
/// Names the file that could not be read. A missing `snmp6` is no error.
pub fn read() -> Result<ProcNet, ProcNetError> {
    Ok(ProcNet {
        snmp: text("snmp")?,
        netstat: text("netstat")?,
        snmp6: match text("snmp6") {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        },
        softnet: text("softnet_stat")?,
    })
}

fn text(name: &str) -> Result<String, ProcNetError> {
    let path = format!("{DIRECTORY}/{name}");
    std::fs::read_to_string(&path).map_err(|source| ProcNetError { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_own_namespace() {
        let net = read().expect("counters");
        assert!(net.snmp.starts_with("Ip: "));
        assert!(net.netstat.contains("TcpExt: "));
        assert!(!net.softnet.is_empty());
    }

    #[test]
    fn an_error_names_the_file() {
        let error = text("no-such-file").expect_err("missing");
        assert!(
            error
                .to_string()
                .contains("/proc/thread-self/net/no-such-file")
        );
    }
}
