//! The ring buffer that every record goes through.

use crate::count::Counter;
use aya_ebpf::{
    Global,
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    macros::map,
    maps::RingBuf,
};

/// The ring buffer; user space sets its size.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

/// The reader is woken when this much waits in the ring: a wake-up per event costs many times the copy.
#[unsafe(no_mangle)]
static WAKE_BYTES: Global<u64> = Global::new(0);

/// How often, in observations of one processor, the fill level of the ring is looked at. A power of two.
const WAKE_CHECK: u64 = 64;

/// Sends a record; `false` when the ring has no room for it. `seen` is what counts observations of its kind.
#[inline(always)]
pub fn send<T: 'static>(count: &Counter, seen: usize, record: T) -> bool {
    let Some(mut entry) = RING.reserve::<T>(0) else {
        return false;
    };
    entry.write(record);
    entry.submit(wake_up(count, seen));
    true
}

/// Wakes the reader only when the ring fills faster than its timer drains it.
#[inline(always)]
pub fn wake_up(count: &Counter, seen: usize) -> u64 {
    let look = count.value(seen) & (WAKE_CHECK - 1) == 0;
    if look && RING.query(BPF_RB_AVAIL_DATA as u64) > WAKE_BYTES.load() {
        BPF_RB_FORCE_WAKEUP as u64
    } else {
        BPF_RB_NO_WAKEUP as u64
    }
}
