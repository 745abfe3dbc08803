//! The inputs that fuzzing starts from: the packets of `captures/` and the kernel types of `netdiag/tests/btf`, in the
//! form that each target reads.

use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use netdiag_common::record::{
    DROP_HEADER_LEN, DropRecord, FLAG_DEVICE, FLAG_LINK_HEADER, FLAG_RECEIVED, KIND_DROP, NO_OFFSET,
};

use crate::digest::sha256;
use crate::workspace::Workspace;

/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;
/// `ARPHRD_NONE`, the type of a tun device.
const ARPHRD_NONE: u16 = 0xfffe;
/// `ARPHRD_ETHER`.
const ARPHRD_ETHER: u16 = 1;

/// Writes the seeds of a target. One that is there already keeps its name, so nothing is written twice.
pub(super) fn write(workspace: &Workspace, target: &str, corpus: &Path) -> Result<()> {
    let root = workspace.root();
    let seeds = match target {
        "btf" => files(&root.join("netdiag/tests/btf"), "btf")?,
        "capture" => {
            let captures = root.join("captures");
            [files(&captures, "pcap")?, files(&captures, "pcapng")?].concat()
        }
        "packet" => packets(root)?.iter().map(Captured::as_packet).collect(),
        "malformed" => packets(root)?.iter().flat_map(Captured::as_bytes).collect(),
        "record" => packets(root)?.iter().map(Captured::as_record).collect(),
        _ => Vec::new(),
    };
    for seed in seeds {
        let path = corpus.join(format!("seed-{}", sha256(&seed)));
        fs::write(&path, seed).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The contents of the files with this extension, by name.
fn files(directory: &Path, extension: &str) -> Result<Vec<Vec<u8>>> {
    let place = || directory.display().to_string();
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(place)? {
        let path: PathBuf = entry.with_context(place)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).with_context(|| path.display().to_string()))
        .collect()
}

fn packets(root: &Path) -> Result<Vec<Captured>> {
    let directory = root.join("captures");
    let classic = files(&directory, "pcap")?;
    let sections = files(&directory, "pcapng")?;
    let classic = classic.iter().filter_map(|file| pcap(file));
    let packets = classic.chain(sections.iter().map(|file| pcapng(file)));
    Ok(packets.flatten().collect())
}

/// A packet of a capture file.
#[derive(Debug, PartialEq, Eq)]
struct Captured {
    link_type: u32,
    bytes: Vec<u8>,
}

impl Captured {
    fn is_ethernet(&self) -> bool {
        self.link_type == ETHERNET
    }

    /// As fuzz/checks/packet.rs reads it: nothing given but the link.
    fn as_packet(&self) -> Vec<u8> {
        let link = if self.is_ethernet() { 0 } else { 1 };
        [&[link, 0, 0, 0, 0, 0, 0, 0], &self.bytes[..]].concat()
    }

    /// The bytes alone, and those behind the Ethernet header.
    fn as_bytes(&self) -> Vec<Vec<u8>> {
        let mut seeds = vec![self.bytes.clone()];
        if self.is_ethernet() {
            seeds.extend(self.bytes.get(14..).map(<[u8]>::to_vec));
        }
        seeds
    }

    /// As the kernel side would send it.
    fn as_record(&self) -> Vec<u8> {
        let mut record = vec![0; DROP_HEADER_LEN];
        let mut set = |offset: usize, value: &[u8]| {
            for (byte, value) in record.iter_mut().skip(offset).zip(value) {
                *byte = *value;
            }
        };
        let length = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        let (flags, device, offset) = if self.is_ethernet() {
            (FLAG_LINK_HEADER, ARPHRD_ETHER, 14)
        } else {
            (0, ARPHRD_NONE, NO_OFFSET)
        };
        let flags = flags | FLAG_DEVICE | FLAG_RECEIVED;
        set(offset_of!(DropRecord, kind), &KIND_DROP.to_ne_bytes());
        set(offset_of!(DropRecord, flags), &flags.to_ne_bytes());
        set(offset_of!(DropRecord, reason), &2_u32.to_ne_bytes());
        set(
            offset_of!(DropRecord, len),
            &u32::from(length).to_ne_bytes(),
        );
        set(offset_of!(DropRecord, caplen), &length.to_ne_bytes());
        set(offset_of!(DropRecord, dev_type), &device.to_ne_bytes());
        set(
            offset_of!(DropRecord, network_offset),
            &offset.to_ne_bytes(),
        );
        set(offset_of!(DropRecord, protocol), &0x0800_u16.to_be_bytes());
        set(offset_of!(DropRecord, ifname), b"eth0");
        let packet = self.bytes.iter().take(usize::from(length));
        record.extend(packet);
        record
    }
}

/// The packets of a pcap file, up to where it is damaged; `None` where it is of another format.
fn pcap(file: &[u8]) -> Option<Vec<Captured>> {
    const FILE_HEADER: usize = 24;
    const PACKET_HEADER: usize = 16;
    /// Microseconds and nanoseconds.
    const MAGIC: [u32; 2] = [0xa1b2_c3d4, 0xa1b2_3c4d];

    let (header, mut rest) = file.split_at_checked(FILE_HEADER)?;
    let little = MAGIC.contains(&word(header, 0, true)?);
    if !little && !MAGIC.contains(&word(header, 0, false)?) {
        return None;
    }
    let link_type = word(header, 20, little)?;
    let mut packets = Vec::new();
    while let Some((header, tail)) = rest.split_at_checked(PACKET_HEADER) {
        let length = usize::try_from(word(header, 8, little)?).ok()?;
        let Some((bytes, tail)) = tail.split_at_checked(length) else {
            break;
        };
        rest = tail;
        packets.push(Captured {
            link_type,
            bytes: bytes.to_vec(),
        });
    }
    Some(packets)
}

/// The packets of a pcapng file as netdiag writes them: little-endian, in Enhanced Packet Blocks.
fn pcapng(file: &[u8]) -> Vec<Captured> {
    const INTERFACE: u32 = 1;
    const ENHANCED_PACKET: u32 = 6;
    let (mut links, mut packets) = (Vec::new(), Vec::new());
    let mut rest = file;
    while let (Some(kind), Some(length)) = (word(rest, 0, true), word(rest, 4, true)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(12);
        let Some((block, tail)) = rest.split_at_checked(length) else {
            break;
        };
        rest = tail;
        let number = |offset| usize::try_from(word(block, offset, true)?).ok();
        match kind {
            INTERFACE => links.push(word(block, 8, true).unwrap_or(0) & 0xffff),
            ENHANCED_PACKET => {
                let link_type = number(8).and_then(|id| links.get(id)).copied();
                let bytes = number(20).and_then(|captured| block.get(28..28 + captured));
                if let (Some(link_type), Some(bytes)) = (link_type, bytes) {
                    let bytes = bytes.to_vec();
                    packets.push(Captured { link_type, bytes });
                }
            }
            _ => {}
        }
    }
    packets
}

fn word(bytes: &[u8], offset: usize, little: bool) -> Option<u32> {
    let bytes = *bytes.get(offset..)?.first_chunk()?;
    Some(if little {
        u32::from_le_bytes(bytes)
    } else {
        u32::from_be_bytes(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_pcap_file() {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65535, 101, 1, 2, 3, 9] {
            file.extend(word.to_be_bytes());
        }
        file.extend([0x45, 0, 0]);
        let packet = Captured {
            link_type: 101,
            bytes: vec![0x45, 0, 0],
        };
        assert_eq!(packet.as_packet(), [1, 0, 0, 0, 0, 0, 0, 0, 0x45, 0, 0]);
        assert_eq!(packet.as_record().len(), DROP_HEADER_LEN + 3);
        assert_eq!(pcap(&file), Some(vec![packet]));
        file.extend([0; 17]);
        file.truncate(file.len() - 9);
        assert_eq!(pcap(&file).map(|packets| packets.len()), Some(1));
        assert_eq!(pcap(b"\x0a\x0d\x0d\x0a and no pcap file at all"), None);
    }
}
