//! The kernel stamps records with `CLOCK_MONOTONIC`; people read the time of day.

use rustix::time::{ClockId, clock_gettime};

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

fn nanoseconds(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
