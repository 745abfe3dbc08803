//! Reasons of wireless networks (mac80211): stations, access points and links out of step.
//!
//! What to look at is the same within a group; what happened is not.

use crate::analysis::explain::{
    Entry,
    kernels::{NOT_6_18, SINCE_7_2},
    reason,
};

const STATE_CAUSES: &[&str] = &[
    "stations in power save, roaming or out of step with the access point: a few are ordinary",
    "a bridge, repeater or relay (4addr) that only one end is set up for",
    "an access point or firmware with a fault, or forged frames",
];
const STATE_COMMANDS: &[&str] = &[
    "iw dev DEVICE info; iw dev DEVICE station dump",
    "iw event -t  # joins, leaves, roaming",
    "journalctl -u wpa_supplicant -u hostapd -u iwd",
];

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "RX_DROP_U_SPURIOUS",
        NOT_6_18,
        "a frame from a station that is not associated",
        "A data or power-save frame of somebody that this access point does not know as a \
         member.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_SPURIOUS_NOTIF",
        SINCE_7_2,
        "the same, and user space was told of it",
        "hostapd answers with a deauthentication so that the station joins anew.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS)
    .see(&["RX_DROP_U_SPURIOUS"]),
    reason(
        "RX_DROP_U_ACTION_UNKNOWN_SRC",
        NOT_6_18,
        "an action frame from an unknown station",
        "There is no entry for its sender.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_REJECTED_ACTION_RESPONSE",
        NOT_6_18,
        "the refusal of an action frame came back",
        "The other end did not understand what this host had sent.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNKNOWN_ACTION_REJECTED",
        NOT_6_18,
        "an unknown action frame was sent back to its sender",
        "Its category is returned with the top bit set, as the standard wants.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNKNOWN_MCAST_ACTION",
        SINCE_7_2,
        "an unknown action frame to a group",
        "These are not sent back.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_AP_RX_GROUPCAST",
        NOT_6_18,
        "an access point got a frame that is sent to a group",
        "A station must send these to the access point, which then sends them to the group.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNEXPECTED_VLAN_4ADDR",
        NOT_6_18,
        "a frame with four addresses on an access point's VLAN that has none",
        "The station is not set up for 4addr.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNEXPECTED_STA_4ADDR",
        NOT_6_18,
        "a frame with four addresses, and this station does not use them",
        "The 4addr mode of the device is off.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNEXPECTED_VLAN_MCAST",
        NOT_6_18,
        "a group frame on an access point's VLAN where it does not belong",
        "Its device in 4addr mode serves a single station.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNEXPECTED_4ADDR_FRAME",
        SINCE_7_2,
        "a frame with four addresses where none is expected",
        "The sender is not known as a 4addr station.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNEXPECTED_4ADDR",
        SINCE_7_2,
        "a frame with four addresses from a station that is not set up for it",
        "hostapd is told, and may make a VLAN device for the station (wds_sta=1).",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_NOT_PORT_CONTROL",
        NOT_6_18,
        "a frame with three addresses on a 4addr device that is no key exchange",
        "A station in 4addr mode takes only EAPOL in that form.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_PORT_CONTROL",
        SINCE_7_2,
        "a frame that must not pass before or without encryption",
        "The port is not authorized yet, or the frame came in plain where encryption is needed, \
         or it is EAPOL for another address.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNKNOWN_STA",
        SINCE_7_2,
        "a block ack request from a station that is not known",
        "There is no entry for its sender on this device.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_BAR_OUTSIDE_SESSION",
        SINCE_7_2,
        "a block ack request for which there is no session",
        "The session was ended or never agreed; the sender is told.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_CTRL_FRAME",
        SINCE_7_2,
        "a control frame that nothing here needs",
        "Control frames other than block ack requests end here.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_EXPECTED_MGMT",
        SINCE_7_2,
        "a frame that should be a management frame and is none",
        "It came to the management handler and is of another type.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_NONBCAST_BEACON",
        SINCE_7_2,
        "a beacon that was not sent to all",
        "Beacons go to the broadcast address.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNEXPECTED_EXT_FRAME",
        SINCE_7_2,
        "an extension frame on a device that is no station",
        "Only stations take S1G beacons and the like.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNHANDLED_MGMT",
        SINCE_7_2,
        "a management frame that this kind of device does not handle",
        "Neither the kernel nor user space has asked for it.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNHANDLED_MGMT_STYPE",
        SINCE_7_2,
        "a management frame of a subtype that this device does not handle",
        "The device's kind has no use for it.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNHANDLED_DEAUTH",
        SINCE_7_2,
        "a deauthentication that this kind of device does not handle",
        "It is no station, IBSS or mesh point.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNHANDLED_DISASSOC",
        SINCE_7_2,
        "a disassociation that this kind of device does not handle",
        "It is no station.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_UNHANDLED_PREQ",
        SINCE_7_2,
        "a probe request that this kind of device does not answer",
        "It is no IBSS or mesh point, and the driver or hostapd does not want it.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_NO_LINK",
        SINCE_7_2,
        "the link of a multi-link connection is gone",
        "The frame came by a link that is no longer set up.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
    reason(
        "RX_DROP_U_MALFORMED_ACTION",
        SINCE_7_2,
        "an action frame that the kernel does not handle, on an access point",
        "It is left to hostapd, which has its own copy; other kinds of devices send such frames \
         back.",
    )
    .causes(STATE_CAUSES)
    .commands(STATE_COMMANDS),
];
