//! Climbing a ladder: load and attach each rung's programs until one rung holds.

use super::{
    errno::Errno,
    hook::{Hook, Ladder, Program, Rung},
    privilege,
    rung::{Refusal, RungReport, RungState},
};
use aya::{
    Btf, Ebpf,
    programs::{Program as Loaded, ProgramError, ProgramFd},
};
use std::{
    error::Error as _,
    fs,
    os::fd::{AsFd, AsRawFd},
    path::Path,
};

/// How many bytes of the verifier's last words a refusal keeps.
const VERIFIER_TAIL: usize = 400;

/// Attaches programs by rung.
pub struct Attacher {
    types: Option<Btf>,
}

impl Attacher {
    /// With the running kernel's types, where it shows them: typed hooks need them.
    pub fn new(types: Option<Btf>) -> Self {
        Self { types }
    }

    /// Tries rungs from the best one down, and keeps the first that holds. Rungs above one of the `wanted` hooks are
    /// left out.
    pub fn climb(&self, ebpf: &mut Ebpf, ladder: &Ladder, wanted: &[Hook]) -> Vec<RungReport> {
        let mut reports = Vec::new();
        let first = ladder
            .rungs
            .iter()
            .position(|rung| wanted.contains(&rung.hook))
            .unwrap_or(0);
        for (index, rung) in ladder.rungs.iter().enumerate() {
            let state = match index {
                index if index < first => RungState::LeftOut("left out by --hook"),
                _ => self.attach(ebpf, rung),
            };
            let attached = state.is_attached();
            reports.push(report(ladder, rung, state));
            if attached {
                break;
            }
        }
        reports
    }

    /// Tries every rung, and lets each go again.
    pub fn try_all(&self, ebpf: &mut Ebpf, ladder: &Ladder) -> Vec<RungReport> {
        let mut reports = Vec::new();
        for rung in &ladder.rungs {
            let state = self.attach(ebpf, rung);
            for program in &rung.programs {
                unload(ebpf, &program.name);
            }
            reports.push(report(ladder, rung, state));
        }
        reports
    }

    fn attach(&self, ebpf: &mut Ebpf, rung: &Rung) -> RungState {
        if let Some(why) = &rung.impossible {
            return RungState::Impossible(why.clone());
        }
        for Program { name, target } in &rung.programs {
            if let Err((step, error)) = self.attach_program(ebpf, name, target) {
                for program in &rung.programs {
                    unload(ebpf, &program.name);
                }
                return RungState::Refused(Refusal {
                    step,
                    errno: Errno::of(&error),
                    message: message(&error),
                    verified: self.verify(target, rung.hook),
                });
            }
        }
        RungState::Attached
    }

    fn attach_program(
        &self,
        ebpf: &mut Ebpf,
        name: &str,
        target: &str,
    ) -> Result<(), (&'static str, ProgramError)> {
        let load = |error| ("load", error);
        let attach = |error| ("attach", error);
        let types = || self.types.as_ref().ok_or(("load", ProgramError::NotLoaded));
        match ebpf.program_mut(name) {
            Some(Loaded::BtfTracePoint(program)) => {
                program.load(target, types()?).map_err(load)?;
                program.attach().map(drop).map_err(attach)
            }
            Some(Loaded::RawTracePoint(program)) => {
                program.load().map_err(load)?;
                program.attach(target).map(drop).map_err(attach)
            }
            Some(Loaded::TracePoint(program)) => {
                program.load().map_err(load)?;
                let (category, name) = target.split_once('/').unwrap_or_default();
                program.attach(category, name).map(drop).map_err(attach)
            }
            Some(Loaded::FEntry(program)) => {
                program.load(target, types()?).map_err(load)?;
                program.attach().map(drop).map_err(attach)
            }
            Some(Loaded::FExit(program)) => {
                program.load(target, types()?).map_err(load)?;
                program.attach().map(drop).map_err(attach)
            }
            Some(Loaded::KProbe(program)) => {
                program.load().map_err(load)?;
                program.attach(target, 0).map(drop).map_err(attach)
            }
            _ => Err((
                "load",
                ProgramError::InvalidName {
                    name: name.to_owned(),
                },
            )),
        }
    }

    /// What can be checked about a refusal without guessing at its cause.
    fn verify(&self, probe: &str, hook: Hook) -> Vec<String> {
        let mut facts = vec![tracing_fact()];
        match hook {
            Hook::TpBtf | Hook::Fentry | Hook::Fexit => facts.push(match &self.types {
                Some(_) => format!("{probe} is in the kernel's BTF"),
                None => "the kernel shows no BTF of its own".to_owned(),
            }),
            Hook::Kprobe => {
                let pmu = Path::new("/sys/bus/event_source/devices/kprobe");
                let is = if pmu.exists() {
                    "exists"
                } else {
                    "does not exist"
                };
                facts.push(format!("{} {is}", pmu.display()));
            }
            Hook::RawTracepoint | Hook::Tracepoint | Hook::Deduced => {}
        }
        if let Some(mode) = lockdown() {
            facts.push(format!("kernel lockdown is {mode}"));
        }
        facts
    }
}

/// Detaches and unloads every program.
pub fn unload_all(ebpf: &mut Ebpf) {
    let names: Vec<String> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        unload(ebpf, &name);
    }
}

/// Detaches and unloads a program, if it is loaded.
fn unload(ebpf: &mut Ebpf, name: &str) {
    // "Not loaded" is what is wanted, and the only error there is: links close with their descriptors.
    let _ = match ebpf.program_mut(name) {
        Some(Loaded::BtfTracePoint(program)) => program.unload(),
        Some(Loaded::RawTracePoint(program)) => program.unload(),
        Some(Loaded::TracePoint(program)) => program.unload(),
        Some(Loaded::FEntry(program)) => program.unload(),
        Some(Loaded::FExit(program)) => program.unload(),
        Some(Loaded::KProbe(program)) => program.unload(),
        _ => Ok(()),
    };
}

/// Descriptors of loaded programs, by which the kernel tells what it skipped, even after they are detached.
pub struct Watch(Vec<ProgramFd>);

impl Watch {
    /// Watches those loaded programs whose names start in one of these ways.
    pub fn new(ebpf: &Ebpf, prefixes: &[&str]) -> Self {
        let wanted = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let programs = ebpf.programs().filter(|(name, _)| wanted(name));
        Self(
            programs
                .filter_map(|(_, program)| program.fd().ok()?.try_clone().ok())
                .collect(),
        )
    }

    /// Runs that the kernel skipped because a program was running on that processor already. It counts them since
    /// 5.12; before, it skipped none.
    pub fn missed(&self) -> u64 {
        let missed = |program: &ProgramFd| {
            let path = format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd());
            let text = fs::read_to_string(path).ok()?;
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix("recursion_misses:"))?;
            value.trim().parse::<u64>().ok()
        };
        self.0.iter().filter_map(missed).sum()
    }
}

/// Whether this thread has the capabilities that tracing takes (`CAP_BPF` and `CAP_PERFMON`, or root's).
pub fn may_trace() -> bool {
    privilege::effective().is_ok_and(|held| held.has_bpf() && held.has_perfmon())
}

/// What this thread lacks for tracing, in words; `None` when it lacks nothing, or when that cannot be told.
pub fn lacks() -> Option<String> {
    let held = privilege::effective().ok()?;
    let lacks = [
        ("CAP_BPF", held.has_bpf()),
        ("CAP_PERFMON", held.has_perfmon()),
    ];
    let names: Vec<_> = lacks
        .iter()
        .filter(|(_, held)| !held)
        .map(|(name, _)| *name)
        .collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("{one} is")),
        all => Some(format!("{} are", all.join(" and "))),
    }
}

fn tracing_fact() -> String {
    let held = if may_trace() { "held" } else { "not both held" };
    format!("CAP_BPF and CAP_PERFMON are {held}")
}

/// The kernel lockdown mode, when it is on (Linux 5.4).
fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    let (mode, _) = rest.split_once(']')?;
    (mode != "none").then(|| mode.to_owned())
}

/// An error in words, with the end of what the verifier said.
fn message(error: &ProgramError) -> String {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
    };
    let log = verifier_log.to_string();
    let log = log.trim();
    if log.is_empty() {
        return io_error.to_string();
    }
    let tail = log
        .char_indices()
        .rev()
        .take(VERIFIER_TAIL)
        .last()
        .map_or(0, |(at, _)| at);
    format!(
        "{io_error}; the verifier ended with: {}",
        log.get(tail..).unwrap_or_default()
    )
}

fn report(ladder: &Ladder, rung: &Rung, state: RungState) -> RungReport {
    RungReport {
        probe: ladder.probe,
        hook: rung.hook,
        state,
        loses: rung.loses,
    }
}
