//! The network namespaces of this host: which there are, what people call them, and running code inside one.
//!
//! A namespace is known by the inode number of `/proc/PID/ns/net`. Its name is that in `/run/netns` (`ip netns`) or
//! `/run/docker/netns`; one without a name is described by the oldest process in it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netdiag_common::NetnsId;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

/// Where names are bound to namespaces: by `ip netns add`, and by Docker.
const NAME_DIRECTORIES: [&str; 2] = ["/run/netns", "/var/run/docker/netns"];

/// How often [`NetnsNames`] looks again for a namespace that it does not know.
const REFRESH: Duration = Duration::from_secs(1);

/// `NSFS_MAGIC` of `linux/magic.h`: the file system that namespace files are on.
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// What people call a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetnsName {
    /// The one that the host booted with: that of process 1, and of kthreadd.
    Host,
    /// The name in `/run/netns` or `/run/docker/netns`.
    Named(String),
    /// None: the process with the lowest id in it.
    Process {
        /// Its id.
        pid: u32,
        /// Its name, as it chose it.
        comm: String,
    },
}

impl fmt::Display for NetnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Named(name) => f.write_str(&neutral(name)),
            Self::Process { pid, comm } => write!(f, "{}[{pid}]", neutral(comm)),
        }
    }
}

/// A network namespace that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netns {
    /// Its inode number.
    pub id: NetnsId,
    /// What to call it.
    pub name: NetnsName,
    /// The file that opens it.
    pub path: PathBuf,
}

/// A namespace could not be found, opened or entered.
#[derive(Debug, Error)]
pub enum NetnsError {
    /// A directory or file could not be read.
    #[error("reading {}: {source}; is /proc mounted?", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// `--netns` names nothing.
    #[error(
        "no network namespace '{}': no such name in /run/netns or /var/run/docker/netns, no such process, and no \
         namespace in use has that inode number; available: {available}",
        neutral(spec)
    )]
    Unknown {
        /// What was asked for.
        spec: String,
        /// The names there are.
        available: String,
    },
    /// The namespace's file could not be opened.
    #[error("opening network namespace {}: {source}; this needs CAP_SYS_PTRACE, or root", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The file stands for another namespace by now.
    #[error("{} is no longer network namespace {}: it ended meanwhile; list the namespaces again", path.display(), expected.0)]
    Replaced {
        /// The file.
        path: PathBuf,
        /// The namespace that it stood for.
        expected: NetnsId,
    },
    /// The kernel refused to let the thread in.
    #[error("entering network namespace {}: {source}; this needs CAP_SYS_ADMIN, or root", path.display())]
    Enter {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("starting a thread for network namespace {}: {source}; the limit of processes may be reached", path.display())]
    Thread {
        /// The namespace's file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
}

/// `text` with control characters replaced: names are chosen by whoever made the process or the namespace, and end up
/// on a terminal.
pub(super) fn neutral(text: &str) -> String {
    text.chars()
        .map(|c| if is_hazard(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, and the format characters that reorder or hide text.
fn is_hazard(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `PROC_PID_INIT_INO` of `linux/proc_ns.h`, since 6.17 `PID_NS_INIT_INO` of `linux/nsfs.h`: the PID namespace that the
/// host booted with.
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether every process of the host is listed in `/proc` here. From within a container, namespaces of others look gone.
fn is_in_initial_pid_namespace() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() == INITIAL_PID_NAMESPACE)
}

/// The namespace of the calling thread.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn current() -> io::Result<NetnsId> {
    id_of(Path::new("/proc/thread-self/ns/net"))
}

fn id_of(path: &Path) -> io::Result<NetnsId> {
    inode(&fs::metadata(path)?)
}

fn inode(metadata: &fs::Metadata) -> io::Result<NetnsId> {
    u32::try_from(metadata.ino())
        .map(NetnsId)
        .map_err(|_| io::Error::other("not a namespace: its inode number is too large"))
}

/// Whether a file is on nsfs, that is, a namespace: an interrupted `ip netns add` leaves a plain file behind.
fn is_namespace(file: &File) -> bool {
    #[expect(
        clippy::unnecessary_cast,
        reason = "the type of f_type differs between architectures"
    )]
    rustix::fs::fstatfs(file).is_ok_and(|stat| stat.f_type as i64 == NSFS_MAGIC)
}

/// Every namespace that has a name or a process, ordered by id. Processes whose namespace may not be read, and those
/// that end meanwhile, are left out; of threads in namespaces of their own only this process's are looked at.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn list() -> Result<Vec<Netns>, NetnsError> {
    list_as_seen().map(|(found, _)| found)
}

/// The same, and whether these are all that a process or a name holds: none is hidden from here.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn list_as_seen() -> Result<(Vec<Netns>, bool), NetnsError> {
    let mut found = BTreeMap::new();
    let mut all = is_in_initial_pid_namespace();
    for netns in NAME_DIRECTORIES
        .iter()
        .rev()
        .flat_map(|directory| named(Path::new(directory)))
    {
        found.insert(netns.id, netns);
    }
    let mut pids = pids()?;
    pids.sort_unstable();
    let processes = pids
        .into_iter()
        .map(|pid| (pid, PathBuf::from(format!("/proc/{pid}"))));
    for (pid, directory) in processes.chain(own_threads()) {
        let path = directory.join("ns/net");
        let id = match id_of(&path) {
            Ok(id) => id,
            Err(error) => {
                // A security module may keep even root from looking at process 1; it is where kthreadd is.
                all &= pid == 1 || error.kind() != io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let host = pid == 1 || (pid == 2 && comm_in(&directory) == "kthreadd");
        if host {
            let name = NetnsName::Host;
            found.insert(id, Netns { id, name, path });
        } else {
            found.entry(id).or_insert_with(|| Netns {
                id,
                name: NetnsName::Process {
                    pid,
                    comm: comm_in(&directory),
                },
                path,
            });
        }
    }
    Ok((found.into_values().collect(), all))
}

/// The threads of this process: the lab holds its namespaces by one each.
fn own_threads() -> impl Iterator<Item = (u32, PathBuf)> {
    let entries = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
}

/// The namespaces bound in one directory; none when it does not exist.
fn named(directory: &Path) -> Vec<Netns> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let path = entry.path();
            let file = File::open(&path).ok().filter(is_namespace)?;
            let id = inode(&file.metadata().ok()?).ok()?;
            Some(Netns {
                id,
                name: NetnsName::Named(entry.file_name().to_string_lossy().into_owned()),
                path,
            })
        })
        .collect()
}

/// The processes of this host, as `/proc` lists them.
pub(super) fn pids() -> Result<Vec<u32>, NetnsError> {
    let path = Path::new("/proc");
    let entries = fs::read_dir(path).map_err(|source| NetnsError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// The name of a process, empty when it has ended.
pub(super) fn comm(pid: u32) -> String {
    comm_in(Path::new(&format!("/proc/{pid}")))
}

/// The name of the process or thread of a directory in `/proc`.
fn comm_in(directory: &Path) -> String {
    let bytes = fs::read(directory.join("comm")).unwrap_or_default();
    neutral(String::from_utf8_lossy(&bytes).trim_end_matches('\n'))
}

/// The namespace that `--netns` means: a name, else a process, else an inode number.
///
/// # Errors
/// [`NetnsError::Unknown`] lists the names there are; otherwise what could not be read.
pub fn resolve(spec: &str) -> Result<NetnsId, NetnsError> {
    // A name with a slash would leave the directory.
    if !spec.is_empty()
        && !spec.contains('/')
        && let Some(netns) = NAME_DIRECTORIES
            .iter()
            .flat_map(|directory| named(Path::new(directory)))
            .find(|netns| netns.name == NetnsName::Named(spec.to_owned()))
    {
        return Ok(netns.id);
    }
    if let Ok(pid) = spec.parse::<u32>() {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        match id_of(&path) {
            Ok(id) => return Ok(id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(NetnsError::Open { path, source }),
        }
    }
    let known = list()?;
    if let Ok(number) = spec.parse()
        && known.iter().any(|netns| netns.id == NetnsId(number))
    {
        return Ok(NetnsId(number));
    }
    let mut names: Vec<String> = known
        .iter()
        .filter(|netns| matches!(netns.name, NetnsName::Named(_)))
        .map(|netns| netns.name.to_string())
        .collect();
    names.sort_unstable();
    let available = if names.is_empty() {
        "no names".to_owned()
    } else {
        names.join(", ")
    };
    Err(NetnsError::Unknown {
        spec: spec.to_owned(),
        available,
    })
}

/// Runs `f` inside a namespace: on a thread of its own, so that the caller's stays where it is. In the caller's own
/// namespace it simply calls `f`, which needs no privilege.
///
/// # Errors
/// The namespace has ended or been replaced, or may not be opened or entered.
///
/// # Panics
/// When `f` does, with what it panicked with.
pub fn enter<T: Send>(netns: &Netns, f: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
    if current().is_ok_and(|id| id == netns.id) {
        return Ok(f());
    }
    let open = |source| NetnsError::Open {
        path: netns.path.clone(),
        source,
    };
    let file = File::open(&netns.path).map_err(open)?;
    // The process may have ended and its id been reused, or the name bound anew: what counts is what is open now.
    if inode(&file.metadata().map_err(open)?).ok() != Some(netns.id) || !is_namespace(&file) {
        return Err(NetnsError::Replaced {
            path: netns.path.clone(),
            expected: netns.id,
        });
    }
    std::thread::scope(|scope| {
        let inside = move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
                |errno| NetnsError::Enter {
                    path: netns.path.clone(),
                    source: errno.into(),
                },
            )?;
            drop(file);
            Ok(f())
        };
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, inside)
            .map_err(|source| NetnsError::Thread {
                path: netns.path.clone(),
                source,
            })?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The display names of namespaces, looked up when first asked for.
#[derive(Debug, Default)]
pub struct NetnsNames {
    names: HashMap<NetnsId, String>,
    refreshed: Option<Instant>,
}

impl NetnsNames {
    /// A cache that has looked nowhere yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to call a namespace; `netns 4026532177` when nothing is known of it. An unknown one makes the cache look
    /// again, at most once a second. Names outlive their namespaces, so that late events still show them.
    pub fn name(&mut self, id: NetnsId) -> String {
        if let Some(name) = self.names.get(&id) {
            return name.clone();
        }
        if self.refreshed.is_none_or(|at| at.elapsed() >= REFRESH) {
            self.refreshed = Some(Instant::now());
            self.names.extend(
                list()
                    .unwrap_or_default()
                    .into_iter()
                    .map(|netns| (netns.id, netns.name.to_string())),
            );
        }
        self.names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| format!("netns {}", id.0))
    }
}

#[cfg(test)]
mod tests;
