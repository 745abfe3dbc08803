//! `cargo xtask captures`: makes the files in `captures/` again, with this machine's kernel.
//!
//! A capture is what `netdiag lab run` wrote, and beside it are the JSON lines of that run: what reading the capture
//! must come to. One capture is tcpdump's, of traffic that nothing is wrong with; beside it is what reading it comes to
//! today.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cli::CapturesOptions;
use crate::process;
use crate::requirement::is_root;
use crate::workspace::Workspace;

/// The scenarios whose drops are kept.
const DROPS: [&str; 13] = [
    "ethernet-on-l3-device",
    "vlan-on-l3-device",
    "arp-on-l3-device",
    "ipv6-ethernet-on-l3-device",
    "bad-ipv4-checksum",
    "truncated-ipv4-header",
    "total-length-beyond",
    "udp-closed-port",
    "ttl-expired",
    "fragments",
    "ipip-no-tunnel",
    "gre-no-tunnel",
    "vxlan-no-tunnel",
];

/// The scenario whose traffic is kept, and the device that all of it goes through.
const TRAFFIC: (&str, &str) = ("healthy", "veth0");

/// Every kind of retransmission, as `netdiag retrans` writes them.
const RETRANSMISSIONS: &str = "retransmissions";

/// Files that grow beyond this do not belong into a repository, in bytes.
const LARGEST: usize = 64 << 10;

/// One capture and what it must be read as, made and not yet in its place.
struct Made {
    /// The capture's name in `captures/`.
    file: String,
    scratch: PathBuf,
    json: String,
}

/// `cargo xtask captures`.
///
/// # Errors
/// Not root, an unknown name, or a run that failed: then the files that are there stay.
pub fn run(workspace: &Workspace, options: &CapturesOptions) -> Result<ExitCode> {
    if !is_root() {
        bail!("the lab makes network namespaces and loads eBPF programs: run as root");
    }
    let wanted = wanted(&options.names)?;
    let netdiag = match &options.netdiag {
        Some(path) => path.clone(),
        None => build_netdiag(workspace)?,
    };
    let netdiag = fs::canonicalize(&netdiag)
        .with_context(|| format!("no netdiag at {}", netdiag.display()))?;
    let scratch = workspace.target_dir("captures")?;
    let home = workspace.root().join("captures");
    for name in wanted {
        let made = if name == TRAFFIC.0 {
            traffic(workspace, &netdiag, &scratch)?
        } else if name == RETRANSMISSIONS {
            retransmissions(workspace, &netdiag, &scratch)?
        } else {
            drops(&netdiag, &scratch, name)?
        };
        made.install(name, &home)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The captures to make: those that were named, else all.
fn wanted(names: &[String]) -> Result<Vec<&'static str>> {
    let all: Vec<&'static str> = DROPS
        .into_iter()
        .chain([TRAFFIC.0, RETRANSMISSIONS])
        .collect();
    for name in names {
        if !all.contains(&name.as_str()) {
            bail!(
                "no capture is made of {name:?}; there are: {}",
                all.join(" ")
            );
        }
    }
    let named = |name: &&str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    Ok(all.into_iter().filter(named).collect())
}

fn build_netdiag(workspace: &Workspace) -> Result<PathBuf> {
    process::run(process::cargo().current_dir(workspace.root()).args([
        "build",
        "--quiet",
        "--package",
        "netdiag",
    ]))?;
    Ok(workspace.target().join("debug/netdiag"))
}

/// netdiag as it is called in the directory of its files: a capture tells the command that made it, which is no place
/// for this machine's paths.
fn called(netdiag: &Path, scratch: &Path) -> Command {
    let mut command = process::program(netdiag);
    command.arg0("netdiag").current_dir(scratch);
    command
}

/// The scenario whose capture is part of netdiag.
const BUNDLED: &str = "ethernet-on-l3-device";

/// The drops of a scenario, as the live run wrote and showed them.
fn drops(netdiag: &Path, scratch: &Path, name: &str) -> Result<Made> {
    let file = format!("{name}.pcapng");
    // The one that `netdiag lab run` falls back on is seen by people: its packets come at their natural pace.
    let pace = (name != BUNDLED).then_some("--fast");
    let mut run = called(netdiag, scratch);
    run.args(["lab", "run", name, "--json", "--force", "-w", &file]);
    let json = process::output(run.args(pace))?;
    if json.contains(r#""kind":"not_live""#) {
        bail!("{name}: netdiag could not look at this kernel, and showed a capture instead");
    }
    Ok(Made {
        scratch: scratch.join(&file),
        file,
        json,
    })
}

/// Traffic as tcpdump sees it, and what netdiag makes of the file.
fn traffic(workspace: &Workspace, netdiag: &Path, scratch: &Path) -> Result<Made> {
    let (name, device) = TRAFFIC;
    let file = format!("{name}.pcap");
    let made = scratch.join(&file);
    process::run(
        process::cargo()
            .current_dir(workspace.root())
            .args(["run", "--quiet", "--package", "netdiag-tests"])
            .args(["--example", "record", "--", name, device])
            .arg(&made),
    )?;
    let json = process::output(called(netdiag, scratch).args(["read", "--json", &file]))?;
    Ok(Made {
        file,
        scratch: made,
        json,
    })
}

/// TCP between two namespaces that loses segments, as netdiag wrote and showed it.
fn retransmissions(workspace: &Workspace, netdiag: &Path, scratch: &Path) -> Result<Made> {
    let example = [
        "build",
        "--quiet",
        "--package",
        "netdiag-tests",
        "--example",
        "retransmit",
    ];
    process::run(process::cargo().current_dir(workspace.root()).args(example))?;
    let example = workspace.target().join("debug/examples/retransmit");
    let file = format!("{RETRANSMISSIONS}.pcapng");
    let mut run = process::program(&example);
    let json = process::output(run.current_dir(scratch).arg(netdiag).arg(&file))?;
    Ok(Made {
        scratch: scratch.join(&file),
        file,
        json,
    })
}

impl Made {
    /// Puts both files in their place, and prints what the table in `captures/README.md` says of them.
    fn install(&self, name: &str, home: &Path) -> Result<()> {
        let capture = fs::read(&self.scratch)
            .with_context(|| format!("{name} made no {}", self.scratch.display()))?;
        let bytes = capture.len();
        if bytes > LARGEST {
            bail!("{} has {bytes} bytes, more than {LARGEST}", self.file);
        }
        let tally = Tally::of(&self.json).with_context(|| format!("the JSON lines of {name}"))?;
        let write = |file: &str, bytes: &[u8]| {
            let path = home.join(file);
            fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
        };
        write(&self.file, &capture)?;
        write(&format!("{name}.json"), self.json.as_bytes())?;
        let findings = match tally.findings.as_slice() {
            [] => "none".to_owned(),
            findings => findings.join(" "),
        };
        println!(
            "{:<34} {bytes:>6} bytes, {:>2} packets, findings: {findings}",
            self.file, tally.packets,
        );
        Ok(())
    }
}

/// What JSON lines say, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    packets: usize,
    findings: Vec<String>,
}

impl Tally {
    /// # Errors
    /// A line is no JSON, or the last one no summary: the run did not come to its end.
    fn of(lines: &str) -> Result<Self> {
        let mut tally = Self::default();
        let mut last = String::new();
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
            last = text("kind").to_owned();
            match last.as_str() {
                "drop" | "packet" | "retrans" => tally.packets += 1,
                "finding" => tally.findings.push(text("id").to_owned()),
                _ => {}
            }
        }
        if last != "summary" {
            bail!("the last line is no summary");
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose() {
        assert_eq!(wanted(&[]).unwrap().len(), DROPS.len() + 2);
        let names = ["healthy".to_owned(), "fragments".to_owned()];
        assert_eq!(wanted(&names).unwrap(), ["fragments", "healthy"]);
        let error = wanted(&["no-such".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("no-such") && error.contains("udp-closed-port"),
            "{error}"
        );
    }

    #[test]
    fn lines_are_counted_to_the_summary() {
        let lines = "{\"kind\":\"start\"}\n{\"kind\":\"drop\"}\n{\"kind\":\"packet\"}\n\
                     {\"kind\":\"finding\",\"id\":\"x\"}\n{\"kind\":\"summary\"}\n";
        let tally = Tally {
            packets: 2,
            findings: vec!["x".to_owned()],
        };
        assert_eq!(Tally::of(lines).unwrap(), tally);
        assert!(Tally::of("{\"kind\":\"drop\"}\n").is_err());
        assert!(Tally::of("").is_err());
    }
}
