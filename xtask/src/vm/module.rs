//! Finds kernel modules and what they depend on, in the order in which they must be loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::kernel::Kernel;
use crate::process;

/// The modules of one kernel; Debian's packages have no `modules.dep`, so they are read themselves.
#[derive(Debug)]
pub struct Modules {
    files: BTreeMap<String, PathBuf>,
    builtin: Vec<String>,
}

/// A module, ready to be inserted.
#[derive(Debug)]
pub struct Module {
    /// With `_`, as the kernel names it.
    pub name: String,
    /// Unpacked.
    pub bytes: Vec<u8>,
}

impl Modules {
    /// Lists the modules of a kernel.
    ///
    /// # Errors
    /// Its directory cannot be read.
    pub fn of(kernel: &Kernel) -> Result<Self> {
        let mut files = BTreeMap::new();
        list(&kernel.modules, &mut files)
            .with_context(|| format!("modules in {}", kernel.modules.display()))?;
        let builtin = fs::read_to_string(kernel.modules.join("modules.builtin"));
        let builtin = builtin.unwrap_or_default();
        let builtin = builtin
            .lines()
            .filter_map(|line| module_name(Path::new(line)))
            .collect();
        Ok(Self { files, builtin })
    }

    /// The wanted modules after all that they need, and the names that this kernel does not have.
    ///
    /// # Errors
    /// A module cannot be read or unpacked.
    pub fn in_load_order(&self, wanted: &[&str]) -> Result<(Vec<Module>, Vec<String>)> {
        let (mut order, mut absent) = (Vec::new(), Vec::new());
        for name in wanted {
            self.add(name, &mut order, &mut absent)?;
        }
        Ok((order, absent))
    }

    fn add(&self, name: &str, order: &mut Vec<Module>, absent: &mut Vec<String>) -> Result<()> {
        let name = name.replace('-', "_");
        if order.iter().any(|module| module.name == name) || self.builtin.contains(&name) {
            return Ok(());
        }
        let Some(file) = self.files.get(&name) else {
            absent.push(name);
            return Ok(());
        };
        let bytes = unpack(file)?;
        for needed in depends(&bytes) {
            self.add(&needed, order, absent)?;
        }
        order.push(Module { name, bytes });
        Ok(())
    }
}

fn list(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if let Some(name) = module_name(&entry.path()) {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

/// `sch_netem` of `kernel/net/sched/sch-netem.ko.xz`.
fn module_name(path: &Path) -> Option<String> {
    let (name, end) = path.file_name()?.to_str()?.split_once(".ko")?;
    ["", ".xz", ".zst", ".gz"]
        .contains(&end)
        .then(|| name.replace('-', "_"))
}

fn unpack(file: &Path) -> Result<Vec<u8>> {
    let tool = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(file).with_context(|| format!("read {}", file.display())),
    };
    process::output_bytes(process::program(tool).arg("-dc").arg(file))
}

/// The `depends=a,b` entry of the module's `.modinfo`.
fn depends(module: &[u8]) -> Vec<String> {
    let entries = module.split(|byte| *byte == 0);
    let names = entries.filter_map(|entry| entry.strip_prefix(b"depends="));
    let names = names.filter_map(|names| std::str::from_utf8(names).ok());
    let names = names.flat_map(|names| names.split(','));
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_dependencies() {
        assert_eq!(module_name(Path::new("a/nft-ct.ko.xz")).unwrap(), "nft_ct");
        assert_eq!(module_name(Path::new("modules.order")), None);
        assert_eq!(
            depends(b"\0license=GPL\0depends=stp,llc\0name=x\0"),
            ["stp", "llc"]
        );
        assert!(depends(b"depends=\0").is_empty());
    }
}
