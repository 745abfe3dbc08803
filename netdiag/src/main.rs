//! The `netdiag` binary.

fn main() {}
