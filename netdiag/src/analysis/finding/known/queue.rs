//! What queueing disciplines say to findings.

use super::{FEW, devices, is_removed};
use crate::analysis::fact::Facts;
use crate::analysis::finding::{Tally, qdisc::ANY, rule::Verdict};

/// For a finding that says that netem loses packets.
pub(in crate::analysis::finding) fn netem(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::contradicted();
    let mut known = false;
    for (name, device) in devices(tally, facts) {
        known = true;
        let lossy = device.queues.iter().find_map(|queue| {
            let loss = queue.loss_ppm.filter(|loss| *loss > 0)?;
            (queue.kind == "netem").then_some((queue, loss))
        });
        if let Some((queue, loss)) = lossy {
            verdict.contradicted = false;
            let percent = f64::from(loss) / 10_000.0;
            let line = format!(
                "netem {} on {name} loses {percent} % of the packets",
                queue.handle
            );
            verdict = verdict.with(line).sure(0.96);
        }
    }
    if known { verdict } else { Verdict::stands() }
}

/// For a finding that says that a queue is full: what queues there are.
pub(in crate::analysis::finding) fn limits(tally: &Tally, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::stands();
    // Who is full says so, where the kernel lets it.
    let unclear = |reason: &String| reason == "NOT_SPECIFIED" || ANY.contains(&reason.as_str());
    if tally.reasons.iter().all(unclear)
        && tally.places.iter().any(|place| is_removed(place, facts))
    {
        verdict = verdict
            .with("a device that is being removed drops what is sent by it as well, and this one is gone by now")
            .sure(0.4);
    }
    for (name, device) in devices(tally, facts) {
        let queues = device.queues.iter().filter(|queue| queue.kind != "noqueue");
        for queue in queues.take(FEW) {
            let limit = queue.limit.as_ref().map_or_else(String::new, |(most, of)| {
                format!(" holds {most} {of} at most,")
            });
            let (kind, handle, drops) = (&queue.kind, &queue.handle, queue.drops);
            verdict = verdict.with(format!(
                "{kind} {handle} on {name}{limit} has dropped {drops} packets since it was set up"
            ));
        }
    }
    verdict
}
