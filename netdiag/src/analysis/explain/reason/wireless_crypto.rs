//! Reasons of wireless networks (mac80211): keys, and frames that should be protected.
//!
//! What to look at is the same within a group; what happened is not.

use crate::analysis::explain::{
    Entry,
    kernels::{NOT_6_18, SINCE_7_2},
    reason,
};

const KEYS_CAUSES: &[&str] = &[
    "the two ends use different keys: a rekeying that one end missed, a roaming client, a \
     station that restarted",
    "a driver or firmware that decrypts wrongly or reports packet numbers out of order",
    "replayed or forged frames",
];
const KEYS_COMMANDS: &[&str] = &[
    "iw dev DEVICE station dump  # rx drop misc, per station",
    "journalctl -k -g 'wlan|ieee80211|MIC'; journalctl -u wpa_supplicant -u hostapd",
    "cat /sys/kernel/debug/ieee80211/phy*/netdev:DEVICE/stations/*/rx_stats 2>/dev/null",
];

const UNPROTECTED_CAUSES: &[&str] = &[
    "an attack (forged deauthentication is the classic): protected management frames do their \
     work",
    "an access point or station that does not protect although both have agreed on it: update \
     its firmware",
    "frames that cross a change of keys or a reconnect: a few are ordinary",
];
const UNPROTECTED_COMMANDS: &[&str] = &[
    "iw dev DEVICE station dump | grep -E 'Station|MFP'",
    "tcpdump -n -e -i MONITOR type mgt  # on a monitor device: who sends them",
];

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "RX_DROP_U_MIC_FAIL",
        NOT_6_18,
        "the integrity check of a TKIP frame failed",
        "The Michael code does not fit the frame. Two failures within a minute make the access \
         point shut TKIP down for a minute (countermeasures).",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS)
    .see(&["RX_DROP_U_MMIC_FAIL"]),
    reason(
        "RX_DROP_U_REPLAY",
        NOT_6_18,
        "an encrypted frame has a packet number that was used before",
        "The packet number of CCMP, GCMP, TKIP or of a protected management frame did not grow: \
         a replay, or heavy reordering.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_DUP",
        NOT_6_18,
        "a repeated wireless frame that was received already",
        "Sequence number and retry bit say that the station has this frame; the sender missed \
         the acknowledgment.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_DECRYPT_FAIL",
        NOT_6_18,
        "an encrypted frame could not be decrypted",
        "The cipher's own check (CCMP, GCMP) failed: a wrong key, or a damaged frame.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_NO_KEY_ID",
        NOT_6_18,
        "the key number of an encrypted frame could not be read",
        "The frame is too short for the cipher's header, or the cipher scheme gives no key id.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_BAD_CIPHER",
        NOT_6_18,
        "a frame is encrypted with a cipher that does not belong there",
        "The key that was found is of a cipher that this kind of frame cannot have.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_NONSEQ_PN",
        NOT_6_18,
        "fragments of an encrypted frame whose packet numbers do not follow each other",
        "Each fragment of CCMP and GCMP must have the next number; others are mixed in by an \
         attack (FragAttacks) or lost.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_BAD_KEY_COLOR",
        NOT_6_18,
        "fragments of one frame were encrypted with different keys",
        "The key was changed between two fragments; since the FragAttacks fixes these are not \
         put together.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_KEY_TAINTED",
        SINCE_7_2,
        "the key is no longer to be used for receiving",
        "The frame came with a key that is marked as tainted, for example during removal.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_EXPECT_DEFRAG_PROT",
        NOT_6_18,
        "a fragment came in plain where encryption is needed",
        "The first fragment was encrypted, and this one is not: a known attack, or a broken \
         sender.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_WEP_DEC_FAIL",
        NOT_6_18,
        "a WEP frame could not be decrypted",
        "Wrong WEP key, or a damaged frame.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_NO_IV",
        NOT_6_18,
        "a WEP frame without room for its initialization vector",
        "The frame ends before the four bytes of the vector.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_NO_ICV",
        NOT_6_18,
        "a WEP frame without room for its check value",
        "The frame ends before the four bytes of the check value.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_MMIC",
        NOT_6_18,
        "a TKIP frame is too short for its integrity code",
        "Fewer than the eight bytes of the Michael code are left.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_MMIC_FAIL",
        NOT_6_18,
        "the Michael code of a TKIP frame is wrong",
        "As RX_DROP_U_MIC_FAIL, found in software.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS)
    .see(&["RX_DROP_U_MIC_FAIL"]),
    reason(
        "RX_DROP_U_SHORT_TKIP",
        NOT_6_18,
        "a frame is too short for TKIP",
        "It ends before TKIP's header and check value.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_TKIP_FAIL",
        NOT_6_18,
        "a TKIP frame could not be decrypted",
        "Wrong key, wrong check value, or a replayed number.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_CCMP",
        NOT_6_18,
        "a frame is too short for CCMP",
        "It ends before CCMP's header.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_CCMP_MIC",
        NOT_6_18,
        "a CCMP frame is too short for its integrity code",
        "It ends before the code.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_GCMP",
        NOT_6_18,
        "a frame is too short for GCMP",
        "It ends before GCMP's header.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_GCMP_MIC",
        NOT_6_18,
        "a GCMP frame is too short for its integrity code",
        "It ends before the code.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_CMAC",
        NOT_6_18,
        "a protected group management frame is too short for CMAC",
        "The management MIC element does not fit.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_CMAC256",
        NOT_6_18,
        "a protected group management frame is too short for CMAC-256",
        "The management MIC element does not fit.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_SHORT_GMAC",
        NOT_6_18,
        "a protected group management frame is too short for GMAC",
        "The management MIC element does not fit.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_BAD_MMIE",
        NOT_6_18,
        "the integrity element of a group management frame is wrong",
        "The element (MMIE) is missing or malformed, or has another key number.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_BAD_BCN_KEYIDX",
        SINCE_7_2,
        "a protected beacon names a key that cannot be one for beacons",
        "Beacon protection uses key numbers 6 and 7.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_BAD_MGMT_KEYIDX",
        SINCE_7_2,
        "a protected group management frame names an impossible key",
        "Management protection uses key numbers 4 and 5.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_UNPROTECTED",
        SINCE_7_2,
        "there is no key for an encrypted frame",
        "Neither the station nor the device has a key that fits; also a group action frame that \
         should be encrypted and is not.",
    )
    .causes(KEYS_CAUSES)
    .commands(KEYS_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_ACTION",
        NOT_6_18,
        "an action frame came in plain where encryption is agreed",
        "Protected management frames (802.11w) are on.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_DUAL",
        NOT_6_18,
        "a frame of a doubly protected kind came in plain",
        "Public action frames of the protected dual kind must be encrypted on such a link.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_UCAST_MGMT",
        NOT_6_18,
        "a management frame to this station came in plain",
        "Such as a deauthentication that is not from the access point.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_MCAST_MGMT",
        NOT_6_18,
        "a group management frame came without its integrity element",
        "With protected management frames each must carry an MMIE.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_BEACON",
        NOT_6_18,
        "a beacon came without the protection that was agreed",
        "Beacon protection is on for this connection.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_UNICAST_PUB_ACTION",
        NOT_6_18,
        "a public action frame to this station came in plain",
        "The link demands that it is encrypted.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_UNPROT_ROBUST_ACTION",
        NOT_6_18,
        "a robust action frame came in plain",
        "Robust actions (block ack, spectrum, radio measurement) must be protected.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_MCAST_DEAUTH",
        SINCE_7_2,
        "a deauthentication to a group address",
        "Only a single address or broadcast is valid for it.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
    reason(
        "RX_DROP_U_MCAST_DISASSOC",
        SINCE_7_2,
        "a disassociation to a group address",
        "Only a single address or broadcast is valid for it.",
    )
    .causes(UNPROTECTED_CAUSES)
    .commands(UNPROTECTED_COMMANDS),
];
