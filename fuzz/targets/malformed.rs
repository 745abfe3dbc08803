//! Headers that are right, wrong, or in the wrong place.
#![no_main]

#[path = "../checks/invariants.rs"]
mod invariants;
#[path = "../checks/malformed.rs"]
mod malformed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| malformed::check(data));
