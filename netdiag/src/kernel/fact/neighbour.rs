//! Neighbours, and how full their table is.

use super::{
    link::mac,
    netlink::{attribute, dump, ip_of},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use std::{fs, io, net::IpAddr};

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The index of the device.
    pub device: u32,
    /// Its address.
    pub address: IpAddr,
    /// `NUD_*`.
    pub state: u16,
    /// Its hardware address.
    pub mac: Option<String>,
}

// Of linux/rtnetlink.h and linux/neighbour.h.
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NDMSG: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// Those of this namespace.
///
/// # Errors
/// What the kernel answered.
pub fn list() -> io::Result<Vec<Neighbour>> {
    let messages = dump(NETLINK_ROUTE, RTM_GETNEIGH, &[0; NDMSG])?;
    let neighbours = messages
        .iter()
        .filter(|(kind, _)| *kind == RTM_NEWNEIGH)
        .filter_map(|(_, payload)| parse(payload));
    Ok(neighbours.collect())
}

fn parse(payload: &[u8]) -> Option<Neighbour> {
    let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] = *payload.first_chunk::<NDMSG>()?;
    let rest = payload.get(NDMSG..)?;
    Some(Neighbour {
        device: u32::from_ne_bytes([i0, i1, i2, i3]),
        address: attribute(rest, NDA_DST).and_then(ip_of)?,
        state: u16::from_ne_bytes([s0, s1]),
        mac: attribute(rest, NDA_LLADDR)
            .filter(|address| address.len() == 6)
            .map(mac),
    })
}

/// `NUD_*` as `ip neigh` has it.
#[must_use]
pub fn state(state: u16) -> &'static str {
    match state {
        0x01 => "INCOMPLETE",
        0x02 => "REACHABLE",
        0x04 => "STALE",
        0x08 => "DELAY",
        0x10 => "PROBE",
        0x20 => "FAILED",
        0x40 => "NOARP",
        0x80 => "PERMANENT",
        _ => "NONE",
    }
}

/// The entries of the host's table for an IP version, and how often it was full.
///
/// # Errors
/// `/proc/net/stat` cannot be read or is not as expected.
pub fn table(version: u8) -> io::Result<(u64, u64)> {
    let name = if version == 4 {
        "arp_cache"
    } else {
        "ndisc_cache"
    };
    let text = fs::read_to_string(format!("/proc/thread-self/net/stat/{name}"))?;
    parse_table(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A row a processor; the entries are the same in each.
fn parse_table(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines();
    let names: Vec<_> = lines.next()?.split_whitespace().collect();
    let at = |wanted| names.iter().position(|name| *name == wanted);
    let (entries, fulls) = (at("entries")?, at("table_fulls")?);
    let mut sum = (0, 0);
    for line in lines {
        let values: Vec<_> = line.split_whitespace().collect();
        let value = |at: usize| u64::from_str_radix(values.get(at)?, 16).ok();
        sum = (value(entries)?, sum.1 + value(fulls)?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_summed_over_processors() {
        let text = "entries  allocs table_fulls\n0000000a 1 2\n0000000a 3 10\n";
        assert_eq!(parse_table(text), Some((10, 18)));
        assert_eq!(parse_table("entries\n1"), None);
        assert_eq!(parse(&[0; 12]), None);
        list().expect("neighbours");
        let _may_be_missing = table(4);
    }
}
