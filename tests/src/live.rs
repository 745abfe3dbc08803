//! One run of `netdiag drops --json` beside the test that makes the traffic.
//!
//! Every run also saves its packets, and at its end `netdiag read --json` must say of the file what the run said, letter
//! by letter: from the file itself, and from one that was made of it with cooked headers.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netdiag::lab::Namespace;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::NamedNetns;
use super::binary::{PATIENCE, netdiag, read};
use super::dump::Dump;

/// Long enough for a packet too many to be told of.
const QUIET: Duration = Duration::from_millis(300);

/// A run that is attached: traffic from now on is seen. Dropping it kills it.
#[derive(Debug)]
pub struct Live {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    start: Value,
    rest: Vec<Value>,
    drops: usize,
    name: Option<NamedNetns>,
    /// Every line as it was.
    said: Vec<String>,
    dump: Option<Dump>,
}

impl Live {
    /// Starts `netdiag drops --json` for one namespace; call it inside [`isolated`](super::isolated).
    #[must_use]
    pub fn within(namespace: &Namespace, arguments: &[&str]) -> Self {
        // Of other processes' namespaces, netdiag finds those that have a name or a process, and not a thread.
        let name = NamedNetns::new(namespace, "lab");
        let netns = namespace.id().0.to_string();
        let mut live = Self::start(&[&["--netns", &netns], arguments].concat());
        live.name = Some(name);
        live
    }

    /// Starts `netdiag drops --json` and waits until it is attached.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_as("drops", arguments)
    }

    /// Starts another command of netdiag's with `--json`, and a dump as well.
    #[must_use]
    pub fn start_as(name: &str, arguments: &[&str]) -> Self {
        let dump = Dump::new(arguments);
        let mut live =
            Self::start_command(netdiag(&[name, "--json", "-w", dump.path()]).args(arguments));
        live.dump = Some(dump);
        live
    }

    /// Starts a command of netdiag's that has no dump.
    #[must_use]
    pub fn start_plain(name: &str, arguments: &[&str]) -> Self {
        Self::start_command(netdiag(&[name, "--json"]).args(arguments))
    }

    /// Starts a command that writes such lines, and waits for the first.
    ///
    /// # Panics
    /// When it ends before, or writes something else first.
    #[must_use]
    pub fn start_command(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().map(read);
        let mut live = Self {
            child,
            lines: lines(stdout),
            stderr,
            start: Value::Null,
            rest: Vec::new(),
            drops: 0,
            name: None,
            said: Vec::new(),
            dump: None,
        };
        match live.next(PATIENCE) {
            Some(line) => live.start = line,
            None => panic!("{command:?} did not start: {}", live.end().1),
        }
        assert_eq!(live.start["kind"], "start", "{}", live.start);
        live
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until so many drops are reported, in all.
    ///
    /// # Panics
    /// When they do not come.
    pub fn await_drops(&mut self, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.drops < count {
            let left = end.saturating_duration_since(Instant::now());
            match self.next(left) {
                Some(line) => {
                    self.drops += usize::from(is_event(&line));
                    self.rest.push(line);
                }
                None => {
                    let (drops, stderr) = (self.drops, self.end().1);
                    panic!("{drops} drops of {count} came, then the end: {stderr}")
                }
            }
        }
    }

    /// Ends the run as Ctrl-C does, and collects what it says.
    #[must_use]
    pub fn stop(self) -> Run {
        thread::sleep(QUIET);
        self.signal(Signal::INT);
        self.finish()
    }

    /// Collects what it says until it ends by itself.
    ///
    /// # Panics
    /// When it does not end, or its lines are not in order.
    #[must_use]
    pub fn finish(mut self) -> Run {
        while let Some(line) = self.next(PATIENCE) {
            self.rest.push(line);
        }
        let (code, mut stderr) = self.end();
        if let Some(dump) = &self.dump {
            dump.assert_says(&self.said);
            // What is left is what the run itself had to say.
            let told = |line: &&str| line.contains("saved: ") && line.contains(dump.path());
            assert_eq!(stderr.lines().filter(told).count(), 1, "{stderr}");
            let rest = stderr.lines().filter(|line| !told(line));
            stderr = rest.flat_map(|line| [line, "\n"]).collect();
        }
        Run::new(
            self.start.take(),
            std::mem::take(&mut self.rest),
            code,
            stderr,
        )
    }

    /// Ends it so that it cannot clean up.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.end();
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = kill_process(pid.expect("a process id"), signal);
    }

    /// The next line; `None` at the end.
    fn next(&mut self, patience: Duration) -> Option<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
                self.said.push(line);
                Some(value)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.signal(Signal::KILL);
                panic!("no line in {patience:?}; standard error: {}", self.end().1)
            }
        }
    }

    /// Waits for the end: status and standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("wait for netdiag");
        let stderr = self
            .stderr
            .take()
            .map(|reader| reader.join().expect("a reader"));
        (status.code(), stderr.unwrap_or_default())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands over lines as they come.
fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// Whether a line is what the command reports, and not what it concludes.
fn is_event(line: &Value) -> bool {
    ["drop", "retrans", "conn"]
        .iter()
        .any(|kind| line["kind"] == *kind)
}

/// All that a run said, its lines in the order of the interface.
#[derive(Debug)]
pub struct Run {
    /// The first line.
    pub start: Value,
    /// The drops, or what else the command reports.
    pub drops: Vec<Value>,
    /// The findings.
    pub findings: Vec<Value>,
    /// The last line.
    pub summary: Value,
    /// Exit status.
    pub code: Option<i32>,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    fn new(start: Value, mut lines: Vec<Value>, code: Option<i32>, stderr: String) -> Self {
        let summary = lines
            .pop()
            .unwrap_or_else(|| panic!("nothing after the first line: {stderr}"));
        assert_eq!(
            summary["kind"], "summary",
            "the last line; stderr: {stderr}"
        );
        let findings = lines.split_off(lines.iter().take_while(|line| is_event(line)).count());
        for finding in &findings {
            assert_eq!(finding["kind"], "finding", "after the drops: {finding}");
        }
        let run = Self {
            start,
            drops: lines,
            findings,
            summary,
            code,
            stderr,
        };
        run.assert_balanced();
        run
    }

    /// A column of the ledger.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn ledger(&self, column: &str) -> u64 {
        let value = &self.summary["ledger"][column];
        value
            .as_u64()
            .unwrap_or_else(|| panic!("no {column} in {}", self.summary))
    }

    fn assert_balanced(&self) {
        let columns = ["reported", "filtered", "sampled_out", "lost"];
        let sum: u64 = columns.iter().map(|column| self.ledger(column)).sum();
        assert_eq!(self.ledger("seen"), sum, "{}", self.summary);
        assert_eq!(
            self.ledger("reported"),
            self.drops.len() as u64,
            "{}",
            self.summary
        );
    }

    /// Delta and explained part of a namespace's counter, both 0 where it is not listed.
    #[must_use]
    pub fn counter(&self, name: &str, netns: u32) -> (u64, u64) {
        let counters = self.summary["counters"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        counters
            .iter()
            .find(|counter| counter["name"] == name && counter["netns"] == netns)
            .map_or((0, 0), |counter| {
                (number(&counter["delta"]), number(&counter["explained"]))
            })
    }

    /// The header check's numbers for a function; `Null` where it was not hooked.
    #[must_use]
    pub fn header_check(&self, function: &str) -> &Value {
        let checks = self.summary["header_checks"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        checks
            .iter()
            .find(|check| check["name"] == function)
            .unwrap_or(&Value::Null)
    }

    /// What became of a rung.
    #[must_use]
    pub fn rung(&self, probe: &str, hook: &str) -> Option<&str> {
        let probes = self.start["probes"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let found = probes
            .iter()
            .find(|found| found["name"] == probe && found["hook"] == hook);
        found.and_then(|found| found["state"].as_str())
    }

    /// The rung that holds.
    #[must_use]
    pub fn hook(&self, probe: &str) -> Option<&str> {
        let probes = self.start["probes"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let found = probes
            .iter()
            .find(|found| found["name"] == probe && found["state"] == "attached");
        found.and_then(|found| found["hook"].as_str())
    }
}
