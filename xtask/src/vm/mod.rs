//! Virtual machines: fetch a kernel, boot it with one job, get a verdict.

pub mod archive;
pub mod cpio;
pub mod initrd;
pub mod kernel;
pub mod module;
pub mod qemu;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::{RunOptions, VmTask};
use crate::workspace::Workspace;

pub use initrd::Content;
pub use kernel::Kernel;
pub use qemu::{Machine, Patience, Verdict};

/// One run in a virtual machine.
#[derive(Debug, Clone)]
pub struct Job {
    /// Tells the runs of one kernel apart: names the directory of its files.
    pub name: String,
    /// The test and what it needs.
    pub content: Content,
    /// What it runs on.
    pub machine: Machine,
    /// When the machine counts as hanging. Guests are emulated, some ten times slower than this one.
    pub timeout: Duration,
    /// Whether it prints a line for each test: then it hangs when it falls silent, too.
    pub talks: bool,
}

/// A machine that prints nothing for so long hangs: no test is silent for a tenth of that.
const SILENCE: Duration = Duration::from_secs(300);

/// How a job ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its verdict.
    pub verdict: Verdict,
    /// What the test printed.
    pub results: String,
    /// What the kernel and init printed.
    pub console: String,
    /// Wall clock, from QEMU's start to its end.
    pub seconds: f64,
    /// Wanted modules that this kernel does not have.
    pub absent: Vec<String>,
}

impl Outcome {
    /// The last lines of the console: why there is no verdict. Enough of them for the trace of a panic.
    #[must_use]
    pub fn console_end(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        let from = lines.len().saturating_sub(60);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// One initramfs is packed at a time.
static PACKING: Mutex<()> = Mutex::new(());

/// Boots a kernel with a job and waits for its end.
///
/// # Errors
/// The initramfs cannot be built, or QEMU not be run. How the job ends is no error.
pub fn run(workspace: &Workspace, kernel: &Kernel, job: &Job) -> Result<Outcome> {
    let directory = workspace.target_dir(&format!("vm/runs/{}/{}", kernel.line, job.name))?;
    let initrd = directory.join("initrd.cpio.gz");
    let absent = {
        // What packs share is made by the first.
        let _alone = PACKING.lock().unwrap_or_else(PoisonError::into_inner);
        job.content.pack(workspace, kernel, &initrd)?
    };
    let patience = Patience {
        timeout: job.timeout,
        silence: if job.talks { SILENCE } else { job.timeout },
    };
    let boot = qemu::boot(job.machine, &kernel.image, &initrd, &directory, patience)
        .with_context(|| format!("boot {}", kernel.release))?;
    Ok(Outcome {
        verdict: boot.verdict,
        results: boot.results,
        console: boot.console,
        seconds: boot.seconds,
        absent,
    })
}

/// `cargo xtask vm`.
///
/// # Errors
/// A kernel cannot be fetched, or a machine not be started.
pub fn run_task(workspace: &Workspace, task: VmTask) -> Result<ExitCode> {
    match task {
        VmTask::Fetch { kernel, refresh } => {
            for kernel in kernel::fetch(workspace, &kernel::lines(&kernel)?, refresh)? {
                println!("{:<5} {}", kernel.line, kernel.release);
            }
            Ok(ExitCode::SUCCESS)
        }
        VmTask::List => {
            list(workspace);
            Ok(ExitCode::SUCCESS)
        }
        VmTask::Run(options) => run_command(workspace, &options),
    }
}

fn list(workspace: &Workspace) {
    for line in &kernel::LINES {
        match kernel::cached(workspace, line) {
            Ok((kernel, age)) => {
                let hours = age.as_secs() / 3600;
                println!(
                    "{:<5} {} (looked for {hours} h ago)",
                    line.name, kernel.release
                );
            }
            Err(_) => println!("{:<5} not fetched", line.name),
        }
    }
}

fn run_command(workspace: &Workspace, options: &RunOptions) -> Result<ExitCode> {
    let mut kernels = kernel::fetch(workspace, &[kernel::line(&options.kernel)?], false)?;
    let kernel = kernels.pop().context("no kernel")?;
    let mut content = Content::new(script(&options.command));
    for file in &options.file {
        let (host, guest) = file
            .split_once(':')
            .with_context(|| format!("--file {file}: a colon stands between the two paths"))?;
        content.add_file(host, guest);
    }
    for program in &options.program {
        content.add_dynamic(program)?;
    }
    let timeout = Duration::from_secs(options.timeout);
    // Two at once do not write into each other's files.
    let name = format!("run-{}", std::process::id());
    let outcome = run(
        workspace,
        &kernel,
        &Job {
            name,
            content,
            machine: Machine::Two,
            timeout,
            talks: false,
        },
    )?;
    print!("{}", outcome.results);
    if options.console || matches!(outcome.verdict, Verdict::None | Verdict::Hang) {
        eprintln!(
            "--- console, last lines ---\n{}\n---",
            outcome.console_end()
        );
    }
    for module in &outcome.absent {
        eprintln!("{} has no module {module}", kernel.release);
    }
    eprintln!(
        "{}: {} after {:.1} s",
        kernel.release, outcome.verdict, outcome.seconds
    );
    Ok(outcome.verdict.exit_code())
}

/// One argument is a shell command line, several are a command and its arguments.
fn script(command: &[String]) -> String {
    let line = match command {
        [line] => line.clone(),
        words => words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" "),
    };
    format!("#!/bin/sh\n{line}\n")
}

/// A word as the shell must see it.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        let words = ["echo", "it's", "$HOME"].map(str::to_owned);
        assert_eq!(script(&words), "#!/bin/sh\n'echo' 'it'\\''s' '$HOME'\n");
        assert_eq!(script(&["a; b".to_owned()]), "#!/bin/sh\na; b\n");
    }
}
