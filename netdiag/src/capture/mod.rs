//! Capture files in and out.

pub mod bundled;
