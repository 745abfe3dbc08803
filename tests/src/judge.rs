//! Other people's tools: what they say of a file is not netdiag's word. One that is missing is a failed test.

use std::process::Stdio;

use super::binary::{Ended, finish, program};

/// What tshark says to root whatever it is asked.
const ROOT: &str = "Running as user \"root\" and group \"root\". This could be dangerous.\n";

/// Runs a judge to its end, which must be a good one, without a word on standard error.
///
/// # Panics
/// When it cannot be run, fails, or complains.
pub fn judge(name: &str, arguments: &[&str]) -> String {
    let ended = ask(name, arguments);
    let said = (ended.code, ended.stderr.as_str());
    assert_eq!(said, (Some(0), ""), "{name} {arguments:?}");
    ended.stdout
}

/// Runs a judge to its end, whatever it says. What it says on standard error of every file is left out.
#[must_use]
pub fn ask(name: &str, arguments: &[&str]) -> Ended {
    let mut command = program(name);
    let mut ended = finish(command.args(arguments).stdout(Stdio::piped()));
    ended.stderr = ended.stderr.replacen(ROOT, "", 1);
    // "reading from file NAME, link-type EN10MB (Ethernet), snapshot length 262144"; and cooked headers have the index
    // of a device, which tcpdump would look up on this host.
    if name == "tcpdump" {
        let lines = ended.stderr.lines();
        ended.stderr = lines
            .filter(|line| !line.starts_with("reading from file "))
            .filter(|line| *line != "Warning: interface names might be incorrect")
            .flat_map(|line| [line, "\n"])
            .collect();
    }
    ended
}

/// The rows of `tshark -T fields`: a row a packet, the first value of each field.
#[must_use]
pub fn fields(path: &str, options: &[&str], names: &[&str]) -> Vec<Vec<String>> {
    // Fragments are to be judged one by one, and checksums are not what a capture on the sending host has.
    let mut arguments = vec![
        "-n",
        "-r",
        path,
        "-o",
        "ip.defragment:FALSE",
        "-T",
        "fields",
    ];
    arguments.extend(["-E", "occurrence=f", "-E", "separator=/t"]);
    arguments.extend(options);
    arguments.extend(names.iter().flat_map(|name| ["-e", name]));
    let text = judge("tshark", &arguments);
    text.lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}
