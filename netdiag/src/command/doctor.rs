//! `netdiag doctor`: what this kernel and this user allow, rung by rung.

use crate::{
    cli::DoctorArgs,
    kernel::{
        self, attach,
        btf::{BtfError, KernelBtf, RUNNING},
        hook::{self, Hook, Ladder, Rung},
        netns, privilege,
        rung::{RungReport, RungState},
        session,
        tracefs::TracepointFormat,
    },
    render::{
        Diagnostics, Output,
        doctor::{Answer, Check, show},
    },
};
use std::process::ExitCode;

pub(super) fn run(
    args: &DoctorArgs,
    output: &Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<ExitCode> {
    let btf = session::choose_btf(args.btf.as_ref());
    let mut checks = environment(&btf);
    let mut verdict = None;
    match btf {
        Ok(btf) if attach::lacks().is_some() => {
            for ladder in hook::all(btf.as_ref()) {
                checks.extend(untried(&ladder));
            }
            verdict = Some(
                "netdiag drops does not work here: this user may not trace; run it as root."
                    .to_owned(),
            );
        }
        Ok(btf) => match session::survey(btf.as_ref()) {
            Ok(survey) => {
                for (ladder, reports) in &survey {
                    let rungs = rungs(ladder, reports);
                    if verdict.is_none() {
                        verdict = Some(self::verdict(ladder, &rungs));
                    }
                    for report in reports {
                        if let RungState::Refused(refusal) = &report.state {
                            diagnostics.verbose(&format!(
                                "{} by {}: {}",
                                report.probe, report.hook, refusal.message
                            ));
                        }
                    }
                    checks.extend(rungs);
                }
            }
            Err(error) => checks.push(fact("eBPF programs", Answer::No, &error.to_string(), "")),
        },
        // The row about BTF says why.
        Err(_) => {}
    }
    let verdict = verdict.unwrap_or_else(|| {
        "netdiag cannot see drops here; the first 'no' above says why.".to_owned()
    });
    show(output, args.json, &checks, &verdict)?;
    Ok(ExitCode::SUCCESS)
}

fn fact(name: &str, answer: Answer, detail: &str, advice: &str) -> Check {
    Check {
        group: "environment".to_owned(),
        name: name.to_owned(),
        answer,
        detail: detail.to_owned(),
        advice: advice.to_owned(),
        used: false,
    }
}

/// What everything else stands on.
fn environment(btf: &Result<Option<KernelBtf>, BtfError>) -> Vec<Check> {
    let mut checks = vec![fact("kernel", Answer::Yes, &kernel::release(), "")];
    match privilege::effective() {
        Ok(held) => {
            let answer = |held: bool| if held { Answer::Yes } else { Answer::No };
            let tracing = held.has_bpf() && held.has_perfmon();
            checks.push(fact(
                "may trace",
                answer(tracing),
                "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN",
                if tracing {
                    ""
                } else {
                    "run it as root: sudo netdiag ..."
                },
            ));
            checks.push(fact(
                "may enter namespaces",
                answer(held.has_sys_admin()),
                "CAP_SYS_ADMIN, for the counters of other network namespaces",
                if held.has_sys_admin() {
                    ""
                } else {
                    "run it as root: sudo netdiag ..."
                },
            ));
            checks.push(fact(
                "may see kernel addresses",
                answer(held.has_syslog()),
                "CAP_SYSLOG, for the names of places",
                if held.has_syslog() {
                    ""
                } else {
                    "run it as root: sudo netdiag ..."
                },
            ));
        }
        Err(error) => checks.push(fact(
            "capabilities",
            Answer::CouldNotTell,
            &error.to_string(),
            "",
        )),
    }
    checks.push(match btf {
        Ok(Some(btf)) => fact("BTF", Answer::Yes, &btf.path().display().to_string(), ""),
        Err(error) => fact("BTF", Answer::No, &error.to_string(), ""),
        Ok(None) => fact(
            "BTF",
            Answer::No,
            &format!("{RUNNING} is not there"),
            "give --btf FILE; without it only reason, place and protocol of a drop are known",
        ),
    });
    let reasons = session::reasons(btf.as_ref().ok().and_then(Option::as_ref));
    checks.push(match reasons.names().count() {
        0 => fact(
            "drop reasons",
            Answer::No,
            "this kernel gives none (they came with 5.17)",
            "",
        ),
        count => fact(
            "drop reasons",
            Answer::Yes,
            &format!("{count} are known by name"),
            "",
        ),
    });
    checks.push(match TracepointFormat::read("skb", "kfree_skb") {
        Ok(_) => fact(
            "tracefs",
            Answer::Yes,
            "the classic tracepoint can be read",
            "",
        ),
        Err(error) => fact(
            "tracefs",
            Answer::No,
            &error.to_string(),
            "only needed where BTF is missing",
        ),
    });
    checks.push(match netns::list() {
        Ok(found) => fact(
            "network namespaces",
            Answer::Yes,
            &format!("{} can be seen", found.len()),
            "",
        ),
        Err(error) => fact(
            "network namespaces",
            Answer::CouldNotTell,
            &error.to_string(),
            "",
        ),
    });
    checks
}

fn rungs(ladder: &Ladder, reports: &[RungReport]) -> Vec<Check> {
    let used = reports.iter().position(|report| report.state.is_attached());
    reports
        .iter()
        .enumerate()
        .map(|(index, report)| {
            let (answer, detail) = match &report.state {
                RungState::Attached if report.hook == Hook::Deduced => {
                    (Answer::Yes, "needs no hook of its own".to_owned())
                }
                RungState::Attached => {
                    (Answer::Yes, "loaded, attached and let go again".to_owned())
                }
                RungState::Refused(refusal) => (Answer::No, refusal.to_string()),
                RungState::Impossible(why) => (Answer::No, why.clone()),
                RungState::LeftOut(why) => (Answer::CouldNotTell, (*why).to_owned()),
            };
            let is_used = used == Some(index);
            let loses = if is_used && !report.loses.is_empty() {
                format!("{detail}; loses {}", report.loses)
            } else {
                detail
            };
            Check {
                group: group(ladder),
                name: report.hook.name().to_owned(),
                answer,
                detail: loses,
                advice: String::new(),
                used: is_used,
            }
        })
        .collect()
}

/// Rungs that cannot be tried without privilege, but for what the kernel's types say of them.
fn untried(ladder: &Ladder) -> Vec<Check> {
    let check = |rung: &Rung| {
        let (answer, detail) = match &rung.impossible {
            Some(why) => (Answer::No, why.clone()),
            None if rung.hook == Hook::Deduced => {
                (Answer::Yes, "needs no hook of its own".to_owned())
            }
            None => (
                Answer::CouldNotTell,
                "trying takes CAP_BPF and CAP_PERFMON".to_owned(),
            ),
        };
        Check {
            group: group(ladder),
            name: rung.hook.name().to_owned(),
            answer,
            detail,
            advice: String::new(),
            used: false,
        }
    };
    ladder.rungs.iter().map(check).collect()
}

fn group(ladder: &Ladder) -> String {
    format!("{}: {}", ladder.probe, ladder.observes)
}

fn verdict(drops: &Ladder, rungs: &[Check]) -> String {
    match rungs.iter().find(|rung| rung.used) {
        Some(rung) => format!(
            "netdiag drops works here, by {} of {}.",
            rung.name, drops.probe
        ),
        None => {
            "netdiag drops does not work here; the rungs of kfree_skb above say why.".to_owned()
        }
    }
}
