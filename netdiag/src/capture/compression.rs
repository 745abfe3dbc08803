//! gzip and zstd, told by their first bytes.

use super::input::Source;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use std::io::{self, BufRead as _, BufReader, Cursor, Read};

/// The largest window that a zstd frame may ask for, in bytes: up to level 19 `zstd` takes 8 MiB. Memory stays bounded;
/// for what was packed with more, there is `zstd -dc FILE | netdiag read -`.
const ZSTD_WINDOW: u64 = 16 << 20;

/// What the source gives, unpacked; and whether it was packed.
pub(super) fn unpack(mut source: Source) -> io::Result<(Source, bool)> {
    let mut start = Vec::new();
    source.by_ref().take(4).read_to_end(&mut start)?;
    let packed = match start.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        // A frame, or one of the sixteen skippable ones.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Packing::Zstd,
        _ => Packing::None,
    };
    let whole = Cursor::new(start).chain(source);
    Ok(match packed {
        Packing::None => (Box::new(whole), false),
        Packing::Gzip => (Box::new(MultiGzDecoder::new(BufReader::new(whole))), true),
        Packing::Zstd => (Box::new(Frames::new(Box::new(whole))), true),
    })
}

enum Packing {
    None,
    Gzip,
    Zstd,
}

/// The frames of a zstd stream, one after the other.
struct Frames {
    source: BufReader<Source>,
    decoder: FrameDecoder,
    inside: bool,
}

impl Frames {
    fn new(source: Source) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        Self {
            source: BufReader::new(source),
            decoder,
            inside: false,
        }
    }

    /// Starts the next frame, or passes over one that holds nothing.
    fn open(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => {
                self.inside = true;
                Ok(())
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                let mut skipped = self.source.by_ref().take(length);
                if io::copy(&mut skipped, &mut io::sink())? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(())
            }
            Err(error) => Err(invalid(&error)),
        }
    }
}

impl Read for Frames {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                if space.is_empty() || self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.open()?;
                continue;
            }
            let read = self.decoder.read(space)?;
            if read > 0 || space.is_empty() {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.inside = false;
            } else {
                let some = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder
                    .decode_blocks(&mut self.source, some)
                    .map_err(|error| invalid(&error))?;
            }
        }
    }
}

fn invalid(error: &FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"))
}

#[cfg(test)]
mod tests {
    use super::unpack;
    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::{Cursor, Read, Write};

    const TEXT: &[u8] = b"any bytes, as long as they are a little longer than nothing";

    fn unpacked(bytes: Vec<u8>) -> (Vec<u8>, bool) {
        let (mut source, packed) = unpack(Box::new(Cursor::new(bytes))).unwrap();
        let mut out = Vec::new();
        source.read_to_end(&mut out).unwrap();
        (out, packed)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_bytes_stay() {
        for bytes in [TEXT, b"", b"abc", b"\x1f"] {
            assert_eq!(unpacked(bytes.to_vec()), (bytes.to_vec(), false));
        }
    }

    #[test]
    fn several_members_and_frames_are_one_stream() {
        let twice = [TEXT, TEXT].concat();
        assert_eq!(
            unpacked([gzip(TEXT), gzip(TEXT)].concat()),
            (twice.clone(), true)
        );
        let frame = compress_to_vec(TEXT, CompressionLevel::Fastest);
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"any"].concat();
        let frames = [skippable.clone(), frame.clone(), skippable, frame].concat();
        assert_eq!(unpacked(frames), (twice, true));
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for packed in [gzip(TEXT), compress_to_vec(TEXT, CompressionLevel::Fastest)] {
            for length in 4..packed.len() {
                let (mut source, _) =
                    unpack(Box::new(Cursor::new(packed[..length].to_vec()))).unwrap();
                assert!(
                    source.read_to_end(&mut Vec::new()).is_err(),
                    "{length} bytes"
                );
            }
        }
    }
}
