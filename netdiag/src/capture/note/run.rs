//! What netdiag says about a run when it starts: in the section header.

use super::{escape, escape_word, lines, unescape};
use std::borrow::Cow;

/// A run: what was to be seen, on which kernel, by which probes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunNote {
    /// netdiag's version (`shb_userappl`).
    pub version: String,
    /// `uname -r` (`shb_os`).
    pub kernel: String,
    /// The subcommand.
    pub command: String,
    /// Which file of the run this is, from 1: a run that rotates has several.
    pub part: u32,
    /// Every rung that was tried.
    pub probes: Vec<ProbeNote>,
}

/// More rungs than this no run has: memory stays bounded.
const MOST: usize = 1 << 10;

/// A rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeNote {
    /// The kernel's function or tracepoint.
    pub name: String,
    /// The rung.
    pub hook: String,
    /// `attached`, or why not.
    pub state: String,
}

impl RunNote {
    /// The lines, one a comment.
    pub fn comments(&self) -> Vec<String> {
        let run = format!(
            "Netdiag-Run: {} part {}",
            escape_word(&self.command),
            self.part
        );
        let probes = self.probes.iter().map(|probe| {
            let ProbeNote { name, hook, state } = probe;
            format!(
                "Probe: {} {} {}",
                escape_word(name),
                escape_word(hook),
                escape(state)
            )
        });
        [run].into_iter().chain(probes).collect()
    }

    /// Reads the lines; `None` when they are not netdiag's.
    pub fn parse(application: &str, os: &str, comments: &[Cow<'_, str>]) -> Option<Self> {
        let version = application.strip_prefix("netdiag ")?;
        let mut run = None;
        let mut probes = Vec::new();
        for (key, value) in lines(comments) {
            match key {
                "Netdiag-Run" => run = value.split_once(" part "),
                "Probe" if probes.len() < MOST => {
                    let mut words = value.splitn(3, ' ').map(|word| unescape(word).into_owned());
                    probes.push(ProbeNote {
                        name: words.next()?,
                        hook: words.next()?,
                        state: words.next()?,
                    });
                }
                _ => {}
            }
        }
        let (command, part) = run?;
        Some(Self {
            version: version.to_owned(),
            kernel: os.strip_prefix("Linux ").unwrap_or(os).to_owned(),
            command: unescape(command).into_owned(),
            part: part.parse().ok()?,
            probes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_comes_back() {
        let run = RunNote {
            version: "0.1.0".to_owned(),
            kernel: "6.18.5".to_owned(),
            command: "drops".to_owned(),
            part: 2,
            probes: vec![ProbeNote {
                name: "ip_rcv_core".to_owned(),
                hook: "fentry".to_owned(),
                state: "refused: Operation not permitted\n(os error 1)".to_owned(),
            }],
        };
        let comments: Vec<_> = run.comments().into_iter().map(Cow::Owned).collect();
        let parsed = RunNote::parse("netdiag 0.1.0", "Linux 6.18.5", &comments);
        assert_eq!(parsed, Some(run));
        assert_eq!(RunNote::parse("dumpcap", "Linux 6.18.5", &comments), None);
        assert_eq!(RunNote::parse("netdiag 0.1.0", "Linux", &[]), None);
    }
}
