//! Builds the eBPF object that is committed inside the netdiag crate, and checks that it is current.
//!
//! It is committed so that nobody needs an eBPF toolchain to build netdiag. The record beside it
//! says which sources and which compiler made it.

mod record;
mod strip;
mod toolchain;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{digest, process};
use record::Record;
use toolchain::Toolchain;

const CRATE: &str = "netdiag-ebpf";
const TARGET: &str = "bpfel-unknown-none";
const OBJECT: &str = "netdiag/ebpf/netdiag.bpf.o";
const RECORD: &str = "netdiag/ebpf/netdiag.bpf.json";

/// `cargo xtask ebpf [--check]`.
///
/// # Errors
/// No toolchain, a failed build, or (with `check`) a committed object that is not current.
pub fn run(workspace: &Workspace, check: bool) -> Result<ExitCode> {
    if check {
        self::check(workspace)?;
    } else {
        update(workspace)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn update(workspace: &Workspace) -> Result<()> {
    let preferred = Record::read(&workspace.root().join(RECORD)).ok();
    let toolchain = Toolchain::choose(workspace, preferred.as_ref())?;
    let built = build(workspace, &toolchain)?;
    let object = workspace.root().join(OBJECT);
    if let Some(directory) = object.parent() {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let bytes = read(&built)?;
    fs::write(&object, &bytes).with_context(|| format!("write {OBJECT}"))?;
    let record = Record {
        sources: digest::source_digest(workspace.root()).context("digest of the eBPF sources")?,
        object: digest::sha256(&bytes),
        compiler: toolchain.compiler,
        linker: toolchain.linker,
    };
    record.write(&workspace.root().join(RECORD))?;
    println!("{OBJECT}: {} bytes by {}", bytes.len(), record.compiler);
    Ok(())
}

/// Checks the record first, which needs no toolchain, then rebuilds. Gives the rebuilt object where another toolchain
/// than the recorded one made it: that is what the tests are to run on then.
///
/// # Errors
/// The committed object is stale, or the same toolchain makes another one.
pub fn check(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let record = Record::read(&workspace.root().join(RECORD))?;
    let sources = digest::source_digest(workspace.root()).context("digest of the eBPF sources")?;
    if sources != record.sources {
        bail!("{OBJECT} is stale, its sources have changed: run `cargo xtask ebpf`");
    }
    let committed = read(&workspace.root().join(OBJECT))?;
    if digest::sha256(&committed) != record.object {
        bail!("{OBJECT} is not the one that {RECORD} describes: run `cargo xtask ebpf`");
    }
    let toolchain = Toolchain::choose(workspace, Some(&record))?;
    let built = build(workspace, &toolchain)?;
    if toolchain.made(&record) {
        if read(&built)? != committed {
            bail!(
                "{OBJECT} differs from {}, built from the same sources by the same compiler",
                built.display()
            );
        }
        println!("{OBJECT} is current, byte for byte");
        return Ok(None);
    }
    println!("{OBJECT} is by {} and {}", record.compiler, record.linker);
    println!(
        "this machine has {} and {}",
        toolchain.compiler, toolchain.linker
    );
    println!(
        "to test with the rebuilt object: NETDIAG_BPF_OBJECT={}",
        built.display()
    );
    Ok(Some(built))
}

/// Builds below `target/ebpf` and gives the path of the object.
fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    let directory = workspace.root().join(CRATE);
    let target = workspace.target_dir("ebpf")?;
    let mut fetch = toolchain.cargo();
    fetch
        .current_dir(&directory)
        .args(["fetch", "--locked", "--quiet"]);
    // Before the flags are made: they name the directories of registries.
    process::run(&mut fetch)?;

    let mut flags = vec![
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
    ];
    flags.extend(remap(workspace, toolchain)?);
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(&directory)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("RUSTC_WRAPPER", wrapper(&target)?)
        .args([
            "build",
            "--release",
            "--locked",
            "-Zbuild-std=core",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target);
    process::run(&mut cargo)?;
    let linked = target.join(TARGET).join("release").join(CRATE);
    let object = target.join("netdiag.bpf.o");
    let stripped = strip::strip(&read(&linked)?).with_context(|| linked.display().to_string())?;
    fs::write(&object, stripped).with_context(|| format!("write {}", object.display()))?;
    no_machine_paths(workspace, &object)?;
    Ok(object)
}

/// Writes the wrapper that makes crates' identities independent of where the checkout is.
fn wrapper(directory: &Path) -> Result<PathBuf> {
    let (path, text) = (directory.join("rustc.sh"), include_str!("rustc.sh"));
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(path);
    }
    // Cargo does not know that the wrapper matters: what another one built must go.
    fs::remove_dir_all(directory).with_context(|| format!("clear {}", directory.display()))?;
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))
        .with_context(|| format!("make {} executable", path.display()))?;
    Ok(path)
}

/// Names every place in the same way on every machine. Of several that fit, rustc takes the last.
fn remap(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<String>> {
    let cargo_home = cargo_home()?;
    let mut places = vec![(cargo_home.clone(), "/cargo")];
    let registries = fs::read_dir(cargo_home.join("registry/src"));
    for registry in registries.into_iter().flatten().flatten() {
        places.push((registry.path(), "/cargo/registry"));
    }
    let library = toolchain.sysroot.join("lib/rustlib/src/rust");
    places.extend(library.canonicalize().map(|library| (library, "/rust")));
    places.push((library, "/rust"));
    places.push((workspace.root().to_path_buf(), "/netdiag"));
    places.push((workspace.target().to_path_buf(), "/netdiag/target"));
    let flag = |(from, to): (PathBuf, &str)| format!("--remap-path-prefix={}={to}", from.display());
    Ok(places.into_iter().map(flag).collect())
}

fn no_machine_paths(workspace: &Workspace, object: &Path) -> Result<()> {
    let bytes = read(object)?;
    let home = env::var_os("HOME").map(PathBuf::from);
    let places = [
        Some(workspace.root().to_path_buf()),
        Some(cargo_home()?),
        home,
    ];
    let places = places
        .iter()
        .flatten()
        .map(|place| place.as_os_str().as_encoded_bytes());
    for place in places
        .chain([b"registry/src/".as_slice()])
        .filter(|place| place.len() > 1)
    {
        if bytes.windows(place.len()).any(|window| window == place) {
            let place = String::from_utf8_lossy(place);
            bail!("the object names a path of this machine: {place}");
        }
    }
    Ok(())
}

fn cargo_home() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
    cargo_home.context("neither CARGO_HOME nor HOME is set")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
