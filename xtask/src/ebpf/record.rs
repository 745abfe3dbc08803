//! What is committed beside the object: from what it was made, and by which tools.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The content of `netdiag.bpf.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// [`crate::digest::source_digest`] at the time of the build.
    pub(super) sources: String,
    /// SHA-256 of the object.
    pub(super) object: String,
    /// What `rustc -V` says.
    pub(super) compiler: String,
    /// What `bpf-linker --version` says.
    pub(super) linker: String,
}

impl Record {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("read {name}"))?;
        Self::parse(&text).with_context(|| format!("{name} is not as `cargo xtask ebpf` writes it"))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.to_text()).with_context(|| format!("write {}", path.display()))
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let field = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            sources: field("sources_sha256")?,
            object: field("object_sha256")?,
            compiler: field("compiler")?,
            linker: field("linker")?,
        })
    }

    fn to_text(&self) -> String {
        let value = json!({
            "sources_sha256": self.sources,
            "object_sha256": self.object,
            "compiler": self.compiler,
            "linker": self.linker,
        });
        format!("{value:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let record = Record {
            sources: "1".to_owned(),
            object: "2".to_owned(),
            compiler: "rustc 1.96.0 (a \"b\")".to_owned(),
            linker: "bpf-linker 0.13.0".to_owned(),
        };
        assert_eq!(Record::parse(&record.to_text()).unwrap(), record);
        assert_eq!(Record::parse("{}"), None);
    }
}
