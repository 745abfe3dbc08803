//! Any bytes as a packet that starts in any way.
#![no_main]

#[path = "../checks/invariants.rs"]
mod invariants;
#[path = "../checks/packet.rs"]
mod packet;

libfuzzer_sys::fuzz_target!(|data: &[u8]| packet::check(data));
