//! Reasons of signed and encrypted TCP: MD5, AO, PSP.

use crate::analysis::explain::{
    Entry,
    kernels::{SINCE_6_1, SINCE_6_12, SINCE_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "TCP_AUTH_HDR",
        SINCE_6_12,
        "the segment's authentication options are malformed, or there are two kinds",
        "tcp_parse_auth_options: a TCP-MD5 and a TCP-AO option in one segment, one of them \
         twice, or one of a wrong length.",
    )
    .causes(&[
        "a router or TCP stack with a fault, or options damaged by a middlebox",
        "both methods configured on the peer: choose one",
    ])
    .commands(&[
        "tcpdump -n -v -i DEVICE tcp port 179  # the options of each segment",
        "perf trace -a -e tcp:tcp_hash_bad_header",
    ])
    .see(&["TCP_MD5FAILURE", "TCP_AOFAILURE"]),
    reason(
        "TCP_MD5NOTFOUND",
        SINCE_6_1,
        "the socket expects an MD5 signature, and the segment has none",
        "A key is set for this peer (TCP_MD5SIG), as for BGP, and the peer does not sign.",
    )
    .causes(&[
        "the password is configured on this side only: set it on the peer",
        "the peer was replaced or restarted without its password",
        "the segments are not from the peer at all",
    ])
    .commands(&[
        "nstat -az TcpExtTCPMD5NotFound",
        "ss -t -i -n dst ADDRESS  # md5keys, as root",
    ])
    .see(&[
        "TcpExtTCPMD5NotFound",
        "TCP_MD5UNEXPECTED",
        "TCP_MD5FAILURE",
    ]),
    reason(
        "TCP_MD5UNEXPECTED",
        SINCE_6_1,
        "the segment has an MD5 signature, and no key is set for that peer",
        "The peer signs with TCP-MD5, and this socket has no key for its address.",
    )
    .causes(&[
        "the password is configured on the peer only, or here for another address or prefix \
         (IPv4-mapped, VRF)",
        "the daemon has not set its key yet after a restart: goes away by itself",
    ])
    .commands(&[
        "nstat -az TcpExtTCPMD5Unexpected",
        "ss -t -l -n -i  # md5keys of listening sockets, as root",
    ])
    .see(&["TcpExtTCPMD5Unexpected", "TCP_MD5NOTFOUND"]),
    reason(
        "TCP_MD5FAILURE",
        SINCE_6_1,
        "the MD5 signature is wrong: the keys differ, or the segment was changed",
        "Both sides sign, and the results are not the same.",
    )
    .causes(&[
        "different passwords on both ends: a typing error, or a trailing blank",
        "NAT in between: the signature covers addresses and ports; a session with MD5 cannot \
         pass it",
        "a forged segment",
    ])
    .commands(&[
        "nstat -az TcpExtTCPMD5Failure",
        "journalctl -k -g 'MD5 Hash'  # older kernels, 6.1 too, log both addresses",
        "tcpdump -n -M PASSWORD -v tcp port 179  # md5 valid or invalid",
    ])
    .see(&["TcpExtTCPMD5Failure", "TCP_MD5NOTFOUND", "TCP_AOFAILURE"]),
    reason(
        "TCP_AONOTFOUND",
        SINCE_6_12,
        "the socket demands TCP-AO, and the segment is not signed",
        "A key is set for this peer and ao_required holds, and the peer sends without TCP-AO \
         (RFC 5925).",
    )
    .causes(&[
        "TCP-AO is configured on this side only",
        "a segment that is not from the peer",
    ])
    .commands(&["nstat -az TcpExtTCPAORequired", "ss -t -i -n dst ADDRESS"])
    .see(&["TCP_AOUNEXPECTED", "TCP_AOFAILURE"]),
    reason(
        "TCP_AOUNEXPECTED",
        SINCE_6_12,
        "the segment is signed with TCP-AO, and this socket has no such keys",
        "The peer signs (RFC 5925) and nothing was set up for it here.",
    )
    .causes(&["TCP-AO is configured on the peer only, or here for another prefix or VRF"])
    .commands(&["nstat -az TcpExtTCPAOKeyNotFound", "ss -t -l -n -i"])
    .see(&["TCP_AOKEYNOTFOUND", "TcpExtTCPAOKeyNotFound"]),
    reason(
        "TCP_AOKEYNOTFOUND",
        SINCE_6_12,
        "the segment is signed with a TCP-AO key that this host does not know",
        "The key id in the option is none of those set for this peer.",
    )
    .causes(&[
        "the peer has moved on to a new key (RNextKeyID) that is missing here: add the new key \
         on both sides before the change",
        "send and receive ids are swapped between the ends",
    ])
    .commands(&[
        "nstat -az TcpExtTCPAOKeyNotFound",
        "perf trace -a -e 'tcp:tcp_ao_*'",
    ])
    .see(&["TcpExtTCPAOKeyNotFound", "TCP_AOFAILURE"]),
    reason(
        "TCP_AOFAILURE",
        SINCE_6_12,
        "the TCP-AO signature is wrong",
        "Key and algorithm are known, and the computed code is not that of the segment.",
    )
    .causes(&[
        "secret, algorithm or code length differ between the ends",
        "NAT in between, or options that one side signs and the other leaves out",
        "a forged segment",
    ])
    .commands(&[
        "nstat -az TcpExtTCPAOBad TcpExtTCPAOGood",
        "tcpdump -n -v -i DEVICE host ADDRESS and tcp",
    ])
    .see(&["TcpExtTCPAOBad", "TCP_MD5FAILURE"]),
    reason(
        "PSP_INPUT",
        SINCE_6_18,
        "a TCP connection with PSP encryption got a segment that was not encrypted as agreed",
        "psp_sk_rx_policy_check: the socket has a PSP association, and the segment came in \
         plain, with another security index (SPI), or of another key generation.",
    )
    .causes(&[
        "the peer sends in plain because it has not set its transmit key yet, or the device key \
         was rotated twice",
        "a device on the way in that does not decrypt: packets come by another NIC than the one \
         with the association",
    ])
    .commands(&[
        "ynl --family psp --dump dev-get  # devices and versions",
        "ethtool -S DEVICE | grep -i psp",
    ])
    .see(&["PSP_OUTPUT", "XFRM_POLICY"]),
    reason(
        "PSP_OUTPUT",
        SINCE_6_18,
        "a packet to be encrypted with PSP cannot be",
        "psp_validate_xmit: the connection's association belongs to another device than the one \
         that the packet leaves by; or the driver could not encapsulate it.",
    )
    .causes(&[
        "routing has moved the connection to another NIC: PSP connections must stay on the \
         device that holds their keys",
        "a device that was reset or lost its association",
    ])
    .commands(&["ip route get ADDRESS", "ynl --family psp --dump dev-get"])
    .see(&["PSP_INPUT"]),
];
