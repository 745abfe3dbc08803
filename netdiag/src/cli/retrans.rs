//! The options of `netdiag retrans`.

use super::{DumpArgs, HOOKS, value};
use clap::{Args, ValueEnum};
use netdiag_common::DEFAULT_SNAPLEN;
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// Options of `netdiag retrans`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Kinds: rto (the timer ran out, or what follows from that), fast (later segments have arrived), tlp (tail loss probe), syn, synack.\n\n\
        Examples:\n  \
        sudo netdiag retrans --duration 30s        which connections retransmit, and why\n  \
        sudo netdiag retrans --each --kind syn     every SYN that was not answered\n  \
        sudo netdiag retrans --flows               the worst connections, live\n  \
        sudo netdiag retrans -w again.pcapng       saved, for Wireshark and for netdiag read"
)]
pub struct RetransArgs {
    /// Stop after this long, such as 10s, 500ms, 5m or 1h [default: until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub duration: Option<Duration>,
    /// Stop after this many reported retransmissions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print one line a retransmission instead of connections
    #[arg(long, conflicts_with = "json")]
    pub each: bool,
    /// Show the connections that retransmit most at the moment, once a second; off a terminal when there is something new
    #[arg(long, conflicts_with_all = ["json", "each"])]
    pub flows: bool,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Only this kind: rto, fast, tlp, syn or synack; repeated: any of them
    #[arg(long, value_name = "KIND", value_enum, hide_possible_values = true)]
    pub kind: Vec<Kind>,
    /// Only where the retransmission timeout is at least this long, such as 1s; of SYN-ACKs it is not known
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub min_rto: Option<Duration>,
    /// Only connections whose route leads to this device; SYN-ACKs have no route yet, and are shown all the same
    #[arg(long, value_name = "NAME")]
    pub iface: Option<String>,
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
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = value::ring_size)]
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
    /// Where to save the headers of the segments.
    #[command(flatten)]
    pub dump: DumpArgs,
}

/// What of a packet is enough: headers are all that a dump has.
pub const HEADERS: u32 = DEFAULT_SNAPLEN;

/// The values of `--kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The retransmission timer ran out
    Rto,
    /// Later segments have arrived
    Fast,
    /// Tail loss probe
    Tlp,
    /// A SYN
    Syn,
    /// A SYN-ACK
    Synack,
}
