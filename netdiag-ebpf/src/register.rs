//! Arguments and return values of probed functions: register names come from BTF, so one object fits x86-64 and aarch64.

use crate::{
    field::{REGS_ARM64, REGS_X86_ARG1, REGS_X86_ARG2, REGS_X86_ARG3, REGS_X86_RET},
    memory::{Memory, Probed},
};
use aya_ebpf::EbpfContext;
use netdiag_common::field::ABSENT;

/// The first argument of a probed function.
#[inline(always)]
pub fn first_argument(ctx: &impl EbpfContext) -> *const u8 {
    register(ctx, REGS_X86_ARG1.load(), 0)
}

/// The second argument of a probed function.
#[inline(always)]
pub fn second_argument(ctx: &impl EbpfContext) -> *const u8 {
    register(ctx, REGS_X86_ARG2.load(), 1)
}

/// The third argument of a probed function.
#[inline(always)]
pub fn third_argument(ctx: &impl EbpfContext) -> *const u8 {
    register(ctx, REGS_X86_ARG3.load(), 2)
}

/// What a probed function returned.
#[inline(always)]
pub fn return_value(ctx: &impl EbpfContext) -> *const u8 {
    register(ctx, REGS_X86_RET.load(), 0)
}

/// On aarch64 `x<number>`: x0 carries both the first argument and the return value.
#[inline(always)]
fn register(ctx: &impl EbpfContext, x86: u32, number: u32) -> *const u8 {
    let offset = if x86 != ABSENT {
        x86
    } else if REGS_ARM64.load() != ABSENT {
        REGS_ARM64.load() + number * 8
    } else {
        return core::ptr::null();
    };
    // SAFETY: `Probed` reads any address. Not a load: the verifier of 5.10 refuses a context pointer plus offset.
    unsafe { Probed::read(ctx.as_ptr().cast::<u8>().cast_const(), offset) }
}
