//! What netdiag hooks, and the ladder of ways to do it: best first, each a little poorer than the one before.

use super::btf::KernelBtf;
use std::fmt;

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
    /// Breakpoints at entry and return of a function.
    Kprobe,
    /// No hook of its own: concluded from drop events or counters.
    Deduced,
}

impl Hook {
    /// Every way, best first.
    pub const ALL: [Self; 6] = [
        Self::TpBtf,
        Self::RawTracepoint,
        Self::Tracepoint,
        Self::Fentry,
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
    pub programs: Vec<String>,
    /// Why this rung cannot be tried on this kernel, if so.
    pub impossible: Option<String>,
    /// What holding on to this rung loses against the first one; empty for the first.
    pub loses: &'static str,
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

/// The tracepoint of dropped packets.
pub const KFREE_SKB: &str = "kfree_skb";

/// Drops: the one observation that netdiag cannot do without.
pub fn drops(btf: Option<&KernelBtf>) -> Ladder {
    let no_btf = || "struct offsets are unknown without BTF".to_owned();
    let (arguments, impossible) = match btf {
        None => (0, Some(no_btf())),
        Some(btf) => match btf.tracepoint_arguments(KFREE_SKB) {
            // More arguments than known: the first four stay what they are.
            Some(count @ 2..) => (count.min(4), None),
            _ => (
                0,
                Some(format!("btf_trace_{KFREE_SKB} is not in the kernel's BTF")),
            ),
        },
    };
    let rung = |hook, program, loses| Rung {
        hook,
        programs: vec![format!("{program}_{arguments}")],
        impossible: impossible.clone(),
        loses,
    };
    let classic_loses = if btf.is_none() {
        "the packet, its device, namespace and owner: only time, reason, place and protocol are left; before 6.7 the \
         kernel does not tell how often it skipped the program"
    } else {
        "speed; before 6.7 the kernel does not tell how often it skipped the program"
    };
    Ladder {
        probe: KFREE_SKB,
        observes: "dropped packets",
        rungs: vec![
            rung(Hook::TpBtf, "drops_btf", ""),
            rung(Hook::RawTracepoint, "drops_raw", "a little speed"),
            Rung {
                hook: Hook::Tracepoint,
                programs: vec!["drops_classic".to_owned()],
                impossible: None,
                loses: classic_loses,
            },
        ],
    }
}

/// The IP header, looked at before the kernel judges it.
pub fn header_check(btf: Option<&KernelBtf>) -> [Ladder; 2] {
    const LOSES: &str =
        "the count of its calls and refusals: headers are judged from the drop event";
    let ladder = |probe, prefix: &str| {
        function(
            btf,
            probe,
            "IP headers as the kernel meets them",
            LOSES,
            |hook| match hook {
                Hook::Fentry => vec![format!("{prefix}_fentry"), format!("{prefix}_fexit")],
                _ => vec![format!("{prefix}_kprobe"), format!("{prefix}_kretprobe")],
            },
        )
    };
    [ladder("ip_rcv_core", "ip4"), ladder("ip6_rcv_core", "ip6")]
}

/// ICMP messages that arrived.
pub fn icmp(btf: Option<&KernelBtf>) -> [Ladder; 2] {
    const LOSES: &str =
        "its own count: arrivals are taken from the Icmp counters of each namespace";
    let ladder = |probe, prefix: &str| {
        function(
            btf,
            probe,
            "ICMP messages that arrived",
            LOSES,
            |hook| match hook {
                Hook::Fentry => vec![format!("{prefix}_fentry")],
                _ => vec![format!("{prefix}_kprobe")],
            },
        )
    };
    [ladder("icmp_rcv", "icmp4"), ladder("icmpv6_rcv", "icmp6")]
}

/// Every ladder, the one that netdiag cannot do without first.
pub fn all(btf: Option<&KernelBtf>) -> impl Iterator<Item = Ladder> {
    [drops(btf)]
        .into_iter()
        .chain(header_check(btf))
        .chain(icmp(btf))
}

/// A kernel function: fentry, kprobe, deduced.
fn function(
    btf: Option<&KernelBtf>,
    probe: &'static str,
    observes: &'static str,
    deduced_loses: &'static str,
    programs: impl Fn(Hook) -> Vec<String>,
) -> Ladder {
    let no_btf = || Some("struct offsets are unknown without BTF".to_owned());
    let untyped = match btf {
        None => no_btf(),
        Some(btf) if !btf.has_function(probe) => Some(format!(
            "{probe} is not in the kernel's BTF: inlined, renamed or not built"
        )),
        Some(_) => None,
    };
    let rung = |hook, impossible, loses| Rung {
        hook,
        programs: programs(hook),
        impossible,
        loses,
    };
    Ladder {
        probe,
        observes,
        rungs: vec![
            rung(Hook::Fentry, untyped, ""),
            rung(
                Hook::Kprobe,
                if btf.is_none() { no_btf() } else { None },
                "a little speed",
            ),
            Rung {
                hook: Hook::Deduced,
                programs: Vec::new(),
                impossible: None,
                loses: deduced_loses,
            },
        ],
    }
}
