//! Where the binary under test is, and running it to its end.

use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Emulated machines are slow; only a run that hangs comes near this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// The binary under test: `NETDIAG_BIN`, or what cargo built beside this test.
///
/// # Panics
/// When it is not there.
fn path() -> PathBuf {
    let path = std::env::var_os("NETDIAG_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("the path of this test program");
            // target/PROFILE/deps/live-HASH
            let profile = test.parent().and_then(std::path::Path::parent);
            profile
                .expect("a test program lies in target/PROFILE/deps")
                .join("netdiag")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is not there: build it with `cargo build --package netdiag` (with --release, if the tests are), or set \
         NETDIAG_BIN",
        path.display()
    );
    path
}

/// The binary under test, with these arguments.
#[must_use]
pub fn netdiag(arguments: &[&str]) -> Command {
    let mut command = program(path().to_str().expect("a path in UTF-8"));
    command.args(arguments);
    command
}

/// Any program, without standard input.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests run the real binary and its judges, and here only"
)]
pub fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command
        .env("LC_ALL", "C.UTF-8")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
#[must_use]
pub fn run(arguments: &[&str]) -> Ended {
    finish(netdiag(arguments).stdout(Stdio::piped()))
}

/// Runs a command to its end with something on its standard input.
///
/// # Panics
/// When it cannot be started, or does not end.
#[must_use]
pub fn feed(command: &mut Command, input: Vec<u8>) -> Ended {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let writer = thread::spawn(move || {
        // Who has seen enough closes the pipe.
        let _ = writer.write_all(&input);
    });
    let ended = finish(command.stdin(reader).stdout(Stdio::piped()));
    // What the command holds of the pipe goes with it, and the writer must not wait for that.
    command.stdin(Stdio::null());
    writer.join().expect("a writer");
    ended
}

/// Runs a command to its end; its standard output is as the caller set it.
///
/// # Panics
/// When it cannot be started, or does not end.
#[must_use]
pub fn finish(command: &mut Command) -> Ended {
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let stdout = child.stdout.take().map(read);
    let stderr = child.stderr.take().map(read);
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for a child") {
            break status;
        }
        if Instant::now() > end {
            child.kill().expect("kill a child");
            panic!("{command:?} did not end in {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(10));
    };
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader.map_or_else(String::new, |reader| reader.join().expect("a reader"))
    };
    Ended {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// Reads a stream to its end, beside what else is going on.
pub(crate) fn read(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A stream that breaks gives what came before.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
