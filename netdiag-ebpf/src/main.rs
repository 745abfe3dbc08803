//! netdiag's eBPF programs: they count what passes a hook, and copy the headers of what is dropped.
//!
//! No CO-RE: user space resolves every struct offset from the running kernel's BTF and sets it as a read-only global
//! before loading (`field`). `.rodata` is frozen then, so the verifier knows the values, and code behind a field that
//! this kernel lacks is dead. One object serves every kernel, on x86-64 and on aarch64.
//!
//! The order of work is the same everywhere: filter, count, copy.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod calls;
mod conn;
mod count;
mod drops;
mod field;
mod filter;
mod header_check;
mod icmp;
mod memory;
mod register;
mod retrans;
mod ring;
mod segment;
mod socket;

/// The kernel lends `bpf_probe_read_kernel` and `bpf_ktime_get_ns` to GPL-compatible programs only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Nothing here can panic; the language wants the handler all the same.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
