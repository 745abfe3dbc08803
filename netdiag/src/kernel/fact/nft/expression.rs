//! The expressions of a rule in `nft`'s own words, where they are simple; others go by their names.

use super::{
    super::netlink::{Attribute, attribute, text_of},
    NF_DROP, be32,
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

// Of linux/netfilter/nf_tables.h.
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
/// The register of payload, meta and ct, and the source of cmp and bitwise.
const REGISTER: u16 = 1;
/// The key of meta and ct, and the operator of cmp.
const KEY: u16 = 2;
/// The data of cmp.
const NFTA_CMP_DATA: u16 = 3;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_COUNTER_PACKETS: u16 = 2;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_MATCH_NAME: u16 = 1;

const IPV4: u8 = 2;
const IPV6: u8 = 10;

// NFT_RANGE_EQ and NFT_RANGE_NEQ are the operators of range, which stand at KEY.
const NFTA_RANGE_FROM: u16 = 3;
const NFTA_RANGE_TO: u16 = 4;

/// A rule that drops.
pub(super) struct Spoken {
    pub(super) text: String,
    pub(super) packets: Option<u64>,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Number,
    Host,
    Address,
    Text,
    Protocol,
    Ethertype,
    Version,
    State,
    Link,
}

/// What is in a register.
#[derive(Clone)]
struct Loaded {
    name: String,
    form: Form,
    mask: Option<Vec<u8>>,
}

#[derive(Default)]
struct Speaker {
    /// What the table or an earlier expression says of the packet.
    version: Option<u8>,
    protocol: Option<u8>,
    registers: BTreeMap<u32, Loaded>,
    words: Vec<String>,
    packets: Option<u64>,
    drops: bool,
}

/// The rule in words; `None` where it neither drops nor rejects.
pub(super) fn speak<'a>(
    family: u8,
    expressions: impl Iterator<Item = Attribute<'a>>,
) -> Option<Spoken> {
    let mut speaker = Speaker {
        version: [IPV4, IPV6].contains(&family).then_some(family),
        ..Speaker::default()
    };
    for element in expressions {
        let element = element.value();
        let Some(name) = attribute(element, NFTA_EXPR_NAME).map(text_of) else {
            continue;
        };
        let data = attribute(element, NFTA_EXPR_DATA).unwrap_or_default();
        if speaker.expression(&name, data).is_none() {
            speaker.words.push(format!("[{name}]"));
        }
    }
    speaker.drops.then(|| Spoken {
        text: speaker.words.join(" "),
        packets: speaker.packets,
    })
}

impl Speaker {
    /// `None` where it is not simple.
    fn expression(&mut self, name: &str, data: &[u8]) -> Option<()> {
        match name {
            "payload" | "meta" | "ct" => self.load(name, data),
            "bitwise" => self.mask(data),
            "cmp" => self.compare(data),
            "range" => self.range(data),
            "lookup" => {
                let set = attribute(data, NFTA_LOOKUP_SET).map(text_of)?;
                let register = attribute(data, NFTA_LOOKUP_SREG).and_then(be32)?;
                let name = self.registers.get(&register)?.name.clone();
                // One that nft made for a rule has a name that nobody knows.
                let set = if set.starts_with("__set") {
                    "{...}".to_owned()
                } else {
                    format!("@{set}")
                };
                self.say(&name, &set);
                Some(())
            }
            "counter" => {
                let packets = attribute(data, NFTA_COUNTER_PACKETS)?.first_chunk()?;
                self.packets = Some(u64::from_be_bytes(*packets));
                Some(())
            }
            "immediate" => {
                let value = attribute(data, NFTA_IMMEDIATE_DATA)?;
                let verdict = attribute(value, NFTA_DATA_VERDICT)?;
                let code = attribute(verdict, NFTA_VERDICT_CODE).and_then(be32)?;
                if code == NF_DROP {
                    self.drops = true;
                    self.words.push("drop".to_owned());
                }
                Some(())
            }
            "reject" => {
                self.drops = true;
                self.words.push("reject".to_owned());
                Some(())
            }
            // Of iptables-nft: the match is known by its name alone.
            "match" | "target" => {
                let called = attribute(data, NFTA_MATCH_NAME).map(text_of)?;
                self.drops |= name == "target" && called == "REJECT";
                self.words.push(format!("[{name} {called}]"));
                Some(())
            }
            "log" | "limit" => {
                self.words.push(name.to_owned());
                Some(())
            }
            _ => None,
        }
    }

    fn load(&mut self, expression: &str, data: &[u8]) -> Option<()> {
        let register = attribute(data, REGISTER).and_then(be32)?;
        let (name, form) = match expression {
            "payload" => {
                let base = attribute(data, NFTA_PAYLOAD_BASE).and_then(be32)?;
                let offset = attribute(data, NFTA_PAYLOAD_OFFSET).and_then(be32)?;
                let length = attribute(data, NFTA_PAYLOAD_LEN).and_then(be32)?;
                self.field(base, offset, length)
            }
            "meta" => meta(attribute(data, KEY).and_then(be32)?)?,
            // NFT_CT_STATE
            _ => match attribute(data, KEY).and_then(be32)? {
                0 => ("ct state".to_owned(), Form::State),
                3 => ("ct mark".to_owned(), Form::Host),
                _ => return None,
            },
        };
        let loaded = Loaded {
            name,
            form,
            mask: None,
        };
        self.registers.insert(register, loaded);
        Some(())
    }

    /// A field of a header: base 1 is the network's, 2 the transport's.
    fn field(&self, base: u32, offset: u32, length: u32) -> (String, Form) {
        let protocol = match self.protocol {
            Some(6) => "tcp",
            Some(17) => "udp",
            Some(1) => "icmp",
            Some(58) => "icmpv6",
            _ => "th",
        };
        let ports = matches!(self.protocol, Some(6 | 17) | None);
        let known = match (base, self.version, offset, length) {
            (0, _, 12, 2) => Some(("ether type".to_owned(), Form::Ethertype)),
            (1, Some(IPV4), 12, 1..=4) => Some(("ip saddr".to_owned(), Form::Address)),
            (1, Some(IPV4), 16, 1..=4) => Some(("ip daddr".to_owned(), Form::Address)),
            (1, Some(IPV4), 9, 1) => Some(("ip protocol".to_owned(), Form::Protocol)),
            (1, Some(IPV4), 8, 1) => Some(("ip ttl".to_owned(), Form::Number)),
            (1, Some(IPV6), 8, 1..=16) => Some(("ip6 saddr".to_owned(), Form::Address)),
            (1, Some(IPV6), 24, 1..=16) => Some(("ip6 daddr".to_owned(), Form::Address)),
            (1, Some(IPV6), 6, 1) => Some(("ip6 nexthdr".to_owned(), Form::Protocol)),
            (1, Some(IPV6), 7, 1) => Some(("ip6 hoplimit".to_owned(), Form::Number)),
            (2, _, 0, 2) if ports => Some((format!("{protocol} sport"), Form::Number)),
            (2, _, 2, 2) if ports => Some((format!("{protocol} dport"), Form::Number)),
            (2, _, 13, 1) if self.protocol == Some(6) => {
                Some(("tcp flags".to_owned(), Form::Number))
            }
            (2, _, 0, 1) if !ports => Some((format!("{protocol} type"), Form::Number)),
            (2, _, 1, 1) if !ports => Some((format!("{protocol} code"), Form::Number)),
            _ => None,
        };
        known.unwrap_or_else(|| {
            let base = match base {
                0 => "ll",
                1 => "nh",
                _ => "th",
            };
            let (offset, length) = (offset.saturating_mul(8), length.saturating_mul(8));
            (format!("@{base},{offset},{length}"), Form::Number)
        })
    }

    fn mask(&mut self, data: &[u8]) -> Option<()> {
        let from = attribute(data, REGISTER).and_then(be32)?;
        let to = attribute(data, NFTA_BITWISE_DREG).and_then(be32)?;
        let mask =
            attribute(data, NFTA_BITWISE_MASK).and_then(|data| attribute(data, NFTA_DATA_VALUE))?;
        let mut loaded = self.registers.get(&from)?.clone();
        loaded.mask = Some(mask.to_vec());
        self.registers.insert(to, loaded);
        Some(())
    }

    fn compare(&mut self, data: &[u8]) -> Option<()> {
        let register = attribute(data, REGISTER).and_then(be32)?;
        let operator = attribute(data, KEY).and_then(be32)?;
        let value =
            attribute(data, NFTA_CMP_DATA).and_then(|data| attribute(data, NFTA_DATA_VALUE))?;
        let loaded = self.registers.get(&register)?.clone();
        // A set of bits is asked for by being not nothing.
        let bits = loaded.form == Form::State && operator == 1 && value.iter().all(|&b| b == 0);
        if let (true, Some(mask)) = (bits, &loaded.mask) {
            self.words.push(format!("{} {}", loaded.name, states(mask)));
            return Some(());
        }
        if operator == 0 {
            match loaded.form {
                Form::Protocol => self.protocol = value.first().copied(),
                Form::Version => self.version = value.first().copied(),
                Form::Ethertype => {
                    self.version = match *value {
                        [0x08, 0x00] => Some(IPV4),
                        [0x86, 0xdd] => Some(IPV6),
                        _ => None,
                    };
                }
                _ => {}
            }
        }
        let operator = match operator {
            0 => "",
            1 => "!= ",
            2 => "< ",
            3 => "<= ",
            4 => "> ",
            5 => ">= ",
            _ => return None,
        };
        // nft leaves out what the next word says anyway.
        if operator.is_empty()
            && matches!(loaded.form, Form::Version | Form::Ethertype | Form::Link)
        {
            return Some(());
        }
        let value = written(loaded.form, value, loaded.mask.as_deref());
        self.say(&loaded.name, &format!("{operator}{value}"));
        Some(())
    }

    fn range(&mut self, data: &[u8]) -> Option<()> {
        let register = attribute(data, REGISTER).and_then(be32)?;
        let end = |kind| attribute(data, kind).and_then(|data| attribute(data, NFTA_DATA_VALUE));
        let (from, to) = (end(NFTA_RANGE_FROM)?, end(NFTA_RANGE_TO)?);
        let loaded = self.registers.get(&register)?.clone();
        let not = match attribute(data, KEY).and_then(be32)? {
            0 => "",
            _ => "!= ",
        };
        let written = |value| written(loaded.form, value, None);
        self.say(
            &loaded.name,
            &format!("{not}{}-{}", written(from), written(to)),
        );
        Some(())
    }

    fn say(&mut self, name: &str, value: &str) {
        // "tcp dport 22" needs no "meta l4proto tcp" before it.
        let protocol = name.split(' ').next().unwrap_or_default();
        let said = format!("meta l4proto {protocol}");
        self.words.pop_if(|last| *last == said);
        self.words.push(format!("{name} {value}"));
    }
}

/// `NFT_META_*`
fn meta(key: u32) -> Option<(String, Form)> {
    let (name, form) = match key {
        1 => ("meta protocol", Form::Ethertype),
        3 => ("meta mark", Form::Host),
        4 => ("iif", Form::Host),
        5 => ("oif", Form::Host),
        6 => ("iifname", Form::Text),
        7 => ("oifname", Form::Text),
        8 => ("meta iiftype", Form::Link),
        10 => ("meta skuid", Form::Host),
        11 => ("meta skgid", Form::Host),
        15 => ("meta nfproto", Form::Version),
        16 => ("meta l4proto", Form::Protocol),
        19 => ("meta pkttype", Form::Host),
        _ => return None,
    };
    Some((name.to_owned(), form))
}

fn written(form: Form, value: &[u8], mask: Option<&[u8]>) -> String {
    let number = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes
            .take(8)
            .fold(0u64, |sum, &byte| sum << 8 | u64::from(byte))
    };
    let mut text = match form {
        Form::Text => format!("\"{}\"", text_of(value)),
        Form::Protocol => match value.first() {
            Some(1) => "icmp".to_owned(),
            Some(6) => "tcp".to_owned(),
            Some(17) => "udp".to_owned(),
            Some(58) => "icmpv6".to_owned(),
            Some(132) => "sctp".to_owned(),
            other => other.copied().unwrap_or_default().to_string(),
        },
        Form::Version => match value.first() {
            Some(&IPV4) => "ipv4".to_owned(),
            Some(&IPV6) => "ipv6".to_owned(),
            _ => "unknown".to_owned(),
        },
        Form::Address => return address(value, mask),
        Form::State => states(value),
        // What the kernel itself counts is in its own order, what is in packets in the network's.
        Form::Host | Form::Link if cfg!(target_endian = "little") => {
            number(&mut value.iter().rev()).to_string()
        }
        Form::Ethertype => format!("0x{:04x}", number(&mut value.iter())),
        Form::Host | Form::Link | Form::Number => number(&mut value.iter()).to_string(),
    };
    if let Some(mask) = mask {
        text += " mask 0x";
        for byte in mask {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

/// An address, with the length of its prefix where not all of it counts.
fn address(value: &[u8], mask: Option<&[u8]>) -> String {
    let whole = if value.len() > 4 { 16 } else { 4 };
    let mut bytes = value.to_vec();
    bytes.resize(whole, 0);
    let text = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Ipv4Addr::from(four).to_string(),
        Err(_) => <[u8; 16]>::try_from(bytes.as_slice())
            .map(|six| Ipv6Addr::from(six).to_string())
            .unwrap_or_default(),
    };
    let prefix: u32 = match mask {
        Some(mask) => mask.iter().map(|byte| byte.leading_ones()).sum(),
        None => u32::try_from(value.len() * 8).unwrap_or_default(),
    };
    if prefix as usize == whole * 8 {
        text
    } else {
        format!("{text}/{prefix}")
    }
}

/// The bits of `ct state`.
fn states(value: &[u8]) -> String {
    let bits = value
        .first_chunk()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    let names = [
        (1, "invalid"),
        (2, "established"),
        (4, "related"),
        (8, "new"),
        (64, "untracked"),
    ];
    let names: Vec<_> = names
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    names.join(",")
}
