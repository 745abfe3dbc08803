//! Any bytes as a record of the ring buffer.
#![no_main]

#[path = "../checks/invariants.rs"]
mod invariants;
#[path = "../checks/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|data: &[u8]| record::check(data));
