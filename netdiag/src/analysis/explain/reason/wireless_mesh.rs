//! Reasons of wireless networks (mac80211): mesh.
//!
//! What to look at is the same within a group; what happened is not.

use crate::analysis::explain::{Entry, kernels::SINCE_7_2, reason};

const MESH_CAUSES: &[&str] = &[
    "mesh points out of step: paths and peers change, a few are ordinary",
    "a mesh point with another configuration or a fault; a loop",
];
const MESH_COMMANDS: &[&str] = &[
    "iw dev DEVICE mpath dump; iw dev DEVICE mpp dump",
    "iw dev DEVICE station dump | grep -E 'Station|mesh plink'",
    "iw dev DEVICE get mesh_param mesh_ttl",
];

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "RX_DROP_U_MESH_DS_BITS",
        SINCE_7_2,
        "a mesh group frame with direction bits that mesh does not use",
        "Group data in a mesh has From-DS set and To-DS clear.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_A3_MISMATCH",
        SINCE_7_2,
        "a mesh group frame from this very host came back",
        "The third address is the own one: an echo.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_NO_A4",
        SINCE_7_2,
        "a mesh data frame without the fourth address",
        "Data to a single mesh point has four addresses.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_A4_MISMATCH",
        SINCE_7_2,
        "a mesh frame from this very host came back",
        "The fourth address is the own one: an echo.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_UNEXP_DATA",
        SINCE_7_2,
        "data of a mesh point that is no established peer",
        "The peering is not complete, or was ended.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_WRONG_ACTION",
        SINCE_7_2,
        "an action frame that is not allowed before the peering",
        "Only the frames of the peering itself are.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_UNEXP_MGMT",
        SINCE_7_2,
        "a management frame that is not allowed before the peering",
        "Only beacons, probes and the peering's frames are.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_RUNT_MESH_DATA",
        SINCE_7_2,
        "a mesh frame is too short for its mesh header",
        "It ends before the header does.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_NO_TTL",
        SINCE_7_2,
        "a mesh frame came with a TTL of 0",
        "It should not have been sent.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_RMC",
        SINCE_7_2,
        "a mesh broadcast that was seen already",
        "The cache of recent frames has it: that is how loops end.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_BAD_AE",
        SINCE_7_2,
        "a mesh frame with invalid address extension",
        "The announced extra addresses do not fit the frame.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_TTL_EXPIRED",
        SINCE_7_2,
        "the TTL of a mesh frame to forward has run out",
        "A loop, or a mesh larger than mesh_ttl.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
    reason(
        "RX_DROP_U_MESH_NOT_FORWARDING",
        SINCE_7_2,
        "a mesh frame to forward, and forwarding is off",
        "mesh_fwding is 0 on this point.",
    )
    .causes(MESH_CAUSES)
    .commands(MESH_COMMANDS),
];
