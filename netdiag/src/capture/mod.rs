//! Capture files in and out.
