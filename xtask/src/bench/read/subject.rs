//! The readers that take turns, and how each is called.

use std::path::Path;
use std::process::Command;

use crate::process;

/// A program and what it is asked to make of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// netdiag, counting only.
    Quiet,
    /// netdiag, in groups.
    Groups,
    /// netdiag, a line a packet.
    Each,
    /// netdiag, a JSON line a packet.
    Json,
    /// A line a packet.
    Tcpdump,
    /// A JSON object a packet, with every field.
    TsharkJson,
    /// Time, addresses and protocol of each packet.
    TsharkFields,
    /// The sums of a file, and its hashes.
    Capinfos,
    /// Number of packets, their length and duration only: capinfos without its hashes.
    CapinfosCounts,
}

impl Subject {
    /// In the order in which they take turns: those that are compared are neighbours.
    pub(super) const ALL: [Self; 9] = [
        Self::Capinfos,
        Self::CapinfosCounts,
        Self::Quiet,
        Self::Groups,
        Self::Tcpdump,
        Self::Each,
        Self::TsharkFields,
        Self::TsharkJson,
        Self::Json,
    ];

    /// netdiag's.
    pub(super) const NETDIAG: [Self; 4] = [Self::Quiet, Self::Groups, Self::Each, Self::Json];

    /// What to type, without the file.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Quiet => &["netdiag", "read", "-q"],
            Self::Groups => &["netdiag", "read"],
            Self::Each => &["netdiag", "read", "--each"],
            Self::Json => &["netdiag", "read", "--json"],
            Self::Tcpdump => &["tcpdump", "-nn", "-r"],
            Self::TsharkJson => &["tshark", "-T", "json", "-r"],
            Self::TsharkFields => &[
                "tshark",
                "-T",
                "fields",
                "-e",
                "frame.time_epoch",
                "-e",
                "ip.src",
                "-e",
                "ip.dst",
                "-e",
                "_ws.col.Protocol",
                "-r",
            ],
            Self::Capinfos => &["capinfos"],
            Self::CapinfosCounts => &["capinfos", "-cdu"],
        }
    }

    /// What to type, as far as it tells it from the others.
    pub(super) fn short(self) -> String {
        let shown = match self {
            Self::TsharkFields => 3,
            _ => usize::MAX,
        };
        let words = self.words().iter().take(shown);
        let words = words.filter(|&&word| word != "-r" && word != "netdiag");
        words.copied().collect::<Vec<_>>().join(" ")
    }

    /// How many packets it is given, where all of them would take minutes.
    pub(super) fn at_most(self) -> Option<u64> {
        match self {
            Self::TsharkJson => Some(20_000),
            Self::TsharkFields => Some(100_000),
            _ => None,
        }
    }

    /// The command, for the first `packets` of the file if that is not all.
    pub(super) fn command(self, netdiag: &Path, file: &Path, packets: Option<u64>) -> Command {
        let (program, arguments) = self.words().split_first().unwrap_or((&"", &[]));
        let mut command = match *program {
            "netdiag" => process::program(netdiag),
            other => process::program(other),
        };
        command.args(arguments).arg(file);
        if let Some(packets) = packets {
            command.args(["-c", &packets.to_string()]);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Subject;

    #[test]
    fn commands_name_program_file_and_limit() {
        let line = |subject: Subject, packets| {
            let command = subject.command(Path::new("/n"), Path::new("/f"), packets);
            let program = [command.get_program()];
            let words: Vec<_> = program.into_iter().chain(command.get_args()).collect();
            words.join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(line(Subject::Quiet, None), "/n read -q /f");
        assert_eq!(line(Subject::Tcpdump, None), "tcpdump -nn -r /f");
        assert_eq!(
            line(Subject::TsharkJson, Some(7)),
            "tshark -T json -r /f -c 7"
        );
    }

    #[test]
    fn all_are_there_once() {
        let mut all = Subject::ALL;
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(Subject::NETDIAG.iter().all(|subject| all.contains(subject)));
    }
}
