//! Bytes to typed values: total on any input, no I/O, no panic.
