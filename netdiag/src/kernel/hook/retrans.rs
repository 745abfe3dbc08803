//! What `netdiag retrans` hooks.

use super::{Hook, Ladder, Program, Rung, arguments, no_offsets, untyped};
use crate::kernel::btf::KernelBtf;

/// Retransmitted segments.
pub const RETRANSMIT: &str = "tcp_retransmit_skb";
/// Retransmitted SYN-ACKs.
pub const SYNACK: &str = "tcp_retransmit_synack";
/// Tail loss probes.
pub const LOSS_PROBE: &str = "tcp_send_loss_probe";

/// The function that every retransmission but that of a SYN-ACK goes through.
const FUNCTION: &str = "__tcp_retransmit_skb";
/// What timers and acknowledgments call, and calls that one; the compiler may have made one of the two.
const OUTER: &str = "tcp_retransmit_skb";
/// The one of SYN-ACKs.
const SYNACK_FUNCTION: &str = "tcp_rtx_synack";

/// Whether the tracepoint fires also for what could not be sent, and tells the error (since 6.18).
pub fn tells_errors(btf: Option<&KernelBtf>) -> bool {
    arguments(btf, RETRANSMIT, 2, 3) == Ok(3)
}

/// Every ladder, the one that netdiag cannot do without first.
pub fn ladders(btf: Option<&KernelBtf>) -> [Ladder; 3] {
    [segments(btf), synacks(btf), probes(btf)]
}

fn segments(btf: Option<&KernelBtf>) -> Ladder {
    let errors = tells_errors(btf);
    let traced = if errors {
        "exact counts of the segments of calls that failed"
    } else {
        "retransmissions that failed on this host: this kernel's tracepoint only tells of those that were sent, while \
         TcpRetransSegs rises all the same"
    };
    let classic = match (btf.is_none(), errors) {
        (true, _) => "all but addresses, ports and state",
        (false, true) => "speed",
        (false, false) => "speed, and retransmissions that failed on this host",
    };
    let arguments = arguments(btf, RETRANSMIT, 2, 3);
    let by_arguments = |hook, program: &str, loses| Rung {
        hook,
        programs: arguments
            .iter()
            .map(|count| Program::new(format!("{program}_{count}"), RETRANSMIT))
            .collect(),
        impossible: arguments.clone().err(),
        loses,
    };
    Ladder {
        probe: RETRANSMIT,
        observes: "TCP retransmissions",
        rungs: vec![
            nested(
                Hook::Fexit,
                ["retrans_fentry", "retrans_fexit"],
                ["retrans_outer_fentry", "retrans_outer_fexit"],
                untyped(btf, FUNCTION).or_else(|| untyped(btf, OUTER)),
                "",
            ),
            by_arguments(Hook::TpBtf, "retrans_btf", traced),
            by_arguments(Hook::RawTracepoint, "retrans_raw", traced),
            nested(
                Hook::Kprobe,
                ["retrans_kprobe", "retrans_kretprobe"],
                ["retrans_outer_kprobe", "retrans_outer_kretprobe"],
                no_offsets(btf),
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                "tcp/tcp_retransmit_skb",
                &["retrans_classic"],
                None,
                classic,
            ),
        ],
    }
}

fn synacks(btf: Option<&KernelBtf>) -> Ladder {
    const SENT_ONLY: &str = "SYN-ACKs that could not be sent";
    let typed = arguments(btf, SYNACK, 2, 2).err();
    Ladder {
        probe: SYNACK,
        observes: "retransmitted SYN-ACKs",
        rungs: vec![
            rung(
                Hook::Fexit,
                SYNACK_FUNCTION,
                &["synack_fexit"],
                untyped(btf, SYNACK_FUNCTION),
                "",
            ),
            rung(
                Hook::TpBtf,
                SYNACK,
                &["synack_btf"],
                typed.clone(),
                SENT_ONLY,
            ),
            rung(
                Hook::RawTracepoint,
                SYNACK,
                &["synack_raw"],
                typed,
                SENT_ONLY,
            ),
            rung(
                Hook::Kprobe,
                SYNACK_FUNCTION,
                &["synack_kprobe", "synack_kretprobe"],
                no_offsets(btf),
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                "tcp/tcp_retransmit_synack",
                &["synack_classic"],
                None,
                SENT_ONLY,
            ),
        ],
    }
}

fn probes(btf: Option<&KernelBtf>) -> Ladder {
    Ladder {
        probe: LOSS_PROBE,
        observes: "tail loss probes",
        rungs: vec![
            rung(
                Hook::Fentry,
                LOSS_PROBE,
                &["probe_fentry", "probe_fexit"],
                untyped(btf, LOSS_PROBE),
                "",
            ),
            rung(
                Hook::Kprobe,
                LOSS_PROBE,
                &["probe_kprobe", "probe_kretprobe"],
                no_offsets(btf),
                "a little speed",
            ),
            rung(
                Hook::Deduced,
                LOSS_PROBE,
                &[],
                None,
                "certainty: a probe is told by the timer that was armed, and by the congestion state",
            ),
        ],
    }
}

/// A rung at the function of every retransmission, and at the one that may have it inside.
fn nested(
    hook: Hook,
    inner: [&'static str; 2],
    outer: [&'static str; 2],
    impossible: Option<String>,
    loses: &'static str,
) -> Rung {
    let mut rung = rung(hook, FUNCTION, &inner, impossible, loses);
    rung.programs
        .extend(outer.into_iter().map(|name| Program::new(name, OUTER)));
    rung
}

fn rung(
    hook: Hook,
    target: &'static str,
    programs: &[&str],
    impossible: Option<String>,
    loses: &'static str,
) -> Rung {
    Rung {
        hook,
        programs: programs
            .iter()
            .map(|&name| Program::new(name, target))
            .collect(),
        impossible,
        loses,
    }
}
