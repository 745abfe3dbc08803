//! Builds the file system that a test machine boots into: busybox, modules, tools and the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::cpio::Cpio;
use super::kernel::Kernel;
use super::module::Modules;
use crate::process;
use crate::workspace::Workspace;

/// What the tests and the lab use; there is no automatic loading in the guest.
const MODULES: [&str; 23] = [
    "veth",
    "tun",
    "dummy",
    "bridge",
    "nf_tables",
    "nft_ct",
    "nft_limit",
    "nft_quota",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "inet_diag",
    "tcp_diag",
    "sch_netem",
    "sch_tbf",
    "cls_bpf",
    "sch_ingress",
    "act_gact",
    "cls_matchall",
    "8021q",
    "vxlan",
    "ip_gre",
    "ipip",
    "xfrm_user",
];

/// The content of an initramfs, before it is packed for a kernel.
#[derive(Debug, Clone, Default)]
pub struct Content {
    test: String,
    files: Vec<(PathBuf, String)>,
}

impl Content {
    /// Starts with the script that `/test` will be: its output is the results, its exit status the
    /// verdict.
    #[must_use]
    pub fn new(test: impl Into<String>) -> Self {
        Self {
            test: test.into(),
            files: Vec::new(),
        }
    }

    /// Adds a file of this machine; it is executable in the guest.
    pub fn add_file(&mut self, host: impl Into<PathBuf>, guest: impl Into<String>) {
        self.files.push((host.into(), guest.into()));
    }

    /// Adds a program of this machine and its shared libraries, at the same paths.
    ///
    /// # Errors
    /// There is no such program, or a library of it is missing.
    pub fn add_dynamic(&mut self, program: impl AsRef<Path>) -> Result<()> {
        let name = program.as_ref();
        let program = process::find(name)
            .with_context(|| format!("no program {} on this machine", name.display()))?;
        self.add_program(&program, program.to_string_lossy())
    }

    /// Adds a program and its shared libraries, these at the same paths.
    ///
    /// # Errors
    /// A library is missing.
    pub fn add_program(
        &mut self,
        program: impl Into<PathBuf>,
        guest: impl Into<String>,
    ) -> Result<()> {
        let program = program.into();
        for library in libraries(&program)? {
            self.add_file(&library, library.to_string_lossy());
        }
        self.add_file(program, guest);
        Ok(())
    }

    /// Writes the initramfs for a kernel to `out`; gives the modules that the kernel does not have.
    ///
    /// # Errors
    /// busybox is missing or not static, or something cannot be read or written.
    pub fn pack(&self, workspace: &Workspace, kernel: &Kernel, out: &Path) -> Result<Vec<String>> {
        let mut cpio = Cpio::default();
        for directory in ["proc", "sys", "dev", "run", "tmp", "root", "etc", "mods"] {
            cpio.directory(directory);
        }
        // The kernel needs a console before devtmpfs is there; it makes one itself if this is absent.
        cpio.file("init", include_bytes!("init.sh"));
        cpio.file("test", self.test.as_bytes());
        cpio.file("qexit", &read(&exit_helper(workspace)?)?);
        cpio.file("bin/busybox", &read(&busybox()?)?);
        cpio.symlink("bin/sh", "busybox");
        cpio.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n");
        cpio.file("etc/group", b"root:x:0:\n");
        cpio.file("etc/hosts", b"127.0.0.1 localhost netdiag-vm\n");

        let (modules, absent) = Modules::of(kernel)?.in_load_order(&MODULES)?;
        let mut order = String::new();
        for module in &modules {
            cpio.file(&format!("mods/{}.ko", module.name), &module.bytes);
            order.push_str(&module.name);
            order.push('\n');
        }
        cpio.file("mods/order", order.as_bytes());
        for (host, guest) in &self.files {
            cpio.file(guest, &read(host)?);
        }
        let packed = process::filter(process::program("gzip").arg("-1"), cpio.finish())?;
        fs::write(out, packed).with_context(|| format!("write {}", out.display()))?;
        Ok(absent)
    }
}

/// Debian's busybox-static is what works in an empty file system.
fn busybox() -> Result<PathBuf> {
    let busybox = process::find("busybox").context("no busybox: install busybox-static")?;
    if !libraries(&busybox)?.is_empty() {
        bail!(
            "{} is not static: install busybox-static",
            busybox.display()
        );
    }
    Ok(busybox)
}

/// Compiles the program that hands the verdict to QEMU, once.
fn exit_helper(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.target_dir("vm")?;
    let (source, program) = (directory.join("qexit.c"), directory.join("qexit"));
    let text = include_str!("qexit.c");
    if program.is_file() && fs::read_to_string(&source).is_ok_and(|there| there == text) {
        return Ok(program);
    }
    fs::write(&source, text).with_context(|| format!("write {}", source.display()))?;
    let mut gcc = process::program("gcc");
    gcc.args(["-static", "-Os", "-o"])
        .arg(&program)
        .arg(&source);
    process::run(&mut gcc)?;
    Ok(program)
}

/// What `ldd` lists; nothing for a static program.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    // ldd fails on a static program, and only says so in words.
    let output = process::program("ldd")
        .arg(program)
        .output()
        .context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_ldd(&text).with_context(|| format!("libraries of {}", program.display()))
}

fn parse_ldd(text: &str) -> Result<BTreeSet<PathBuf>> {
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        bail!("{}", missing.trim());
    }
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    // `/path/program:` heads the list when several are asked for, and errors.
    Ok(words
        .filter(|word| !word.ends_with(':'))
        .map(PathBuf::from)
        .collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_lists_paths() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let paths: Vec<_> = parse_ldd(text).unwrap().into_iter().collect();
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(paths, expected.map(PathBuf::from));
        assert!(
            parse_ldd("\tnot a dynamic executable\n")
                .unwrap()
                .is_empty()
        );
        assert!(parse_ldd("\tlibx.so => not found\n").is_err());
    }
}
