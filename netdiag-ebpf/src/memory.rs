//! Two ways to read kernel memory: through a pointer whose type the verifier knows, or with the checked helper.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::{arch::asm, mem::MaybeUninit};
use netdiag_common::{
    field::ABSENT,
    record::{UNKNOWN, UNKNOWN_BYTE},
};

/// How a program may follow the pointers that its hook hands it.
pub trait Memory {
    /// Reads a `T` at `base + offset`; all zeros where that address cannot be read.
    ///
    /// # Safety
    /// `T` holds integers only, and `base` is a pointer that this way of reading allows.
    unsafe fn read<T: Copy>(base: *const u8, offset: u32) -> T;
}

/// BTF-typed pointers (`tp_btf`, `fentry`): plain loads, which the kernel turns into loads that survive a fault.
pub struct Typed;

impl Memory for Typed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, offset: u32) -> T {
        // SAFETY: the verifier checks the access against the type of `base`; a fault reads zero (BPF_PROBE_MEM).
        unsafe { base.add(offset as usize).cast::<T>().read_volatile() }
    }
}

/// Any address: the checked helper (Linux 5.5).
pub struct Probed;

impl Memory for Probed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, offset: u32) -> T {
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: the helper checks the source; on a fault it zeroes the destination.
        unsafe {
            bpf_probe_read_kernel(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                base.wrapping_add(offset as usize).cast(),
            );
            value.assume_init()
        }
    }
}

/// Reads the pointer at `base + offset`; `None` where it is null, or where the kernel lacks the field.
#[inline(always)]
pub unsafe fn pointer<M: Memory>(base: *const u8, offset: u32) -> Option<*const u8> {
    if offset == ABSENT {
        return None;
    }
    // SAFETY: as `Memory::read`.
    non_null(unsafe { M::read::<*const u8>(base, offset) })
}

/// A pointer that the verifier, too, knows not to be null.
///
/// It forbids arithmetic on one that may be, and the compiler likes to do that before the comparison: a move of the
/// register to itself keeps the two in order.
#[inline(always)]
pub fn non_null(pointer: *const u8) -> Option<*const u8> {
    if pointer.is_null() {
        return None;
    }
    let mut known = pointer;
    // SAFETY: changes nothing.
    unsafe { asm!("{known} = {known}", known = inout(reg) known, options(nomem, nostack)) };
    Some(known)
}

/// Kernel addresses have their top bit set. A fragment in reassembly has a number where others have `sk`
/// (`ip_defrag_offset`, until 6.8).
#[inline(always)]
pub fn is_kernel_address(pointer: *const u8) -> bool {
    (pointer as i64) < 0
}

/// A number of a struct, or [`UNKNOWN`] where this kernel has it not.
#[inline(always)]
pub unsafe fn number(base: *const u8, offset: u32) -> u32 {
    if offset == ABSENT {
        return UNKNOWN;
    }
    // SAFETY: `Probed` reads any address.
    unsafe { Probed::read(base, offset) }
}

/// A byte of a struct, or [`UNKNOWN_BYTE`] where this kernel has it not.
#[inline(always)]
pub unsafe fn byte(base: *const u8, offset: u32) -> u8 {
    if offset == ABSENT {
        return UNKNOWN_BYTE;
    }
    // SAFETY: `Probed` reads any address.
    unsafe { Probed::read(base, offset) }
}
