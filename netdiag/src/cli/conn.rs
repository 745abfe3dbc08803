//! Options of `netdiag conn`.

use super::{HOOKS, value};
use clap::Args;
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// Options of `netdiag conn`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Events: existing, connect, established, accept, failed, closed.\n\nExamples:\n  \
        sudo netdiag conn                          every connection, one line an event\n  \
        sudo netdiag conn --failed --duration 1m   what could not be reached, and why\n  \
        sudo netdiag conn --port 5432 --json       the database's, for machines\n  \
        sudo netdiag conn --listen                 accept queues: used, limit, drops"
)]
pub struct ConnArgs {
    /// Stop after this long, such as 10s, 500ms, 5m or 1h [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub duration: Option<Duration>,
    /// Stop after this many reported events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Only attempts that failed, and connections that ended with an error or that this host reset
    #[arg(long)]
    pub failed: bool,
    /// Show listening sockets and their accept queues instead, once; with --duration, what was dropped meanwhile. DROPS
    /// are all packets that the listener dropped, those that found its queue full among them
    #[arg(long, conflicts_with_all = ["failed", "count", "buffer_size", "hook", "require_complete", "btf"])]
    pub listen: bool,
    /// Only this network namespace: a name, a process id, or an inode number [default: all]
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    /// Only connections from or to this address; repeated: any of them
    #[arg(long, value_name = "ADDRESS")]
    pub host: Vec<IpAddr>,
    /// Only connections from or to this port; repeated: any of them
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// Size of the buffer between kernel and netdiag: a power of two from 64K to 1G
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = value::ring_size)]
    pub buffer_size: u32,
    /// Hook by this way and no better one; repeatable
    #[arg(long, value_name = "WAY", value_parser = HOOKS)]
    pub hook: Vec<String>,
    /// Exit with status 3 when an event was lost
    #[arg(long)]
    pub require_complete: bool,
    /// Type information of the running kernel, for kernels that do not show their own
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
}
