//! The capture file that all readers get: the same bytes in every run and on every machine.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::packet;
use super::random::Random;

/// What the traffic depends on; any other would do.
const SEED: u64 = 0x6e65_7464_6961_6700;
/// The first packet came at the beginning of 2024, in µs since 1970.
const START: u64 = 1_704_067_200_000_000;
/// Two packets are less than this many µs apart, and at least one.
const MAX_GAP: u32 = 20;
/// Few, so that what the file is compared with stays small beside the programs under measurement.
const BUFFER: usize = 256 * 1024;

/// The capture with this many packets; written, unless it is there already. All of it has been read or written after
/// that, so it is in the page cache if that has room.
///
/// # Errors
/// It cannot be written.
pub(super) fn provide(directory: &Path, packets: u64) -> Result<PathBuf> {
    let path = directory.join(match packets {
        1_000_000 => "million.pcap".to_owned(),
        _ => format!("{packets}.pcap"),
    });
    let whole = || path.display().to_string();
    if is_whole(&path, packets)? {
        return Ok(path);
    }
    eprintln!("writing {packets} packets to {}", whole());
    let file = File::create(&path).with_context(|| format!("create {}", whole()))?;
    write(packets, &file).with_context(|| format!("write {}", whole()))?;
    // Otherwise the kernel would write it to the disk while we measure.
    file.sync_all()
        .with_context(|| format!("write {}", whole()))?;
    Ok(path)
}

/// Whether the file is there, and byte for byte what would be written.
fn is_whole(path: &Path, packets: u64) -> Result<bool> {
    let Ok(mut file) = File::open(path) else {
        return Ok(false);
    };
    let comparison = Comparison {
        file: &mut file,
        buffer: Vec::new(),
    };
    if write(packets, comparison).is_err() {
        return Ok(false);
    }
    let rest = file.read(&mut [0]);
    Ok(rest.with_context(|| format!("read {}", path.display()))? == 0)
}

/// Takes what is written if the file has the same.
struct Comparison<R> {
    file: R,
    buffer: Vec<u8>,
}

impl<R: Read> Write for Comparison<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.resize(bytes.len(), 0);
        self.file.read_exact(&mut self.buffer)?;
        if self.buffer != bytes {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a pcap file: little-endian, microseconds, Ethernet, packets drawn from the pool.
///
/// They are drawn, not repeated in order, so that no branch predictor learns the order by heart.
fn write(packets: u64, output: impl Write) -> Result<()> {
    let mut output = BufWriter::with_capacity(BUFFER, output);
    output.write_all(&file_header())?;
    let mut random = Random::new(SEED);
    let pool = packet::pool(&mut random)?;
    let mut time = START;
    for _ in 0..packets {
        let frame = pool.get(usize::try_from(random.below(packet::POOL))?);
        let frame = frame.context("the pool is smaller than it should be")?;
        output.write_all(packet_header(time, frame.len())?.as_flattened())?;
        output.write_all(frame)?;
        time += 1 + u64::from(random.below(MAX_GAP - 1));
    }
    output.flush()?;
    Ok(())
}

/// Magic number, version 2.4, UTC, snap length, link type Ethernet.
fn file_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0xa1b2_c3d4_u32.to_le_bytes());
    header.extend([2_u16, 4].map(u16::to_le_bytes).as_flattened());
    header.extend([0_u32, 0, 262_144, 1].map(u32::to_le_bytes).as_flattened());
    header
}

/// Seconds, microseconds, captured length, length on the wire: all of every packet is captured.
fn packet_header(time: u64, length: usize) -> Result<[[u8; 4]; 4]> {
    let fields = [
        u32::try_from(time / 1_000_000)?,
        u32::try_from(time % 1_000_000)?,
        u32::try_from(length)?,
        u32::try_from(length)?,
    ];
    Ok(fields.map(u32::to_le_bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::{START, is_whole, provide, write};

    const PACKETS: u64 = 20_000;

    fn capture() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(PACKETS, &mut bytes).unwrap();
        bytes
    }

    /// The packets of a capture with their times in µs, read by hand: what the file format says, not what wrote it.
    fn parse(capture: &[u8]) -> Vec<(u64, &[u8])> {
        let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(4), word(20)), (0xa1b2_c3d4, 0x0004_0002, 1));
        let (mut packets, mut at) = (Vec::new(), 24);
        while at < capture.len() {
            let length = word(at + 8) as usize;
            assert_eq!(word(at + 12) as usize, length);
            let time = u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4));
            packets.push((time, &capture[at + 16..at + 16 + length]));
            at += 16 + length;
        }
        packets
    }

    #[test]
    fn capture_is_the_same_each_time_and_in_order() {
        let bytes = capture();
        assert!(bytes == capture());
        let packets = parse(&bytes);
        assert_eq!(packets.len() as u64, PACKETS);
        assert_eq!(packets[0].0, START);
        assert!(packets.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn kinds_and_lengths_have_their_shares() {
        let bytes = capture();
        let packets = parse(&bytes);
        let share = |is: &dyn Fn(&[u8]) -> bool| {
            let count = packets.iter().filter(|(_, frame)| is(frame)).count();
            count as f64 * 100.0 / PACKETS as f64
        };
        // Protocol number, percent.
        for (protocol, percent) in [(17, 45.0), (6, 45.0), (1, 10.0)] {
            let found = share(&|frame| frame[23] == protocol);
            assert!((found - percent).abs() < 1.5, "{protocol}: {found} %");
        }
        let malformed = share(&|frame| {
            let header = &frame[14..frame.len().min(34)];
            let sum: u32 = header
                .chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                .sum();
            let beyond = usize::from(u16::from_be_bytes([frame[16], frame[17]])) + 14 > frame.len();
            frame[14] != 0x45 || beyond || (sum & 0xffff) + (sum >> 16) != 0xffff
        });
        assert!((malformed - 1.0).abs() < 0.3, "{malformed} %");
    }

    #[test]
    fn file_is_kept_while_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = provide(directory.path(), PACKETS).unwrap();
        assert!(is_whole(&path, PACKETS).unwrap());
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(provide(directory.path(), PACKETS).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);

        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(5000)).unwrap();
        file.write_all(b"another version").unwrap();
        assert!(!is_whole(&path, PACKETS).unwrap());
        provide(directory.path(), PACKETS).unwrap();
        assert!(is_whole(&path, PACKETS).unwrap());
        assert!(!is_whole(&path, PACKETS - 1).unwrap());
        assert!(!is_whole(&path, PACKETS + 1).unwrap());
    }
}
