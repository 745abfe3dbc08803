//! The books: everything that the hook saw ends in exactly one column.

use serde::Serialize;

/// Where the observations of a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Observations of the hook, the ones that the kernel kept from it included.
    pub seen: u64,
    /// Shown to the user.
    pub reported: u64,
    /// Left out because the user asked for others.
    pub filtered: u64,
    /// Left out to bound the cost.
    pub sampled_out: u64,
    /// Not delivered: the ring buffer was full, or the kernel skipped the program.
    pub lost: u64,
}

impl Ledger {
    /// Whether nothing is unaccounted for.
    pub fn balances(&self) -> bool {
        [self.reported, self.filtered, self.sampled_out, self.lost]
            .into_iter()
            .try_fold(0u64, u64::checked_add)
            == Some(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn a_missing_packet_is_noticed() {
        let ledger = Ledger {
            seen: 10,
            reported: 4,
            filtered: 3,
            sampled_out: 2,
            lost: 1,
        };
        assert!(ledger.balances());
        assert!(!Ledger { seen: 11, ..ledger }.balances());
        assert!(
            !Ledger {
                lost: u64::MAX,
                ..ledger
            }
            .balances()
        );
    }
}
