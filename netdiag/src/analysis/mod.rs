//! Pure conclusions from evidence: findings, the ledger, and which events explain which counter.

pub mod counter;
