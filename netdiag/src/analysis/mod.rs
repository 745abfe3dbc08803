//! Pure conclusions from evidence: findings, the ledger, and which events explain which counter.

pub mod counter;
pub mod drops;
pub mod filter;
pub mod finding;
pub mod group;
pub mod icmp;
pub mod ledger;
