//! The kernel stamps records with `CLOCK_MONOTONIC`; people read the time of day.

use rustix::time::{ClockId, clock_getres, clock_gettime};

/// What to add to `CLOCK_MONOTONIC` to have the time of day, taken once a run so that intervals stay true.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    offset_ns: i128,
}

impl WallClock {
    /// The difference now.
    pub fn now() -> Self {
        Self {
            offset_ns: nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Monotonic),
        }
    }

    /// Nanoseconds since 1970 UTC of a monotonic time stamp.
    pub fn unix_ns(&self, monotonic_ns: u64) -> i128 {
        i128::from(monotonic_ns) + self.offset_ns
    }
}

/// `CLOCK_MONOTONIC` now, in nanoseconds.
pub fn monotonic_ns() -> u64 {
    u64::try_from(nanoseconds(ClockId::Monotonic)).unwrap_or(0)
}

/// How long a jiffy of this kernel is, in nanoseconds: the resolution of the coarse clocks, which advance with it
/// (`hrtimer_resolution` aside, `posix_get_coarse_res` gives `KTIME_LOW_RES`, which is `NSEC_PER_SEC / HZ`).
pub fn tick_ns() -> u64 {
    let resolution = clock_getres(ClockId::MonotonicCoarse);
    let ns = i128::from(resolution.tv_sec) * 1_000_000_000 + i128::from(resolution.tv_nsec);
    u64::try_from(ns).unwrap_or(0)
}

fn nanoseconds(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::tick_ns;

    #[test]
    fn a_jiffy_is_one_of_those_that_kernels_are_built_with() {
        // CONFIG_HZ: 100, 250, 300 or 1000.
        let tick = tick_ns();
        assert!(
            [10_000_000, 4_000_000, 3_333_333, 1_000_000].contains(&tick),
            "{tick}"
        );
    }
}
