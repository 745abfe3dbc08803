//! Builds the yardstick of `xtask/bench` for the running kernel: a minimal program of C and libbpf.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

/// Where a kernel with BTF describes its types.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// What the reference says when it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    /// Drops that the program counted.
    pub(super) seen: u64,
    /// Those of them for which the ring buffer had no room.
    pub(super) ring_full: u64,
    /// Records that user space read.
    pub(super) delivered: u64,
    /// Average run time of the program; 0 without the kernel's statistics.
    pub(super) ns_per_event: f64,
}

impl Account {
    /// Reads what the reference printed.
    ///
    /// # Errors
    /// It is not that.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)
            .with_context(|| format!("the reference printed {text:?}"))?;
        let field = |key: &str| {
            value
                .get(key)
                .with_context(|| format!("no {key} in {text}"))
        };
        let count = |key: &str| {
            let value = field(key)?.as_u64();
            value.with_context(|| format!("{key} is no count in {text}"))
        };
        Ok(Self {
            seen: count("seen")?,
            ring_full: count("ring_full")?,
            delivered: count("delivered")?,
            ns_per_event: field("ns_per_event")?
                .as_f64()
                .with_context(|| format!("ns_per_event is no number in {text}"))?,
        })
    }
}

/// Builds below target/bench and gives the path of the program.
///
/// # Errors
/// A tool is missing or fails, or the kernel has no BTF.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let sources = workspace.root().join("xtask/bench");
    let directory = workspace.target_dir("bench")?;
    let bpftool = process::find("bpftool").context("bpftool is not installed")?;
    let in_directory = |name: &str| directory.join(name);

    let types = process::output_bytes(
        process::program(&bpftool).args(["btf", "dump", "file", KERNEL_BTF, "format", "c"]),
    )?;
    fs::write(in_directory("vmlinux.h"), types).context("write vmlinux.h")?;

    let object = in_directory("reference.bpf.o");
    process::run(
        process::program("clang")
            .args(["-g", "-O2", "-Wall", "-Werror", "-target", "bpf"])
            .arg(format!("-D__TARGET_ARCH_{}", target_arch()))
            .arg("-I")
            .arg(&directory)
            .arg("-c")
            .arg(sources.join("reference.bpf.c"))
            .arg("-o")
            .arg(&object),
    )?;
    let mut skeleton = process::program(&bpftool);
    skeleton.args(["gen", "skeleton"]).arg(&object);
    skeleton.args(["name", "reference_bpf"]);
    fs::write(
        in_directory("reference.skel.h"),
        process::output_bytes(&mut skeleton)?,
    )
    .context("write reference.skel.h")?;

    let program = in_directory("reference");
    process::run(
        process::program("gcc")
            .args(["-O2", "-Wall", "-Wno-unused-parameter", "-I"])
            .arg(&directory)
            .arg(sources.join("reference.c"))
            .arg("-o")
            .arg(&program)
            .args(["-lbpf", "-lelf", "-lz"]),
    )?;
    Ok(program)
}

/// What libbpf's headers call the processor that this is built for.
fn target_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn account_is_read() {
        let text = r#"{"seen":3,"ring_full":1,"delivered":2,"run_cnt":3,"ns_per_event":146.5}"#;
        let account = Account::parse(text).unwrap();
        assert_eq!(
            (account.seen, account.ring_full, account.delivered),
            (3, 1, 2)
        );
        assert!((account.ns_per_event - 146.5).abs() < 1e-9);
        assert!(Account::parse("{}").is_err());
        assert!(Account::parse("").is_err());
    }
}
