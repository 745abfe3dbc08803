//! The only place that writes to standard output.
