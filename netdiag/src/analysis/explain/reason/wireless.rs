//! Reasons of wireless networks (mac80211): malformed frames, and those that monitor devices see.
//!
//! What to look at is the same within a group; what happened is not.

use crate::analysis::explain::{
    Entry,
    kernels::{NOT_6_18, ONLY_6_12, SINCE_7_2},
    reason,
};

const FORMAT_CAUSES: &[&str] = &[
    "a sender with a fault: find it by its address on a monitor device",
    "damaged frames that the checksum did not catch, or a driver that hands up what is none",
];
const FORMAT_COMMANDS: &[&str] = &[
    "iw dev DEVICE station dump",
    "tcpdump -n -e -i MONITOR  # iw dev DEVICE interface add MONITOR type monitor",
];

const MONITOR_CAUSES: &[&str] = &[
    "a repeater or bridge that only one end is set up for, or stations out of step with the \
     access point",
    "a sender with a fault: find it by its address on a monitor device",
];
const MONITOR_COMMANDS: &[&str] = &["iw dev DEVICE station dump", "tcpdump -n -e -i MONITOR"];

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "RX_DROP_U_BAD_4ADDR",
        NOT_6_18,
        "a frame with four addresses is no valid one",
        "Its header or contents do not fit a bridge over wireless (WDS).",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_BAD_AMSDU",
        NOT_6_18,
        "an aggregate of frames (A-MSDU) is malformed",
        "Lengths inside do not add up, or it looks like the A-MSDU attack.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_BAD_AMSDU_CIPHER",
        NOT_6_18,
        "an aggregate (A-MSDU) is encrypted with a cipher that must not have one",
        "TKIP and WEP protect no A-MSDU.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_INVALID_8023",
        NOT_6_18,
        "a frame could not be turned into an Ethernet frame",
        "Its header is too short, or the addresses do not fit the kind of device.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_RUNT_ACTION",
        NOT_6_18,
        "an action frame is too short",
        "It ends before category and action.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_RUNT_DATA",
        SINCE_7_2,
        "a data frame of a station that is not associated is too short",
        "It ends before the protocol that would show a key exchange.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_RUNT_BAR",
        SINCE_7_2,
        "a block ack request is too short",
        "It ends before its fields do.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_RUNT_MGMT",
        SINCE_7_2,
        "a management frame is too short",
        "It ends before its header does.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_AMSDU_WITHOUT_DATA",
        SINCE_7_2,
        "a frame says that it is an aggregate and has no data",
        "The A-MSDU bit on a frame without a body.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_NULL_DATA",
        SINCE_7_2,
        "a frame without data",
        "It only carries power-save state and ends here.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_MCAST_FRAGMENT",
        SINCE_7_2,
        "a fragment of a group frame",
        "Group frames must not be fragmented.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_DEFRAG_MISMATCH",
        SINCE_7_2,
        "a fragment belongs to no frame that is being put together",
        "The earlier fragments are lost, or too old.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_DEFRAG_OVERFLOW",
        SINCE_7_2,
        "a frame put together from fragments became too long",
        "More or longer fragments than a frame can have.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_U_OOM",
        NOT_6_18,
        "no memory to process a wireless frame",
        "An allocation failed while a frame was put together or copied.",
    )
    .causes(FORMAT_CAUSES)
    .commands(FORMAT_COMMANDS),
    reason(
        "RX_DROP_MONITOR",
        ONLY_6_12,
        "a wireless frame of no use to this host; monitor devices see it",
        "6.12's way to say that a frame is valid and not for this device: it is shown to cooked \
         monitor devices.",
    )
    .causes(MONITOR_CAUSES)
    .commands(MONITOR_COMMANDS),
    reason(
        "RX_DROP_M_UNEXPECTED_4ADDR_FRAME",
        ONLY_6_12,
        "a frame with four addresses where none is expected",
        "6.12's name of RX_DROP_U_UNEXPECTED_4ADDR_FRAME.",
    )
    .causes(MONITOR_CAUSES)
    .commands(MONITOR_COMMANDS)
    .see(&["RX_DROP_U_UNEXPECTED_4ADDR_FRAME"]),
    reason(
        "RX_DROP_M_BAD_BCN_KEYIDX",
        ONLY_6_12,
        "a protected beacon names a key that cannot be one for beacons",
        "6.12's name of RX_DROP_U_BAD_BCN_KEYIDX.",
    )
    .causes(MONITOR_CAUSES)
    .commands(MONITOR_COMMANDS)
    .see(&["RX_DROP_U_BAD_BCN_KEYIDX"]),
    reason(
        "RX_DROP_M_BAD_MGMT_KEYIDX",
        ONLY_6_12,
        "a protected group management frame names an impossible key",
        "6.12's name of RX_DROP_U_BAD_MGMT_KEYIDX.",
    )
    .causes(MONITOR_CAUSES)
    .commands(MONITOR_COMMANDS)
    .see(&["RX_DROP_U_BAD_MGMT_KEYIDX"]),
];
