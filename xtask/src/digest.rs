//! The digest that ties the committed eBPF object to the sources it was built from.
//!
//! It needs no toolchain, so that an ordinary test can say "the object is stale".

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::workspace::Workspace;

/// What the object is made of: every file below a directory, a file itself, nothing if absent.
const SOURCES: [&str; 7] = [
    "netdiag-common/Cargo.toml",
    "netdiag-common/src",
    "netdiag-ebpf/.cargo/config.toml",
    "netdiag-ebpf/Cargo.lock",
    "netdiag-ebpf/Cargo.toml",
    "netdiag-ebpf/build.rs",
    "netdiag-ebpf/src",
];

/// SHA-256, in hexadecimal, over path, length and bytes of every source of the eBPF object.
///
/// `root` is the top of the checkout. Paths are relative to it and sorted.
///
/// # Errors
/// A source cannot be read, or there is none.
pub fn source_digest(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(root, Path::new(source), &mut files)?;
    }
    if files.is_empty() {
        let text = format!("no eBPF sources below {}", root.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(root.join(&file)).map_err(|error| named(&error, &file))?;
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of some bytes, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `cargo xtask digest`.
///
/// # Errors
/// A source cannot be read.
pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    println!(
        "{}",
        source_digest(workspace.root()).context("digest of the eBPF sources")?
    );
    Ok(ExitCode::SUCCESS)
}

fn collect(root: &Path, relative: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let path = root.join(relative);
    if path.is_file() {
        files.push(relative.to_path_buf());
    } else if path.is_dir() {
        for entry in fs::read_dir(&path).map_err(|error| named(&error, relative))? {
            collect(root, &relative.join(entry?.file_name()), files)?;
        }
    }
    Ok(())
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn same_sources_same_digest_wherever_the_checkout_is() {
        let files = [
            ("netdiag-ebpf/src/main.rs", "a"),
            ("netdiag-common/src/lib.rs", "b"),
        ];
        let (one, other) = (tree(&files), tree(&files));
        assert_eq!(
            source_digest(one.path()).unwrap(),
            source_digest(other.path()).unwrap()
        );
    }

    #[test]
    fn moving_bytes_between_files_changes_the_digest() {
        let one = tree(&[
            ("netdiag-ebpf/src/a.rs", "ab"),
            ("netdiag-ebpf/src/b.rs", "c"),
        ]);
        let other = tree(&[
            ("netdiag-ebpf/src/a.rs", "a"),
            ("netdiag-ebpf/src/b.rs", "bc"),
        ]);
        assert_ne!(
            source_digest(one.path()).unwrap(),
            source_digest(other.path()).unwrap()
        );
    }

    #[test]
    fn other_files_do_not_matter() {
        let one = tree(&[("netdiag-ebpf/src/a.rs", "a")]);
        let other = tree(&[
            ("netdiag-ebpf/src/a.rs", "a"),
            ("netdiag-ebpf/target/x", "x"),
        ]);
        assert_eq!(
            source_digest(one.path()).unwrap(),
            source_digest(other.path()).unwrap()
        );
    }

    #[test]
    fn no_sources_is_an_error() {
        assert!(source_digest(tree(&[]).path()).is_err());
    }
}
