//! Downloads packages of any Debian suite without touching the machine's own apt.
//!
//! The mirror comes from the machine's configuration; lists, caches and sources are private, and
//! signatures are checked against the Debian archive keys.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Says where Debian's archive is if this machine's apt does not know.
const MIRROR: &str = "NETDIAG_DEBIAN_MIRROR";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A Debian suite, and which of the two archives holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// As in a sources list, e.g. `bookworm-security`.
    pub name: &'static str,
    /// In the security archive, not the main one.
    pub security: bool,
}

/// A private apt that knows one suite.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// Prepares `directory` and downloads the suite's package list.
    ///
    /// # Errors
    /// No mirror is configured, or apt cannot download or verify the list.
    pub fn update(directory: PathBuf, suite: Suite) -> Result<Self> {
        for below in ["state/lists/partial", "cache/archives/partial"] {
            let path = directory.join(below);
            fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        }
        // Without a `signed-by`, apt asks the keys in /etc/apt/trusted.gpg.d.
        let keys = if Path::new(KEYRING).exists() {
            format!(" signed-by={KEYRING}")
        } else {
            String::new()
        };
        let source = format!(
            "deb [arch=amd64{keys}] {} {} main\n",
            mirror(suite)?,
            suite.name
        );
        fs::write(directory.join("sources.list"), source).context("private sources list")?;
        fs::write(directory.join("status"), "").context("private dpkg status")?;
        let archive = Self { directory };
        process::output(
            archive
                .apt("apt-get")
                .args(["--error-on=any", "-q", "update"]),
        )?;
        Ok(archive)
    }

    /// Names of the suite's packages that start and end so.
    ///
    /// # Errors
    /// `apt-cache` fails.
    pub fn packages(&self, prefix: &str, suffix: &str) -> Result<Vec<String>> {
        let names = process::output(self.apt("apt-cache").args(["pkgnames", prefix]))?;
        let names = names.lines().filter(|name| name.ends_with(suffix));
        Ok(names.map(str::to_owned).collect())
    }

    /// Downloads packages and unpacks them (no installation, no scripts) into `root`.
    ///
    /// # Errors
    /// A package cannot be downloaded, verified or unpacked.
    pub fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let downloads = self.directory.join("packages");
        fs::remove_dir_all(&downloads).ok();
        fs::create_dir_all(&downloads).context("directory for packages")?;
        let mut download = self.apt("apt-get");
        download
            .args(["-q", "download"])
            .args(packages)
            .current_dir(&downloads);
        process::output(&mut download)?;
        fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
        for entry in fs::read_dir(&downloads).context("downloaded packages")? {
            let package = entry.context("downloaded package")?.path();
            process::output(process::program("dpkg").arg("-x").arg(package).arg(root))?;
        }
        fs::remove_dir_all(&downloads).context("remove downloaded packages")
    }

    fn apt(&self, tool: &str) -> Command {
        let mut command = process::program(tool);
        let directory = self.directory.display();
        for option in [
            format!("Dir::State={directory}/state"),
            format!("Dir::State::status={directory}/status"),
            format!("Dir::Cache={directory}/cache"),
            format!("Dir::Etc::sourcelist={directory}/sources.list"),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::Etc::preferencesparts=-".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::PDiffs=false".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// The configured main or security archive; the security archive is else beside the main one.
fn mirror(suite: Suite) -> Result<String> {
    if let Ok(main) = env::var(MIRROR) {
        return beside(&main, suite.security);
    }
    let targets = process::output(process::program("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
    ]))
    .context("cannot ask apt for its mirrors (virtual machines need a Debian or Ubuntu host)")?;
    choose(targets.lines(), suite.security)
}

fn choose<'a>(configured: impl Iterator<Item = &'a str>, security: bool) -> Result<String> {
    let mut main = None;
    for uri in configured.map(|uri| uri.trim_end_matches('/')) {
        if uri.ends_with("debian-security") && security {
            return Ok(uri.to_owned());
        }
        if uri.ends_with("/debian") {
            main.get_or_insert(uri);
        }
    }
    match main {
        Some(main) => beside(main, security),
        None => bail!("apt has no Debian mirror configured: set {MIRROR} to one's URI"),
    }
}

fn beside(main: &str, security: bool) -> Result<String> {
    let main = main.trim_end_matches('/');
    if !security {
        return Ok(main.to_owned());
    }
    let base = main.strip_suffix("debian");
    let base = base.with_context(|| format!("no security archive known beside {main}"))?;
    Ok(format!("{base}debian-security"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_from_the_configuration() {
        let configured = ["http://m.test/debian-security/", "http://m.test/debian/"];
        assert_eq!(
            choose(configured.into_iter(), false).unwrap(),
            "http://m.test/debian"
        );
        assert_eq!(
            choose(configured.into_iter(), true).unwrap(),
            "http://m.test/debian-security"
        );
    }

    #[test]
    fn a_missing_security_archive_is_beside_the_main_one() {
        let uri = choose(["http://m.test/debian"].into_iter(), true).unwrap();
        assert_eq!(uri, "http://m.test/debian-security");
    }

    #[test]
    fn no_mirror_is_an_error() {
        assert!(choose(["http://m.test/ubuntu"].into_iter(), false).is_err());
    }
}
