//! What rules want to know, and the questions that this becomes.

use netdiag_common::NetnsId;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, net::IpAddr};

/// A fact that a rule wants of everything that it has gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A sysctl of the namespace: `net.ipv4.ip_forward`. With `DEVICE` in its name, that of each device.
    Sysctl(&'static str),
    /// The device: its state, addresses, VLANs, queues, filters and programs.
    Device,
    /// The way to the destination: for what came in by a device, by that device and from its source.
    Route,
    /// The way back to the source.
    RouteBack,
    /// The next hop to the destination.
    Neighbour,
    /// How full the neighbour tables are.
    NeighbourTable,
    /// Rules of nftables that drop.
    PacketRules,
    /// The sockets that listen on the destination's port.
    Listeners,
    /// The BPF programs of cgroups that look at packets.
    CgroupPrograms,
    /// How many IPsec policies there are.
    Policies,
    /// Whether anything still holds the namespace.
    Namespace,
}

/// Where a packet was, and where it was to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The namespace.
    pub netns: NetnsId,
    /// The device.
    pub device: Option<String>,
    /// Whether it came in by it.
    pub received: bool,
    /// The source.
    pub from: Option<IpAddr>,
    /// The destination.
    pub to: Option<IpAddr>,
    /// The destination's port.
    pub port: Option<u16>,
}

/// What the kernel is to tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    // The first are asked first: more than [`MOST`](super::MOST) are not.
    /// BPF programs of cgroups.
    CgroupPrograms,
    /// Whether the namespace's counters were read at both ends of the run, for all of its drops.
    Counters {
        /// The namespace.
        netns: u32,
    },
    /// IPsec policies.
    Policies {
        /// The namespace.
        netns: u32,
    },
    /// Whether anything still holds the namespace.
    Namespace {
        /// The namespace.
        netns: u32,
    },
    /// A sysctl.
    Sysctl {
        /// The namespace.
        netns: u32,
        /// Its name, with dots.
        name: String,
        /// What `DEVICE` in it stands for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// A device.
    Device {
        /// The namespace.
        netns: u32,
        /// Its name.
        name: String,
    },
    /// A route.
    Route {
        /// The namespace.
        netns: u32,
        /// The destination.
        to: IpAddr,
        /// The source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<IpAddr>,
        /// The device by which the packet came in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// The next hop to an address.
    Neighbour {
        /// The namespace.
        netns: u32,
        /// The address.
        to: IpAddr,
    },
    /// How full the neighbour table is.
    NeighbourTable {
        /// The namespace that asks; the host has one table.
        netns: u32,
        /// 4 or 6.
        version: u8,
    },
    /// Rules of nftables that drop.
    PacketRules {
        /// The namespace.
        netns: u32,
    },
    /// Listening sockets.
    Listeners {
        /// The namespace.
        netns: u32,
        /// The port.
        port: u16,
    },
}

impl Question {
    /// The namespace that it is about; `None` where it is about the host.
    #[must_use]
    pub fn netns(&self) -> Option<NetnsId> {
        match *self {
            Self::Sysctl { netns, .. }
            | Self::Device { netns, .. }
            | Self::Route { netns, .. }
            | Self::Neighbour { netns, .. }
            | Self::NeighbourTable { netns, .. }
            | Self::PacketRules { netns }
            | Self::Counters { netns }
            | Self::Policies { netns }
            | Self::Namespace { netns }
            | Self::Listeners { netns, .. } => Some(NetnsId(netns)),
            Self::CgroupPrograms => None,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sysctl { name, device, .. } => match device {
                // As sysctl(8) wants it: the dot of a VLAN device is a slash there.
                Some(device) => f.write_str(&name.replace("DEVICE", &device.replace('.', "/"))),
                None => f.write_str(name),
            },
            Self::Device { name, .. } => write!(f, "the device {name}"),
            Self::Route { to, .. } => write!(f, "the route to {to}"),
            Self::Neighbour { to, .. } => write!(f, "the next hop to {to}"),
            Self::NeighbourTable { version, .. } => {
                write!(f, "the neighbour table of IPv{version}")
            }
            Self::PacketRules { .. } => f.write_str("the nftables rules"),
            Self::Listeners { port, .. } => write!(f, "the listeners of port {port}"),
            Self::CgroupPrograms => f.write_str("the BPF programs of cgroups"),
            Self::Counters { .. } => f.write_str("the counters"),
            Self::Policies { .. } => f.write_str("the number of IPsec policies"),
            Self::Namespace { netns } => write!(f, "the network namespace {netns}"),
        }
    }
}

/// The questions that needs become, at the places where packets were.
#[must_use]
pub fn questions<'a>(
    needs: &[Need],
    places: impl IntoIterator<Item = &'a Place>,
) -> BTreeSet<Question> {
    let mut questions = BTreeSet::new();
    for place in places {
        for need in needs {
            ask(*need, place, &mut questions);
        }
    }
    questions
}

fn ask(need: Need, place: &Place, questions: &mut BTreeSet<Question>) {
    let netns = place.netns.0;
    let device = place.device.clone();
    match need {
        Need::Sysctl(name) => {
            let of_device = name.contains("DEVICE");
            if device.is_some() || !of_device {
                questions.insert(Question::Sysctl {
                    netns,
                    name: name.to_owned(),
                    device: device.filter(|_| of_device),
                });
            }
        }
        Need::Device => {
            questions.extend(device.map(|name| Question::Device { netns, name }));
        }
        Need::Route => questions.extend(place.to.map(|to| {
            let came_in = place.received && device.is_some();
            Question::Route {
                netns,
                to,
                from: place.from.filter(|_| came_in),
                device: device.filter(|_| came_in),
            }
        })),
        Need::RouteBack => questions.extend(place.from.map(|to| Question::Route {
            netns,
            to,
            from: None,
            device: None,
        })),
        Need::Neighbour => questions.extend(place.to.map(|to| Question::Neighbour { netns, to })),
        Need::NeighbourTable => {
            let versions = match place.to {
                Some(IpAddr::V4(_)) => &[4][..],
                Some(IpAddr::V6(_)) => &[6],
                None => &[4, 6],
            };
            questions.extend(
                versions
                    .iter()
                    .map(|&version| Question::NeighbourTable { netns, version }),
            );
        }
        Need::PacketRules => {
            questions.insert(Question::PacketRules { netns });
        }
        Need::Listeners => {
            questions.extend(place.port.map(|port| Question::Listeners { netns, port }));
        }
        Need::CgroupPrograms => {
            questions.insert(Question::CgroupPrograms);
        }
        Need::Policies => {
            questions.insert(Question::Policies { netns });
        }
        Need::Namespace => {
            questions.insert(Question::Namespace { netns });
        }
    }
}
