//! Reasons of queueing disciplines: of the core, and from 7.2 on of their own enum.

use crate::analysis::explain::{
    Entry,
    kernels::{ONLY_6_18, SINCE_6_1, SINCE_7_2, UNTIL_6_18},
    reason,
};

pub(super) const ENTRIES: &[Entry] = &[
    reason(
        "QDISC_DROP",
        SINCE_6_1,
        "the queueing discipline of the device on the way out dropped it",
        "The queue was full or it shaped, policed or dropped early on purpose (__dev_xmit_skb). \
         A device that is down has the noop queue, which drops all. From 7.2 on the tracepoint \
         qdisc_drop says more (QDISC_DROP_*).",
    )
    .normal("A few under load are ordinary: it is how TCP learns the rate.")
    .causes(&[
        "a rate limit (tbf, htb, fq maxrate) below what is sent: raise it, or send less",
        "a queue too short for bursts: limit of the qdisc, txqueuelen for pfifo",
        "the device is down or has no carrier: ip link",
        "netem with a loss left over from a test: tc qdisc del",
    ])
    .commands(&[
        "tc -s -d qdisc show dev DEVICE  # dropped, overlimits, backlog",
        "ip -s link show dev DEVICE",
        "netdiag retrans  # which connections suffer",
    ])
    .see(&[
        "QDISC_OVERLIMIT",
        "QDISC_CONGESTED",
        "tx_dropped",
        "QDISC_DROP_GENERIC",
    ]),
    reason(
        "QDISC_BURST_DROP",
        SINCE_7_2,
        "more packets at once than may wait for the queue's lock",
        "Senders put packets into a list beside the queue, and one of them takes them over. \
         Above net.core.qdisc_max_burst packets in that list, __dev_xmit_skb drops.",
    )
    .causes(&[
        "many processors send by one queue: use mq with a NIC of several queues, or an fq on \
         each",
        "the processor that empties the list is held up: interrupts, real-time tasks, steal time",
        "bursts that are meant: raise net.core.qdisc_max_burst",
    ])
    .commands(&[
        "sysctl net.core.qdisc_max_burst",
        "tc -s qdisc show dev DEVICE; ethtool -l DEVICE",
    ])
    .see(&["QDISC_DROP", "QDISC_OVERLIMIT"]),
    reason(
        "QDISC_OVERLIMIT",
        ONLY_6_18,
        "the queue of the device on the way out was full",
        "The queueing discipline has reached its limit of packets or bytes (codel, fq_codel, \
         cake, gred, sfq and others). 7.2 calls it QDISC_DROP_OVERLIMIT.",
    )
    .causes(&[
        "more is sent than the link or the shaper takes: shape earlier, or raise the rate",
        "the limit is too small for the bursts: raise limit, or flows in fq_codel",
    ])
    .commands(&[
        "tc -s -d qdisc show dev DEVICE  # limit, backlog, drop_overlimit",
        "ip -s link show dev DEVICE",
    ])
    .see(&["QDISC_DROP", "QDISC_DROP_OVERLIMIT", "QDISC_CONGESTED"]),
    reason(
        "QDISC_CONGESTED",
        ONLY_6_18,
        "the queue dropped early, to tell the sender to slow down",
        "Active queue management (codel, fq_codel, cake, pie, red, gred, dualpi2): packets \
         waited longer than the target, and this one could not be marked with ECN. 7.2 calls it \
         QDISC_DROP_CONGESTED.",
    )
    .normal("Ordinary under load: one drop now keeps delay low for all.")
    .causes(&[
        "senders that send more than the link takes for long: ordinary with TCP; a concern with \
         UDP",
        "a target below what the link needs, on slow links: target and interval of the qdisc",
        "ECN is off at the ends, so it has to drop: net.ipv4.tcp_ecn=1",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # target, drops, ecn_mark"])
    .see(&["QDISC_OVERLIMIT", "QDISC_DROP_CONGESTED"]),
    reason(
        "CAKE_FLOOD",
        ONLY_6_18,
        "cake takes the flow for one that does not react to congestion",
        "The BLUE part of sch_cake (cobalt_should_drop): the flow's queue stays full although \
         packets are dropped, so more and more of them are.",
    )
    .causes(&[
        "a UDP flow or an attack without congestion control: limit it at its source",
        "a bandwidth setting far above what the link really takes, so that the wrong queue fills",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # unresponsive flows, per tin"])
    .see(&["QDISC_CONGESTED", "QDISC_DROP_FLOOD_PROTECTION"]),
    reason(
        "FQ_BAND_LIMIT",
        UNTIL_6_18,
        "a priority band of fq has reached its limit",
        "sch_fq sorts packets into three bands by priority; each may hold as many packets as \
         limit says.",
    )
    .causes(&[
        "more is sent with that priority than leaves: look at pacing, the link's rate, and at \
         who sends",
        "raise limit of the qdisc, when bursts are meant",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # bands, limit, band drops"])
    .see(&["FQ_FLOW_LIMIT", "QDISC_DROP_BAND_LIMIT", "QDISC_DROP"]),
    reason(
        "FQ_HORIZON_LIMIT",
        UNTIL_6_18,
        "the packet asks to be sent too far in the future",
        "Its departure time (SO_TXTIME, pacing, eBPF) is beyond fq's horizon of 10 s, and \
         horizon_drop is set.",
    )
    .causes(&[
        "a program that gives times of another clock, or wrong units, to SO_TXTIME",
        "a pacing rate (SO_MAX_PACING_RATE) that is far too low",
        "an eBPF program that sets skb->tstamp",
    ])
    .commands(&[
        "tc -s -d qdisc show dev DEVICE  # horizon, horizon_drops",
        "ss -t -i -n  # pacing_rate",
    ])
    .see(&["FQ_FLOW_LIMIT", "QDISC_DROP_HORIZON_LIMIT"]),
    reason(
        "FQ_FLOW_LIMIT",
        UNTIL_6_18,
        "one flow has too many packets waiting in fq",
        "fq_enqueue: a flow holds more than flow_limit packets (100 by default). TCP stays below \
         by itself; a sender of UDP or raw packets does not.",
    )
    .causes(&[
        "one UDP socket that sends faster than its share: pace it in the program \
         (SO_MAX_PACING_RATE), or raise flow_limit",
        "packets that all hash to one flow, such as those of a tunnel",
    ])
    .commands(&[
        "tc -s -d qdisc show dev DEVICE  # flow_limit, flows_plimit",
        "ss -u -n -p -m",
    ])
    .see(&["FQ_BAND_LIMIT", "QDISC_DROP_FLOW_LIMIT"]),
    reason(
        "DUALPI2_STEP_DROP",
        ONLY_6_18,
        "dualpi2 dropped a packet of the low-latency queue that cannot be marked",
        "The queue of L4S traffic waited longer than the step threshold, and the packet carries \
         no ECN to be marked (do_step_aqm). 7.2 calls it QDISC_DROP_L4S_STEP_NON_ECN.",
    )
    .causes(&[
        "traffic that is sorted into the L4S queue without being ECN-capable: correct the \
         classification",
        "a step threshold below what the link needs",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE"])
    .see(&["QDISC_CONGESTED", "QDISC_DROP_L4S_STEP_NON_ECN"]),
    reason(
        "QDISC_DROP_GENERIC",
        SINCE_7_2,
        "a queueing discipline dropped it, and says no more",
        "The default of the tracepoint qdisc_drop: a discipline that has no finer reason, such \
         as netem's loss, a class that drops or a noop queue. kfree_skb reports the same packet \
         as QDISC_DROP.",
    )
    .causes(&[
        "netem's loss, a class of htb, hfsc or drr without a queue, a filter of the discipline \
         that says drop, or the noop queue of a device that is down: the kind of the qdisc says \
         which",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE; tc -s class show dev DEVICE"])
    .see(&["QDISC_DROP"]),
    reason(
        "QDISC_DROP_OVERLIMIT",
        SINCE_7_2,
        "the queue of the device on the way out was full",
        "The discipline has reached its limit of packets or bytes. Earlier kernels say \
         QDISC_OVERLIMIT.",
    )
    .causes(&[
        "more is sent than the link or the shaper takes: shape earlier, or raise the rate",
        "the limit is too small for the bursts: raise limit",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE"])
    .see(&["QDISC_OVERLIMIT", "QDISC_DROP"]),
    reason(
        "QDISC_DROP_CONGESTED",
        SINCE_7_2,
        "the queue dropped early, to tell the sender to slow down",
        "Active queue management such as codel, pie or red. Earlier kernels say QDISC_CONGESTED.",
    )
    .normal("Ordinary under load: one drop now keeps delay low for all.")
    .causes(&[
        "senders above the link's rate; without ECN the queue has to drop in place of marking",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # target, drops, ecn_mark"])
    .see(&["QDISC_CONGESTED"]),
    reason(
        "QDISC_DROP_MAXFLOWS",
        SINCE_7_2,
        "the table of flows of the queueing discipline is full",
        "A discipline that keeps a state per flow, such as sfq, has no free place for one more.",
    )
    .causes(&[
        "very many flows at once, or a scan or flood with changing ports",
        "raise flows or divisor, or use fq_codel or fq, which have no such table limit",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # flows"])
    .see(&["QDISC_DROP_FLOW_LIMIT"]),
    reason(
        "QDISC_DROP_FLOOD_PROTECTION",
        SINCE_7_2,
        "the queue takes the flow for one that does not react to congestion",
        "BLUE in sch_cake: the flow fills its queue although packets are dropped. Earlier \
         kernels say CAKE_FLOOD.",
    )
    .causes(&["a UDP flow or an attack without congestion control: limit it at its source"])
    .commands(&["tc -s -d qdisc show dev DEVICE  # unresponsive flows"])
    .see(&["CAKE_FLOOD"]),
    reason(
        "QDISC_DROP_BAND_LIMIT",
        SINCE_7_2,
        "a priority band has reached its limit",
        "fq keeps three bands by priority, each with a limit of packets. Earlier kernels say \
         FQ_BAND_LIMIT.",
    )
    .causes(&[
        "more is sent with that priority than leaves: look at the link's rate and at who sends; \
         raise limit if bursts are meant",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # bands, limit"])
    .see(&["FQ_BAND_LIMIT"]),
    reason(
        "QDISC_DROP_HORIZON_LIMIT",
        SINCE_7_2,
        "the packet asks to be sent too far in the future",
        "Its departure time is beyond the horizon of fq. Earlier kernels say FQ_HORIZON_LIMIT.",
    )
    .causes(&[
        "a program that gives times of another clock to SO_TXTIME, or a pacing rate that is far \
         too low",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # horizon"])
    .see(&["FQ_HORIZON_LIMIT"]),
    reason(
        "QDISC_DROP_FLOW_LIMIT",
        SINCE_7_2,
        "one flow has too many packets waiting",
        "fq and sfq limit what a single flow may queue. fq's older name is FQ_FLOW_LIMIT.",
    )
    .causes(&[
        "one UDP or raw socket that sends faster than its share: pace it, or raise flow_limit \
         (fq) or depth (sfq)",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE  # flow_limit, depth"])
    .see(&["FQ_FLOW_LIMIT"]),
    reason(
        "QDISC_DROP_L4S_STEP_NON_ECN",
        SINCE_7_2,
        "dualpi2 dropped a packet of the low-latency queue that cannot be marked",
        "The L4S queue waited longer than the step threshold, and the packet is not ECN-capable. \
         6.18 says DUALPI2_STEP_DROP.",
    )
    .causes(&[
        "traffic that is sorted into the L4S queue without being ECN-capable: correct the \
         classification",
    ])
    .commands(&["tc -s -d qdisc show dev DEVICE"])
    .see(&["DUALPI2_STEP_DROP"]),
];
