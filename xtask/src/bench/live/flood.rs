//! A namespace of its own, and a flood of UDP packets in it to a port where nobody listens: each one is dropped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::net::SendFlags;
use rustix::thread::LinkNameSpaceType;

use crate::process;

/// Where the packets go: `discard`, where nobody listens in a new namespace.
const TARGET: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
/// Bytes of payload: with its headers a packet is shorter than the 128 bytes that are copied.
const PAYLOAD: usize = 64;

/// Where `ip netns` keeps its namespaces.
const NAMESPACES: &str = "/run/netns";
/// Our namespaces' names: this and the process that made them.
const PREFIX: &str = "netdiag-bench-";

/// A network namespace with its loopback device up; it is deleted when this goes out of scope.
#[derive(Debug)]
pub(super) struct Namespace {
    /// The name by which `ip netns` knows it.
    pub(super) name: String,
}

impl Namespace {
    /// Makes a namespace.
    ///
    /// # Errors
    /// Not root, or no iproute2.
    pub(super) fn new() -> Result<Self> {
        remove_left_over();
        let name = format!("{PREFIX}{}", std::process::id());
        process::output(process::program("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        process::output(process::program("ip").args([
            "-n",
            &namespace.name,
            "link",
            "set",
            "lo",
            "up",
        ]))?;
        Ok(namespace)
    }

    /// Sends packets from within and says how long it took.
    ///
    /// # Errors
    /// The namespace cannot be entered, or a packet not be sent.
    pub(super) fn flood(&self, packets: u64) -> Result<Duration> {
        let path = format!("{NAMESPACES}/{}", self.name);
        // Only this thread moves to the namespace.
        let sender = thread::spawn(move || {
            let namespace = File::open(&path).with_context(|| format!("open {path}"))?;
            let kind = Some(LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
                .with_context(|| format!("enter {path}"))?;
            send(TARGET.into(), packets)
        });
        sender.join().map_err(|_| anyhow!("the flood panicked"))?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        process::output(process::program("ip").args(["netns", "del", &self.name])).ok();
    }
}

/// Deletes the namespaces of processes that were killed.
fn remove_left_over() {
    let Ok(entries) = fs::read_dir(NAMESPACES) else {
        return;
    };
    for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let ended = |pid| !Path::new("/proc").join(pid).exists();
        if name.strip_prefix(PREFIX).is_some_and(ended) {
            process::output(process::program("ip").args(["netns", "del", &name])).ok();
        }
    }
}

/// Sends packets as fast as one thread can. The socket is not connected, so that it hears of no ICMP error.
fn send(target: SocketAddr, packets: u64) -> Result<Duration> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("open a UDP socket")?;
    let payload = [b'x'; PAYLOAD];
    let start = Instant::now();
    for _ in 0..packets {
        rustix::net::sendto(&socket, &payload, SendFlags::empty(), &target)
            .with_context(|| format!("send to {target}"))?;
    }
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::{PAYLOAD, send};

    #[test]
    fn every_packet_is_sent() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let took = send(receiver.local_addr().unwrap(), 3).unwrap();
        assert!(!took.is_zero());
        let mut buffer = [0; 128];
        for _ in 0..3 {
            assert_eq!(receiver.recv(&mut buffer).unwrap(), PAYLOAD);
        }
    }
}
