//! Where things are: the checkout and its build directory.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};

/// The checkout that a task works on.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace that cargo runs us from, else the one above the current directory.
    ///
    /// # Errors
    /// No directory above holds `xtask/Cargo.toml`.
    pub fn find() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(directory) => PathBuf::from(directory),
            None => env::current_dir().context("current directory")?,
        };
        let root = start
            .ancestors()
            .find(|directory| directory.join("xtask/Cargo.toml").is_file())
            .with_context(|| format!("no netdiag workspace above {}", start.display()))?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The top of the checkout.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory; all that xtask writes, except the committed object, is below it.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// A directory below the target directory, created if it is not there.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn target_dir(&self, below: &str) -> Result<PathBuf> {
        let directory = self.target.join(below);
        fs::create_dir_all(&directory)
            .with_context(|| format!("create {}", directory.display()))?;
        Ok(directory)
    }
}
