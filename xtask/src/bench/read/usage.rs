//! One run of a program to its end, on one CPU, and what the kernel says that it took.

use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::thread::CpuSet;

use crate::process;

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// From the start of the process until its end was noticed.
    pub(super) wall: Duration,
    /// Processor time, user and system.
    pub(super) cpu: Duration,
    /// The most that was resident at one time, in bytes. `exec_mmap` in the kernel starts the count with what the
    /// process had before it became the program, so this is never less than the few MiB that xtask itself has.
    pub(super) max_rss: u64,
}

/// Runs a program to its end. Standard output goes to /dev/null; standard error to a file, for the error.
///
/// # Errors
/// It cannot be started, or fails.
pub(super) fn run(command: &mut Command, errors: &Path) -> Result<Usage> {
    process::show(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let file = File::create(errors).with_context(|| format!("create {}", errors.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(file);
    // A process has the CPUs of the thread that starts it, and only this thread gives up the others.
    let (status, usage) = thread::scope(|scope| {
        let runner = scope.spawn(|| {
            keep_to_one_cpu().context("choose a CPU")?;
            start_and_wait(command).with_context(|| format!("cannot run {name}"))
        });
        let joined = runner.join();
        joined.map_err(|_| anyhow!("the thread that ran {name} panicked"))?
    })?;
    if !status.success() {
        let said = fs::read_to_string(errors).unwrap_or_default();
        bail!("{name} failed: {status}; {}", said.trim_end());
    }
    Ok(usage)
}

/// Keeps this thread to the first of its CPUs.
fn keep_to_one_cpu() -> io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu));
    let mut one = CpuSet::new();
    one.set(first.ok_or(io::ErrorKind::NotFound)?);
    rustix::thread::sched_setaffinity(None, &one)?;
    Ok(())
}

/// Not [`std::process::Child::wait`], which does not give the usage.
fn start_and_wait(command: &mut Command) -> io::Result<(ExitStatus, Usage)> {
    let start = Instant::now();
    let child = command.spawn()?;
    let (status, usage) = wait4(child.id())?;
    let wall = start.elapsed();
    let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
    let max_rss = u64::try_from(usage.ru_maxrss).unwrap_or_default() * 1024;
    Ok((status, Usage { wall, cpu, max_rss }))
}

/// Waits for the end of a child and gives what it and its children took.
fn wait4(child: u32) -> io::Result<(ExitStatus, libc::rusage)> {
    let child = libc::pid_t::try_from(child).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    loop {
        // SAFETY: both pointers are to values of the types that wait4 writes, and they outlive the call.
        let ended = unsafe { libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()) };
        if ended == child {
            // SAFETY: wait4 has succeeded, so it has written all of the usage.
            return Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::process::program;

    #[test]
    fn a_run_has_time_and_memory_and_one_cpu() {
        let errors = tempfile::NamedTempFile::new().unwrap();
        // One CPU, else the script fails; then some work, and 32 MiB at once.
        let script = "test $(nproc) = 1 && dd if=/dev/zero of=/dev/null bs=32M count=8";
        let usage = run(program("sh").args(["-c", script]), errors.path()).unwrap();
        assert!(usage.max_rss >= 32 << 20, "{usage:?}");
        assert!(
            !usage.cpu.is_zero() && usage.cpu <= usage.wall * 2,
            "{usage:?}"
        );
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let errors = tempfile::NamedTempFile::new().unwrap();
        let script = "echo no such file >&2; exit 3";
        let failed = run(program("sh").args(["-c", script]), errors.path());
        let said = format!("{:#}", failed.unwrap_err());
        assert!(said.contains("exit status: 3; no such file"), "{said}");
        let missing = run(&mut program("/nonexistent/reader"), errors.path());
        let said = format!("{:#}", missing.unwrap_err());
        assert!(said.contains("cannot run /nonexistent/reader"), "{said}");
    }
}
