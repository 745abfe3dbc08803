//! Capture files in and out: pcap and pcapng.
//!
//! The blocks are pcap-parser's; what is here is what netdiag puts into them. Everything beside the packet bytes is in
//! comments of the form `Key: value` ([`note`]): that is the format's own way to say more, every tool keeps them, and
//! Wireshark shows and filters them. `docs/dumps.md` lists the keys.

pub mod bundled;
mod compression;
mod error;
mod input;
pub mod link;
pub mod note;
mod option;
mod pcap;
mod pcapng;
mod reader;
mod saved;
pub mod target;
mod writer;

pub use error::{CaptureError, Damage};
pub use input::Source;
pub use link::LinkStyle;
pub use reader::{Captured, Interface, Item, Reader};
pub use saved::{DumpError, Saved, Short};
pub use writer::{Destination, InterfaceKey, Origin, Outgoing, Sink, Writer};
