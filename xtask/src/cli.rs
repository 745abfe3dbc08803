//! What the developer typed. Each task's own file says what it does with it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// netdiag's development tasks
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_flag = false
)]
pub struct Cli {
    /// Print every command before it runs
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// What to do
    #[command(subcommand)]
    pub task: Task,
}

/// The tasks.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Build the eBPF programs and update the committed object netdiag/ebpf/netdiag.bpf.o
    Ebpf {
        /// Change nothing: rebuild below target/ and compare with the committed object
        #[arg(long)]
        check: bool,
    },
    /// Cut a kernel's BTF (raw, or .xz) down to what the tests need
    BtfCut {
        /// The whole BTF, as /sys/kernel/btf/vmlinux shows it
        input: PathBuf,
        /// The file to write, such as netdiag/tests/btf/6.12.btf
        output: PathBuf,
    },
    /// Print the digest of the eBPF sources (it needs no toolchain)
    Digest,
    /// Boot Debian's kernels in virtual machines, without installing them
    #[command(subcommand)]
    Vm(VmTask),
    /// Run the live tests on every kernel line in virtual machines
    Matrix(MatrixOptions),
    /// Score every scenario of the fault lab, on this kernel and in virtual machines; exit 1 if anything is wrong
    Lab(LabOptions),
    /// Run everything that must pass before a change is merged
    Test(TestOptions),
    /// Make the files in captures/ again; needs root
    Captures(CapturesOptions),
    /// Measure `netdiag drops` beside a minimal program of C, `netdiag read` beside tcpdump and tshark
    Bench(BenchOptions),
    /// Feed the decoders generated inputs and look for one that breaks them; exit 1 if there is one
    Fuzz(FuzzOptions),
}

/// What to do with the kernels.
#[derive(Debug, Subcommand)]
pub enum VmTask {
    /// Download the newest kernel of each line and unpack it below target/vm
    Fetch {
        /// One line only: 5.10, 6.1, 6.12 or 7 (repeatable; default: all)
        #[arg(long, value_name = "LINE")]
        kernel: Vec<String>,
        /// Look for newer kernels even if the last look was less than 24 hours ago
        #[arg(long)]
        refresh: bool,
    },
    /// List the kernel lines and what is there of them
    List,
    /// Run one command in a virtual machine; exit 0 pass, 1 fail, 2 no verdict, 124 hang
    Run(RunOptions),
}

/// One command in one virtual machine.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// Kernel line: 5.10, 6.1, 6.12 or 7
    #[arg(long, value_name = "LINE")]
    pub kernel: String,
    /// Seconds until the machine counts as hanging
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub timeout: u64,
    /// Put a file of this machine into the guest (repeatable)
    #[arg(long, value_name = "HOST:GUEST")]
    pub file: Vec<String>,
    /// Put a program and its shared libraries into the guest, at the same paths (repeatable)
    #[arg(long, value_name = "PROGRAM")]
    pub program: Vec<PathBuf>,
    /// Print the console of the guest too
    #[arg(long)]
    pub console: bool,
    /// The command; busybox's shell finds busybox's own `ip` before any other: use absolute paths
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// The live tests in virtual machines.
#[derive(Debug, Default, Args)]
pub struct MatrixOptions {
    /// One line only: 5.10, 6.1, 6.12 or 7 (repeatable; default: all)
    #[arg(long, value_name = "LINE")]
    pub kernel: Vec<String>,
    /// Seconds until a machine counts as hanging
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    pub timeout: u64,
    /// Only tests whose names contain this
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,
}

/// The fault lab, scored.
#[derive(Debug, Args)]
pub struct LabOptions {
    /// These scenarios alone (default: all)
    #[arg(value_name = "SCENARIO", value_parser = scenario_name)]
    pub scenarios: Vec<String>,
    /// One line only: 5.10, 6.1, 6.12 or 7 (repeatable; default: all, and this machine's kernel)
    #[arg(long, value_name = "LINE")]
    pub kernel: Vec<String>,
    /// This machine's kernel, and of the others only those that `--kernel` names; needs root
    #[arg(long)]
    pub here: bool,
    /// Seconds until a virtual machine counts as hanging
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub timeout: u64,
}

/// A name goes into the machine's script.
fn scenario_name(name: &str) -> Result<String, String> {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.is_empty() && name.chars().all(plain) {
        Ok(name.to_owned())
    } else {
        Err("`netdiag lab list` shows the names".to_owned())
    }
}

impl LabOptions {
    /// Whether this machine's kernel is asked for.
    #[must_use]
    pub fn scores_here(&self) -> bool {
        self.here || self.kernel.is_empty()
    }

    /// Whether any virtual machine is asked for.
    #[must_use]
    pub fn boots(&self) -> bool {
        !self.here || !self.kernel.is_empty()
    }
}

/// The whole test.
#[derive(Debug, Args)]
pub struct TestOptions {
    /// Leave out what needs root, QEMU or network namespaces: live tests and the kernel matrix
    #[arg(long)]
    pub without_live: bool,
    /// Tests that say SKIPPED are no failure
    #[arg(long)]
    pub allow_skips: bool,
}

/// Which captures to make.
#[derive(Debug, Args)]
pub struct CapturesOptions {
    /// A netdiag that is built already (default: build one)
    #[arg(long, value_name = "PATH")]
    pub netdiag: Option<PathBuf>,
    /// Scenarios (default: all that have a capture)
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// `netdiag drops`, beside a minimal program of C; needs root
    Live,
    /// `netdiag read`, beside tcpdump, tshark and capinfos
    Read,
}

/// What to measure, and how.
#[derive(Debug, Args)]
pub struct BenchOptions {
    /// One part only (repeatable; default: both)
    #[arg(long, value_enum)]
    pub part: Vec<Part>,
    /// A netdiag that is built already (default: build one, in release)
    #[arg(long, value_name = "PATH")]
    pub netdiag: Option<PathBuf>,
    /// Exit with status 1 if a target is not met
    #[arg(long)]
    pub require: bool,
    /// live: how many packets make a flood
    #[arg(long, value_name = "N", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: u64,
    /// live: how often programs are started to see how long it takes
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// How often the floods are repeated, and each reader has its turn
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// read: how many packets the capture has
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    pub capture_packets: u64,
    /// read: have netdiag read a capture ten times as long too, for the memory that it takes
    #[arg(long)]
    pub long: bool,
}

impl BenchOptions {
    /// Whether a part is asked for.
    #[must_use]
    pub fn measures(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }
}

/// What to fuzz.
#[derive(Debug, Args)]
pub struct FuzzOptions {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub minutes: u64,
    /// One target only, by its name in fuzz/targets (repeatable; default: all)
    #[arg(long, value_name = "NAME")]
    pub target: Vec<String>,
}
