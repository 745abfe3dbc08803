//! The rules of nftables that drop or reject, read from the kernel by nfnetlink.

mod expression;

use super::netlink::{Message, attribute, attributes, dump, is_spoken, text_of};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

/// A rule, or the policy of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `inet`.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Where the chain is hooked.
    pub hook: Option<&'static str>,
    /// Its handle; 0 of a policy.
    pub handle: u64,
    /// The rule, as far as it can be told.
    pub text: String,
    /// Packets that its counter has.
    pub packets: Option<u64>,
}

/// More rules than this are not kept.
const MOST: usize = 64;
/// Longer ones are cut.
const LONGEST: usize = 160;

/// `NETLINK_NETFILTER` of linux/netlink.h.
const NETLINK_NETFILTER: isize = 12;
// Of linux/netfilter/nfnetlink.h and nf_tables.h.
const NFNL_SUBSYS_NFTABLES: u16 = 10 << 8;
const NFT_MSG_GETCHAIN: u16 = NFNL_SUBSYS_NFTABLES | 4;
const NFT_MSG_GETRULE: u16 = NFNL_SUBSYS_NFTABLES | 7;
const NFGENMSG: usize = 4;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
/// Of linux/netfilter.h.
const NF_DROP: u32 = 0;

/// A chain: family, table, name.
type Chain = (u8, String, String);

/// Those of this namespace that drop or reject.
///
/// # Errors
/// What the kernel answered: this needs `CAP_NET_ADMIN`.
pub fn list() -> io::Result<Vec<Rule>> {
    if !is_spoken(NETLINK_NETFILTER) || !is_there() {
        return Ok(Vec::new());
    }
    let chains = match dump(NETLINK_NETFILTER, NFT_MSG_GETCHAIN, &[0; NFGENMSG]) {
        Ok(chains) => chains,
        // Without nf_tables there is no rule of its.
        Err(error) if absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let rules = dump(NETLINK_NETFILTER, NFT_MSG_GETRULE, &[0; NFGENMSG])?;
    Ok(read(&chains, &rules))
}

/// Whether the kernel has nf_tables: as a module that is loaded, or built in. A question would load the module
/// (`nfnetlink_rcv_msg`).
fn is_there() -> bool {
    const SYMBOL: &str = "nf_tables_newtable";
    if Path::new("/sys/module/nf_tables").exists() {
        return true;
    }
    // Without the list of symbols nobody knows, and the rules are worth more.
    File::open("/proc/kallsyms").map_or(true, |symbols| {
        let mut lines = BufReader::new(symbols).lines().map_while(Result::ok);
        lines.any(|line| line.split_whitespace().nth(2) == Some(SYMBOL))
    })
}

fn absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP)
    )
}

fn read(chains: &[Message], rules: &[Message]) -> Vec<Rule> {
    let mut hooks = BTreeMap::new();
    let mut found = Vec::new();
    for (_, payload) in chains {
        let Some((chain, hook, drops)) = chain(payload) else {
            continue;
        };
        if drops {
            found.push(Rule {
                text: "policy drop".to_owned(),
                ..blank(&chain, hook)
            });
        }
        hooks.insert(chain, hook);
    }
    let rules = rules
        .iter()
        .filter_map(|(_, payload)| rule(payload, &hooks));
    // What is more specific than a policy stands before it.
    let mut all: Vec<_> = rules.collect();
    all.append(&mut found);
    all.truncate(MOST);
    all
}

fn blank((family, table, chain): &Chain, hook: Option<&'static str>) -> Rule {
    Rule {
        family: family_name(*family),
        table: table.clone(),
        chain: chain.clone(),
        hook,
        ..Rule::default()
    }
}

/// A chain, its hook, and whether its policy is to drop.
fn chain(payload: &[u8]) -> Option<(Chain, Option<&'static str>, bool)> {
    let family = *payload.first()?;
    let rest = payload.get(NFGENMSG..)?;
    let table = attribute(rest, NFTA_CHAIN_TABLE).map(text_of)?;
    let name = attribute(rest, NFTA_CHAIN_NAME).map(text_of)?;
    let number = attribute(rest, NFTA_CHAIN_HOOK)
        .and_then(|hook| attribute(hook, NFTA_HOOK_HOOKNUM))
        .and_then(be32);
    let policy = attribute(rest, NFTA_CHAIN_POLICY).and_then(be32);
    let hook = number.map(|number| hook_name(family, number));
    Some(((family, table, name), hook, policy == Some(NF_DROP)))
}

fn rule(payload: &[u8], hooks: &BTreeMap<Chain, Option<&'static str>>) -> Option<Rule> {
    let family = *payload.first()?;
    let rest = payload.get(NFGENMSG..)?;
    let table = attribute(rest, NFTA_RULE_TABLE).map(text_of)?;
    let chain = attribute(rest, NFTA_RULE_CHAIN).map(text_of)?;
    let handle = attribute(rest, NFTA_RULE_HANDLE).and_then(|value| {
        let bytes = value.first_chunk()?;
        Some(u64::from_be_bytes(*bytes))
    });
    let expressions = attribute(rest, NFTA_RULE_EXPRESSIONS)?;
    let spoken = expression::speak(family, attributes(expressions))?;
    let chain = (family, table, chain);
    let hook = hooks.get(&chain).copied().flatten();
    Some(Rule {
        handle: handle.unwrap_or_default(),
        text: spoken.text.chars().take(LONGEST).collect(),
        packets: spoken.packets,
        ..blank(&chain, hook)
    })
}

fn be32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// `NFPROTO_*` as `nft` names it.
fn family_name(family: u8) -> &'static str {
    match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "unknown",
    }
}

/// `NF_INET_*`, `NF_NETDEV_*` and `NF_ARP_*` as `nft` names them.
fn hook_name(family: u8, hook: u32) -> &'static str {
    match (family, hook) {
        (5, 0) => "ingress",
        (5, 1) => "egress",
        (3, 0) => "input",
        (3, 1) => "output",
        (_, 0) => "prerouting",
        (_, 1) => "input",
        (_, 2) => "forward",
        (_, 3) => "output",
        (_, 4) => "postrouting",
        (_, 5) => "ingress",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
