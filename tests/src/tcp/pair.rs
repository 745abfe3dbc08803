//! Two namespaces and the cable between them.

use std::fs;
use std::os::fd::AsFd as _;
use std::process::Stdio;

use netdiag::lab::{Namespace, link, sysctl};
use netdiag_common::NetnsId;

use super::{Counters, Side, Ss, Wire, eventually};
use crate::binary::{Ended, feed, finish, program};
use crate::isolation::NamedNetns;

/// The namespaces `client` and `server`, joined by a veth pair. Make it inside [`isolated`](crate::isolated).
#[derive(Debug)]
pub struct Pair {
    // Before the namespaces that its devices are in.
    wire: Option<Wire>,
    // Before the namespaces that they name.
    _names: [NamedNetns; 2],
    client: Namespace,
    server: Namespace,
}

impl Pair {
    /// A pair whose segments are what is on the wire: none is larger than the MTU, and one call of the kernel's
    /// sends or resends one.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn new() -> Self {
        let pair = Self::with_gso();
        for side in [Side::Client, Side::Server] {
            // TCP segments in software whatever the device can do; only this keeps it from building larger ones.
            let device = side.device();
            pair.ip(side, &["link", "set", "dev", device, "gso_max_segs", "1"]);
        }
        pair
    }

    /// A pair that sends many segments as one packet, as real devices do.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn with_gso() -> Self {
        let [client, server] = namespaces();
        let peer = server.open().expect("the server's namespace");
        client
            .run(move || {
                let (here, there) = (Side::Client.device(), Side::Server.device());
                link::create_veth(here, there, peer.as_fd())
            })
            .expect("a veth pair");
        Self::joined(client, server, None)
    }

    /// A pair joined by a [`Wire`], which may take its time and lose packets without a drop.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn wired() -> Self {
        let [client, server] = namespaces();
        let wire = Wire::new(&client, &server);
        Self::joined(client, server, Some(wire))
    }

    fn joined(client: Namespace, server: Namespace, wire: Option<Wire>) -> Self {
        let names = [(&client, Side::Client), (&server, Side::Server)]
            .map(|(namespace, side)| NamedNetns::new(namespace, side.name()));
        for (namespace, side) in [(&client, Side::Client), (&server, Side::Server)] {
            let addresses = move || {
                link::set_up(side.device())?;
                link::add_address(side.device(), side.address(), 24)?;
                link::add_address(side.device(), side.address6(), 64)
            };
            namespace.run(addresses).expect("a device with addresses");
        }
        Self {
            wire,
            _names: names,
            client,
            server,
        }
    }

    /// The wire of a pair that is [`wired`](Self::wired).
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        self.wire.as_ref().expect("a pair with a wire")
    }

    /// One of the namespaces.
    #[must_use]
    pub fn namespace(&self, side: Side) -> &Namespace {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The inode number of a namespace, by which netdiag names it.
    #[must_use]
    pub fn netns(&self, side: Side) -> NetnsId {
        self.namespace(side).id()
    }

    /// Runs a program in a namespace to its end.
    #[must_use]
    pub fn command(&self, side: Side, name: &str, arguments: &[&str], input: &str) -> Ended {
        let mut command = program(name);
        command.args(arguments).stdout(Stdio::piped());
        let input = input.as_bytes().to_vec();
        // A child is where the thread is that starts it.
        self.namespace(side).run(move || {
            if input.is_empty() {
                finish(&mut command)
            } else {
                feed(&mut command, input)
            }
        })
    }

    /// Runs a program that must succeed, and gives what it said.
    fn must(&self, side: Side, name: &str, arguments: &[&str], input: &str) -> String {
        let ended = self.command(side, name, arguments, input);
        let (code, stderr) = (ended.code, ended.stderr);
        assert_eq!(
            code,
            Some(0),
            "{name} {arguments:?} in {side:?}: {input}{stderr}"
        );
        ended.stdout
    }

    /// `nft -f` with this ruleset; [`Pair::fault`] is shorter, and takes it away again.
    ///
    /// # Panics
    /// When nft refuses.
    pub fn nft(&self, side: Side, rules: &str) {
        self.must(side, "nft", &["-f", "-"], rules);
    }

    /// `tc` with these arguments.
    ///
    /// # Panics
    /// When tc refuses.
    pub fn tc(&self, side: Side, arguments: &[&str]) {
        self.must(side, "tc", arguments, "");
    }

    /// `ip` with these arguments.
    ///
    /// # Panics
    /// When ip refuses.
    pub fn ip(&self, side: Side, arguments: &[&str]) {
        self.must(side, "ip", arguments, "");
    }

    /// Changes a setting below `/proc/sys/net` in a namespace: `set(Side::Client, "ipv4/tcp_sack", "0")`.
    ///
    /// # Panics
    /// When the kernel has none of this name, or refuses the value.
    #[must_use = "dropping it restores the setting"]
    pub fn set(&self, side: Side, name: &str, value: &str) -> Setting<'_> {
        let path = format!("/proc/sys/net/{name}");
        let (key, new) = (name.to_owned(), value.to_owned());
        let before = self.namespace(side).run(move || {
            let before = fs::read_to_string(path).expect("a setting of this kernel");
            sysctl::write(&key, &new).expect("a value that the setting can have");
            before
        });
        Setting {
            pair: self,
            side,
            name: name.to_owned(),
            before: before.trim().to_owned(),
        }
    }

    /// Lets the kernel choose no other local port than this one, for sockets that bind to none.
    pub fn only_port(&self, side: Side, port: u16) -> Setting<'_> {
        self.set(side, "ipv4/ip_local_port_range", &format!("{port} {port}"))
    }

    /// A namespace's counters of TCP.
    #[must_use]
    pub fn counters(&self, side: Side) -> Counters {
        self.namespace(side).run(Counters::read)
    }

    /// One counter, by protocol and name (`TcpRetransSegs`, `TcpExtTCPTimeouts`).
    #[must_use]
    pub fn snmp(&self, side: Side, name: &str) -> u64 {
        self.counters(side).get(name)
    }

    /// Waits until a counter is so high.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn await_counter(&self, side: Side, name: &str, at_least: u64) {
        eventually(name, || self.snmp(side, name) >= at_least);
    }

    /// The TCP sockets of a namespace, as `ss` shows them.
    #[must_use]
    pub fn ss(&self, side: Side) -> Vec<Ss> {
        Ss::parse(&self.must(side, "ss", &["-tinaoOH"], ""))
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

/// A changed setting. Dropping it restores what was before.
#[derive(Debug)]
pub struct Setting<'a> {
    pair: &'a Pair,
    side: Side,
    name: String,
    before: String,
}

impl Drop for Setting<'_> {
    fn drop(&mut self) {
        let (name, before) = (self.name.clone(), self.before.clone());
        // The namespace goes with its test in any case.
        let _ = self
            .pair
            .namespace(self.side)
            .run(move || sysctl::write(&name, &before));
    }
}

fn namespaces() -> [Namespace; 2] {
    [
        Namespace::new().expect("a namespace for the client"),
        Namespace::new().expect("a namespace for the server"),
    ]
}
