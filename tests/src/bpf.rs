//! What is attached to the kernel, by bpftool's word.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::binary::{PATIENCE, finish, program};

/// The kernel lets programs and links go some time after the last descriptor is closed.
const GRACE: Duration = Duration::from_secs(10);

/// How the names of netdiag's programs begin.
const PREFIXES: [&str; 13] = [
    "accept", "conn_", "connect", "drops_", "icmp4_", "icmp6_", "ip4_", "ip6_", "probe_", "queue_",
    "reset", "retrans_", "synack_",
];

/// Programs and links, by id.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Programs.
    pub programs: BTreeSet<u64>,
    /// Links.
    pub links: BTreeSet<u64>,
}

impl Attached {
    /// Those whose descriptors a process holds.
    #[must_use]
    pub fn by(pid: u32) -> Self {
        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let number = |name: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(name))?;
                value.trim().parse::<u64>().ok()
            };
            // The descriptor of a link names its program, too.
            held.programs.extend(number("prog_id:"));
            held.links.extend(number("link_id:"));
        }
        held
    }

    /// Waits until the kernel has let all of them go.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_gone(&self) {
        assert!(
            !self.programs.is_empty() && !self.links.is_empty(),
            "nothing was attached: {self:?}"
        );
        eventually(|| {
            let there = Self {
                programs: &self.programs & &ids(&bpftool("prog")),
                links: &self.links & &ids(&bpftool("link")),
            };
            (there != Self::default()).then(|| format!("still attached: {there:?}"))
        });
    }
}

/// Waits until no program of netdiag's is left that no process holds.
///
/// # Panics
/// When one stays.
pub fn assert_nothing_attached() {
    eventually(|| {
        let programs = bpftool("prog");
        let named = programs.iter().filter(|program| {
            let name = program["name"].as_str().unwrap_or_default();
            PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        });
        let named: BTreeSet<u64> = named.filter_map(|program| program["id"].as_u64()).collect();
        let left = &named - &held_by_anyone();
        (!left.is_empty()).then(|| format!("programs {left:?} are left: {programs:?}"))
    });
}

/// Programs that other runs on this machine use.
fn held_by_anyone() -> BTreeSet<u64> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.flat_map(|pid| Attached::by(pid).programs).collect()
}

fn ids(objects: &[Value]) -> BTreeSet<u64> {
    objects
        .iter()
        .filter_map(|object| object["id"].as_u64())
        .collect()
}

fn bpftool(what: &str) -> Vec<Value> {
    let path = ["/usr/sbin/bpftool", "/sbin/bpftool", "/usr/bin/bpftool"]
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .expect("bpftool is not there: install it (Debian: bpftool)");
    let ended = finish(
        program(path)
            .args([what, "show", "--json"])
            .stdout(Stdio::piped()),
    );
    assert_eq!(ended.code, Some(0), "bpftool: {}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("JSON from bpftool")
}

/// Waits until a program that says nothing before its end is ready for what comes: it has done what it had to do, and
/// sleeps. Whether it holds links is for the caller to ask.
///
/// # Panics
/// When it never sleeps, or has ended.
pub fn await_asleep(pid: u32) {
    const SAMPLES: u32 = 6;
    let end = Instant::now() + PATIENCE;
    let (mut before, mut calm) = (None, 0);
    while calm < SAMPLES {
        assert!(Instant::now() < end, "process {pid} does not come to rest");
        thread::sleep(Duration::from_millis(50));
        let now = sleeping(pid);
        calm = if now.is_some() && now == before {
            calm + 1
        } else {
            0
        };
        before = now;
    }
}

/// The processor time that a process has used, if it sleeps.
fn sleeping(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    // The name, in parentheses, may hold anything: state, and 11 and 12 fields on the times, follow its end.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    (fields[0] == "S").then(|| fields[11..13].iter().map(ToString::to_string).collect())
}

/// Asks until there is no complaint any more.
fn eventually(complaint: impl Fn() -> Option<String>) {
    let end = Instant::now() + GRACE;
    while let Some(text) = complaint() {
        assert!(Instant::now() < end, "{text}");
        thread::sleep(Duration::from_millis(100));
    }
}
