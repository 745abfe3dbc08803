//! `retransmit NETDIAG FILE`: every kind of retransmission under `netdiag retrans --json -w FILE`, for
//! `cargo xtask captures`. Standard output is what netdiag prints.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a developer's tool"
)]

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use netdiag_tests::tcp::{Pair, scenario};
use netdiag_tests::{isolated, program};
use rustix::process::{Pid, Signal, kill_process};

/// Long enough for a retransmission to be told.
const QUIET: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [netdiag, file] = arguments.as_slice() else {
        eprintln!("usage: retransmit NETDIAG FILE");
        return ExitCode::from(2);
    };
    match isolated(|| record(netdiag, file)) {
        Ok(json) => {
            print!("{json}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("retransmit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn record(netdiag: &str, file: &str) -> io::Result<String> {
    let pair = Pair::new();
    let mut child = program(netdiag)
        .arg0("netdiag")
        .args([
            "retrans",
            "--json",
            "--host",
            "10.98.0.1",
            "--force",
            "-w",
            file,
        ])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("no pipe"))?;
    let mut lines = BufReader::new(stdout);
    // The first line is written when the probes are attached.
    let mut said = String::new();
    lines.read_line(&mut said)?;
    let _outcomes = [
        scenario::syn_lost(&pair),
        scenario::syn_ack_lost(&pair),
        scenario::data_lost_rto(&pair),
        scenario::tail_lost_tlp(&pair),
        scenario::middle_lost_fast(&pair),
    ];
    thread::sleep(QUIET);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("no process id"))?;
    kill_process(pid, Signal::INT)?;
    lines.read_to_string(&mut said)?;
    let status = child.wait()?;
    if status.success() {
        Ok(said)
    } else {
        Err(io::Error::other(format!("netdiag ended with {status}")))
    }
}
