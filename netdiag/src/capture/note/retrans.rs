//! What netdiag says about a retransmitted segment.

use super::{escape, escape_word, lines, number, unescape, word};
use crate::decode::{
    CaState, Retrans, RetransKind, Socket, TcpFlags, TcpState, result_name, result_number,
};
use netdiag_common::NetnsId;
use std::{borrow::Cow, fmt::Write as _};

/// Everything that is known of a retransmission but for addresses and ports, which are in the packet.
///
/// People's lines come first: `Retrans`, `Result`, `Dropped`, `Finding`, `Process`, `Uid`, `Cgroup`, `Namespace`. The
/// last line, `Netdiag`, has the rest in words `key=value`; it is what tells netdiag's packets from others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetransNote<'a> {
    /// What was observed.
    pub probe: Cow<'a, str>,
    /// What the kernel said; read back without addresses and ports.
    pub retrans: Cow<'a, Retrans>,
    /// The process that holds the socket: id and name.
    pub owner: Option<(u32, Cow<'a, str>)>,
    /// Path of the socket's cgroup.
    pub cgroup: Option<Cow<'a, str>>,
    /// Where on this host the segment was dropped.
    pub dropped: Option<DroppedNote<'a>>,
    /// What this one alone says to be wrong. Written for people; reading concludes anew.
    pub finding: Option<&'a str>,
}

/// Where a segment was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedNote<'a> {
    /// The kernel's name for the reason.
    pub reason: Option<Cow<'a, str>>,
    /// `function+0xoffset [module]`.
    pub location: Cow<'a, str>,
    /// The device.
    pub ifname: Option<Cow<'a, str>>,
    /// The namespace.
    pub netns: Option<NetnsId>,
}

impl<'a> RetransNote<'a> {
    /// The lines, one a comment.
    pub fn comments(&self) -> Vec<String> {
        let mut comments = Vec::with_capacity(8);
        let mut say = |key: &str, value: &str| comments.push(format!("{key}: {value}"));
        let retrans = &*self.retrans;
        if let Some(kind) = retrans.kind {
            say("Retrans", kind.name());
        }
        if let Some(result) = retrans.result {
            say("Result", &result_name(result));
        }
        if let Some(dropped) = &self.dropped {
            say("Dropped", &dropped.words());
        }
        if let Some(finding) = self.finding {
            say("Finding", &escape(finding));
        }
        if let Some((pid, comm)) = &self.owner {
            say("Process", &format!("{pid} {}", escape(comm)));
        }
        if let Some(uid) = retrans.socket.uid {
            say("Uid", &uid.to_string());
        }
        match (retrans.socket.cgroup_id, &self.cgroup) {
            (Some(id), Some(path)) => say("Cgroup", &format!("{id} {}", escape(path))),
            (Some(id), None) => say("Cgroup", &id.to_string()),
            _ => {}
        }
        if let Some(netns) = retrans.socket.netns {
            say("Namespace", &netns.0.to_string());
        }
        comments.push(self.rest());
        comments
    }

    fn rest(&self) -> String {
        let retrans = &*self.retrans;
        let socket = &retrans.socket;
        let mut text = format!("Netdiag: retrans probe={}", escape_word(&self.probe));
        // Writing to a string cannot fail.
        let mut word = |key: &str, value: Option<u64>| {
            if let Some(value) = value {
                let _ = write!(text, " {key}={value}");
            }
        };
        word("cpu", Some(u64::from(retrans.cpu)));
        for (key, value) in numbers(retrans) {
            word(key, value.map(u64::from));
        }
        word("rto_us", retrans.rto_us);
        word("flags", retrans.flags.map(|flags| u64::from(flags.0)));
        word("retransmits", retrans.retransmits.map(u64::from));
        word("mapped", socket.mapped.then_some(1));
        word("unread", socket.unread.then_some(1));
        word("ifindex", socket.ifindex.map(u64::from));
        word("dev_type", socket.dev_type.map(u64::from));
        let names = [
            ("state", socket.state.map(TcpState::name)),
            ("ca_state", retrans.ca_state.map(CaState::name)),
        ];
        for (key, name) in names {
            if let Some(name) = name {
                let _ = write!(text, " {key}={name}");
            }
        }
        text
    }

    /// Reads the lines; `None` when they are not netdiag's.
    pub fn parse(comments: &'a [Cow<'_, str>]) -> Option<Self> {
        let mut note = Self::default();
        let mut retrans = Retrans::default();
        let mut ours = false;
        for (key, value) in lines(comments) {
            match key {
                "Retrans" => retrans.kind = RetransKind::from_name(value),
                "Result" => retrans.result = result_number(value),
                "Dropped" => note.dropped = DroppedNote::parse(value),
                "Process" => {
                    let (pid, comm) = value.split_once(' ').unwrap_or((value, ""));
                    note.owner = pid.parse().ok().map(|pid| (pid, unescape(comm)));
                }
                "Uid" => retrans.socket.uid = value.parse().ok(),
                "Cgroup" => {
                    let (id, path) = value.split_once(' ').unwrap_or((value, ""));
                    retrans.socket.cgroup_id = id.parse().ok();
                    let path = Some(unescape(path)).filter(|path| !path.is_empty());
                    note.cgroup = path.filter(|_| retrans.socket.cgroup_id.is_some());
                }
                "Namespace" => retrans.socket.netns = value.parse().ok().map(NetnsId),
                "Netdiag" => {
                    let words = value.strip_prefix("retrans ")?;
                    note.probe = unescape(word(words, "probe")?);
                    read_rest(words, &mut retrans)?;
                    ours = true;
                }
                _ => {}
            }
        }
        note.retrans = Cow::Owned(retrans);
        ours.then_some(note)
    }
}

/// The numbers of 32 bits, by their words.
fn numbers(retrans: &Retrans) -> [(&'static str, Option<u32>); 15] {
    [
        ("seq", retrans.seq),
        ("len", retrans.len),
        ("ack", retrans.ack),
        ("segs", retrans.segs),
        ("total", retrans.total),
        ("srtt_us", retrans.srtt_us),
        ("cwnd", retrans.cwnd),
        ("ssthresh", retrans.ssthresh),
        ("in_flight", retrans.in_flight),
        ("peer_window", retrans.peer_window),
        ("window", retrans.window),
        ("mss", retrans.mss),
        ("sent", retrans.sent),
        ("data_sent", retrans.data_sent),
        ("duplicates", retrans.duplicates),
    ]
}

fn read_rest(text: &str, retrans: &mut Retrans) -> Option<()> {
    *retrans = Retrans {
        time_ns: 0,
        cpu: number(text, "cpu")?,
        kind: retrans.kind,
        result: retrans.result,
        seq: number(text, "seq"),
        len: number(text, "len"),
        flags: number(text, "flags").map(TcpFlags),
        ack: number(text, "ack"),
        segs: number(text, "segs"),
        total: number(text, "total"),
        rto_us: number(text, "rto_us"),
        srtt_us: number(text, "srtt_us"),
        cwnd: number(text, "cwnd"),
        ssthresh: number(text, "ssthresh"),
        in_flight: number(text, "in_flight"),
        peer_window: number(text, "peer_window"),
        window: number(text, "window"),
        mss: number(text, "mss"),
        sent: number(text, "sent"),
        data_sent: number(text, "data_sent"),
        duplicates: number(text, "duplicates"),
        ca_state: word(text, "ca_state").and_then(CaState::from_name),
        retransmits: number(text, "retransmits"),
        socket: Socket {
            mapped: number(text, "mapped") == Some(1),
            unread: number(text, "unread") == Some(1),
            ifindex: number(text, "ifindex"),
            dev_type: number(text, "dev_type"),
            state: word(text, "state").and_then(TcpState::from_name),
            ..std::mem::take(&mut retrans.socket)
        },
    };
    Some(())
}

impl<'a> DroppedNote<'a> {
    /// "reason=NO_SOCKET at=tcp_v4_rcv+0x1c on=eth0 netns=1"
    fn words(&self) -> String {
        let mut text = format!("at={}", escape_word(&self.location));
        // Writing to a string cannot fail.
        if let Some(reason) = &self.reason {
            let _ = write!(text, " reason={}", escape_word(reason));
        }
        if let Some(ifname) = &self.ifname {
            let _ = write!(text, " on={}", escape_word(ifname));
        }
        if let Some(netns) = self.netns {
            let _ = write!(text, " netns={}", netns.0);
        }
        text
    }

    fn parse(text: &'a str) -> Option<Self> {
        Some(Self {
            location: unescape(word(text, "at")?),
            reason: word(text, "reason").map(unescape),
            ifname: word(text, "on").map(unescape),
            netns: number(text, "netns").map(NetnsId),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back() {
        let retrans = Retrans {
            time_ns: 0,
            cpu: 3,
            socket: Socket {
                state: Some(TcpState::FinWait1),
                mapped: true,
                unread: true,
                uid: Some(1000),
                netns: Some(NetnsId(4_026_532_201)),
                cgroup_id: Some(99),
                ifindex: Some(2),
                dev_type: Some(1),
                ..Socket::default()
            },
            kind: Some(RetransKind::Tlp),
            seq: Some(1),
            len: Some(2),
            flags: Some(TcpFlags(0x18)),
            ack: Some(3),
            segs: Some(4),
            total: Some(6),
            result: Some(-1),
            rto_us: Some(204_000),
            srtt_us: Some(7),
            cwnd: Some(8),
            ssthresh: Some(9),
            in_flight: Some(10),
            peer_window: Some(11),
            window: Some(12),
            mss: Some(13),
            sent: Some(14),
            data_sent: Some(15),
            duplicates: Some(16),
            ca_state: Some(CaState::Disorder),
            retransmits: Some(17),
        };
        let note = RetransNote {
            probe: "tcp_retransmit_skb".into(),
            retrans: Cow::Owned(retrans),
            owner: Some((1234, "evil: x\nRetrans: rto".into())),
            cgroup: Some("/system.slice/a b".into()),
            dropped: Some(DroppedNote {
                reason: Some("NETFILTER_DROP".into()),
                location: "nft_do_chain+0x42 [nf_tables]".into(),
                ifname: Some("we ird".into()),
                netns: Some(NetnsId(7)),
            }),
            finding: None,
        };
        let comments: Vec<Cow<'_, str>> = note.comments().into_iter().map(Cow::Owned).collect();
        assert!(comments.iter().all(|comment| !comment.contains('\n')));
        assert_eq!(RetransNote::parse(&comments), Some(note));
        let bare = RetransNote {
            probe: "x".into(),
            ..RetransNote::default()
        };
        let comments: Vec<_> = bare.comments().into_iter().map(Cow::Owned).collect();
        assert_eq!(RetransNote::parse(&comments), Some(bare));
    }

    #[test]
    fn strangers_comments_are_not_netdiags() {
        for text in [
            "",
            "Retrans: rto",
            "Netdiag: retrans",
            "Netdiag: drop probe=x link=ip",
        ] {
            assert_eq!(RetransNote::parse(&[Cow::Borrowed(text)]), None, "{text}");
        }
    }
}
