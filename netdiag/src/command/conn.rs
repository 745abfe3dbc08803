//! `netdiag conn`: TCP connections, live.

use super::{
    observe::{self, Conns, Request},
    sinks::Sinks,
};
use crate::{
    analysis::{conn::Names, filter::PacketFilter},
    cli::ConnArgs,
    kernel::{
        btf::KernelBtf,
        hook::Hook,
        netns::{self, Netns, NetnsNames},
        owner::Owners,
        plan::What,
        session::{self, Config},
        sockdiag::{self, TcpSocket, Which},
        stop::Stop,
    },
    render::{
        self, Diagnostics, Output, Style,
        listener::{self, Listener},
    },
};
use anyhow::{Context, bail};
use netdiag_common::NetnsId;
use std::{
    collections::HashMap,
    net::IpAddr,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// A run with `--require-complete` that lost an event.
const INCOMPLETE: u8 = 3;
/// How often the wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// Enough of a dropped SYN for its addresses and ports, in bytes.
const SNAPLEN: u32 = 128;

pub(super) fn run(
    args: &ConnArgs,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let netns = args.netns.as_deref().map(netns::resolve).transpose()?;
    if args.listen {
        return listeners(args, netns, &output, diagnostics);
    }
    let btf = session::choose_btf(args.btf.as_ref())?;
    if btf.is_none() && args.netns.is_some() {
        bail!(
            "--netns needs to look at the socket, and this kernel shows no types (BTF) to find it by: give --btf FILE, or \
             leave --netns out"
        );
    }
    let request = Request {
        command: "conn",
        config: Config {
            netns,
            ifname: None,
            reasons: Vec::new(),
            snaplen: SNAPLEN,
            ring_bytes: args.buffer_size,
            what: What::Conn,
            hooks: hooks(&args.hook),
        },
        filter: PacketFilter {
            hosts: args.host.clone(),
            ports: args.port.clone(),
        },
        duration: args.duration,
        count: args.count,
    };
    let names = btf.as_ref().map(names).unwrap_or_default();
    let style = if args.json {
        Style::Json { hex: false }
    } else {
        Style::Conn
    };
    let stop = Stop::register().context("cannot catch signals")?;
    let view = render::view(style, output.clone(), diagnostics);
    let mut sinks = Sinks::new(view, &output, None, stop);
    let report = observe::run(
        &request,
        btf,
        &mut sinks,
        diagnostics,
        |session, whole| Conns::new(&request, session, names, args.failed, whole, diagnostics),
        || {},
        std::future::pending(),
    )?;
    sinks.finish(diagnostics)?;
    if args.require_complete && report.ledger.lost > 0 {
        return Ok(ExitCode::from(INCOMPLETE));
    }
    Ok(ExitCode::SUCCESS)
}

/// The ways that the user named.
fn hooks(names: &[String]) -> Vec<Hook> {
    let named = |hook: &Hook| names.iter().any(|name| name == hook.name());
    Hook::ALL.into_iter().filter(named).collect()
}

/// What this kernel calls things, from its types.
fn names(btf: &KernelBtf) -> Names {
    const PREFIX: &str = "SK_RST_REASON_";
    let reasons = btf.enumerators("sk_rst_reason").into_iter();
    let flags = btf.enumerators("sock_flags").into_iter();
    Names {
        reset_reasons: reasons
            .filter_map(|(name, value)| Some((value, name.strip_prefix(PREFIX)?.to_owned())))
            .filter(|(_, name)| name != "MAX")
            .collect(),
        done_flag: flags
            .filter(|(name, _)| name == "SOCK_DONE")
            .map(|(_, value)| value)
            .find(|&value| value < u64::BITS),
        sees_resets: false,
    }
}

/// Listening sockets, now; after `--duration` with what was dropped meanwhile.
fn listeners(
    args: &ConnArgs,
    netns: Option<NetnsId>,
    output: &Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let mut found = collect(netns, diagnostics)?;
    let mut waited = None;
    if let Some(duration) = args.duration {
        let before: HashMap<_, _> = found
            .iter()
            .map(|(id, socket)| (key(*id, socket), socket.drops))
            .collect();
        // Stopped early, it shows what was dropped until then.
        waited = Some(wait(duration)?);
        found = collect(netns, diagnostics)?;
        for (id, socket) in &mut found {
            // One that was opened meanwhile had none before.
            let before = before
                .get(&key(*id, socket))
                .copied()
                .flatten()
                .unwrap_or(0);
            socket.drops = socket.drops.map(|drops| drops.saturating_sub(before));
        }
    }
    found.retain(|(_, socket)| {
        let host = args.host.is_empty() || args.host.iter().any(|host| hears(socket.local, *host));
        host && (args.port.is_empty() || args.port.contains(&socket.sport))
    });
    found.sort_by_key(|(id, socket)| (*id, socket.sport, socket.local));
    let mut owners = Owners::new();
    let mut namespaces = NetnsNames::new();
    let lines: Vec<Listener> = found
        .into_iter()
        .map(|(id, socket)| Listener {
            netns: id.0,
            namespace: namespaces.name(id),
            owner: owners
                .lookup(socket.inode)
                .map(|owner| (owner.pid, owner.comm)),
            address: socket.local,
            port: socket.sport,
            used: socket.queued,
            limit: socket.limit,
            drops: socket.drops,
            uid: socket.uid,
        })
        .collect();
    listener::show(output, args.json, waited, &lines)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether what listens at one address is reached at another.
fn hears(local: IpAddr, host: IpAddr) -> bool {
    local == host || local.is_unspecified() && (local.is_ipv6() || host.is_ipv4())
}

/// Waits, unless the user wants to stop; says how long.
fn wait(duration: Duration) -> anyhow::Result<Duration> {
    let stop = Stop::register().context("cannot catch signals")?;
    let began = Instant::now();
    while !stop.is_set() {
        let left = duration.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(LOOK));
    }
    Ok(began.elapsed())
}

/// A listener keeps its inode number while it lives.
fn key(netns: NetnsId, socket: &TcpSocket) -> (NetnsId, u64, IpAddr, u16) {
    (netns, socket.inode, socket.local, socket.sport)
}

fn collect(
    only: Option<NetnsId>,
    diagnostics: &Diagnostics,
) -> anyhow::Result<Vec<(NetnsId, TcpSocket)>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut read = false;
    for namespace in netns::list()? {
        if only.is_some_and(|only| only != namespace.id) {
            continue;
        }
        match sockets(&namespace, Which::Listening) {
            Ok(sockets) => {
                read = true;
                found.extend(sockets.into_iter().map(|socket| (namespace.id, socket)));
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !read && !problems.is_empty() {
        bail!("no socket could be listed: {}", problems.join("; "));
    }
    diagnostics.problems(&problems);
    Ok(found)
}

/// The TCP sockets of a namespace, or why they cannot be listed.
pub(super) fn sockets(namespace: &Netns, which: Which) -> Result<Vec<TcpSocket>, String> {
    let problem =
        |error: &dyn std::error::Error| format!("sockets of namespace {}: {error}", namespace.name);
    match netns::enter(namespace, || sockdiag::list(which)) {
        Ok(Ok(sockets)) => Ok(sockets),
        Ok(Err(error)) => Err(problem(&error)),
        Err(error) => Err(problem(&error)),
    }
}
