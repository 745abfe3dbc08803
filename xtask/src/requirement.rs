//! What the tasks need on the machine: looked for, installed where that is ours to do, else named.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Result, bail};

use crate::process;

/// A Debian package, and the program by which other systems show that they have it.
#[derive(Debug, Clone, Copy)]
struct Requirement {
    package: &'static str,
    program: Option<&'static str>,
}

const fn package(package: &'static str) -> Requirement {
    Requirement {
        package,
        program: None,
    }
}

const fn program(package: &'static str, program: &'static str) -> Requirement {
    Requirement {
        package,
        program: Some(program),
    }
}

/// What `cargo xtask test` needs beside the Rust toolchain.
const TEST: [Requirement; 24] = [
    program("bpftool", "bpftool"),
    program("busybox-static", "busybox"),
    program("clang", "clang"),
    program("cpio", "cpio"),
    program("gcc", "gcc"),
    program("gzip", "gzip"),
    program("iproute2", "ip"),
    program("iputils-ping", "ping"),
    program("jq", "jq"),
    package("libbpf-dev"),
    package("libc6-dev"),
    package("libelf-dev"),
    program("llvm", "llvm-objcopy"),
    program("make", "make"),
    program("nftables", "nft"),
    program("pkg-config", "pkg-config"),
    program("qemu-system-x86", "qemu-system-x86_64"),
    program("tcpdump", "tcpdump"),
    program("tmux", "tmux"),
    program("tshark", "tshark"),
    program("util-linux", "prlimit"),
    program("wireshark-common", "capinfos"),
    program("xz-utils", "xz"),
    program("zstd", "zstd"),
];

/// The judges of the tests that need neither root nor virtual machines.
const JUDGES: [Requirement; 6] = [
    program("gzip", "gzip"),
    program("tcpdump", "tcpdump"),
    program("tshark", "tshark"),
    program("util-linux", "prlimit"),
    program("wireshark-common", "capinfos"),
    program("zstd", "zstd"),
];

/// The readers that `cargo xtask bench` compares netdiag with.
const READERS: [Requirement; 3] = [
    program("tcpdump", "tcpdump"),
    program("tshark", "tshark"),
    program("wireshark-common", "capinfos"),
];

/// Whether this process may install packages and make network namespaces.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether packages come from apt here.
#[must_use]
pub fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let like_debian = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
        .any(|ids| ids.contains("debian") || ids.contains("ubuntu"));
    like_debian && process::find("apt-get").is_some()
}

/// Has everything that the whole test needs, or names what is missing.
///
/// # Errors
/// Something is missing and cannot be installed.
pub fn ensure_test() -> Result<()> {
    let missing: Vec<_> = TEST
        .iter()
        .filter(|requirement| !is_there(requirement))
        .collect();
    if !missing.is_empty() && is_root() && is_debian() {
        return install(&packages(&missing));
    }
    name_missing(&missing)
}

/// Has the judges of `cargo xtask test --without-live`, or names what is missing.
///
/// # Errors
/// Something is missing.
pub fn check_judges() -> Result<()> {
    check(&JUDGES)
}

/// Has the readers of captures that netdiag is compared with, or names what is missing.
///
/// # Errors
/// Something is missing.
pub fn check_readers() -> Result<()> {
    check(&READERS)
}

/// They may come from anywhere, so their programs count, not their packages; and nothing is installed.
fn check(requirements: &[Requirement]) -> Result<()> {
    let is_found = |requirement: &&Requirement| {
        requirement
            .program
            .is_some_and(|program| process::find(program).is_some())
    };
    let missing: Vec<_> = requirements.iter().filter(|it| !is_found(it)).collect();
    name_missing(&missing)
}

fn packages(missing: &[&Requirement]) -> Vec<&'static str> {
    missing
        .iter()
        .map(|requirement| requirement.package)
        .collect()
}

/// An error with the names, if anything is missing.
fn name_missing(missing: &[&Requirement]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing
        .iter()
        .filter_map(|requirement| requirement.program)
        .collect();
    bail!(
        "missing programs: {}\nDebian and Ubuntu have them and what else is missing in: {}",
        if programs.is_empty() {
            "none".to_owned()
        } else {
            programs.join(" ")
        },
        packages(missing).join(" ")
    )
}

/// Installs Debian packages; only for root.
///
/// # Errors
/// apt fails.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("installing {}", packages.join(" "));
    process::output(process::program("apt-get").args(["-q", "update"]))?;
    let mut install = process::program("apt-get");
    install
        .args(["-q", "install", "--yes", "--no-install-recommends"])
        .args(packages);
    process::output(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// Packages count where there is dpkg, for busybox may be the wrong one; else programs.
fn is_there(requirement: &Requirement) -> bool {
    if is_debian() {
        let mut query = process::program("dpkg-query");
        query.args(["-W", "-f=${db:Status-Status}", requirement.package]);
        return process::output(&mut query).is_ok_and(|status| status == "installed");
    }
    requirement
        .program
        .is_none_or(|program| process::find(program).is_some())
}
