//! What BPF programs and tc filters say to findings: which ones look at the packets.

use super::{FEW, devices};
use crate::analysis::fact::{CgroupProgram, Facts};
use crate::analysis::finding::{Tally, rule::Verdict};

/// For findings about a device's XDP program or TC filters.
pub(in crate::analysis::finding) fn attached(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    for (name, device) in devices(tally, facts) {
        if let Some(program) = &device.xdp {
            verdict = verdict.with(format!("XDP on {name}: {program}"));
        }
        for filter in device.filters.iter().take(FEW) {
            let what = filter
                .program
                .as_ref()
                .map_or_else(String::new, |program| format!(", {program}"));
            let (kind, parent, preference) = (&filter.kind, &filter.parent, filter.preference);
            verdict = verdict.with(match kind.as_str() {
                "tcx" => format!("tcx {parent} on {name}{what}"),
                _ => format!(
                    "tc filter on {name}: {kind} at {parent}, preference {preference}{what}"
                ),
            });
        }
    }
    verdict
}

/// For findings that say that tc drops. Kernels without reasons have no programs but those of filters.
pub(in crate::analysis::finding) fn filtered(tally: &Tally, facts: &Facts) -> Verdict {
    let mut known = devices(tally, facts).peekable();
    let bare = known.peek().is_some() && known.all(|(_, device)| device.filters.is_empty());
    if bare && tally.reasons.is_empty() {
        Verdict::contradicted()
    } else {
        attached(tally, facts)
    }
}

/// Those programs of cgroups that look at what the packets' sockets receive, or at what they send; of sockets whose
/// cgroup is not known, all that may be. `None` where the kernel did not tell.
fn of_cgroups<'a>(tally: &Tally, facts: &'a Facts, egress: bool) -> Option<Vec<&'a CgroupProgram>> {
    let programs = facts.cgroup_programs()?.iter();
    let concerned = |program: &&CgroupProgram| {
        let mut cgroups = tally.seen.cgroups().peekable();
        let is_over = cgroups.peek().is_none() || cgroups.any(|cgroup| program.is_over(cgroup));
        program.egress == egress && is_over
    };
    Some(programs.filter(concerned).collect())
}

/// For a finding that says that a socket's own filter refuses what comes in. Without a reason it is what is left.
pub(in crate::analysis::finding) fn own_filter(tally: &Tally, facts: &Facts) -> Verdict {
    let sure = if tally.reasons.is_empty() { 0.5 } else { 0.95 };
    match of_cgroups(tally, facts, false) {
        Some(programs) if programs.is_empty() => Verdict::stands()
            .with("no BPF program of a cgroup looks at what comes in for it")
            .sure(sure),
        Some(programs) => told(programs, Verdict::stands(), "receives"),
        None => Verdict::stands(),
    }
}

/// For a finding that says that a cgroup's program refuses what comes in. A filter of a socket's own can not be asked
/// for, and is the rarer one; but where nobody knows the socket's cgroup, another one's program says nothing.
pub(in crate::analysis::finding) fn cgroup_ingress(tally: &Tally, facts: &Facts) -> Verdict {
    let sure = tally.seen.cgroups().next().map(|_| 0.8);
    of_cgroup(tally, facts, false, sure)
}

/// For a finding that says that a cgroup's program refuses what goes out.
pub(in crate::analysis::finding) fn cgroup_egress(tally: &Tally, facts: &Facts) -> Verdict {
    let sure = tally.seen.cgroups().next().map(|_| 0.97);
    of_cgroup(tally, facts, true, sure)
}

fn of_cgroup(tally: &Tally, facts: &Facts, egress: bool, sure: Option<f64>) -> Verdict {
    let Some(programs) = of_cgroups(tally, facts, egress) else {
        return Verdict::stands();
    };
    if programs.is_empty() {
        // One that was there when it dropped may have gone since.
        return match tally.reasons.contains("BPF_CGROUP_EGRESS") {
            true => Verdict::stands(),
            false => Verdict::contradicted(),
        };
    }
    let what = if egress { "sends" } else { "receives" };
    let verdict = Verdict {
        confidence: sure,
        ..Verdict::stands()
    };
    told(programs, verdict, what)
}

fn told(programs: Vec<&CgroupProgram>, verdict: Verdict, what: &str) -> Verdict {
    let words = programs.into_iter().take(FEW).map(|found| {
        let (program, cgroup) = (&found.program, &found.cgroup);
        format!("{program} looks at what the cgroup {cgroup} {what}")
    });
    verdict.with_all(words)
}
