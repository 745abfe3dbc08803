//! The programs' counters, mapped into memory: reading them takes no system call and no privilege.

use netdiag_common::count::{Counts, GATE, SLOTS};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::{io, os::fd::BorrowedFd, ptr};

/// The counters of all processors.
pub struct CountMap {
    base: *mut u64,
    length: usize,
    cpus: usize,
}

impl CountMap {
    /// Maps the array `COUNTS`, which has one entry for each of `cpus` processors.
    ///
    /// # Errors
    /// The kernel's, from `mmap`.
    pub fn new(map: BorrowedFd<'_>, cpus: usize) -> io::Result<Self> {
        let length = cpus * size_of::<Counts>();
        // SAFETY: a fresh mapping at an address of the kernel's choice; it stays until `drop`.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map,
                0,
            )?
        };
        Ok(Self {
            base: base.cast(),
            length,
            cpus,
        })
    }

    /// Lets the programs count and report from now on.
    pub fn open_gate(&self) {
        for cpu in 0..self.cpus {
            // SAFETY: `cpu` and GATE are within the mapping; the kernel side only reads this slot.
            unsafe { self.base.add(cpu * SLOTS + GATE).write_volatile(1) };
        }
    }

    /// The sum of every counter over all processors.
    pub fn totals(&self) -> [u64; SLOTS] {
        let mut totals = [0u64; SLOTS];
        for cpu in 0..self.cpus {
            for (slot, total) in totals.iter_mut().enumerate() {
                // SAFETY: within the mapping; the kernel side writes whole words atomically.
                let value = unsafe { self.base.add(cpu * SLOTS + slot).read_volatile() };
                *total = total.wrapping_add(value);
            }
        }
        totals
    }
}

impl Drop for CountMap {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nothing refers to any more.
        // A failure leaves it to the end of the process.
        let _ = unsafe { munmap(self.base.cast(), self.length) };
    }
}
