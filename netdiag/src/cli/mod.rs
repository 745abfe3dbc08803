//! What the user typed: one definition for the parser, `--help` and what commands get to see.

mod conn;
mod retrans;
mod value;

pub use conn::ConnArgs;
pub use retrans::{HEADERS, Kind, RetransArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use netdiag_common::{DEFAULT_SNAPLEN, MAX_REASON_FILTERS, MAX_SNAPLEN};
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// Finds out which packets the Linux kernel drops, where, why, whose they were, and what to change.
#[derive(Debug, Parser)]
#[command(
    name = "netdiag",
    version,
    after_help = "Examples:\n  \
        sudo netdiag drops --duration 10s          what is dropped, and what to change\n  \
        sudo netdiag drops --each --host 10.0.0.7  one line a packet\n  \
        sudo netdiag drops --json > drops.jsonl    for machines\n  \
        sudo netdiag drops -w drops.pcapng         saved, for Wireshark and for netdiag read\n  \
        sudo netdiag conn --failed                 connections that do not come about, and why\n  \
        sudo netdiag retrans                       what TCP sends once more, and why\n  \
        netdiag read drops.pcapng                  the same once more, without root\n  \
        netdiag counters                           what the kernel has counted since boot\n  \
        netdiag explain NO_SOCKET                  what a reason, counter or finding means\n  \
        sudo netdiag doctor                        what this kernel allows\n  \
        sudo netdiag lab run ethernet-on-l3-device a fault in a namespace of its own, found live\n\n\
        Exit status: 0 done, 1 failed, 2 wrong command line, 3 events lost with --require-complete."
)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
    /// How much to say on standard error.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// How much to say on standard error.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// Say nothing on standard error but errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 900
    )]
    pub quiet: bool,
    /// Say more: every hook that was tried, and what the kernel answered
    #[arg(short, long, global = true, display_order = 901)]
    pub verbose: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Dropped packets, malformed headers included, live
    Drops(DropsArgs),
    /// TCP connections: attempts, results, latency, accepts, ends; live
    Conn(ConnArgs),
    /// TCP retransmissions: who, why, and what came of it, live
    Retrans(RetransArgs),
    /// The same analysis of a pcap or pcapng file, netdiag's own dumps or anybody's
    Read(ReadArgs),
    /// Kernel counters that speak of drops: values, and deltas over an interval
    Counters(CountersArgs),
    /// What a drop reason, counter or finding means, and what to do; without a name, the list
    Explain(ExplainArgs),
    /// What this kernel and this user allow, rung by rung, and what to do about each 'no'
    Doctor(DoctorArgs),
    /// Fault scenarios in network namespaces of their own, with what netdiag finds
    Lab(LabArgs),
}

/// Options of `netdiag drops`.
#[derive(Args, Clone, Debug)]
pub struct DropsArgs {
    /// Stop after this long, such as 10s, 500ms, 5m or 1h [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub duration: Option<Duration>,
    /// Stop after this many reported packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print one line a packet instead of groups
    #[arg(long, conflicts_with = "json")]
    pub each: bool,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Add the captured bytes to the JSON
    #[arg(long, requires = "json")]
    pub hex: bool,
    /// Only packets of this device
    #[arg(long, value_name = "NAME")]
    pub iface: Option<String>,
    /// Only this network namespace: a name, a process id, or an inode number [default: all]
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    /// Only drops for this reason, such as NO_SOCKET; up to 8 times
    #[arg(long, value_name = "REASON", num_args = 1)]
    pub reason: Vec<String>,
    /// Only packets from or to this address; repeated: any of them
    #[arg(long, value_name = "ADDRESS")]
    pub host: Vec<IpAddr>,
    /// Only packets from or to this port; repeated: any of them
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// How many bytes of each packet to copy
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_SNAPLEN,
        value_parser = clap::value_parser!(u32).range(20..=MAX_SNAPLEN as i64))]
    pub snaplen: u32,
    /// Size of the buffer between kernel and netdiag: a power of two from 64K to 1G
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = value::ring_size)]
    pub buffer_size: u32,
    /// Leave out the hooks that every received packet passes
    #[arg(long)]
    pub no_header_check: bool,
    /// Hook by this way and no better one; repeatable
    #[arg(long, value_name = "WAY", value_parser = HOOKS)]
    pub hook: Vec<String>,
    /// Exit with status 3 when an event was lost
    #[arg(long)]
    pub require_complete: bool,
    /// Type information of the running kernel, for kernels that do not show their own
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
    /// Where to save the packets.
    #[command(flatten)]
    pub dump: DumpArgs,
}

/// Options of every command that can save packets.
#[derive(Args, Clone, Debug, Default)]
pub struct DumpArgs {
    /// Save the packets with all that was found out about them, as pcapng; '-' is standard output
    #[arg(short, long, value_name = "FILE", help_heading = DUMP)]
    pub write: Option<PathBuf>,
    /// What saved packets start with: native is true to each; sll2 is one for all, which tcpdump needs
    #[arg(long, value_name = "TYPE", value_enum, default_value_t, hide_possible_values = true, requires = "write", help_heading = DUMP)]
    pub link_type: LinkType,
    /// Go on to another file (NAME_00001, NAME_00002, ...) at this size, such as 100M
    #[arg(long, value_name = "SIZE", value_parser = value::file_size, requires = "write", help_heading = DUMP)]
    pub rotate_size: Option<u64>,
    /// Keep only so many of these files
    #[arg(long, value_name = "N", requires = "rotate_size", value_parser = clap::value_parser!(u32).range(1..), help_heading = DUMP)]
    pub rotate_files: Option<u32>,
    /// Overwrite a file that is there already
    #[arg(long, requires = "write", help_heading = DUMP)]
    pub force: bool,
}

/// The heading of these options in `--help`.
const DUMP: &str = "Saving packets";

/// The values of `--link-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LinkType {
    /// Ethernet where there is a link-layer header, raw IP where there is none
    #[default]
    Native,
    /// A Linux cooked header for all
    Sll2,
}

/// Options of `netdiag read`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "With -q only findings and ledger are printed.\n\nExamples:\n  \
        netdiag read drops.pcapng                            what the run said, once more\n  \
        netdiag read --malformed --each trace.pcap.gz        every malformed header of anybody's capture\n  \
        netdiag read drops.pcapng --port 53 -w dns.pcapng    cut\n  \
        tcpdump -w - -i eth0 | netdiag read -                live, from another tool"
)]
pub struct ReadArgs {
    /// pcap or pcapng, plain or packed with gzip or zstd; '-' is standard input; several are read one after the other
    #[arg(required = true)]
    pub file: Vec<PathBuf>,
    /// Print one line a packet instead of groups
    #[arg(long, conflicts_with = "json")]
    pub each: bool,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Add the captured bytes to the JSON
    #[arg(long, requires = "json")]
    pub hex: bool,
    /// Only packets of this device
    #[arg(long, value_name = "NAME")]
    pub iface: Option<String>,
    /// Only packets of this network namespace, by its inode number: a name is of this host, and a file may be of another
    #[arg(long, value_name = "INODE", value_parser = value::inode)]
    pub netns: Option<u32>,
    /// Only drops for this reason, such as NO_SOCKET; repeated: any of them
    #[arg(long, value_name = "REASON", num_args = 1)]
    pub reason: Vec<String>,
    /// Only packets from or to this address; repeated: any of them
    #[arg(long, value_name = "ADDRESS")]
    pub host: Vec<IpAddr>,
    /// Only packets from or to this port; repeated: any of them
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// Only packets with a malformed header
    #[arg(long)]
    pub malformed: bool,
    /// Stop after this many reported packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Where to save the packets.
    #[command(flatten)]
    pub dump: DumpArgs,
}

/// The ways of `--hook`, as `netdiag doctor` names them.
const HOOKS: [&str; 7] = [
    "tp_btf",
    "raw_tp",
    "tracepoint",
    "fentry",
    "fexit",
    "kprobe",
    "deduced",
];

/// How often `--reason` may be given.
pub const MOST_REASONS: usize = MAX_REASON_FILTERS;

/// Options of `netdiag counters`.
#[derive(Args, Clone, Debug)]
pub struct CountersArgs {
    /// Show counters that are zero, and those that do not speak of drops
    #[arg(long)]
    pub all: bool,
    /// Show what changes in this time, until Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub interval: Option<Duration>,
    /// With --interval, stop after this many rounds
    #[arg(long, value_name = "N", requires = "interval", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Only this network namespace: a name, a process id, or an inode number [default: all]
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
}

/// Options of `netdiag explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
        netdiag explain                        all names, with a line each\n  \
        netdiag explain NO_SOCKET              a drop reason\n  \
        netdiag explain ListenOverflows        a counter, with or without its group\n  \
        netdiag explain ethernet-on-l3-device  a finding\n  \
        netdiag explain ip_rcv_core+0x22c      a place, for kernels that give no reason")]
pub struct ExplainArgs {
    /// A drop reason, a counter, a finding, or a function that drops; in any case
    pub name: Option<String>,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
}

/// Options of `netdiag doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Type information of the running kernel, for kernels that do not show their own
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
}

/// `netdiag lab`.
#[derive(Args, Clone, Debug)]
#[command(after_help = LAB_PROMISE)]
pub struct LabArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: LabAction,
}

/// What the lab never does.
const LAB_PROMISE: &str = "The lab never touches this machine's own network namespace, its devices or its settings: each \
    scenario makes namespaces of its own, which go with it, even when it is killed. Scenarios that need a setting of the \
    whole machine are marked in `netdiag lab list`, and are refused without --allow-global.";

/// The actions of `netdiag lab`.
#[derive(Clone, Debug, Subcommand)]
pub enum LabAction {
    /// The scenarios, one a line
    #[command(after_help = LAB_PROMISE)]
    List {
        /// Those alone that have all of these words in their name or summary: `lab list tcp`
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// Builds a fault in a network namespace of its own, and watches it with `netdiag drops`
    #[command(after_help = LAB_PROMISE)]
    Run(LabRunArgs),
}

/// Options of `netdiag lab run`.
#[derive(Args, Clone, Debug)]
pub struct LabRunArgs {
    /// A name from `netdiag lab list`
    pub name: String,
    /// Print one line a packet instead of groups
    #[arg(long, conflicts_with = "json")]
    pub each: bool,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Send the packets as fast as possible
    #[arg(long)]
    pub fast: bool,
    /// Change settings of the whole machine if the scenario needs that: for machines that are thrown away
    #[arg(long)]
    pub allow_global: bool,
    /// Leave out the hooks that every received packet passes
    #[arg(long)]
    pub no_header_check: bool,
    /// Type information of the running kernel, for kernels that do not show their own
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
    /// Where to save the packets.
    #[command(flatten)]
    pub dump: DumpArgs,
}

/// A command line that is wrong in a way that only the commands can tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);
