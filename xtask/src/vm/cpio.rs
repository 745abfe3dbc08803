//! Writes an archive in the kernel's initramfs format (`newc`).
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel sources.

use std::collections::BTreeSet;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const SYMLINK: u32 = 0o120_777;

/// An archive in memory. Parent directories come by themselves.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
    names: BTreeSet<String>,
}

impl Cpio {
    /// Adds a directory.
    pub fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, &[]);
    }

    /// Adds a file; all are executable. The first file of a name stays.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, EXECUTABLE, content);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, to: &str) {
        self.entry(path, SYMLINK, to.as_bytes());
    }

    /// The whole archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.write("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let path = path.trim_matches('/');
        if path.is_empty() || self.names.contains(path) {
            return;
        }
        if let Some(parent) = Path::new(path).parent().and_then(Path::to_str) {
            self.entry(parent, DIRECTORY, &[]);
        }
        self.names.insert(path.to_owned());
        self.write(path, mode, content);
    }

    fn write(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        // A field is 32 bits wide; nothing in an initramfs comes near that.
        let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (links, time, device) = (1, 0, 0);
        let fields = [
            self.inode,
            mode,
            0, // owner
            0, // group
            links,
            time,
            size(content.len()),
            device,
            device,
            device,
            device,
            size(name.len() + 1),
            0, // checksum: none in this format
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_first_and_once() {
        let mut cpio = Cpio::default();
        cpio.file("/bin/a", b"x");
        cpio.file("bin/b", b"");
        cpio.symlink("/bin/c", "a");
        let text = String::from_utf8(cpio.finish()).unwrap();
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("bin") < at("bin/a") && at("bin/a") < at("bin/b"));
        assert_eq!(text.matches("070701").count(), 5);
        assert!(text.contains("TRAILER!!!\0"));
    }

    #[test]
    fn every_header_is_aligned() {
        let mut cpio = Cpio::default();
        cpio.file("a", b"12345");
        cpio.file("bcd", b"1");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % 4, 0);
        let second = bytes[6..]
            .windows(6)
            .position(|window| window == b"070701")
            .unwrap()
            + 6;
        assert_eq!(second % 4, 0);
    }
}
