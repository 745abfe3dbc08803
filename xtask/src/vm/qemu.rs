//! Boots a kernel in QEMU and waits for its verdict.
//!
//! The verdict is QEMU's exit status, the results come out of the second serial port, and the
//! console is for people only: kernel messages land in the middle of its lines.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process;

/// How a run in a virtual machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The test succeeded.
    Pass,
    /// The test failed.
    Fail,
    /// The machine ended without one: a panic, or an early power-off.
    None,
    /// The time was over, or it said nothing for so long that nothing more was to come.
    Hang,
}

/// When a machine hangs.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// It runs for so long.
    pub timeout: Duration,
    /// It prints nothing for so long.
    pub silence: Duration,
}

/// How long a machine may take to say where it hangs.
const LAST_WORDS: Duration = Duration::from_secs(15);

impl Verdict {
    /// The exit status of `cargo xtask vm run`.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::None => 2,
            Self::Hang => 124,
        })
    }

    /// `panic=-1` and a power-off both give 0, so 0 never means success; the exit device gives
    /// `(value << 1) | 1`, for the values 16 and 17 that init writes.
    fn of(status: ExitStatus) -> Self {
        match status.code() {
            Some(33) => Self::Pass,
            Some(35) => Self::Fail,
            _ => Self::None,
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::None => "no verdict",
            Self::Hang => "hang",
        })
    }
}

/// What a machine's processors and clock are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Machine {
    /// Two processors, each a thread of the emulator, and this machine's clock: what runs on one processor truly meets
    /// what runs on the other, and everything takes as long as this machine takes for it.
    #[default]
    Two,
    /// One processor whose clock is the number of its instructions, a nanosecond each, and jumps to the next timer
    /// when there is nothing to do: whatever else this machine does, what is measured in time comes out the same, and
    /// nobody waits for a test that sleeps. (With two processors and this clock, QEMU 7.2 hangs where Linux starts
    /// the second.)
    Counted,
}

impl Machine {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Two => &["-smp", "2", "-accel", "tcg,thread=multi"],
            Self::Counted => &[
                "-smp",
                "1",
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=0,sleep=off,align=off",
            ],
        }
    }
}

/// What a boot leaves behind.
#[derive(Debug, Clone)]
pub struct Boot {
    /// How it ended.
    pub verdict: Verdict,
    /// What came out of the second serial port.
    pub results: String,
    /// What came out of the first.
    pub console: String,
    /// Wall clock, from QEMU's start to its end.
    pub seconds: f64,
}

/// Boots `image` with `initrd` on such a machine, keeping results and console as files in `directory`.
///
/// # Errors
/// QEMU cannot be started or waited for, refuses its arguments, or a file cannot be written.
pub fn boot(
    machine: Machine,
    image: &Path,
    initrd: &Path,
    directory: &Path,
    patience: Patience,
) -> Result<Boot> {
    let (results, console) = (directory.join("results.txt"), directory.join("console.txt"));
    let (errors, monitor) = (directory.join("qemu.txt"), directory.join("monitor.txt"));
    for file in [&results, &console] {
        fs::write(file, "").with_context(|| format!("write {}", file.display()))?;
    }
    let mut command = qemu(image, initrd, &results, &console);
    command.args(machine.arguments());
    let create =
        |path: &Path| File::create(path).with_context(|| format!("write {}", path.display()));
    command
        .stdin(Stdio::piped())
        .stdout(create(&monitor)?)
        .stderr(create(&errors)?);

    process::show(&command);
    let start = Instant::now();
    let mut child = command
        .spawn()
        .context("cannot run qemu-system-x86_64: install qemu-system-x86")?;
    let status = wait(&mut child, patience, [&results, &console]).context("wait for QEMU")?;
    let seconds = start.elapsed().as_secs_f64();
    if status.is_some_and(|status| status.code() == Some(1)) {
        let errors = fs::read_to_string(&errors).unwrap_or_default();
        anyhow::bail!("QEMU refused to start: {}", errors.trim());
    }
    let text = |path: PathBuf| -> Result<String> {
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    Ok(Boot {
        verdict: status.map_or(Verdict::Hang, Verdict::of),
        results: text(results)?,
        console: text(console)?,
        seconds,
    })
}

fn qemu(image: &Path, initrd: &Path, results: &Path, console: &Path) -> Command {
    let mut command = process::program("qemu-system-x86_64");
    command
        // Never KVM: a /dev/kvm inside another machine may be there and yet stop in mid-boot.
        .args(["-M", "q35", "-cpu", "max", "-m", "1G"])
        .args([
            "-display",
            "none",
            "-monitor",
            "stdio",
            "-nic",
            "none",
            "-no-reboot",
        ])
        // An NMI makes a machine that hangs say where.
        .args(["-append", "console=ttyS0 quiet panic=-1 unknown_nmi_panic"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initrd);
    for port in [console, results] {
        // A comma in a path would end it.
        let path = port.to_string_lossy().replace(',', ",,");
        command.arg("-serial").arg(format!("file:{path}"));
    }
    command
}

/// The exit status, or nothing if the machine hung and was killed.
fn wait(
    child: &mut Child,
    patience: Patience,
    ports: [&Path; 2],
) -> std::io::Result<Option<ExitStatus>> {
    let said = || -> u64 {
        let lengths = ports.map(|port| fs::metadata(port).map_or(0, |file| file.len()));
        lengths.iter().sum()
    };
    let end = Instant::now() + patience.timeout;
    let (mut length, mut since) = (said(), Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let now = said();
        if now != length {
            (length, since) = (now, Instant::now());
        }
        if Instant::now() >= end || since.elapsed() >= patience.silence {
            ask(child)?;
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Lets a machine that hangs say where: the monitor what its processors do, the kernel by an NMI, at which it panics.
fn ask(child: &mut Child) -> std::io::Result<()> {
    if let Some(monitor) = &mut child.stdin {
        // One that hangs itself does not answer.
        let _ = monitor.write_all(b"info registers -a\nnmi\n");
        let _ = monitor.flush();
    }
    let end = Instant::now() + LAST_WORDS;
    while child.try_wait()?.is_none() && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
