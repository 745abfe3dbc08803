//! `netdiag lab`: a fault, built in a network namespace of its own, and what netdiag finds.

use super::{
    dump::{self, Capture},
    observe::{self, Drops, Request},
    replay,
};
use crate::{
    analysis::{explain::nearest_of, filter::PacketFilter},
    cli::{LabAction, LabRunArgs},
    kernel::{
        plan::What,
        session::{self, Config, Session},
        stop::Stop,
    },
    lab::{self, Bench, Injected, LabError, Scenario},
    render::{self, Diagnostics, Output, Style},
};
use anyhow::{Context, bail};
use netdiag_common::DEFAULT_SNAPLEN;
use std::{process::ExitCode, thread, time::Duration};
use tokio::sync::oneshot;

/// More names that are like a wrong one are not told.
const ALIKE: usize = 5;
/// Size of the ring buffer: a lab run is small.
const RING_BYTES: u32 = 1 << 20;

pub(super) fn run(
    action: &LabAction,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    match action {
        LabAction::List { words } => {
            let words: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
            let is_wanted = |found: &&Scenario| {
                let text = format!("{} {}", found.name, found.summary.to_lowercase());
                words.iter().all(|word| text.contains(word))
            };
            let found: Vec<_> = lab::all().iter().filter(is_wanted).collect();
            if found.is_empty() {
                bail!("no scenario has these words; `netdiag lab list` shows all of them");
            }
            let rows = found
                .into_iter()
                .map(|found| (found.name, found.summary, found.expect.global));
            render::lab::list(output, rows)?;
            Ok(ExitCode::SUCCESS)
        }
        LabAction::Run(args) => run_scenario(args, output, diagnostics),
    }
}

fn run_scenario(
    args: &LabRunArgs,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let Some(scenario) = lab::find(&args.name) else {
        let names = lab::all()
            .iter()
            .map(|scenario| (scenario.name, scenario.name));
        let like = nearest_of(&args.name.to_lowercase(), names, ALIKE).join(", ");
        let hint = match like.as_str() {
            "" => String::new(),
            like => format!("; like it: {like}"),
        };
        bail!(
            "there is no scenario {:?}{hint}; `netdiag lab list` shows them",
            args.name
        );
    };
    let style = match (args.json, args.each) {
        (true, _) => Style::Json { hex: false },
        (false, true) => Style::Each,
        (false, false) => Style::Groups,
    };
    // Who wants to save packets wants live ones. Others are still shown the product: the same analysis of a bundled
    // capture.
    let may_replay = args.dump.write.is_none();
    let bench = if args.allow_global {
        scenario.prepare_anywhere()
    } else {
        scenario.prepare()
    };
    let bench = match bench {
        Ok(bench) => bench,
        Err(error) if may_replay => {
            return replay::instead(scenario, &error.into(), style, &output, diagnostics);
        }
        Err(error) => return Err(error.into()),
    };
    match live(args, scenario, bench, style, &output, diagnostics) {
        Err(error) if may_replay && !output.begun() => {
            replay::instead(scenario, &error, style, &output, diagnostics)
        }
        other => other,
    }
}

fn live(
    args: &LabRunArgs,
    scenario: &'static Scenario,
    mut bench: Bench,
    style: Style,
    output: &Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let btf = session::choose_btf(args.btf.as_ref())?;
    if btf.is_none() {
        bail!(
            "this kernel shows no types (BTF), so packets cannot be told by their namespace: give --btf FILE"
        );
    }
    let request = Request {
        command: "lab",
        config: Config {
            netns: Some(bench.netns()),
            ifname: None,
            reasons: Vec::new(),
            snaplen: DEFAULT_SNAPLEN,
            ring_bytes: RING_BYTES,
            what: What::Drops {
                header_check: !args.no_header_check,
            },
            hooks: Vec::new(),
        },
        filter: PacketFilter::default(),
        duration: None,
        count: None,
    };
    let interval = if args.fast {
        Duration::ZERO
    } else {
        scenario.interval
    };
    let stop = Stop::register().context("cannot catch signals")?;
    let capture = Capture {
        snaplen: DEFAULT_SNAPLEN,
        live: true,
        inputs: &[],
    };
    let mut sinks = dump::sinks(&args.dump, style, capture, output, diagnostics, &stop)?;
    let (finished, until) = oneshot::channel::<()>();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // Injects when the probes are attached; hands the bench back, because its devices purge their queues when they go.
    let injector = thread::spawn(move || -> (Bench, Option<Result<Injected, LabError>>) {
        let injected = wait.recv().ok().map(|()| bench.inject(interval));
        let _ = finished.send(());
        (bench, injected)
    });
    sinks.show(|view| view.introduce(scenario.name, scenario.story));
    let begin = move || {
        let _ = go.send(());
    };
    let end = async {
        let _ = until.await;
    };
    let observer = |session: &mut Session, whole| Drops::new(&request, session, whole);
    let report = observe::run(&request, btf, &mut sinks, diagnostics, observer, begin, end);
    let (bench, injected) = injector
        .join()
        .map_err(|_| anyhow::anyhow!("the thread that injects packets panicked"))?;
    let report = report?;
    drop(bench);
    if let Some(injected) = injected {
        let injected = injected.context("the lab could not send its packets")?;
        if report.interrupted {
            let sent = injected.packets;
            diagnostics.warn(&format!(
                "interrupted: of the {sent} packets some were sent when nobody looked any more"
            ));
        } else {
            sinks.show(|view| view.injected(injected.packets, report.ledger.reported));
        }
    }
    sinks.finish(diagnostics)?;
    Ok(ExitCode::SUCCESS)
}
