//! What speaks for a failure, in words.

use super::{ConnEvent, ConnKind, Tracker, errno::Errno};
use crate::decode::Flow;

impl Tracker {
    /// Nobody can say more than that the attempt was given up.
    pub(super) fn gave_up(&self, event: &ConnEvent) -> Option<String> {
        let dropped = self.syns.evidence(&event.flow);
        let syns = event
            .syns
            .map_or_else(String::new, |count| format!(" after {}", syns(count)));
        let gave_up = format!("given up by the process{syns} without an answer");
        let parts = [Some(gave_up), self.full_queue(&event.flow), dropped];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }

    /// What speaks for a failure.
    pub(super) fn evidence(
        &self,
        event: &ConnEvent,
        errno: Errno,
        reset_in: bool,
        soft_error: Option<u32>,
    ) -> Option<String> {
        let dropped = self.syns.evidence(&event.flow);
        let sent = event.kind == ConnKind::Failed && event.syns.is_some();
        let text = match errno {
            Errno::REFUSED if reset_in => "RST received".to_owned(),
            Errno::REFUSED if self.names.sees_resets => {
                "ICMP port or protocol unreachable received".to_owned()
            }
            Errno::TIMED_OUT => {
                let mut text = match event.syns {
                    Some(count) => format!("timed out after {}", syns(count)),
                    None => "timed out".to_owned(),
                };
                if let Some(queue) = self.full_queue(&event.flow) {
                    text += "; ";
                    text += &queue;
                }
                text
            }
            Errno::HOST_UNREACHABLE | Errno::NET_UNREACHABLE if sent => {
                "ICMP unreachable received, or no answer to ARP".to_owned()
            }
            Errno::HOST_UNREACHABLE | Errno::NET_UNREACHABLE => "no route".to_owned(),
            Errno::NO_ADDRESS => "no free local port, or no such local address".to_owned(),
            Errno::NOT_PERMITTED | Errno::NO_ACCESS if !sent => {
                "refused on this host before a packet was sent: cgroup program, security module or route".to_owned()
            }
            _ => String::new(),
        };
        let soft = soft_error
            .filter(|&error| i32::try_from(error) != Ok(errno.0))
            .and_then(|error| i32::try_from(error).ok())
            .map(|error| format!("{} on the way", Errno(error).name()));
        let parts: Vec<_> = [Some(text).filter(|text| !text.is_empty()), soft, dropped]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
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

fn syns(count: u32) -> String {
    if count == 1 {
        "1 SYN".to_owned()
    } else {
        format!("{count} SYNs")
    }
}
