//! The exact counters, one set a processor, in memory that user space maps.

use aya_ebpf::{helpers::generated::bpf_get_smp_processor_id, macros::map, maps::Array};
use core::arch::asm;
use netdiag_common::count::{Counts, GATE};

/// `BPF_F_MMAPABLE` (Linux 5.5).
const MMAPABLE: u32 = 1 << 10;

/// One entry a possible processor: user space sets the number of entries.
#[map]
static COUNTS: Array<Counts> = Array::with_max_entries(1, MMAPABLE);

/// The counters of this processor.
pub struct Counter {
    slots: *mut u64,
    /// This processor.
    pub cpu: u32,
}

impl Counter {
    /// The counters of this processor, or `None` while user space has not opened the gate.
    #[inline(always)]
    pub fn open() -> Option<Self> {
        // SAFETY: no arguments.
        let cpu = unsafe { bpf_get_smp_processor_id() } as u32;
        let slots = COUNTS.get_ptr_mut(cpu)?.cast::<u64>();
        let counter = Self { slots, cpu };
        if counter.value(GATE) == 0 {
            None
        } else {
            Some(counter)
        }
    }

    /// Adds to a counter. Atomic, because an interrupt on this processor may drop a packet in between.
    #[inline(always)]
    pub fn add(&self, slot: usize, amount: u64) {
        // SAFETY: `slot` is a constant below SLOTS. An inline instruction, because `core` offers no atomics on this
        // target; without a result it is BPF_XADD, which every kernel has.
        unsafe {
            asm!(
                "lock *(u64 *)({slot} + 0) += {amount}",
                slot = in(reg) self.slots.add(slot),
                amount = in(reg) amount,
            );
        }
    }

    /// The value of a counter now.
    #[inline(always)]
    pub fn value(&self, slot: usize) -> u64 {
        // SAFETY: `slot` is a constant below SLOTS.
        unsafe { self.slots.add(slot).read_volatile() }
    }
}
