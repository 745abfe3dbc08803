//! A program under measurement: started, watched from outside through /proc, ended by its process id.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::process;

/// How long a program may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a program may take to end after SIGINT; netdiag still prints what waits in its ring.
const END_WITHIN: Duration = Duration::from_secs(120);
/// How often files and processes are looked at where nothing can be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How a program says that it is ready: the start of a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready<'a> {
    /// On its standard output, which is read to its end.
    Output(&'a str),
    /// On its standard error, which is read to its end; standard output goes to this file.
    Errors(&'a str, &'a Path),
    /// In this file, which is its standard output.
    File(&'a str, &'a Path),
}

/// A running program; it is killed when this goes out of scope.
#[derive(Debug)]
pub(super) struct Watched {
    child: Child,
    pid: Pid,
    name: String,
    /// From the start of the process until it was ready.
    pub(super) startup: Duration,
}

impl Watched {
    /// Starts a program and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, ends, or is not ready in time.
    pub(super) fn start(command: &mut Command, ready: Ready<'_>) -> Result<Self> {
        process::show(command);
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null());
        match ready {
            Ready::Output(_) => command.stdout(Stdio::piped()),
            Ready::Errors(_, path) => command.stderr(Stdio::piped()).stdout(create(path)?),
            Ready::File(_, path) => command.stdout(create(path)?),
        };
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let pid = Pid::from_child(&child);
        let mut watched = Self {
            child,
            pid,
            name,
            startup: Duration::ZERO,
        };
        let at = match ready {
            Ready::Output(line) => {
                let pipe = watched.child.stdout.take().context("standard output")?;
                watched.wait_for_line(pipe, line)?
            }
            Ready::Errors(line, _) => {
                let pipe = watched.child.stderr.take().context("standard error")?;
                watched.wait_for_line(pipe, line)?
            }
            Ready::File(line, path) => watched.wait_for_file(path, line)?,
        };
        watched.startup = at.duration_since(start);
        Ok(watched)
    }

    /// Waits for a line on a pipe; what else comes is thrown away, so that the program never blocks.
    fn wait_for_line(&self, pipe: impl Read + Send + 'static, start: &str) -> Result<Instant> {
        let (sender, receiver) = mpsc::channel();
        let start = start.to_owned();
        thread::spawn(move || {
            let mut others = Vec::new();
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if line.starts_with(&start) {
                    // Nobody listens any more after the first one.
                    sender.send(Ok(Instant::now())).ok();
                } else if others.len() < 5 {
                    others.push(line);
                }
            }
            sender.send(Err(others.join("\n"))).ok();
        });
        match receiver.recv_timeout(READY_WITHIN) {
            Ok(Ok(instant)) => Ok(instant),
            Ok(Err(said)) => bail!("{} ended before it was ready: {said}", self.name),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                bail!("{} was not ready after {READY_WITHIN:?}", self.name)
            }
        }
    }

    /// Waits until the first line of a file is there and starts as it must.
    fn wait_for_file(&mut self, path: &Path, start: &str) -> Result<Instant> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            let mut line = String::new();
            BufReader::new(File::open(path)?).read_line(&mut line)?;
            if line.ends_with('\n') {
                if line.starts_with(start) {
                    return Ok(Instant::now());
                }
                bail!("{} started with {line:?}, not {start}", self.name);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it was ready: {status}", self.name);
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("{} was not ready after {READY_WITHIN:?}", self.name)
    }

    /// Resident memory now, in bytes.
    ///
    /// # Errors
    /// It ended.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(self.proc_path("status"))
            .with_context(|| format!("{} ended", self.name))?;
        parse_resident(&status).with_context(|| format!("{} ended", self.name))
    }

    /// Ids of the eBPF programs that it holds, itself or through a link.
    ///
    /// # Errors
    /// It ended.
    pub(super) fn ebpf_programs(&self) -> Result<Vec<u64>> {
        let mut ids = Vec::new();
        let directory = self.proc_path("fdinfo");
        for entry in fs::read_dir(&directory).with_context(|| format!("{} ended", self.name))? {
            // A file may be closed meanwhile.
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            ids.extend(program_id(&text));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Ends it with SIGINT and gives the processor time, user and system, that all its threads took.
    ///
    /// # Errors
    /// It does not end, or fails.
    pub(super) fn interrupt(mut self) -> Result<Duration> {
        rustix::process::kill_process(self.pid, Signal::INT)
            .with_context(|| format!("interrupt {}", self.name))?;
        let deadline = Instant::now() + END_WITHIN;
        // Left as a zombie, whose times can still be read.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while rustix::process::waitid(WaitId::Pid(self.pid), options)?.is_none() {
            if Instant::now() > deadline {
                bail!("{} still runs {END_WITHIN:?} after SIGINT", self.name);
            }
            thread::sleep(LOOK_EVERY);
        }
        let stat = fs::read_to_string(self.proc_path("stat"))?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} failed: {status}", self.name);
        }
        let ticks = parse_cpu_ticks(&stat).with_context(|| format!("{stat:?}"))?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_millis(ticks * 1000 / per_second))
    }

    fn proc_path(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Both do nothing to a child that has been waited for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("create {}", path.display()))
}

/// `VmRSS` of /proc/PID/status, in bytes.
fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

/// `utime` and `stime` of /proc/PID/stat, fields 14 and 15; the name before them may hold anything.
fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// `prog_id` of /proc/PID/fdinfo, which programs and links have.
fn program_id(fdinfo: &str) -> Option<u64> {
    let value = fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("prog_id:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{parse_cpu_ticks, parse_resident, program_id};

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    4000 kB\nVmRSS:\t    3416 kB\nRssAnon:\t 88 kB\n";
        assert_eq!(parse_resident(status), Some(3416 * 1024));
        assert_eq!(parse_resident("State:\tZ (zombie)\n"), None);
    }

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c) Z 1 7 7 0 -1 4 0 0 0 0 120 34 5 6 20 0 1 0 99\n";
        assert_eq!(parse_cpu_ticks(stat), Some(154));
        assert_eq!(parse_cpu_ticks(""), None);
    }

    #[test]
    fn program_id_of_programs_and_links() {
        assert_eq!(
            program_id("pos:\t0\nprog_type:\t26\nprog_id:\t79\n"),
            Some(79)
        );
        assert_eq!(
            program_id("link_type:\ttracing\nlink_id:\t3\nprog_id:\t80\n"),
            Some(80)
        );
        assert_eq!(program_id("pos:\t0\nmap_id:\t5\n"), None);
    }
}
