//! The running kernel: the only place that names aya and, with `lab`, that makes a system call.
