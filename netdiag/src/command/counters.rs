//! `netdiag counters`: what the kernel has counted, per namespace and device.

use super::snapshot::{self, Taken};
use crate::{
    analysis::counter::{self, CounterKey, is_drop_related},
    cli::CountersArgs,
    kernel::netns::{self, NetnsNames},
    render::{
        Diagnostics, Output,
        counters::{Kind, Row, show},
    },
};
use anyhow::bail;
use netdiag_common::NetnsId;
use std::{collections::BTreeMap, process::ExitCode, thread, time::Instant};

pub(super) fn run(
    args: &CountersArgs,
    output: &Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let only = args.netns.as_deref().map(netns::resolve).transpose()?;
    let mut names = NetnsNames::new();
    let mut before = take(only, diagnostics)?;
    let Some(interval) = args.interval else {
        let values = before.counters.iter().map(|(key, value)| (key, *value));
        print(args, output, Kind::Values, values, &mut names)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut rounds = 0;
    let mut began = Instant::now();
    while args.count.is_none_or(|count| rounds < count) {
        thread::sleep(interval);
        let after = take(only, diagnostics)?;
        let deltas = counter::deltas(&before.counters, &after.counters);
        let time = began.elapsed();
        began = Instant::now();
        let mut changes: BTreeMap<_, _> = deltas
            .iter()
            .map(|delta| (&delta.key, delta.delta))
            .collect();
        if args.all {
            for key in after.counters.keys() {
                changes.entry(key).or_insert(0);
            }
        }
        let changes = changes.into_iter();
        print(args, output, Kind::Deltas(time), changes, &mut names)?;
        before = after;
        rounds += 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn take(only: Option<NetnsId>, diagnostics: &Diagnostics) -> anyhow::Result<Taken> {
    let taken = snapshot::take(only)?;
    if taken.counters.is_empty() && !taken.problems.is_empty() {
        bail!("no counter could be read: {}", taken.problems.join("; "));
    }
    diagnostics.problems(&taken.problems);
    Ok(taken)
}

fn print<'a>(
    args: &CountersArgs,
    output: &Output,
    kind: Kind,
    values: impl Iterator<Item = (&'a CounterKey, u64)>,
    names: &mut NetnsNames,
) -> anyhow::Result<()> {
    let wanted =
        values.filter(|(key, value)| args.all || (*value > 0 && is_drop_related(&key.name)));
    let mut wanted: Vec<_> = wanted
        .map(|(key, value)| {
            let namespace = key
                .netns
                .map_or_else(|| "the whole host".to_owned(), |id| names.name(id));
            (key, value, namespace)
        })
        .collect();
    wanted.sort_by(|a, b| (&a.2, &a.0.ifname, &a.0.name).cmp(&(&b.2, &b.0.ifname, &b.0.name)));
    let rows: Vec<_> = wanted
        .iter()
        .map(|(key, value, namespace)| Row {
            name: &key.name,
            ifname: key.ifname.as_deref(),
            netns: key.netns.map(|id| id.0),
            namespace,
            value: *value,
            meaning: counter::rule(&key.name).map(|rule| rule.meaning),
        })
        .collect();
    show(output, args.json, kind, &rows)?;
    Ok(())
}
