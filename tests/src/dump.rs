//! What a run has saved, held against what it said.

use tempfile::TempDir;

use super::binary::run;

/// A file that a run saves its packets in.
#[derive(Debug)]
pub struct Dump {
    directory: TempDir,
    path: String,
    /// Options that `read` needs to print the same lines.
    options: Vec<String>,
}

impl Dump {
    /// A name for a dump of a run with these arguments.
    ///
    /// # Panics
    /// When there is no place for it.
    #[must_use]
    pub fn new(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("dump.pcapng");
        let hex = arguments.iter().filter(|argument| **argument == "--hex");
        Self {
            path: path.to_str().expect("a path in UTF-8").to_owned(),
            directory,
            options: hex.map(|argument| (*argument).to_owned()).collect(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Compares what `read` prints with what the run printed.
    ///
    /// # Panics
    /// When a line differs.
    pub fn assert_says(&self, said: &[String]) {
        self.assert_file_says(&self.path, said);
        let cooked = self.directory.path().join("cooked.pcapng");
        let cooked = cooked.to_str().expect("a path in UTF-8");
        let conversion = [
            "read",
            "-q",
            &self.path,
            "-w",
            cooked,
            "--link-type",
            "sll2",
        ];
        let ended = run(&conversion);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        self.assert_file_says(cooked, said);
    }

    fn assert_file_says(&self, path: &str, said: &[String]) {
        let mut arguments = vec!["read", "--json", path];
        arguments.extend(self.options.iter().map(String::as_str));
        let ended = run(&arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{path}");
        let read: Vec<_> = ended.stdout.lines().collect();
        for (index, (read, said)) in read.iter().zip(said).enumerate() {
            assert_eq!(read, said, "line {index} of {path}");
        }
        assert_eq!(read.len(), said.len(), "lines of {path}");
    }
}
