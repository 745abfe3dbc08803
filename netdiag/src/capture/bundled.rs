//! Captures that are part of the program, for machines where tracing is impossible.
//!
//! They are netdiag's own dumps of the lab's scenarios; `captures/README.md` says how they are made.

use super::{CaptureError, Reader};

/// A dump of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    /// The scenario.
    pub scenario: &'static str,
    /// Where it is from, in words.
    pub origin: &'static str,
    file: &'static [u8],
}

const CAPTURES: &[Capture] = &[Capture {
    scenario: "ethernet-on-l3-device",
    origin: "captures/ethernet-on-l3-device.pcapng, which netdiag wrote when it ran the scenario live",
    file: include_bytes!("../../captures/ethernet-on-l3-device.pcapng"),
}];

/// The bundled dump of a scenario.
#[must_use]
pub fn find(scenario: &str) -> Option<&'static Capture> {
    CAPTURES.iter().find(|capture| capture.scenario == scenario)
}

impl Capture {
    /// Reads it.
    ///
    /// # Errors
    /// Where it is no capture; a test keeps that from happening.
    pub fn reader(&self) -> Result<Reader, CaptureError> {
        Reader::new(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::CAPTURES;

    #[test]
    fn every_bundled_capture_is_whole() {
        for capture in CAPTURES {
            let mut reader = capture.reader().unwrap();
            while let Some(item) = reader.next() {
                item.unwrap();
            }
            assert!(reader.packets() > 0, "{}", capture.scenario);
        }
    }
}
