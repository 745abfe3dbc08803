//! `record SCENARIO DEVICE FILE`: a scenario of the lab with tcpdump beside it, for `cargo xtask captures`.
//!
//! A program of its own and not a part of xtask: that must build where netdiag does not.
#![expect(clippy::print_stderr, reason = "a developer's tool")]

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use netdiag::lab::{self, Namespace};
use netdiag_tests::program;
use rustix::process::{Pid, Signal, kill_process};

/// Long enough for tcpdump to be handed the last packet.
const QUIET: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, device, file] = arguments.as_slice() else {
        eprintln!("usage: record SCENARIO DEVICE FILE");
        return ExitCode::from(2);
    };
    match record(scenario, device, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("record {scenario}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn record(scenario: &str, device: &str, file: &str) -> io::Result<()> {
    let scenario =
        lab::find(scenario).ok_or_else(|| io::Error::other("there is no such scenario"))?;
    let mut bench = scenario.prepare().map_err(io::Error::other)?;
    let tcpdump = Tcpdump::start(bench.namespace(), device, file)?;
    let injected = bench.inject(scenario.interval).map_err(io::Error::other);
    thread::sleep(QUIET);
    // Ended in any case, and before the device goes.
    let said = tcpdump.stop()?;
    injected?;
    eprint!("{said}");
    Ok(())
}

/// A running tcpdump.
struct Tcpdump {
    child: Child,
    stderr: Box<dyn Read>,
}

impl Tcpdump {
    /// Starts it in the namespace, and waits until it listens.
    fn start(namespace: &Namespace, device: &str, file: &str) -> io::Result<Self> {
        let mut command = program("tcpdump");
        // As root to the end, for the file's directory may be another user's.
        command.args(["-i", device, "-n", "-s", "0", "-Z", "root"]);
        command.args(["--time-stamp-precision=nano", "--immediate-mode", "-U"]);
        command.args(["-w", file]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        // A child is in the namespace of the thread that made it.
        let mut child = namespace.run(move || command.spawn())?;
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut stderr = BufReader::new(stderr);
        let mut line = String::new();
        let mut said = String::new();
        while !line.contains("listening on") {
            line.clear();
            if stderr.read_line(&mut line)? == 0 {
                child.wait()?;
                return Err(io::Error::other(format!("tcpdump: {}", said.trim_end())));
            }
            said += &line;
        }
        Ok(Self {
            child,
            stderr: Box::new(stderr),
        })
    }

    /// Ends it as Ctrl-C does, and tells what it said at last: how many packets it captured.
    fn stop(mut self) -> io::Result<String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or(io::ErrorKind::NotFound)?, Signal::INT)?;
        let mut said = String::new();
        self.stderr.read_to_string(&mut said)?;
        if self.child.wait()?.success() {
            Ok(said)
        } else {
            Err(io::Error::other(format!("tcpdump: {}", said.trim_end())))
        }
    }
}
