//! Random numbers that are the same in every run and on every machine.

/// The generator `SplitMix64` of Steele, Lea and Flood: small, fast, and good enough for traffic.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next 32 bits: the upper half.
    pub(super) fn word(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.bits().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The next 16 bits: the upper quarter.
    pub(super) fn half_word(&mut self) -> u16 {
        let [a, b, ..] = self.bits().to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// A number from 0 to just below `limit`; 0 if that is 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        let product = u64::from(self.word()) * u64::from(limit);
        u32::try_from(product >> 32).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The first values that the reference implementation of Vigna gives for this seed.
        let mut random = Random::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(expected.map(|_| random.bits()), expected);
    }

    #[test]
    fn numbers_stay_below_their_limit_and_reach_all() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 850), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }
}
