//! netdiag finds out which packets the Linux kernel drops, where, why, whose they were, and what to change.
//!
//! The rooms and the arrows between them are drawn in ARCHITECTURE.md:
//! `main → cli → command → {kernel, capture, decode, analysis, render}`.

pub mod analysis;
pub mod capture;
pub mod cli;
pub mod command;
pub mod decode;
pub mod kernel;
pub mod lab;
pub mod render;
