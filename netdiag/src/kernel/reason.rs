//! Drop reasons by name, as the running kernel numbers them.
//!
//! The numbers change from release to release (`NETFILTER_DROP` has been 6, 7, 8, 11 and 12), so every name comes from
//! the kernel: from BTF, or without BTF from the print format of the classic tracepoint. Since 6.4 the upper half of
//! a reason says which subsystem gave it; those names are in an enum of the subsystem, often in a module.

use super::{btf::KernelBtf, tracefs::TracepointFormat};
use netdiag_common::record::NO_REASON;
use std::collections::BTreeMap;

const CORE_PREFIX: &str = "SKB_DROP_REASON_";

/// Enums of subsystem reasons, and the module whose BTF has them when it is not built in.
const SUBSYSTEMS: &[(&str, &str)] = &[
    ("ovs_drop_reason", "openvswitch"),
    ("mac80211_drop_reason", "mac80211"),
    ("qdisc_drop_reason", "sch_generic"),
];

/// The drop reasons of the running kernel.
#[derive(Debug, Default)]
pub struct Reasons {
    names: BTreeMap<u32, String>,
}

impl Reasons {
    /// From BTF; empty before 5.17.
    pub fn from_btf(btf: &KernelBtf) -> Self {
        let mut names: BTreeMap<_, _> = btf
            .enumerators("skb_drop_reason")
            .into_iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix(CORE_PREFIX)?;
                (!matches!(name, "MAX" | "SUBSYS_MASK")).then(|| (value, name.to_owned()))
            })
            .collect();
        if names.is_empty() {
            return Self::default();
        }
        for (enumeration, module) in SUBSYSTEMS {
            let mut found = btf.enumerators(enumeration);
            if found.is_empty() {
                found = btf.module_enumerators(module, enumeration);
            }
            // Only values that name their subsystem; the end marks carry none or are no reasons.
            let reasons = found.into_iter().filter(|(name, value)| {
                value >> 16 != 0 && !name.starts_with("__") && !name.ends_with("_MAX")
            });
            names.extend(reasons.map(|(name, value)| (value, name)));
        }
        Self { names }
    }

    /// From the classic tracepoint's print format, which lists the core reasons.
    pub fn from_format(format: &TracepointFormat) -> Self {
        let names = format
            .symbols("reason")
            .into_iter()
            .filter(|(_, name)| name != "MAX");
        Self {
            names: names.collect(),
        }
    }

    /// Whether this kernel gives reasons at all (since 5.17).
    pub fn known(&self) -> bool {
        !self.names.is_empty()
    }

    /// The name of a reason; `None` where the kernel gave none or does not name it.
    pub fn name(&self, value: u32) -> Option<&str> {
        if value == NO_REASON {
            return None;
        }
        self.names.get(&value).map(String::as_str)
    }

    /// The value of a reason by its name, in any case, with or without the kernel's prefix.
    pub fn value(&self, name: &str) -> Option<u32> {
        let wanted = name.to_ascii_uppercase();
        let wanted = wanted.strip_prefix(CORE_PREFIX).unwrap_or(&wanted);
        self.names
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(wanted))
            .map(|(value, _)| *value)
    }

    /// All names, in the kernel's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }
}
