//! Drives the real binary: starts it, reads its JSON lines, and looks at what it leaves behind.
//!
//! The same code runs on a developer's machine and, linked statically, as the only program of a virtual machine. It
//! panics where a test would: every failure here is a failed test.
#![expect(
    clippy::indexing_slicing,
    reason = "a key that a JSON value has not is null, and a failed assertion"
)]

mod binary;
mod bpf;
mod dump;
mod isolation;
pub mod judge;
mod live;
mod machine;
pub mod packet;
pub mod pcap;
pub mod pcapng;
mod said;
pub mod tcp;
mod terminal;
mod traffic;

pub use binary::{Ended, feed, finish, netdiag, program, run};
pub use bpf::{Attached, assert_nothing_attached, await_asleep};
pub use dump::Dump;
pub use isolation::{Mounted, NamedNetns, isolated, steadily};
pub use live::{Live, Run};
pub use machine::{every_rung, has_reasons, has_receiving_socket};
pub use said::{Room, Said};
pub use terminal::on_terminal;
pub use traffic::closed_port;
