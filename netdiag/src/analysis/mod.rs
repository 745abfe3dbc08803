//! Pure conclusions from evidence: findings, the ledger, and which events explain which counter.

pub mod census;
pub mod conn;
pub mod counter;
pub mod event;
pub mod explain;
pub mod fact;
pub mod filter;
pub mod finding;
pub mod group;
pub mod icmp;
pub mod ledger;
pub mod noise;
mod place;
pub mod retrans;
pub mod tally;
