//! Device types (`ARPHRD_*` of `linux/if_arp.h`): which of them carry IP without a link-layer header, and their names.
//!
//! The link type of a packet comes from its device and is never assumed; this is the table behind that.

use std::borrow::Cow;

/// `ARPHRD_*`, its name, and whether its packets start with an IP header.
const DEVICES: &[(u16, &str, bool)] = &[
    (1, "ether", false),
    (32, "infiniband", false),
    (256, "slip", true),
    (257, "cslip", true),
    (258, "slip6", true),
    (259, "cslip6", true),
    (271, "x25", false),
    (280, "can", false),
    (512, "ppp", true),
    (513, "hdlc", false),
    (519, "rawip", true),
    (768, "ipip", true),
    (769, "ip6tnl", true),
    (772, "loopback", false),
    (776, "sit", true),
    (778, "gre", true),
    (779, "pimreg", true),
    (801, "ieee80211", false),
    (802, "ieee80211-prism", false),
    (803, "ieee80211-radiotap", false),
    (823, "ip6gre", true),
    (824, "netlink", false),
    (825, "6lowpan", true),
    (826, "vsockmon", false),
    (65534, "none", true),
    (65535, "void", false),
];

/// Whether packets of a device of this type start with an IP header, without a link-layer header before it.
#[must_use]
pub fn is_layer3(arphrd: u16) -> bool {
    DEVICES
        .iter()
        .any(|&(number, _, layer3)| number == arphrd && layer3)
}

/// The name of a device type as `ip link` and the kernel's headers have it, or its number.
#[must_use]
pub fn device_type_name(arphrd: u16) -> Cow<'static, str> {
    match DEVICES.iter().find(|device| device.0 == arphrd) {
        Some(&(_, name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(arphrd.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_layers() {
        for (number, name, layer3) in [
            (65534, "none", true),
            (1, "ether", false),
            (772, "loopback", false),
            (512, "ppp", true),
            (768, "ipip", true),
            (769, "ip6tnl", true),
            (776, "sit", true),
            (778, "gre", true),
            (823, "ip6gre", true),
            (519, "rawip", true),
            (4242, "4242", false),
        ] {
            assert_eq!(device_type_name(number), name);
            assert_eq!(is_layer3(number), layer3, "{name}");
        }
    }
}
