//! Which of the tested kernels name a reason. Held against their BTF by `tests/explain.rs`; those of modules are from
//! the modules' BTF, which the 6.18 kernel of the matrix has not.

/// The kernels of the matrix. 5.10 gives no reasons.
pub const TESTED: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

pub(super) const SINCE_6_1: &[&str] = &["6.1", "6.12", "6.18", "7.2"];
pub(super) const SINCE_6_12: &[&str] = &["6.12", "6.18", "7.2"];
pub(super) const SINCE_6_18: &[&str] = &["6.18", "7.2"];
pub(super) const SINCE_7_2: &[&str] = &["7.2"];
pub(super) const ONLY_6_12: &[&str] = &["6.12"];
pub(super) const ONLY_6_18: &[&str] = &["6.18"];
pub(super) const UNTIL_6_18: &[&str] = &["6.12", "6.18"];
pub(super) const NOT_6_18: &[&str] = &["6.12", "7.2"];
