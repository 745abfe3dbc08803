//! What the kernel answered.

use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// The answer to a [`Question`](super::Question).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The text in the file, without the end of its line.
    Sysctl(String),
    /// A device.
    Device(Box<Device>),
    /// A route.
    Route(Route),
    /// A neighbour.
    Neighbour(Neighbour),
    /// The neighbour table.
    NeighbourTable(NeighbourTable),
    /// Rules that drop.
    PacketRules(Vec<PacketRule>),
    /// Listening sockets.
    Listeners(Vec<Listener>),
    /// The counters were read: what is not among those that rose stood still.
    Counters,
    /// Programs of cgroups.
    CgroupPrograms(Vec<CgroupProgram>),
    /// The number of IPsec policies.
    Policies(Policies),
    /// The namespace is held by something.
    Namespace,
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// `ARPHRD_*`.
    pub dev_type: u16,
    /// The kind of a virtual one: `tun`, `veth`, `vlan`.
    pub kind: Option<String>,
    /// Switched on.
    pub up: bool,
    /// Whether the link has a carrier, where it tells.
    pub carrier: Option<bool>,
    /// `IF_OPER_*` in words: `up`, `down`, `lowerlayerdown`, `dormant`, `unknown`.
    pub operstate: String,
    /// Whether it takes in frames for others.
    pub promiscuous: bool,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Its hardware address: `02:00:00:00:00:01`.
    pub mac: Option<String>,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// What it does instead of the kernel: `rx-checksum`, `tso`, `gro`.
    pub offloads: Vec<String>,
    /// The ids of the VLAN devices on it.
    pub vlans: Vec<u16>,
    /// The network identifiers of the namespace's VXLAN devices.
    pub vnis: Vec<u32>,
    /// Its XDP program.
    pub xdp: Option<Program>,
    /// Its queueing disciplines, root first.
    pub queues: Vec<Queue>,
    /// Its TC filters.
    pub filters: Vec<Filter>,
}

/// A BPF program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its id.
    pub id: u32,
    /// Its name, empty where it has none or it may not be read.
    pub name: String,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "BPF program {}", self.id),
            name => write!(f, "BPF program {} ({name})", self.id),
        }
    }
}

/// A BPF program of a cgroup, which looks at its sockets' packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupProgram {
    /// The cgroup's path; its children's sockets are the program's as well.
    pub cgroup: String,
    /// Whether it looks at what they send, or at what they receive.
    pub egress: bool,
    /// The program.
    pub program: Program,
}

impl CgroupProgram {
    /// Whether the sockets of a cgroup are under the program.
    #[must_use]
    pub fn is_over(&self, cgroup: &str) -> bool {
        let above = self.cgroup.trim_end_matches('/');
        cgroup
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// How many IPsec policies a namespace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// About packets for this host.
    pub input: u32,
    /// About packets of this host.
    pub output: u32,
    /// About packets to forward.
    pub forward: u32,
}

/// A queueing discipline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// `tbf`, `pfifo_fast`.
    pub kind: String,
    /// `8001:`, as `tc` prints it.
    pub handle: String,
    /// What it is below: `root`, `ingress` or `1:10`.
    pub parent: String,
    /// How much it holds, and of what (`packets`, `bytes`), where netdiag knows.
    pub limit: Option<(u32, String)>,
    /// Of netem, how many packets in a million it loses.
    pub loss_ppm: Option<u32>,
    /// Packets dropped in its life.
    pub drops: u64,
    /// Packets that wait.
    pub queued: u32,
}

/// A TC filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// `ingress`, `egress`, or the queueing discipline it stands at.
    pub parent: String,
    /// `bpf`, `matchall`, `u32`; `tcx` of a program that is no filter of tc's.
    pub kind: String,
    /// Its preference.
    pub preference: u16,
    /// Of `bpf`, the program.
    pub program: Option<Program>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// `unicast`, `local`, `unreachable`; empty where the kernel refused.
    pub kind: String,
    /// The device that it leads to.
    pub device: Option<String>,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The largest packet of that device.
    pub mtu: Option<u32>,
    /// The name of the error with which the kernel refused: `ENETUNREACH` (no route), `EHOSTUNREACH` (unreachable, or
    /// forwarding off), `EACCES` (prohibit), `EINVAL` (blackhole, or a source that may not be), `EXDEV` (reverse path).
    pub refused: Option<String>,
}

/// The next hop to an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its address: the destination, or the gateway to it.
    pub address: IpAddr,
    /// The device that it is behind.
    pub device: String,
    /// As `ip neigh` says it: `REACHABLE`, `STALE`, `FAILED`; `NONE` where there is no entry.
    pub state: String,
    /// Its hardware address.
    pub mac: Option<String>,
}

/// How full a neighbour table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourTable {
    /// Entries.
    pub entries: u64,
    /// How often an entry found no room, since the host started.
    pub fulls: u64,
}

/// A rule of nftables that drops or rejects, or the policy of a chain that does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketRule {
    /// `ip`, `ip6`, `inet`, `netdev`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Where the chain is hooked: `input`, `ingress`; `None` of a chain that others jump to.
    pub hook: Option<String>,
    /// Its handle; 0 of a policy.
    pub handle: u64,
    /// The rule, as far as it can be told: `tcp dport 22 drop`.
    pub text: String,
    /// Packets that its counter has, where it has one.
    pub packets: Option<u64>,
}

impl fmt::Display for PacketRule {
    /// `inet filter input: tcp dport 22 drop # handle 5`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            family,
            table,
            chain,
            text,
            handle,
            ..
        } = self;
        write!(f, "{family} {table} {chain}: {text}")?;
        match handle {
            0 => Ok(()),
            handle => write!(f, " # handle {handle}"),
        }
    }
}

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its address; unspecified where it listens on all.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Connections that wait to be accepted.
    pub queued: u32,
    /// How many may.
    pub limit: Option<u32>,
    /// Packets dropped because of it.
    pub drops: Option<u32>,
}
