//! Puts the eBPF object where the library embeds it from.
//!
//! The committed object is the rule, so that building needs no eBPF toolchain. `NETDIAG_BPF_OBJECT` names another:
//! CI tests a rebuilt one with it.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let committed = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("ebpf/netdiag.bpf.o");
    let object = env::var_os("NETDIAG_BPF_OBJECT").map_or(committed, PathBuf::from);
    let embedded = PathBuf::from(env::var("OUT_DIR")?).join("netdiag.bpf.o");
    fs::copy(&object, embedded).map_err(|error| format!("{}: {error}", object.display()))?;
    println!("cargo::rerun-if-changed={}", object.display());
    println!("cargo::rerun-if-env-changed=NETDIAG_BPF_OBJECT");
    Ok(())
}
