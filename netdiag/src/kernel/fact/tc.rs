//! Queueing disciplines and filters.

use super::netlink::{Message, attribute, dump, text_of, u32_of};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::io;

/// A queueing discipline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// `tbf`.
    pub kind: String,
    /// Its handle.
    pub handle: u32,
    /// What it is below.
    pub parent: u32,
    /// How much it holds, and of what.
    pub limit: Option<(u32, &'static str)>,
    /// Of netem, how many packets in a million it loses.
    pub loss: Option<u32>,
    /// Packets dropped.
    pub drops: u32,
    /// Packets that wait.
    pub queued: u32,
}

/// A filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `ingress`, `egress`, `root`.
    pub parent: &'static str,
    /// `bpf`.
    pub kind: String,
    /// Its preference.
    pub preference: u16,
    /// Of `bpf`, the program's id and name.
    pub program: Option<(u32, String)>,
}

// Of linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h and linux/gen_stats.h.
const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;
const TCMSG: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_STATS2: u16 = 7;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_TBF_PARMS: u16 = 1;
const TCA_FQ_CODEL_LIMIT: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;
/// `TC_H_ROOT`.
const ROOT: u32 = 0xffff_ffff;
/// `TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
/// `TC_H_INGRESS`, the parent of the discipline that filters on the way in stand at.
const INGRESS_QDISC: u32 = 0xffff_fff1;

/// The fixed part: device, handle, parent and `tcm_info`.
fn header(payload: &[u8]) -> Option<(u32, u32, u32, u32)> {
    let (words, _) = payload.get(..TCMSG)?.as_chunks::<4>();
    let [_, device, handle, parent, info] = *words else {
        return None;
    };
    let number = u32::from_ne_bytes;
    Some((number(device), number(handle), number(parent), number(info)))
}

/// Those of a device, root first.
///
/// # Errors
/// What the kernel answered.
pub fn queues(device: u32) -> io::Result<Vec<Queue>> {
    let messages = dump(NETLINK_ROUTE, RTM_GETQDISC, &[0; TCMSG])?;
    let mut queues: Vec<_> = messages
        .iter()
        .filter_map(|message| queue(message, device))
        .collect();
    queues.sort_by_key(|queue| (queue.parent != ROOT, queue.parent));
    Ok(queues)
}

fn queue((kind, payload): &Message, wanted: u32) -> Option<Queue> {
    let (device, handle, parent, _) = header(payload)?;
    if *kind != RTM_NEWQDISC || device != wanted {
        return None;
    }
    let rest = payload.get(TCMSG..)?;
    let kind = attribute(rest, TCA_KIND).map(text_of)?;
    let options = attribute(rest, TCA_OPTIONS).unwrap_or_default();
    let stats = attribute(rest, TCA_STATS2).unwrap_or_default();
    // struct gnet_stats_queue: qlen, backlog, drops.
    let (figures, _) = attribute(stats, TCA_STATS_QUEUE)
        .unwrap_or_default()
        .as_chunks::<4>();
    let figure = |at: usize| figures.get(at).map_or(0, |word| u32::from_ne_bytes(*word));
    let limit = match kind.as_str() {
        "pfifo" => u32_of(options).zip(Some("packets")),
        "bfifo" => u32_of(options).zip(Some("bytes")),
        // struct tc_tbf_qopt: the limit stands behind two rates.
        "tbf" => attribute(options, TCA_TBF_PARMS)
            .and_then(|parms| u32_of(parms.get(24..)?))
            .zip(Some("bytes")),
        // struct tc_netem_qopt: latency, limit, loss.
        "netem" => options.get(4..).and_then(u32_of).zip(Some("packets")),
        "fq_codel" => attribute(options, TCA_FQ_CODEL_LIMIT)
            .and_then(u32_of)
            .zip(Some("packets")),
        _ => None,
    };
    let loss = options
        .get(8..)
        .and_then(u32_of)
        .filter(|_| kind == "netem")
        .map(millionths);
    Some(Queue {
        kind,
        handle,
        parent,
        limit,
        loss,
        drops: figure(2),
        queued: figure(0),
    })
}

/// A share of 2^32 in millionths, rounded.
fn millionths(share: u32) -> u32 {
    let scaled = (u64::from(share) * 1_000_000 + u64::from(u32::MAX) / 2) / u64::from(u32::MAX);
    u32::try_from(scaled).unwrap_or(1_000_000)
}

/// The filters of a device: on the way in, on the way out, and at its root discipline.
///
/// # Errors
/// What the kernel answered, but for parents that the device does not have.
pub fn filters(device: u32) -> io::Result<Vec<Filter>> {
    let mut found = Vec::new();
    for (parent, name) in [(INGRESS, "ingress"), (EGRESS, "egress"), (0, "root")] {
        let mut request = vec![0; 4];
        request.extend(device.to_ne_bytes());
        request.extend([0; 4]);
        request.extend(parent.to_ne_bytes());
        request.extend([0; 4]);
        let messages = match dump(NETLINK_ROUTE, RTM_GETTFILTER, &request) {
            Ok(messages) => messages,
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Err(error),
            // There is no such parent.
            Err(_) => continue,
        };
        found.extend(messages.iter().filter_map(|message| filter(message, name)));
    }
    found.dedup();
    Ok(found)
}

fn filter((kind, payload): &Message, parent: &'static str) -> Option<Filter> {
    let (_, handle, _, info) = header(payload)?;
    // Without a handle it is the head of a list.
    if *kind != RTM_NEWTFILTER || handle == 0 {
        return None;
    }
    let rest = payload.get(TCMSG..)?;
    let kind = attribute(rest, TCA_KIND).map(text_of)?;
    let options = attribute(rest, TCA_OPTIONS).unwrap_or_default();
    let program = (kind == "bpf").then(|| {
        let id = attribute(options, TCA_BPF_ID).and_then(u32_of);
        let name = attribute(options, TCA_BPF_NAME).map(text_of);
        (id.unwrap_or_default(), name.unwrap_or_default())
    });
    Some(Filter {
        parent,
        kind,
        preference: u16::try_from(info >> 16).unwrap_or_default(),
        program,
    })
}

/// A handle as `tc` prints it: `8001:`, `1:10`, `root`.
#[must_use]
pub fn handle(handle: u32) -> String {
    match handle {
        ROOT => "root".to_owned(),
        INGRESS_QDISC => "ingress".to_owned(),
        handle => match (handle >> 16, handle & 0xffff) {
            (major, 0) => format!("{major:x}:"),
            (major, minor) => format!("{major:x}:{minor:x}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fact::netlink::push;

    #[test]
    fn handles_are_printed_as_tc_does() {
        assert_eq!(handle(0x8001_0000), "8001:");
        assert_eq!(handle(0x0001_0010), "1:10");
        assert_eq!(handle(ROOT), "root");
        assert_eq!(millionths(u32::MAX), 1_000_000);
        assert_eq!(millionths(u32::MAX / 2), 500_000);
    }

    #[test]
    fn a_queue_tells_its_limit_and_drops() {
        let mut bytes = vec![0; 4];
        bytes.extend(3u32.to_ne_bytes());
        bytes.extend(0x8001_0000u32.to_ne_bytes());
        bytes.extend(ROOT.to_ne_bytes());
        bytes.extend([0; 4]);
        push(&mut bytes, TCA_KIND, b"pfifo\0");
        push(&mut bytes, TCA_OPTIONS, &10u32.to_ne_bytes());
        let mut stats = Vec::new();
        let figures = [1u32, 100, 7, 0, 0].map(u32::to_ne_bytes);
        push(&mut stats, TCA_STATS_QUEUE, figures.as_flattened());
        push(&mut bytes, TCA_STATS2, &stats);
        let message = (RTM_NEWQDISC, bytes);
        let found = queue(&message, 3).expect("queue");
        assert_eq!(
            (found.limit, found.drops, found.queued),
            (Some((10, "packets")), 7, 1)
        );
        assert_eq!(queue(&message, 4), None);
        for end in 0..message.1.len() {
            let _queue = queue(&(message.0, message.1[..end].to_vec()), 3);
        }
        queues(1).expect("queues of lo");
        filters(1).expect("filters of lo");
    }
}
