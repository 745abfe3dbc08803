//! Any bytes as the types of a kernel.
#![no_main]

#[path = "../checks/btf.rs"]
mod btf;

libfuzzer_sys::fuzz_target!(|data: &[u8]| btf::check(data));
