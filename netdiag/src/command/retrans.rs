//! `netdiag retrans`: TCP retransmissions, live.

use super::{
    drops::{INCOMPLETE, check_iface, hooks},
    dump::{self, Capture},
    observe::{self, Request, Retransmissions},
};
use crate::{
    analysis::{filter::PacketFilter, retrans::RetransFilter},
    cli::{HEADERS, Kind, RetransArgs},
    decode::RetransKind,
    kernel::{
        hook, netns,
        plan::What,
        session::{self, Config},
        stop::Stop,
    },
    render::{Diagnostics, Output, Style},
};
use anyhow::{Context as _, bail};
use std::process::ExitCode;

pub(super) fn run(
    args: &RetransArgs,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let btf = session::choose_btf(args.btf.as_ref())?;
    if btf.is_none() {
        check_filters_without_btf(args)?;
    }
    let netns = args.netns.as_deref().map(netns::resolve).transpose()?;
    if let Some(iface) = &args.iface {
        check_iface(iface, netns)?;
    }
    let request = Request {
        command: "retrans",
        config: Config {
            netns,
            ifname: args.iface.clone(),
            reasons: Vec::new(),
            snaplen: HEADERS,
            ring_bytes: args.buffer_size,
            what: What::Retrans,
            hooks: hooks(&args.hook),
        },
        filter: PacketFilter::default(),
        duration: args.duration,
        count: args.count,
    };
    let style = match (args.json, args.each, args.flows) {
        (true, ..) => Style::Json { hex: false },
        (_, true, _) => Style::Each,
        (.., true) => Style::Flows,
        _ => Style::Groups,
    };
    let stop = Stop::register().context("cannot catch signals")?;
    let capture = Capture {
        snaplen: HEADERS,
        live: true,
        inputs: &[],
    };
    let mut sinks = dump::sinks(&args.dump, style, capture, &output, diagnostics, &stop)?;
    let filter = RetransFilter {
        hosts: args.host.clone(),
        ports: args.port.clone(),
        kinds: args.kind.iter().copied().map(kind).collect(),
        min_rto_us: args
            .min_rto
            .map(|least| u64::try_from(least.as_micros()).unwrap_or(u64::MAX)),
        ifname: None,
        netns: None,
    };
    let tells_failures = hook::retrans::tells_errors(btf.as_ref());
    let report = observe::run(
        &request,
        btf,
        &mut sinks,
        diagnostics,
        |session, whole| {
            // Without types namespaces are not known, and so not whose counters rose.
            let compared = whole && args.iface.is_none();
            Retransmissions::new(filter, args.count, compared, tells_failures, session)
        },
        || {},
        std::future::pending(),
    )?;
    sinks.finish(diagnostics)?;
    if args.require_complete && report.ledger.lost > 0 {
        return Ok(ExitCode::from(INCOMPLETE));
    }
    Ok(ExitCode::SUCCESS)
}

fn kind(kind: Kind) -> RetransKind {
    match kind {
        Kind::Rto => RetransKind::Rto,
        Kind::Fast => RetransKind::Fast,
        Kind::Tlp => RetransKind::Tlp,
        Kind::Syn => RetransKind::Syn,
        Kind::Synack => RetransKind::SynAck,
    }
}

/// Without types only addresses, ports and state are known: a filter by anything else would show nothing and look like
/// an answer.
fn check_filters_without_btf(args: &RetransArgs) -> anyhow::Result<()> {
    let given = [
        ("--netns", args.netns.is_some()),
        ("--iface", args.iface.is_some()),
        ("--kind", !args.kind.is_empty()),
        ("--min-rto", args.min_rto.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => bail!(
            "{name} needs to look at the socket, and this kernel shows no types (BTF) to find it by: give --btf FILE, or \
             leave {name} out"
        ),
        None => Ok(()),
    }
}
