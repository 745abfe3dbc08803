//! Ready scenarios: each makes exactly what it says, and takes its faults away again.
//!
//! When one returns, its sockets are closed and nothing more is sent: what the counters say then is final.

mod attempt;
mod handshake;
mod life;
mod loss;
mod stall;

pub use attempt::{
    accept_queue_full, filtered, filtered_here, icmp_unreachable, no_route, ports_exhausted,
    refused,
};
pub use handshake::{syn_ack_lost, syn_lost};
pub use life::{closed_by, many_short, reset_by};
pub use loss::{
    data_lost_rto, local_drop, middle_lost_fast, spurious, tail_lost_tlp, window_lost_rto,
};
pub use stall::{mtu_black_hole, zero_window};

use super::{PORT, Pair, Setting, Side};

/// More than an acknowledgement has, with every option.
const DATA: &str = "meta length > 200";

/// A SYN to the server, in nft's words.
fn syn() -> String {
    format!("tcp dport {PORT} tcp flags & (syn | ack) == syn")
}

/// A segment with data to the server, in nft's words.
fn data() -> String {
    format!("tcp dport {PORT} {DATA}")
}

/// An answer of the server's without data, in nft's words.
fn acknowledgement() -> String {
    format!("tcp sport {PORT} meta length < 100 tcp flags & (syn | fin | rst) == 0x0")
}

/// No tail loss probe of the client's goes before the retransmission timeout.
fn without_probes(pair: &Pair) -> Setting<'_> {
    pair.set(Side::Client, "ipv4/tcp_early_retrans", "0")
}
