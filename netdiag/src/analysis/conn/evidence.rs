//! What speaks for a failure, in words.

use super::{Cause, ConnEvent, ConnKind, Tracker, errno::Errno};
use crate::decode::Flow;

impl Tracker {
    /// Nobody can say more than that the attempt was given up.
    pub(super) fn gave_up(&self, event: &mut ConnEvent, began_ns: u64, soft_error: Option<u32>) {
        let syns = event
            .syns
            .map_or_else(String::new, |count| format!(" after {}", syns(count)));
        let gave_up = format!("given up by the process{syns}");
        let soft = on_the_way(soft_error, None);
        let queue = self.full_queue(&event.flow);
        event.cause = match (&queue, &soft) {
            (Some(_), _) => Some(Cause::FullQueue),
            (None, Some(_)) => Some(Cause::Rejected),
            _ => None,
        };
        let dropped = self.syns.evidence(&event.flow, began_ns);
        let parts = [Some(gave_up), queue, soft, dropped];
        event.evidence = Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "));
    }

    /// What speaks for a failure.
    pub(super) fn explain(
        &self,
        event: &mut ConnEvent,
        began_ns: u64,
        errno: Errno,
        reset_in: bool,
        soft_error: Option<u32>,
    ) {
        let sent = event.kind == ConnKind::Failed && event.syns.is_some();
        let mut queue = None;
        let text = match errno {
            Errno::REFUSED if reset_in => "RST received",
            Errno::REFUSED if self.names.sees_resets => "ICMP port unreachable received",
            Errno::NO_PROTOCOL if sent => "ICMP protocol unreachable received",
            Errno::TIMED_OUT => {
                queue = self.full_queue(&event.flow);
                match event.syns {
                    Some(count) => &format!("timed out after {}", syns(count)),
                    None => "timed out",
                }
            }
            Errno::HOST_UNREACHABLE | Errno::NET_UNREACHABLE if sent => {
                "ICMP unreachable received, or no answer to ARP or neighbour discovery"
            }
            Errno::HOST_UNREACHABLE | Errno::NET_UNREACHABLE => "no route",
            Errno::NO_ADDRESS => match event.cause {
                Some(Cause::NoPort) => "no free local port",
                Some(Cause::PortTaken) => {
                    "the local port that the process chose is in use towards this destination"
                }
                _ => "no usable local address (IPv6 switched off?)",
            },
            Errno::NOT_PERMITTED | Errno::NO_ACCESS if sent => {
                "ICMP says that it is prohibited, or a firewall of this host's"
            }
            Errno::NOT_PERMITTED | Errno::NO_ACCESS => {
                "refused on this host before a packet was sent: cgroup program, security module or route"
            }
            Errno::INVALID if !sent => {
                "refused on this host before a packet was sent: a blackhole route, or an address that cannot be"
            }
            _ => "",
        };
        if queue.is_some() {
            event.cause = Some(Cause::FullQueue);
        }
        let parts: Vec<_> = [
            Some(text.to_owned()).filter(|text| !text.is_empty()),
            queue,
            on_the_way(soft_error, Some(errno)),
            self.syns.evidence(&event.flow, began_ns),
        ]
        .into_iter()
        .flatten()
        .collect();
        event.evidence = (!parts.is_empty()).then(|| parts.join("; "));
    }

    /// The full queue of the listener that a connection goes to, where that is on this host.
    fn full_queue(&self, flow: &Flow) -> Option<String> {
        let found = self.queues.iter().find(|((_, listener), _)| {
            listener.sport == flow.dport
                && (listener.local.is_none() || listener.local == flow.remote)
        });
        found.map(|(_, queue)| {
            format!(
                "the accept queue of its listener on this host is full ({} wait, {} may)",
                queue.queued, queue.limit
            )
        })
    }
}

/// What was met on the way, where that is not how it ended.
fn on_the_way(soft_error: Option<u32>, end: Option<Errno>) -> Option<String> {
    let error = Errno(i32::try_from(soft_error?).ok()?);
    (Some(error) != end).then(|| format!("{} on the way", error.name()))
}

fn syns(count: u32) -> String {
    if count == 1 {
        "1 SYN".to_owned()
    } else {
        format!("{count} SYNs")
    }
}
