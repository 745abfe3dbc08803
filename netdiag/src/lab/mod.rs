//! Fault scenarios in network namespaces of their own: `netdiag lab`, and the tests' ground truth.
