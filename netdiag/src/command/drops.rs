//! `netdiag drops`: dropped packets, malformed headers included, live.

use super::{
    dump::{self, Capture},
    observe::{self, Drops, Request},
};
use crate::{
    analysis::filter::PacketFilter,
    cli::{DropsArgs, MOST_REASONS, UsageError},
    kernel::{
        self,
        btf::KernelBtf,
        device,
        hook::Hook,
        netns::{self, Netns},
        plan::What,
        session::{self, Config},
        stop::Stop,
    },
    render::{Diagnostics, Output, Style},
};
use anyhow::{Context, bail};
use netdiag_common::{IFNAMSIZ, NetnsId};
use std::process::ExitCode;

/// Copies of this length, in bytes, have the addresses and ports of all but deeply tunnelled packets.
const ENOUGH_FOR_HEADERS: u32 = 128;

/// A run with `--require-complete` that lost an event.
pub(super) const INCOMPLETE: u8 = 3;

pub(super) fn run(
    args: &DropsArgs,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let by_header = !args.host.is_empty() || !args.port.is_empty();
    if by_header && args.snaplen < ENOUGH_FOR_HEADERS {
        return Err(UsageError(format!(
            "--host and --port look at the headers: --snaplen must be {ENOUGH_FOR_HEADERS} or more with them"
        ))
        .into());
    }
    let btf = session::choose_btf(args.btf.as_ref())?;
    if btf.is_none() {
        check_filters_without_btf(args)?;
    }
    let netns = args.netns.as_deref().map(netns::resolve).transpose()?;
    if let Some(iface) = &args.iface {
        check_iface(iface, netns)?;
    }
    let request = Request {
        command: "drops",
        config: Config {
            netns,
            ifname: args.iface.clone(),
            reasons: reasons(&args.reason, btf.as_ref())?,
            snaplen: args.snaplen,
            ring_bytes: args.buffer_size,
            what: What::Drops {
                header_check: !args.no_header_check,
            },
            hooks: hooks(&args.hook),
        },
        filter: PacketFilter {
            hosts: args.host.clone(),
            ports: args.port.clone(),
        },
        duration: args.duration,
        count: args.count,
    };
    let style = match (args.json, args.each) {
        (true, _) => Style::Json { hex: args.hex },
        (false, true) => Style::Each,
        (false, false) => Style::Groups,
    };
    let stop = Stop::register().context("cannot catch signals")?;
    let capture = Capture {
        snaplen: args.snaplen,
        live: true,
        inputs: &[],
    };
    let mut sinks = dump::sinks(&args.dump, style, capture, &output, diagnostics, &stop)?;
    let report = observe::run(
        &request,
        btf,
        &mut sinks,
        diagnostics,
        |session, whole| Drops::new(&request, session, whole),
        || {},
        std::future::pending(),
    )?;
    sinks.finish(diagnostics)?;
    if args.require_complete && report.ledger.lost > 0 {
        return Ok(ExitCode::from(INCOMPLETE));
    }
    Ok(ExitCode::SUCCESS)
}

/// Without types nothing but reason, place and protocol of a drop is known: a filter by anything else would show
/// nothing and look like an answer.
fn check_filters_without_btf(args: &DropsArgs) -> anyhow::Result<()> {
    let given = [
        ("--netns", args.netns.is_some()),
        ("--iface", args.iface.is_some()),
        ("--host", !args.host.is_empty()),
        ("--port", !args.port.is_empty()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => bail!(
            "{name} needs to look at the packet, and this kernel shows no types (BTF) to find it by: give --btf FILE, or \
             leave {name} out"
        ),
        None => Ok(()),
    }
}

/// The ways that the user named.
pub(super) fn hooks(names: &[String]) -> Vec<Hook> {
    let named = |hook: &Hook| names.iter().any(|name| name == hook.name());
    Hook::ALL.into_iter().filter(named).collect()
}

/// The kernel's numbers for the reasons that the user named.
fn reasons(names: &[String], btf: Option<&KernelBtf>) -> anyhow::Result<Vec<u32>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if names.len() > MOST_REASONS {
        return Err(UsageError(format!(
            "--reason was given {} times; {MOST_REASONS} are possible",
            names.len()
        ))
        .into());
    }
    let known = session::reasons(btf);
    if !known.known() {
        bail!(
            "kernel {} gives no drop reasons (they came with 5.17): leave out --reason; the place tells the cause",
            kernel::release()
        );
    }
    names
        .iter()
        .map(|name| {
            known.value(name).with_context(|| {
                let all: Vec<_> = known.names().collect();
                format!(
                    "kernel {} has no drop reason {name}; it has: {}",
                    kernel::release(),
                    all.join(" ")
                )
            })
        })
        .collect()
}

/// A device that does not exist gives no packet, and a user with a typing error would wait for it.
pub(super) fn check_iface(name: &str, only: Option<NetnsId>) -> anyhow::Result<()> {
    if name.is_empty() || name.len() >= IFNAMSIZ {
        bail!(
            "--iface {name:?}: a device name has 1 to {} bytes",
            IFNAMSIZ - 1
        );
    }
    let namespaces = netns::list()?;
    let mut unreadable = Vec::new();
    let mut seen = Vec::new();
    for namespace in namespaces
        .iter()
        .filter(|found| only.is_none_or(|only| found.id == only))
    {
        match devices(namespace) {
            Ok(devices) if devices.iter().any(|device| device == name) => return Ok(()),
            Ok(devices) => seen.extend(devices),
            Err(error) => unreadable.push(format!("{}: {error:#}", namespace.name)),
        }
    }
    if !unreadable.is_empty() {
        bail!(
            "--iface {name}: found no such device, and could not look everywhere ({}); run it as root",
            unreadable.join("; ")
        );
    }
    seen.sort();
    seen.dedup();
    let place = if only.is_some() {
        "in that namespace"
    } else {
        "in any network namespace"
    };
    bail!(
        "--iface {name}: no such device {place}; there are: {}",
        seen.join(" ")
    )
}

fn devices(namespace: &Netns) -> anyhow::Result<Vec<String>> {
    let devices = netns::enter(namespace, device::list)??;
    Ok(devices.into_iter().map(|device| device.name).collect())
}
