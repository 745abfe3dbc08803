//! What a run is about, and so which ladders it climbs.

use super::{
    btf::KernelBtf,
    hook::{Ladder, drops, retrans},
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
                let mut drops = drops::ladder(btf);
                // Without the packet a drop says nothing of a connection.
                if btf.is_none() {
                    drops.rungs.retain(|rung| rung.impossible.is_some());
                }
                steps([segments], Need::Must)
                    .chain(steps([synacks, probes, drops], Need::May))
                    .collect()
            }
        }
    }

    /// How the names of the programs start that make the observations, and of those that look at something beside.
    pub(super) fn programs(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Drops { .. } => (&["drops_"], &["ip4_", "ip6_"]),
            Self::Retrans => (&["retrans_", "synack_"], &["drops_"]),
        }
    }
}

fn steps<const N: usize>(ladders: [Ladder; N], need: Need) -> impl Iterator<Item = Step> {
    ladders.into_iter().map(move |ladder| Step { ladder, need })
}
