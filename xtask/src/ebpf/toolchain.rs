//! Finds a compiler and a linker for eBPF that belong together.
//!
//! `core` must be built from source, so the compiler needs its library's source; stable compilers
//! of rustup do not do that. Two ways work: a rustup nightly with `rust-src` and `bpf-linker` on
//! `PATH`, or Debian's own rustc with its source package and a `bpf-linker` for the same LLVM.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use super::record::Record;
use crate::workspace::Workspace;
use crate::{process, requirement};

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const LINKER: &str = "bpf-linker";
const LINKER_VERSION: &str = "0.13.0";
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "llvm-22-dev"];

/// A compiler and a linker.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// What `rustc -V` says.
    pub(super) compiler: String,
    /// What `bpf-linker --version` says.
    pub(super) linker: String,
    /// The directory that has `lib/rustlib`.
    pub(super) sysroot: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A rustup toolchain by its name.
    Rustup(String),
    /// `/usr/bin/rustc`, and the directory that has `bpf-linker`.
    Debian(PathBuf),
}

impl Toolchain {
    /// The one that made the committed object, else any; installs Debian's if we may.
    pub(super) fn choose(workspace: &Workspace, preferred: Option<&Record>) -> Result<Self> {
        let mut found = nightlies();
        if let Some(at) = position(&found, preferred) {
            return Ok(found.swap_remove(at));
        }
        let has_source = library(Path::new("/usr")).is_file();
        if Path::new(DEBIAN_RUSTC).is_file() && has_source {
            found.push(debian(workspace)?);
        } else if found.is_empty() && requirement::is_root() && requirement::is_debian() {
            requirement::install(&DEBIAN_PACKAGES).with_context(missing)?;
            found.push(debian(workspace)?);
        }
        let at = position(&found, preferred).unwrap_or(0);
        if found.is_empty() {
            bail!(missing());
        }
        Ok(found.swap_remove(at))
    }

    /// Whether these very tools made the recorded object.
    pub(super) fn made(&self, record: &Record) -> bool {
        self.compiler == record.compiler && self.linker == record.linker
    }

    /// A cargo that compiles with this toolchain.
    pub(super) fn cargo(&self) -> Command {
        match &self.kind {
            Kind::Rustup(name) => {
                let mut command = process::program("rustup");
                command.args(["run", name, "cargo"]);
                for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
                    command.env_remove(variable);
                }
                command
            }
            Kind::Debian(linker) => {
                let mut path = vec![linker.clone()];
                path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
                let mut command = process::cargo();
                command
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1");
                // Paths that came out of PATH go back into it.
                command.env("PATH", env::join_paths(path).unwrap_or_default());
                command
            }
        }
    }
}

fn position(found: &[Toolchain], preferred: Option<&Record>) -> Option<usize> {
    let preferred = preferred?;
    found
        .iter()
        .position(|toolchain| toolchain.compiler == preferred.compiler)
}

fn missing() -> String {
    format!(
        "no toolchain for eBPF. Either\n  \
         rustup toolchain install nightly --component rust-src && cargo install {LINKER}\n\
         or, on Debian 12 and later, as root\n  \
         apt-get install {}\n\
         (the matching {LINKER} is then built by `cargo xtask ebpf` itself)",
        DEBIAN_PACKAGES.join(" ")
    )
}

/// The file that shows that a sysroot has the library's source.
fn library(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.toml")
}

/// Every rustup nightly that has the library's source, if `bpf-linker` is on `PATH`.
fn nightlies() -> Vec<Toolchain> {
    let Some(linker) = process::find(LINKER).and_then(|linker| linker_version(&linker).ok()) else {
        return Vec::new();
    };
    let list = process::output(process::program("rustup").args(["toolchain", "list"]));
    let list = list.unwrap_or_default();
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let nightlies = names.filter(|name| name.starts_with("nightly"));
    nightlies
        .filter_map(|name| {
            let rustc = |argument: &[&str]| {
                let mut rustc = process::program("rustup");
                process::output(rustc.args(["run", name, "rustc"]).args(argument)).ok()
            };
            let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
            library(&sysroot).is_file().then_some(())?;
            Some(Toolchain {
                compiler: rustc(&["-V"])?.trim().to_owned(),
                linker: linker.clone(),
                sysroot,
                kind: Kind::Rustup(name.to_owned()),
            })
        })
        .collect()
}

/// Debian's compiler; builds the linker for its LLVM below `target/bpf-linker` if that is absent.
fn debian(workspace: &Workspace) -> Result<Toolchain> {
    let version = process::output(process::program(DEBIAN_RUSTC).arg("-vV"))?;
    let root = workspace.target().join(LINKER);
    let linker = root.join("bin").join(LINKER);
    if !linker.is_file() {
        install_linker(&root, &version)?;
    }
    let compiler = version.lines().next().unwrap_or_default().to_owned();
    Ok(Toolchain {
        compiler,
        linker: linker_version(&linker)?,
        sysroot: PathBuf::from("/usr"),
        kind: Kind::Debian(root.join("bin")),
    })
}

fn install_linker(root: &Path, rustc_version: &str) -> Result<()> {
    let llvm = rustc_version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "));
    let llvm = llvm.and_then(|version| version.split('.').next());
    let llvm = llvm.context("rustc -vV names no LLVM version")?;
    let library = format!("/usr/lib/llvm-{llvm}/lib");
    if !fs::exists(&library).unwrap_or(false) {
        if !(requirement::is_root() && requirement::is_debian()) {
            bail!("{LINKER} needs the package llvm-{llvm}-dev: apt-get install llvm-{llvm}-dev");
        }
        requirement::install(&[&format!("llvm-{llvm}-dev")])?;
    }
    println!("building {LINKER} {LINKER_VERSION} for LLVM {llvm}, once");
    let mut install = process::cargo();
    install
        .env(
            "RUSTFLAGS",
            format!("-L{library} -C link-arg=-Wl,-rpath,{library}"),
        )
        .env_remove("CARGO_TARGET_DIR")
        .args([
            "install",
            LINKER,
            "--version",
            LINKER_VERSION,
            "--locked",
            "--no-default-features",
        ])
        .args(["--features", &format!("llvm-{llvm}"), "--root"])
        .arg(root);
    process::run(&mut install)
}

fn linker_version(linker: &Path) -> Result<String> {
    let version = process::output(process::program(linker).arg("--version"))?;
    Ok(version.trim().to_owned())
}
