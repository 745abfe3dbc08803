//! The kernel lines that netdiag is tested on: the newest package of each, unpacked, not installed.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use anyhow::{Context as _, Result, anyhow, bail};

use super::archive::{Archive, Suite};
use crate::workspace::Workspace;

/// How long a look at the archive counts.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Lists the packages that are unpacked; its time is that of the last look at the archive.
const PACKAGES: &str = "packages";

/// Which packages make a line's kernel; the newest release is found by name.
#[derive(Debug)]
pub struct Line {
    /// What users call it, e.g. `6.1`.
    pub name: &'static str,
    suite: Suite,
    /// Start of the name of the package that has the image, up to the line's version.
    image: (&'static str, &'static str),
    /// Packages of the same release that are needed beside it.
    beside: &'static [&'static str],
}

const SUFFIX: &str = "-cloud-amd64";
const UNSIGNED: &str = "-cloud-amd64-unsigned";

/// Every line, oldest first.
pub static LINES: [Line; 4] = [
    Line {
        name: "5.10",
        suite: Suite {
            name: "bullseye",
            security: false,
        },
        image: ("linux-image-5.10.", UNSIGNED),
        beside: &[],
    },
    Line {
        name: "6.1",
        // Between two point releases `bookworm` itself lags behind.
        suite: Suite {
            name: "bookworm-security",
            security: true,
        },
        image: ("linux-image-6.1.", UNSIGNED),
        beside: &[],
    },
    Line {
        name: "6.12",
        suite: Suite {
            name: "bookworm-security",
            security: true,
        },
        image: ("linux-image-6.12.", SUFFIX),
        beside: &[],
    },
    Line {
        name: "7",
        suite: Suite {
            name: "sid",
            security: false,
        },
        image: ("linux-binary-unsigned-7.", SUFFIX),
        beside: &["linux-modules-", "linux-base-"],
    },
];

/// An unpacked kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The line's name.
    pub line: &'static str,
    /// As `uname -r` says.
    pub release: String,
    /// What QEMU boots.
    pub image: PathBuf,
    /// `.../lib/modules/<release>`.
    pub modules: PathBuf,
    /// The build configuration.
    pub config: PathBuf,
}

/// The lines of these names; all if there are none.
///
/// # Errors
/// A name is not that of a line.
pub fn lines(names: &[String]) -> Result<Vec<&'static Line>> {
    if names.is_empty() {
        return Ok(LINES.iter().collect());
    }
    names.iter().map(|name| line(name)).collect()
}

/// The line of this name.
///
/// # Errors
/// There is no such line.
pub fn line(name: &str) -> Result<&'static Line> {
    LINES
        .iter()
        .find(|line| line.name == name)
        .with_context(|| {
            let names = LINES.each_ref().map(|line| line.name).join(", ");
            format!("no kernel line {name:?}: there are {names}")
        })
}

/// Brings every line up to date, all at once; unless `refresh`, what is fresh is left alone.
///
/// # Errors
/// A line can neither be downloaded nor is an older kernel of it there.
pub fn fetch(workspace: &Workspace, lines: &[&'static Line], refresh: bool) -> Result<Vec<Kernel>> {
    thread::scope(|scope| {
        let fetches: Vec<_> = lines
            .iter()
            .map(|line| scope.spawn(move || fetch_line(workspace, line, refresh)))
            .collect();
        let join = |fetch: thread::ScopedJoinHandle<'_, Result<Kernel>>| {
            fetch.join().map_err(|_| anyhow!("a download panicked"))?
        };
        fetches.into_iter().map(join).collect()
    })
}

/// What is unpacked of a line, and the age of the last look at the archive.
///
/// # Errors
/// The kernel is not there, or not whole.
pub fn cached(workspace: &Workspace, line: &Line) -> Result<(Kernel, Duration)> {
    let root = root(workspace, line);
    let looked = fs::metadata(root.join(PACKAGES)).and_then(|packages| packages.modified());
    let looked = looked.with_context(|| format!("kernel {} is not downloaded", line.name))?;
    let age = SystemTime::now().duration_since(looked).unwrap_or_default();
    Ok((unpacked(&root, line)?, age))
}

fn root(workspace: &Workspace, line: &Line) -> PathBuf {
    workspace.target().join("vm/kernels").join(line.name)
}

fn fetch_line(workspace: &Workspace, line: &'static Line, refresh: bool) -> Result<Kernel> {
    let cached = cached(workspace, line);
    if let Ok((kernel, age)) = &cached
        && *age < FRESH
        && !refresh
    {
        return Ok(kernel.clone());
    }
    match (download(workspace, line), cached) {
        (Ok(kernel), _) => Ok(kernel),
        (Err(error), Ok((kernel, _))) => {
            eprintln!(
                "kernel {}: using {}, downloaded before: {error:#}",
                line.name, kernel.release
            );
            Ok(kernel)
        }
        (Err(error), Err(_)) => Err(error.context(format!("kernel {}", line.name))),
    }
}

fn download(workspace: &Workspace, line: &'static Line) -> Result<Kernel> {
    let apt = workspace.target_dir(&format!("vm/apt/{}", line.name))?;
    let archive = Archive::update(apt, line.suite)?;
    let packages = newest(&archive, line)?;
    let list = packages.join("\n") + "\n";

    let root = root(workspace, line);
    if fs::read_to_string(root.join(PACKAGES)).is_ok_and(|there| there == list)
        && let Ok(kernel) = unpacked(&root, line)
    {
        fs::write(root.join(PACKAGES), list).context("note the time of this look")?;
        return Ok(kernel);
    }
    // Unpacked beside and renamed, so that what is there is always whole.
    // Not `with_extension`: what follows the point in "6.1" and "6.12" is none.
    let fresh = root.with_file_name(format!("{}.new", line.name));
    fs::remove_dir_all(&fresh).ok();
    archive.unpack(&packages, &fresh)?;
    unpacked(&fresh, line)?;
    fs::write(fresh.join(PACKAGES), list).context("note the packages")?;
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
    }
    fs::rename(&fresh, &root).with_context(|| format!("rename to {}", root.display()))?;
    unpacked(&root, line)
}

/// The packages of the newest release in the archive.
fn newest(archive: &Archive, line: &Line) -> Result<Vec<String>> {
    let (start, suffix) = line.image;
    let images = archive.packages(start, suffix)?;
    let image = images.into_iter().max_by(|one, other| compare(one, other));
    let Some(image) = image else {
        bail!("suite {} has no package {start}*{suffix}", line.suite.name);
    };
    let (Some(version_at), Some(end)) = (
        image.find(|character: char| character.is_ascii_digit()),
        image.find(SUFFIX),
    ) else {
        bail!("package {image} names no release");
    };
    let version = image.get(version_at..end).unwrap_or_default();
    let beside = line
        .beside
        .iter()
        .map(|name| format!("{name}{version}{SUFFIX}"));
    Ok(beside.chain([image.clone()]).collect())
}

/// Finds the pieces in either of the two layouts that Debian has had.
fn unpacked(root: &Path, line: &Line) -> Result<Kernel> {
    for modules in ["lib/modules", "usr/lib/modules"] {
        let Ok(releases) = fs::read_dir(root.join(modules)) else {
            continue;
        };
        for release in releases
            .flatten()
            .filter(|release| release.path().join("kernel").is_dir())
        {
            let modules = release.path();
            let release = release.file_name().to_string_lossy().into_owned();
            let first = |candidates: [PathBuf; 2]| {
                candidates.into_iter().find(|candidate| candidate.is_file())
            };
            let boot = root.join("boot");
            let image = [
                boot.join(format!("vmlinuz-{release}")),
                modules.join("vmlinuz.unsigned"),
            ];
            let config = [
                boot.join(format!("config-{release}")),
                modules.join("config"),
            ];
            if let (Some(image), Some(config)) = (first(image), first(config)) {
                return Ok(Kernel {
                    line: line.name,
                    release,
                    image,
                    modules,
                    config,
                });
            }
        }
    }
    bail!(
        "no image, modules and configuration of kernel {} in {}",
        line.name,
        root.display()
    )
}

/// Compares names with numbers in them by those numbers: `-9` comes before `-10`.
fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |name: &str| -> Vec<u64> {
        let words = name.split(|character: char| !character.is_ascii_digit());
        words.filter_map(|word| word.parse().ok()).collect()
    };
    numbers(one)
        .cmp(&numbers(other))
        .then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_is_by_number() {
        let mut names = [
            "linux-image-6.12.9+deb12-cloud-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64",
            "linux-image-6.12.90+deb12-cloud-amd64",
        ];
        names.sort_by(|one, other| compare(one, other));
        assert_eq!(names[2], "linux-image-6.12.117+deb12-cloud-amd64");
    }

    #[test]
    fn lines_have_names() {
        assert_eq!(lines(&[]).unwrap().len(), LINES.len());
        assert_eq!(line("6.1").unwrap().suite.name, "bookworm-security");
        assert!(line("6.1.0").is_err());
    }
}
