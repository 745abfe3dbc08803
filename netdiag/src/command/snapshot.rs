//! The counters of the chosen namespaces at one moment.

use crate::{
    analysis::counter::{CounterKey, Snapshot},
    decode,
    kernel::{
        device::{self, Device},
        netns::{self, Netns, NetnsError},
        procnet::{self, ProcNet},
    },
};
use netdiag_common::NetnsId;

/// Counters, and what kept others from being read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The counters.
    pub(super) counters: Snapshot,
    /// What could not be read, in words.
    pub(super) problems: Vec<String>,
}

/// Reads the counters of one namespace, or of all.
///
/// # Errors
/// When the namespaces cannot be listed. One that cannot be entered, or that is gone, is a problem and no error.
pub(super) fn take(only: Option<NetnsId>) -> Result<Taken, NetnsError> {
    let mut taken = Taken::default();
    for namespace in netns::list()?
        .iter()
        .filter(|found| only.is_none_or(|only| found.id == only))
    {
        match netns::enter(namespace, || (procnet::read(), device::list())) {
            Ok((texts, devices)) => {
                match texts {
                    Ok(texts) => add_protocols(&mut taken.counters, namespace.id, &texts),
                    Err(error) => taken.problems.push(problem(namespace, &error)),
                }
                match devices {
                    Ok(devices) => add_devices(&mut taken.counters, namespace.id, &devices),
                    Err(error) => taken.problems.push(problem(namespace, &error)),
                }
            }
            Err(error) => taken.problems.push(problem(namespace, &error)),
        }
    }
    Ok(taken)
}

fn problem(namespace: &Netns, error: &dyn std::error::Error) -> String {
    format!("counters of namespace {}: {error}", namespace.name)
}

fn add_protocols(counters: &mut Snapshot, netns: NetnsId, texts: &ProcNet) {
    let protocols = [
        decode::snmp(&texts.snmp),
        decode::snmp(&texts.netstat),
        decode::snmp6(&texts.snmp6),
    ];
    for (name, value) in protocols.into_iter().flatten() {
        counters.insert(
            CounterKey {
                netns: Some(netns),
                ifname: None,
                name,
            },
            value,
        );
    }
    // The host has these once; every namespace shows the same.
    let rows = decode::softnet(&texts.softnet);
    let sum =
        |value: fn(&decode::SoftnetRow) -> u32| rows.iter().map(|row| u64::from(value(row))).sum();
    let softnet = [
        ("softnet_dropped", sum(|row| row.dropped)),
        ("softnet_time_squeeze", sum(|row| row.time_squeeze)),
        ("softnet_flow_limit", sum(|row| row.flow_limit.unwrap_or(0))),
    ];
    for (name, value) in softnet {
        counters.insert(
            CounterKey {
                netns: None,
                ifname: None,
                name: name.to_owned(),
            },
            value,
        );
    }
}

fn add_devices(counters: &mut Snapshot, netns: NetnsId, devices: &[Device]) {
    for device in devices {
        for (name, value) in &device.counters {
            let key = CounterKey {
                netns: Some(netns),
                ifname: Some(device.name.clone()),
                name: (*name).to_owned(),
            };
            counters.insert(key, *value);
        }
    }
}
