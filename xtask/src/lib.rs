//! Everything a person would otherwise type by hand: build the eBPF object, boot a kernel, test, measure.
//!
//! A library, so that the tests of other crates can ask for the digest of the eBPF sources.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool: it talks to the terminal"
)]

pub mod bench;
pub mod btf_cut;
pub mod captures;
pub mod cli;
pub mod digest;
pub mod ebpf;
pub mod fuzz;
pub mod lab;
pub mod libtest;
pub mod matrix;
pub mod parallel;
pub mod process;
pub mod program;
pub mod requirement;
pub mod test;
pub mod vm;
pub mod workspace;
