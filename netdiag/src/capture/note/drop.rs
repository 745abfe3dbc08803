//! What netdiag says about a dropped packet.

use super::{LONGEST_PASSING, escape, escape_word, lines, number, unescape, word};
use crate::decode::{HeaderCheck, Link};
use netdiag_common::NetnsId;
use std::{borrow::Cow, fmt::Write as _};

/// Everything that is known of a dropped packet beside its bytes.
///
/// People's lines come first: `Reason`, `Location`, `Finding`, `Malformed`, `Process`, `Uid`, `Cgroup`, `Namespace`.
/// The last line, `Netdiag`, has the rest in words `key=value`; it is what tells netdiag's packets from others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DropNote<'a> {
    /// The hook that saw it.
    pub probe: Cow<'a, str>,
    /// The kernel's name for the reason.
    pub reason: Option<Cow<'a, str>>,
    /// `function+0xoffset [module]`.
    pub location: Cow<'a, str>,
    /// The namespace.
    pub netns: Option<NetnsId>,
    /// The device's index.
    pub ifindex: Option<u32>,
    /// The device's type (`ARPHRD_*`).
    pub dev_type: Option<u16>,
    /// The processor.
    pub cpu: Option<u32>,
    /// The process that holds the socket: id and name.
    pub owner: Option<(u32, Cow<'a, str>)>,
    /// The socket's cgroup.
    pub cgroup_id: Option<u64>,
    /// Its path.
    pub cgroup: Option<Cow<'a, str>>,
    /// The socket's owner.
    pub uid: Option<u32>,
    /// Whether it was for another host's MAC address.
    pub other_host: bool,
    /// Whether its socket was closed and is nobody's.
    pub orphan: bool,
    /// What the header check saw.
    pub header_check: HeaderCheck,
    /// The id of the VLAN tag that the kernel took off.
    pub vlan: Option<u16>,
    /// Whether the packet could not be read.
    pub unread: bool,
    /// What the bytes start with.
    pub link: Link,
    /// Where the network header is.
    pub network_offset: Option<usize>,
    /// What the driver claimed.
    pub ethertype: Option<u16>,
    /// Captured bytes that stand before those of the packet block.
    pub head: Cow<'a, [u8]>,
    /// The finding that it belongs to. Written for people; reading concludes anew.
    pub finding: Option<&'a str>,
    /// What is wrong with the header. Written for people; reading decodes anew.
    pub malformed: Option<String>,
}

const LINKS: [(Link, &str); 3] = [
    (Link::Ethernet, "ethernet"),
    (Link::Ip, "ip"),
    (Link::Unknown, "unknown"),
];

impl<'a> DropNote<'a> {
    /// The lines, one a comment.
    pub fn comments(&self) -> Vec<String> {
        let mut comments = Vec::with_capacity(6);
        let mut say = |key: &str, value: &str| comments.push(format!("{key}: {}", escape(value)));
        if let Some(reason) = &self.reason {
            say("Reason", reason);
        }
        say("Location", &self.location);
        if let Some(finding) = self.finding {
            say("Finding", finding);
        }
        if let Some(malformed) = &self.malformed {
            say("Malformed", malformed);
        }
        if let Some((pid, comm)) = &self.owner {
            say("Process", &format!("{pid} {comm}"));
        }
        if let Some(uid) = self.uid {
            say("Uid", &uid.to_string());
        }
        match (&self.cgroup_id, &self.cgroup) {
            (Some(id), Some(path)) => say("Cgroup", &format!("{id} {path}")),
            (Some(id), None) => say("Cgroup", &id.to_string()),
            _ => {}
        }
        if let Some(netns) = self.netns {
            say("Namespace", &netns.0.to_string());
        }
        comments.push(self.rest());
        comments
    }

    fn rest(&self) -> String {
        let link = LINKS.iter().find(|(link, _)| *link == self.link);
        let mut text = format!(
            "Netdiag: drop probe={} link={}",
            escape_word(&self.probe),
            link.map_or("unknown", |(_, name)| name)
        );
        // Writing to a string cannot fail.
        let mut word = |key: &str, value: Option<u64>| {
            if let Some(value) = value {
                let _ = write!(text, " {key}={value}");
            }
        };
        word("cpu", self.cpu.map(u64::from));
        word("ifindex", self.ifindex.map(u64::from));
        word("dev_type", self.dev_type.map(u64::from));
        word("vlan", self.vlan.map(u64::from));
        let network_offset = self.network_offset.and_then(|at| u64::try_from(at).ok());
        word("network_offset", network_offset);
        let check = u64::from(self.header_check.bits());
        word("header_check", Some(check).filter(|&bits| bits != 0));
        word("other_host", self.other_host.then_some(1));
        word("orphan", self.orphan.then_some(1));
        word("unread", self.unread.then_some(1));
        if let Some(ethertype) = self.ethertype {
            let _ = write!(text, " protocol={ethertype:#06x}");
        }
        if !self.head.is_empty() {
            text.push_str(" head=");
            for byte in self.head.iter() {
                let _ = write!(text, "{byte:02x}");
            }
        }
        text
    }

    /// Reads the lines; `None` when they are not netdiag's.
    pub fn parse(comments: &'a [Cow<'_, str>]) -> Option<Self> {
        let mut note = Self::default();
        let mut ours = false;
        for (key, value) in lines(comments) {
            match key {
                "Reason" => note.reason = Some(unescape(value)),
                "Location" => note.location = unescape(value),
                "Process" => {
                    let (pid, comm) = value.split_once(' ').unwrap_or((value, ""));
                    note.owner = pid.parse().ok().map(|pid| (pid, unescape(comm)));
                }
                "Uid" => note.uid = value.parse().ok(),
                "Cgroup" => {
                    let (id, path) = value.split_once(' ').unwrap_or((value, ""));
                    note.cgroup_id = id.parse().ok();
                    let path = Some(unescape(path)).filter(|path| !path.is_empty());
                    note.cgroup = path.filter(|_| note.cgroup_id.is_some());
                }
                "Namespace" => note.netns = value.parse().ok().map(NetnsId),
                "Netdiag" => {
                    let words = value.strip_prefix("drop ")?;
                    note.read_rest(words)?;
                    ours = true;
                }
                _ => {}
            }
        }
        ours.then_some(note)
    }

    fn read_rest(&mut self, text: &'a str) -> Option<()> {
        self.probe = unescape(word(text, "probe")?);
        let link = word(text, "link")?;
        self.link = LINKS.iter().find(|(_, name)| *name == link)?.0;
        self.cpu = number(text, "cpu");
        self.ifindex = number(text, "ifindex");
        self.dev_type = number(text, "dev_type");
        self.vlan = number(text, "vlan");
        self.network_offset = number(text, "network_offset");
        self.header_check = HeaderCheck::from_bits(number(text, "header_check").unwrap_or(0));
        self.other_host = word(text, "other_host").is_some();
        self.orphan = word(text, "orphan").is_some();
        self.unread = word(text, "unread").is_some();
        self.ethertype = word(text, "protocol")
            .and_then(|number| u16::from_str_radix(number.strip_prefix("0x")?, 16).ok());
        if let Some(head) = word(text, "head") {
            self.head = Cow::Owned(bytes(head)?);
        }
        Some(())
    }
}

/// Bytes from two digits each.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits.len() > LONGEST_PASSING || !digits.len().is_multiple_of(2) || !hexadecimal {
        return None;
    }
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back() {
        let note = DropNote {
            probe: "kfree_skb".into(),
            reason: Some("NO_SOCKET".into()),
            location: "nf_hook_slow+0x42 [nf_tables]".into(),
            netns: Some(NetnsId(4_026_532_201)),
            ifindex: Some(3),
            dev_type: Some(65534),
            cpu: Some(7),
            owner: Some((1234, "evil: x\nReason: FAKE".into())),
            cgroup_id: Some(99),
            cgroup: Some("/system.slice/a b".into()),
            uid: Some(1000),
            other_host: true,
            orphan: true,
            header_check: HeaderCheck::from_bits(5),
            vlan: Some(77),
            unread: true,
            link: Link::Ip,
            network_offset: Some(14),
            ethertype: Some(0x0800),
            head: Cow::Owned(vec![0, 0xff, 0x10]),
            finding: None,
            malformed: None,
        };
        let comments: Vec<Cow<'_, str>> = note.comments().into_iter().map(Cow::Owned).collect();
        assert!(comments.iter().all(|comment| !comment.contains('\n')));
        assert_eq!(DropNote::parse(&comments), Some(note.clone()));
        // A tool that joins comments does no harm.
        let joined = [Cow::Owned(comments.join("\n"))];
        assert_eq!(DropNote::parse(&joined), Some(note));
    }

    #[test]
    fn strangers_comments_are_not_netdiags() {
        for text in [
            "",
            "Reason: X",
            "Netdiag: drop",
            "Netdiag: drop probe=x link=y",
        ] {
            assert_eq!(DropNote::parse(&[Cow::Borrowed(text)]), None, "{text}");
        }
    }
}
