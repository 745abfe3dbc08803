//! What `netdiag conn` hooks.

use super::{Hook, Ladder, Program, Rung, arguments, no_offsets, untyped};
use crate::kernel::btf::KernelBtf;

/// Changes of state.
pub const STATES: &str = "inet_sock_set_state";
/// What `connect` returns.
pub const CONNECT: &str = "connect";
/// What `accept` returns.
pub const ACCEPT: &str = "accept";
/// Resets that arrive.
pub const RESET_IN: &str = "tcp_receive_reset";
/// Resets that are sent.
pub const RESET_OUT: &str = "tcp_send_reset";
/// SYNs that a listener has no room for.
pub const QUEUE: &str = "tcp_conn_request";

const CONNECT_4: &str = "tcp_v4_connect";
const CONNECT_6: &str = "tcp_v6_connect";
const ACCEPT_FUNCTION: &str = "inet_csk_accept";

/// Every ladder, the one that netdiag cannot do without first.
pub fn ladders(btf: Option<&KernelBtf>) -> [Ladder; 6] {
    [
        states(btf),
        connect(btf),
        accept(btf),
        reset_in(btf),
        reset_out(btf),
        queue(btf),
    ]
}

fn states(btf: Option<&KernelBtf>) -> Ladder {
    let typed = arguments(btf, STATES, 3, 3).err();
    let classic = if btf.is_none() {
        "all but the addresses, ports and times of a connection, and who called connect"
    } else {
        "speed"
    };
    Ladder {
        probe: STATES,
        observes: "TCP connections",
        rungs: vec![
            rung(
                Hook::TpBtf,
                [("conn_btf".to_owned(), STATES)],
                typed.clone(),
                "",
            ),
            rung(
                Hook::RawTracepoint,
                [("conn_raw".to_owned(), STATES)],
                typed,
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                [("conn_classic".to_owned(), "sock/inet_sock_set_state")],
                None,
                classic,
            ),
        ],
    }
}

fn connect(btf: Option<&KernelBtf>) -> Ladder {
    const LOSES: &str =
        "attempts that failed before there was a connection: no route, no free port";
    let named = |name: &str, target| (name.to_owned(), target);
    Ladder {
        probe: CONNECT,
        observes: "what connect returns",
        rungs: vec![
            rung(
                Hook::Fexit,
                [
                    named("connect4_fexit", CONNECT_4),
                    named("connect6_fexit", CONNECT_6),
                ],
                untyped(btf, CONNECT_4).or_else(|| untyped(btf, CONNECT_6)),
                "",
            ),
            rung(
                Hook::Kprobe,
                [
                    named("connect4_kprobe", CONNECT_4),
                    named("connect4_kretprobe", CONNECT_4),
                    named("connect6_kprobe", CONNECT_6),
                    named("connect6_kretprobe", CONNECT_6),
                ],
                no_offsets(btf),
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                [
                    named("connect_enter", "syscalls/sys_enter_connect"),
                    named("connect_exit", "syscalls/sys_exit_connect"),
                ],
                no_offsets(btf),
                "attempts by io_uring, by 32-bit programs, by the kernel itself and by sendto with MSG_FASTOPEN that failed \
                 before there was a connection; it adds those that a cgroup or a security module refused",
            ),
            rung(Hook::Deduced, [], None, LOSES),
        ],
    }
}

fn accept(btf: Option<&KernelBtf>) -> Ladder {
    let typed = match btf.and_then(|btf| btf.parameters(ACCEPT_FUNCTION)) {
        Some(count @ (2 | 4)) => Ok(count),
        Some(count) => Err(format!(
            "{ACCEPT_FUNCTION} has {count} arguments here, which netdiag does not know"
        )),
        None => Err(untyped(btf, ACCEPT_FUNCTION).unwrap_or_default()),
    };
    let fexit = typed
        .iter()
        .map(|count| (format!("accept_fexit_{count}"), ACCEPT_FUNCTION))
        .collect::<Vec<_>>();
    Ladder {
        probe: ACCEPT,
        observes: "who accepts connections",
        rungs: vec![
            rung(Hook::Fexit, fexit, typed.err(), ""),
            rung(
                Hook::Kprobe,
                [("accept_kretprobe".to_owned(), ACCEPT_FUNCTION)],
                no_offsets(btf),
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                [
                    ("accept_exit_4".to_owned(), "syscalls/sys_exit_accept4"),
                    ("accept_exit".to_owned(), "syscalls/sys_exit_accept"),
                ],
                no_offsets(btf),
                "connections that io_uring, 32-bit programs or the kernel itself accept",
            ),
            rung(Hook::Deduced, [], None, "who accepts connections, and when"),
        ],
    }
}

fn reset_in(btf: Option<&KernelBtf>) -> Ladder {
    let typed = arguments(btf, RESET_IN, 1, 1).err();
    Ladder {
        probe: RESET_IN,
        observes: "resets that arrive",
        rungs: vec![
            rung(
                Hook::TpBtf,
                [("reset_in_btf".to_owned(), RESET_IN)],
                typed.clone(),
                "",
            ),
            rung(
                Hook::RawTracepoint,
                [("reset_in_raw".to_owned(), RESET_IN)],
                typed,
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                [("reset_in_classic".to_owned(), "tcp/tcp_receive_reset")],
                None,
                "speed",
            ),
            rung(
                Hook::Deduced,
                [],
                None,
                "whether a reset or an ICMP message refused a connection",
            ),
        ],
    }
}

fn reset_out(btf: Option<&KernelBtf>) -> Ladder {
    let count = arguments(btf, RESET_OUT, 2, 3);
    let named = |program: &str| {
        count
            .iter()
            .map(|count| (format!("{program}_{count}"), RESET_OUT))
            .collect::<Vec<_>>()
    };
    let why = count.clone().err();
    Ladder {
        probe: RESET_OUT,
        observes: "resets that are sent",
        rungs: vec![
            rung(Hook::TpBtf, named("reset_out_btf"), why.clone(), ""),
            rung(
                Hook::RawTracepoint,
                named("reset_out_raw"),
                why,
                "a little speed",
            ),
            rung(
                Hook::Tracepoint,
                [("reset_out_classic".to_owned(), "tcp/tcp_send_reset")],
                None,
                "speed",
            ),
            rung(Hook::Deduced, [], None, "why this host reset a connection"),
        ],
    }
}

fn queue(btf: Option<&KernelBtf>) -> Ladder {
    Ladder {
        probe: QUEUE,
        observes: "full accept queues",
        rungs: vec![
            rung(
                Hook::Fentry,
                [("queue_fentry".to_owned(), QUEUE)],
                untyped(btf, QUEUE),
                "",
            ),
            rung(
                Hook::Kprobe,
                [("queue_kprobe".to_owned(), QUEUE)],
                no_offsets(btf),
                "a little speed",
            ),
            rung(
                Hook::Deduced,
                [],
                None,
                "which listener it was: the counter ListenOverflows has one for each namespace",
            ),
        ],
    }
}

fn rung(
    hook: Hook,
    programs: impl IntoIterator<Item = (String, &'static str)>,
    impossible: Option<String>,
    loses: &'static str,
) -> Rung {
    Rung {
        hook,
        programs: programs
            .into_iter()
            .map(|(name, target)| Program::new(name, target))
            .collect(),
        impossible,
        loses,
    }
}
