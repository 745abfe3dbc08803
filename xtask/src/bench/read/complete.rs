//! Whether netdiag reads all of the capture: the fastest reader is one that does not.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// How many lines a program writes to its standard output; standard error goes to a file, for the error.
///
/// # Errors
/// It cannot be started, or fails.
pub(super) fn count_lines(command: &mut Command, errors: &Path) -> Result<u64> {
    process::show(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let file = File::create(errors).with_context(|| format!("create {}", errors.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let counted = child.stdout.take().map(count_in);
    let status = child.wait().with_context(|| name.clone())?;
    if !status.success() {
        let said = fs::read_to_string(errors).unwrap_or_default();
        bail!("{name} failed: {status}; {}", said.trim_end());
    }
    counted.context("standard output")?
}

fn count_in(mut output: impl Read) -> Result<u64> {
    let (mut lines, mut chunk) = (0, vec![0; CHUNK]);
    loop {
        let length = output.read(&mut chunk).context("read the lines")?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return Ok(lines);
        };
        for &byte in bytes {
            lines += u64::from(byte == b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::count_lines;
    use crate::process::program;

    #[test]
    fn all_lines_of_a_success_count() {
        let errors = tempfile::NamedTempFile::new().unwrap();
        let count = |script| count_lines(program("sh").args(["-c", script]), errors.path());
        assert_eq!(count("seq 100000").unwrap(), 100_000);
        assert_eq!(count("true").unwrap(), 0);
        let failed = count("echo line; echo broken file >&2; exit 1").unwrap_err();
        assert!(failed.to_string().contains("broken file"), "{failed}");
    }
}
