//! What netdiag hooks, and the ladder of ways to do it: best first, each a little poorer than the one before.

pub mod conn;
pub mod drops;
pub mod retrans;

use super::btf::KernelBtf;
use std::fmt;

pub use drops::KFREE_SKB;

/// A way to hook the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// BTF-typed tracepoint (Linux 5.5).
    TpBtf,
    /// Raw tracepoint (Linux 4.17): the same arguments, without types.
    RawTracepoint,
    /// Classic tracepoint (Linux 4.7): only what its record has.
    Tracepoint,
    /// Trampolines at entry and return of a function (Linux 5.5).
    Fentry,
    /// The same, where what the function returns is what counts.
    Fexit,
    /// Breakpoints at entry and return of a function.
    Kprobe,
    /// No hook of its own: concluded from drop events or counters.
    Deduced,
}

impl Hook {
    /// Every way, best first.
    pub const ALL: [Self; 7] = [
        Self::TpBtf,
        Self::RawTracepoint,
        Self::Tracepoint,
        Self::Fentry,
        Self::Fexit,
        Self::Kprobe,
        Self::Deduced,
    ];

    /// The name that the JSON uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::TpBtf => "tp_btf",
            Self::RawTracepoint => "raw_tp",
            Self::Tracepoint => "tracepoint",
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Deduced => "deduced",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One way to make an observation.
#[derive(Clone, Debug)]
pub struct Rung {
    /// How.
    pub hook: Hook,
    /// The programs of the object that must all be attached; none for [`Hook::Deduced`].
    pub programs: Vec<Program>,
    /// Why this rung cannot be tried on this kernel, if so.
    pub impossible: Option<String>,
    /// What holding on to this rung loses against the first one; empty for the first.
    pub loses: &'static str,
}

/// A program of the object, and where it goes.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in the object.
    pub name: String,
    /// What it hooks: a function, or a tracepoint (`category/name` for [`Hook::Tracepoint`]).
    pub target: &'static str,
}

impl Program {
    fn new(name: impl Into<String>, target: &'static str) -> Self {
        Self {
            name: name.into(),
            target,
        }
    }
}

/// An observation and its rungs, best first.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// The kernel's function or tracepoint.
    pub probe: &'static str,
    /// What it is for, in words.
    pub observes: &'static str,
    /// Best first.
    pub rungs: Vec<Rung>,
}

/// Every ladder of every command, with what netdiag cannot do without first.
pub fn all(btf: Option<&KernelBtf>) -> Vec<Ladder> {
    [drops::ladder(btf)]
        .into_iter()
        .chain(drops::header_check(btf))
        .chain(drops::icmp(btf))
        .chain(retrans::ladders(btf))
        .chain(conn::ladders(btf))
        .collect()
}

/// Why what reads structs cannot be used, if so.
fn no_offsets(btf: Option<&KernelBtf>) -> Option<String> {
    match btf {
        None => Some("struct offsets are unknown without BTF".to_owned()),
        Some(_) => None,
    }
}

/// Why a function cannot be hooked by type, if so.
fn untyped(btf: Option<&KernelBtf>, function: &str) -> Option<String> {
    match btf {
        Some(btf) if !btf.has_function(function) => Some(format!(
            "{function} is not in the kernel's BTF: inlined, renamed or not built"
        )),
        _ => no_offsets(btf),
    }
}

/// How many arguments a tracepoint has, no more than `most` and no less than `least`: those stay what they are when
/// others follow. Or why it cannot be hooked by them.
fn arguments(
    btf: Option<&KernelBtf>,
    tracepoint: &str,
    least: usize,
    most: usize,
) -> Result<usize, String> {
    if let Some(why) = no_offsets(btf) {
        return Err(why);
    }
    match btf.and_then(|btf| btf.tracepoint_arguments(tracepoint)) {
        Some(count) if count >= least => Ok(count.min(most)),
        _ => Err(format!("btf_trace_{tracepoint} is not in the kernel's BTF")),
    }
}

/// A kernel function: fentry, kprobe, deduced.
fn function(
    btf: Option<&KernelBtf>,
    probe: &'static str,
    observes: &'static str,
    deduced_loses: &'static str,
    programs: impl Fn(Hook) -> Vec<String>,
) -> Ladder {
    let rung = |hook, impossible, loses| Rung {
        hook,
        programs: programs(hook)
            .into_iter()
            .map(|name| Program::new(name, probe))
            .collect(),
        impossible,
        loses,
    };
    Ladder {
        probe,
        observes,
        rungs: vec![
            rung(Hook::Fentry, untyped(btf, probe), ""),
            rung(Hook::Kprobe, no_offsets(btf), "a little speed"),
            Rung {
                hook: Hook::Deduced,
                programs: Vec::new(),
                impossible: None,
                loses: deduced_loses,
            },
        ],
    }
}
