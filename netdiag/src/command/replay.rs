//! Where tracing is impossible: the same analysis, of a bundled capture, said to be that.

use crate::{
    analysis::{drops::Drop, finding::Findings, group::Groups, icmp::EchoTally, ledger::Ledger},
    capture::bundled,
    decode::{self, Frame, HeaderCheck},
    lab::Scenario,
    render::{self, Diagnostics, Output, Report, Start, Style, View},
};
use std::{borrow::Cow, process::ExitCode, time::Duration};

/// Analyses the scenario's bundled capture, and says why that and not the live run.
///
/// # Errors
/// The live run's error, where no capture is bundled.
pub(super) fn instead(
    scenario: &Scenario,
    why: &anyhow::Error,
    style: Style,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let Some(capture) = bundled::find(scenario.name) else {
        anyhow::bail!("{}", render::chain(why.as_ref()));
    };
    let mut view = render::view(style, output, diagnostics);
    view.introduce(scenario.name, scenario.story)?;
    view.not_live(&render::chain(why.as_ref()), capture.origin)?;
    let packets = bundled::packets(capture)?;
    let start = Start {
        command: "lab",
        kernel: capture.kernel.to_owned(),
        probes: Vec::new(),
    };
    view.start(&start)?;
    let report = analyse(&packets, capture, &mut *view)?;
    view.end(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn analyse(
    packets: &[bundled::Packet],
    capture: &bundled::Capture,
    view: &mut dyn View,
) -> anyhow::Result<Report> {
    let mut findings = Findings::default();
    let mut groups = Groups::default();
    for packet in packets {
        let frame = Frame {
            bytes: &packet.bytes,
            link: capture.link,
            network_offset: None,
            len: packet.len,
            ethertype: None,
        };
        let decoded = decode::decode(&frame);
        let drop = Drop {
            time_ns: packet.time_ns,
            reason: Some(Cow::Borrowed(capture.reason)),
            location: capture.function,
            function: Some(capture.function),
            netns: None,
            ifindex: None,
            ifname: Some(capture.ifname),
            dev_type: Some(capture.dev_type),
            cpu: None,
            owner: None,
            cgroup_id: None,
            cgroup: None,
            uid: None,
            other_host: false,
            received: true,
            header_check: HeaderCheck::default(),
            bytes: &packet.bytes,
            packet: &decoded,
        };
        let finding = findings.observe(&drop);
        groups.observe(&drop, finding);
        view.drop(&drop, "capture", finding)?;
    }
    let count = u64::try_from(packets.len()).unwrap_or(u64::MAX);
    let span = match (packets.first(), packets.last()) {
        (Some(first), Some(last)) => u64::try_from(last.time_ns - first.time_ns).unwrap_or(0),
        _ => 0,
    };
    Ok(Report {
        duration: Duration::from_nanos(span),
        interrupted: false,
        checks_missed: 0,
        ledger: Ledger {
            seen: count,
            reported: count,
            ..Ledger::default()
        },
        findings: findings.finish(&[]),
        groups,
        counters: Vec::new(),
        compared: false,
        namespaces: Vec::new(),
        // A capture does not tell what arrived.
        echoes: EchoTally::default().finish([None, None], &[]),
        header_checks: [None, None],
        check_ns: None,
    })
}
