//! What `netdiag drops` hooks.

use super::{Hook, Ladder, Program, Rung, arguments, function};
use crate::kernel::btf::KernelBtf;

/// The tracepoint of dropped packets.
pub const KFREE_SKB: &str = "kfree_skb";

/// Whether the kernel tells for which socket a packet was that it received (`rx_sk`, since 6.11).
pub fn tells_receiver(btf: Option<&KernelBtf>) -> bool {
    arguments(btf, KFREE_SKB, 2, 4) == Ok(4)
}

/// Drops: the one observation that netdiag cannot do without.
pub fn ladder(btf: Option<&KernelBtf>) -> Ladder {
    let arguments = arguments(btf, KFREE_SKB, 2, 4);
    let rung = |hook, program, loses| Rung {
        hook,
        programs: arguments
            .iter()
            .map(|count| Program::new(format!("{program}_{count}"), KFREE_SKB))
            .collect(),
        impossible: arguments.clone().err(),
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
                programs: vec![Program::new("drops_classic", "skb/kfree_skb")],
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
