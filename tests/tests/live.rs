//! The real binary on this kernel: faults of the lab and of ordinary sockets, each with its exact numbers.
//!
//! `cargo xtask matrix` runs the same program in virtual machines. A test that cannot apply to a kernel asserts the
//! refusal instead.
#![expect(
    clippy::indexing_slicing,
    reason = "a key that a JSON value has not is null, and a failed assertion"
)]

#[path = "live/bcc_conn.rs"]
mod bcc_conn;
#[path = "live/borrowed.rs"]
mod borrowed;
#[path = "live/complaint.rs"]
mod complaint;
#[path = "live/conn.rs"]
mod conn;
#[path = "live/conn_edge.rs"]
mod conn_edge;
#[path = "live/conn_interface.rs"]
mod conn_interface;
#[path = "live/conn_number.rs"]
mod conn_number;
#[path = "live/conn_reuse.rs"]
mod conn_reuse;
#[path = "live/dump.rs"]
mod dump;
#[path = "live/filter.rs"]
mod filter;
#[path = "live/no_btf.rs"]
mod no_btf;
#[path = "live/retrans.rs"]
mod retrans;
#[path = "live/retrans_bcc.rs"]
mod retrans_bcc;
#[path = "live/retrans_edge.rs"]
mod retrans_edge;
#[path = "live/retrans_finding.rs"]
mod retrans_finding;
#[path = "live/retrans_shape.rs"]
mod retrans_shape;
#[path = "live/rung.rs"]
mod rung;
#[path = "live/scenario.rs"]
mod scenario;
#[path = "live/shape.rs"]
mod shape;
#[path = "live/tcp_bench.rs"]
mod tcp_bench;
#[path = "live/tcp_endpoint.rs"]
mod tcp_endpoint;
