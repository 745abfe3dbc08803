//! What a run is about, and so which ladders it climbs.

use super::{
    btf::KernelBtf,
    hook::{Ladder, conn, drops, retrans},
};

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Dropped packets.
    Drops {
        /// Whether to hook the functions that every received packet passes.
        header_check: bool,
    },
    /// TCP retransmissions, and the drops that may have caused them.
    Retrans,
    /// TCP connections, and the drops of their first packets.
    Conn,
}

/// A ladder to climb.
#[derive(Debug)]
pub struct Step {
    /// Which.
    pub ladder: Ladder,
    /// Whether the run can do without.
    pub need: Need,
}

/// Whether a run can do without a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It cannot.
    Must,
    /// It can.
    May,
    /// It is not climbed, for this reason.
    LeftOut(&'static str),
}

impl What {
    /// The ladders, what the run cannot do without first.
    pub fn plan(self, btf: Option<&KernelBtf>) -> Vec<Step> {
        match self {
            Self::Drops { header_check } => {
                let checks = if header_check {
                    Need::May
                } else {
                    Need::LeftOut("left out by --no-header-check")
                };
                steps([drops::ladder(btf)], Need::Must)
                    .chain(steps(drops::header_check(btf), checks))
                    .chain(steps(drops::icmp(btf), Need::May))
                    .collect()
            }
            Self::Retrans => {
                let [segments, synacks, probes] = retrans::ladders(btf);
                steps([segments], Need::Must)
                    .chain(steps([synacks, probes, beside(btf)], Need::May))
                    .collect()
            }
            Self::Conn => {
                let [states, others @ ..] = conn::ladders(btf);
                steps([states], Need::Must)
                    .chain(steps(others, Need::May))
                    .chain(steps([beside(btf)], Need::May))
                    .collect()
            }
        }
    }

    /// How the names of the programs start that make the observations, and of those that look at something beside.
    pub(super) fn programs(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Drops { .. } => (&["drops_"], &["ip4_", "ip6_"]),
            Self::Retrans => (&["retrans_", "synack_"], &["drops_"]),
            Self::Conn => (
                &["conn_", "connect", "accept_"],
                &["reset_", "queue_", "drops_"],
            ),
        }
    }
}

/// Drops that say something of a connection: without the packet they do not.
fn beside(btf: Option<&KernelBtf>) -> Ladder {
    let mut drops = drops::ladder(btf);
    if btf.is_none() {
        drops.rungs.retain(|rung| rung.impossible.is_some());
    }
    drops
}

fn steps<const N: usize>(ladders: [Ladder; N], need: Need) -> impl Iterator<Item = Step> {
    ladders.into_iter().map(move |ladder| Step { ladder, need })
}
