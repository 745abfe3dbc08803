//! The one place that starts programs: shows each command at `-v`, and names what failed.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Whether to print each command before it runs.
pub fn be_verbose(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// A program to run, in the C locale: some of their output is parsed.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask runs programs, and here only"
)]
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// The eBPF object that cargo's builds embed in place of the committed one.
static OBJECT: OnceLock<PathBuf> = OnceLock::new();

/// From now on, lets cargo embed this eBPF object: what is tested then is what this machine's compiler made.
pub fn embed_object(object: PathBuf) {
    // The first one stays; there is one build of the object in a run.
    let _ = OBJECT.set(object);
}

/// The cargo that runs us, without what it (or rustup) set for us alone.
#[must_use]
pub fn cargo() -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "LD_LIBRARY_PATH",
        "RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    if let Some(object) = OBJECT.get() {
        command.env("NETDIAG_BPF_OBJECT", object);
    }
    command
}

/// Runs to the end with our standard streams.
///
/// # Errors
/// It cannot be started, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", line(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", line(command));
    }
    Ok(())
}

/// Runs to the end and gives the standard output as bytes; standard error only if it fails.
///
/// # Errors
/// It cannot be started, or fails.
pub fn output_bytes(command: &mut Command) -> Result<Vec<u8>> {
    show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", line(command)))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}\n{}",
            line(command),
            output.status,
            error.trim_end()
        );
    }
    Ok(output.stdout)
}

/// As [`output_bytes`], as text.
///
/// # Errors
/// It cannot be started, or fails.
pub fn output(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&output_bytes(command)?).into_owned())
}

/// Feeds `input` to the standard input and gives the standard output.
///
/// # Errors
/// It cannot be started, or fails.
pub fn filter(command: &mut Command, input: Vec<u8>) -> Result<Vec<u8>> {
    show(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", line(command)))?;
    let stdin = child.stdin.take();
    let writer = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
    let output = child.wait_with_output().with_context(|| line(command))?;
    if !output.status.success() {
        bail!("{} failed: {}", line(command), output.status);
    }
    match writer.join() {
        Ok(Some(Ok(()))) => Ok(output.stdout),
        _ => bail!("{} did not take all of its input", line(command)),
    }
}

/// Runs to the end; shows the lines of the standard output that `shows` chooses as they come, and gives all of it back,
/// with the success.
///
/// # Errors
/// It cannot be started, or its output not be read.
pub fn tee(command: &mut Command, mut shows: impl FnMut(&str) -> bool) -> Result<(bool, String)> {
    show(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", line(command)))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .with_context(|| line(command))?
            > 0
        {
            let piece = String::from_utf8_lossy(&bytes);
            if shows(&piece) {
                print!("{piece}");
                io::stdout().flush().ok();
            }
            text.push_str(&piece);
            bytes.clear();
        }
    }
    let status = child.wait().with_context(|| line(command))?;
    Ok((status.success(), text))
}

/// Where `PATH` (and the places for administrators' programs) has this program.
#[must_use]
pub fn find(name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    if name.is_absolute() {
        return name.is_file().then(|| name.to_path_buf());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(administrators)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Prints the command at `-v`.
pub fn show(command: &Command) {
    if VERBOSE.load(Ordering::Relaxed) {
        eprintln!("+ {}", line(command));
    }
}

/// The command as one would type it; only its environment is left out.
fn line(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
