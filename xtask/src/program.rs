//! The programs under test: one build of the workspace, to the letter of the command that tests on this kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

/// What cargo said that it built.
#[derive(Debug)]
pub struct Programs {
    messages: String,
}

impl Programs {
    /// Builds as the test on this kernel does, to the letter of the command, so that one build serves all.
    ///
    /// # Errors
    /// It does not build.
    pub fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo: Command = process::cargo();
        cargo
            .current_dir(workspace.root())
            .args(["test", "--workspace", "--no-run"])
            .args(["--message-format", "json-render-diagnostics"]);
        let messages = process::filter(&mut cargo, Vec::new())?;
        let messages = String::from_utf8_lossy(&messages).into_owned();
        Ok(Self { messages })
    }

    /// netdiag itself.
    ///
    /// # Errors
    /// Cargo did not build it.
    pub fn binary(&self) -> Result<PathBuf> {
        self.find("bin", "netdiag")
    }

    /// A test program of that name.
    ///
    /// # Errors
    /// Cargo did not build it.
    pub fn test(&self, name: &str) -> Result<PathBuf> {
        self.find("test", name)
    }

    fn find(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let mut lines = self.messages.lines();
        let found = lines.find_map(|line| executable(line, kind, name));
        found.with_context(|| format!("cargo built no {kind} {name}"))
    }
}

/// A copy without symbols: the machines have little memory.
///
/// # Errors
/// It cannot be made.
pub fn stripped(workspace: &Workspace, program: &Path, name: &str) -> Result<PathBuf> {
    let copy = workspace.target_dir("vm/programs")?.join(name);
    process::run(process::program("strip").arg("-o").arg(&copy).arg(program))?;
    Ok(copy)
}

/// The executable that a message of cargo announces, if it is of this kind and name. A program is also built as a test
/// of itself, which is not meant.
fn executable(message: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let executable = message.get("executable")?.as_str()?;
    let is_test = message.get("profile")?.get("test")?.as_bool()?;
    let meant = target.get("name")? == name
        && target.get("kind")?.get(0)? == kind
        && is_test == (kind == "test");
    meant.then(|| PathBuf::from(executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_among_the_messages() {
        let message = |name: &str, kind: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let live = message("live", "test", true, r#""/x""#);
        assert_eq!(
            executable(&live, "test", "live").unwrap(),
            PathBuf::from("/x")
        );
        assert_eq!(executable(&live, "test", "golden"), None);
        let library = message("live", "test", true, "null");
        assert_eq!(executable(&library, "test", "live"), None);
        let of_itself = message("netdiag", "bin", true, r#""/x""#);
        assert_eq!(executable(&of_itself, "bin", "netdiag"), None);
        let program = message("netdiag", "bin", false, r#""/y""#);
        assert_eq!(
            executable(&program, "bin", "netdiag").unwrap(),
            PathBuf::from("/y")
        );
    }
}
