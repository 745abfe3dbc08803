//! Rules of nftables, in the network namespace of the calling thread: as much of nfnetlink as a scenario needs.

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::LabError;
use super::netlink::{Attributes, exchange, message};

/// The table that holds the lab's chains.
const TABLE: &str = "netdiag-lab";

/// Where a chain hooks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// All that arrives, before it is routed.
    Prerouting,
    /// What is for this host.
    Input,
    /// What is for others.
    Forward,
    /// What this host sends.
    Output,
    /// What this device receives, before IP sees it.
    Ingress(&'static str),
}

/// Which packets a rule takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// UDP datagrams for this port.
    Udp(u16),
    /// TCP segments for this port.
    Tcp(u16),
    /// What connection tracking can make nothing of.
    Invalid,
    /// Everything.
    All,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Dropped in silence.
    Drop,
    /// Dropped, and the sender is told by ICMP or ICMPv6.
    Reject,
    /// Taken.
    Accept,
}

/// Adds a chain with one rule to the lab's table, which is made when it is not there.
///
/// # Errors
/// [`LabError::Unsupported`] when the kernel has no nftables; otherwise what it answered.
pub fn add(hook: Hook, matches: Match, verdict: Verdict) -> Result<(), LabError> {
    // `NFPROTO_NETDEV` and `NFPROTO_INET`.
    let family = if matches!(hook, Hook::Ingress(_)) {
        5
    } else {
        1
    };
    let chain = chain_name(hook);
    let mut batch = Batch::new(family);
    let mut table = Attributes::default();
    table.text(1, TABLE);
    batch.push(NEW_TABLE, NLM_F_CREATE, &table);
    batch.push(NEW_CHAIN, NLM_F_CREATE, &chain_attributes(hook, chain));
    let mut rule = Attributes::default();
    rule.text(1, TABLE).text(2, chain);
    // NFTA_RULE_EXPRESSIONS
    rule.nest(4, |list| {
        matching(list, hook, matches);
        deciding(list, verdict);
    });
    // NLM_F_APPEND
    batch.push(NEW_RULE, NLM_F_CREATE | 0x800 | NLM_F_ACK, &rule);
    exchange(NETLINK_NETFILTER, &batch.finish()).map_err(|source| {
        LabError::Refused {
            operation: "add an nftables rule to the chain",
            object: chain.to_owned(),
            source,
        }
        .lacking("nft")
    })
}

fn chain_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Ingress(_) => "ingress",
    }
}

fn chain_attributes(hook: Hook, chain: &str) -> Attributes {
    let mut attributes = Attributes::default();
    // NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME
    attributes.text(1, TABLE).text(3, chain);
    // NFTA_CHAIN_HOOK: NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY, NFTA_HOOK_DEV
    attributes.nest(4, |nest| {
        let number = match hook {
            Hook::Prerouting | Hook::Ingress(_) => 0,
            Hook::Input => 1,
            Hook::Forward => 2,
            Hook::Output => 3,
        };
        nest.number(1, number).number(2, 0);
        if let Hook::Ingress(device) = hook {
            nest.text(3, device);
        }
    });
    // NFTA_CHAIN_TYPE
    attributes.text(7, "filter");
    attributes
}

/// The register between two expressions, `NFT_REG_1`.
const REGISTER: u32 = 1;

/// The expressions that go on only with the packets that a rule takes.
fn matching(list: &mut Attributes, hook: Hook, matches: Match) {
    // The transport header of `NFT_PAYLOAD_TRANSPORT_HEADER` is found by the chain's family alone.
    let (protocol, port) = match matches {
        Match::Udp(port) => (17, port),
        Match::Tcp(port) => (6, port),
        Match::All => return,
        Match::Invalid => {
            invalid(list);
            return;
        }
    };
    if matches!(hook, Hook::Ingress(_)) {
        // NFT_META_PROTOCOL: IPv4.
        expression(list, "meta", |data| {
            data.number(1, REGISTER).number(2, 1);
        });
        compare(list, &0x0800_u16.to_be_bytes());
    }
    // NFT_META_L4PROTO
    expression(list, "meta", |data| {
        data.number(1, REGISTER).number(2, 16);
    });
    compare(list, &[protocol]);
    // NFTA_PAYLOAD_DREG, _BASE (transport header), _OFFSET, _LEN: the destination port.
    expression(list, "payload", |data| {
        data.number(1, REGISTER)
            .number(2, 2)
            .number(3, 2)
            .number(4, 2);
    });
    compare(list, &port.to_be_bytes());
}

/// `ct state invalid`
fn invalid(list: &mut Attributes) {
    /// `NF_CT_STATE_INVALID_BIT`
    const INVALID: u32 = 1;
    // NFTA_CT_DREG, NFTA_CT_KEY (NFT_CT_STATE)
    expression(list, "ct", |data| {
        data.number(1, REGISTER).number(2, 0);
    });
    // NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR
    expression(list, "bitwise", |data| {
        data.number(1, REGISTER).number(2, REGISTER).number(3, 4);
        data.nest(4, |value| {
            value.put(1, &INVALID.to_ne_bytes());
        });
        data.nest(5, |value| {
            value.put(1, &[0; 4]);
        });
    });
    // NFTA_CMP_SREG, _OP (NFT_CMP_NEQ), _DATA
    expression(list, "cmp", |data| {
        data.number(1, REGISTER).number(2, 1);
        data.nest(3, |value| {
            value.put(1, &[0; 4]);
        });
    });
}

/// Goes on when the register is equal to that.
fn compare(list: &mut Attributes, bytes: &[u8]) {
    // NFTA_CMP_SREG, _OP (NFT_CMP_EQ), _DATA
    expression(list, "cmp", |data| {
        data.number(1, REGISTER).number(2, 0);
        data.nest(3, |value| {
            value.put(1, bytes);
        });
    });
}

fn deciding(list: &mut Attributes, verdict: Verdict) {
    let code = match verdict {
        // NF_DROP, NF_ACCEPT
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Reject => {
            // NFTA_REJECT_TYPE (NFT_REJECT_ICMPX_UNREACH), NFTA_REJECT_ICMP_CODE (port unreachable)
            expression(list, "reject", |data| {
                data.number(1, 2).put(2, &[1]);
            });
            return;
        }
    };
    // NFTA_IMMEDIATE_DREG (NFT_REG_VERDICT), _DATA: NFTA_DATA_VERDICT: NFTA_VERDICT_CODE
    expression(list, "immediate", |data| {
        data.number(1, 0);
        data.nest(2, |value| {
            value.nest(2, |verdict| {
                verdict.number(1, code);
            });
        });
    });
}

/// `NFTA_LIST_ELEM`: `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`
fn expression(list: &mut Attributes, name: &str, fill: impl FnOnce(&mut Attributes)) {
    list.nest(1, |element| {
        element.text(1, name);
        element.nest(2, fill);
    });
}

/// `NFNL_SUBSYS_NFTABLES`, and messages of it.
const NFTABLES: u16 = 10;
const NEW_TABLE: u16 = NFTABLES << 8;
const NEW_CHAIN: u16 = NFTABLES << 8 | 3;
const NEW_RULE: u16 = NFTABLES << 8 | 6;

/// Messages that the kernel takes together or not at all.
struct Batch {
    family: u8,
    sequence: u32,
    bytes: Vec<u8>,
}

impl Batch {
    /// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`
    const BEGIN: u16 = 16;
    const END: u16 = 17;

    fn new(family: u8) -> Self {
        let mut batch = Self {
            family,
            sequence: 0,
            bytes: Vec::new(),
        };
        batch.bracket(Self::BEGIN);
        batch
    }

    fn push(&mut self, kind: u16, flags: u16, attributes: &Attributes) {
        // `struct nfgenmsg`: family, version, resource
        let body = [&[self.family, 0, 0, 0], attributes.bytes()].concat();
        self.append(kind, flags, &body);
    }

    fn finish(mut self) -> Vec<u8> {
        self.bracket(Self::END);
        self.bytes
    }

    fn bracket(&mut self, kind: u16) {
        let [high, low] = NFTABLES.to_be_bytes();
        self.append(kind, 0, &[0, 0, high, low]);
    }

    fn append(&mut self, kind: u16, flags: u16, body: &[u8]) {
        self.sequence += 1;
        let bytes = message(kind, NLM_F_REQUEST | flags, self.sequence, body);
        self.bytes.extend_from_slice(&bytes);
    }
}
