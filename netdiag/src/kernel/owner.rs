//! Who holds a socket: the process behind its inode number, and the path behind a cgroup id.
//!
//! Both are looked up after the fact, so an answer is what holds now; a process that has ended is not found, and
//! nothing is put in its place.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::netns::{comm, neutral, pids};

/// How long an inode that no process holds is taken as such, and the least time between two scans of `/proc`.
const RESCAN: Duration = Duration::from_millis(500);
/// How many cgroup directories one walk visits at most.
const MAX_CGROUPS: usize = 20_000;
/// How many sockets, and how many cgroups, are remembered; beyond it the cache starts anew.
const MAX_CACHED: usize = 65_536;

/// The process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id, in the namespace that `/proc` shows.
    pub pid: u32,
    /// Its name, control characters replaced.
    pub comm: String,
}

/// A cache of socket owners and cgroup paths.
#[derive(Debug, Default)]
pub struct Owners {
    sockets: HashMap<u64, Owner>,
    next_scan: Option<Instant>,
    cgroups: HashMap<u64, String>,
    next_walk: Option<Instant>,
    mount: Option<PathBuf>,
}

impl Owners {
    /// A cache that has looked nowhere yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The process that holds the socket with this inode number: of several, the one with the lowest id. `None` when
    /// none does, or when this user may not see it. An unknown socket has `/proc` scanned again, at most every 500 ms.
    pub fn lookup(&mut self, inode: u64) -> Option<Owner> {
        if inode == 0 {
            return None;
        }
        if !self.sockets.contains_key(&inode) && due(self.next_scan) {
            let began = Instant::now();
            self.scan();
            self.next_scan = Some(rest(began));
        }
        self.sockets.get(&inode).cloned()
    }

    fn scan(&mut self) {
        if self.sockets.len() > MAX_CACHED {
            self.sockets.clear();
        }
        let mut pids = pids().unwrap_or_default();
        // From high to low: the lowest has the last word.
        pids.sort_unstable_by(|a, b| b.cmp(a));
        for pid in pids {
            let entries = fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            let inodes: Vec<u64> = entries
                .filter_map(|entry| socket_inode(&fs::read_link(entry.path()).ok()?))
                .collect();
            if !inodes.is_empty() {
                let owner = Owner {
                    pid,
                    comm: comm(pid),
                };
                self.sockets
                    .extend(inodes.into_iter().map(|inode| (inode, owner.clone())));
            }
        }
    }

    /// The path of a cgroup below the cgroup2 mount, `/` for its root. The id is the inode number of its directory
    /// (`kernfs_node.id`). `None` without such a mount, for a cgroup that is gone, and beyond 20,000 directories.
    pub fn cgroup_path(&mut self, id: u64) -> Option<String> {
        if id == 0 {
            return None;
        }
        if !self.cgroups.contains_key(&id) && due(self.next_walk) {
            let began = Instant::now();
            if self.mount.is_none() {
                self.mount = cgroup_mount();
            }
            if self.cgroups.len() > MAX_CACHED {
                self.cgroups.clear();
            }
            if let Some(mount) = &self.mount {
                walk(mount, MAX_CGROUPS, &mut self.cgroups);
            }
            self.next_walk = Some(rest(began));
        }
        self.cgroups.get(&id).cloned()
    }
}

/// Where the whole cgroup2 hierarchy is mounted; `None` where it is not.
pub(super) fn cgroup_mount() -> Option<PathBuf> {
    cgroup2_mount(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// The paths of the cgroups below the mount, `/` for its root: at most so many.
pub(super) fn cgroups(mount: &Path, limit: usize) -> BTreeSet<String> {
    let mut found = HashMap::new();
    walk(mount, limit, &mut found);
    found.into_values().collect()
}

fn due(next: Option<Instant>) -> bool {
    next.is_none_or(|at| Instant::now() >= at)
}

/// When the next look may be, after one that began then: the reader of the ring waits meanwhile, and whoever makes
/// short-lived sockets on a host with many must not take more than a tenth of its time.
fn rest(began: Instant) -> Instant {
    Instant::now() + RESCAN.max(began.elapsed() * 10)
}

/// The inode number in a link target `socket:[12345]`.
fn socket_inode(target: &Path) -> Option<u64> {
    target
        .to_str()?
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Where the whole cgroup2 hierarchy is mounted, from the text of `/proc/self/mountinfo`.
fn cgroup2_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        (file_system.split(' ').next() == Some("cgroup2")).then(|| PathBuf::from(unescape(point)))
    })
}

/// Undoes the octal escapes of blanks and backslashes in mountinfo.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// Adds the ids and paths below `mount`, breadth first, so that a limit cuts the deepest.
fn walk(mount: &Path, limit: usize, into: &mut HashMap<u64, String>) {
    let Ok(root) = fs::metadata(mount) else {
        return;
    };
    into.insert(root.ino(), "/".to_owned());
    let mut queue = VecDeque::from([(mount.to_owned(), String::new())]);
    let mut visited = 1;
    while let Some((directory, path)) = queue.pop_front() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if visited >= limit {
                return;
            }
            visited += 1;
            let below = format!("{path}/{}", neutral(&entry.file_name().to_string_lossy()));
            into.insert(entry.ino(), below.clone());
            queue.push_back((entry.path(), below));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn finds_the_holder_of_a_socket() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("link");
        let inode = socket_inode(&link).expect("inode");
        let mut owners = Owners::new();
        let owner = owners.lookup(inode).expect("owner");
        assert_eq!(owner.pid, std::process::id());
        assert!(!owner.comm.is_empty());
        assert_eq!(owners.lookup(0), None);
    }

    #[test]
    fn an_unknown_socket_is_not_searched_for_twice_at_once() {
        let mut owners = Owners::new();
        assert_eq!(owners.lookup(u64::MAX), None);
        let scanned = owners.next_scan;
        assert_eq!(owners.lookup(u64::MAX - 1), None);
        assert_eq!(owners.next_scan, scanned);
    }

    #[test]
    fn link_targets() {
        assert_eq!(socket_inode(Path::new("socket:[12345]")), Some(12345));
        for other in ["pipe:[1]", "socket:[]", "socket:[1", "/dev/null"] {
            assert_eq!(socket_inode(Path::new(other)), None);
        }
    }

    #[test]
    fn the_cgroup2_mount_is_found_among_others() {
        let text = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    31 25 0:27 / /mnt/a\\040b rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(text), Some(PathBuf::from("/mnt/a b")));
        assert_eq!(cgroup2_mount("nonsense"), None);
    }

    #[test]
    fn the_root_cgroup_is_a_slash_where_there_is_a_cgroup2_mount() {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        let mut owners = Owners::new();
        match cgroup2_mount(&mountinfo) {
            Some(mount) => {
                let id = fs::metadata(mount).expect("mount").ino();
                assert_eq!(owners.cgroup_path(id).as_deref(), Some("/"));
            }
            None => assert_eq!(owners.cgroup_path(1), None),
        }
        assert_eq!(owners.cgroup_path(u64::MAX), None);
    }

    #[test]
    fn walking_is_bounded_and_gives_paths_from_the_root() {
        let root = tempfile::tempdir().expect("directory");
        fs::create_dir_all(root.path().join("a.slice/b.service")).expect("directories");
        let mut found = HashMap::new();
        walk(root.path(), 100, &mut found);
        let id = |path: &str| {
            fs::metadata(root.path().join(path))
                .expect("metadata")
                .ino()
        };
        assert_eq!(found.get(&id("")).map(String::as_str), Some("/"));
        assert_eq!(
            found.get(&id("a.slice/b.service")).map(String::as_str),
            Some("/a.slice/b.service")
        );
        let mut few = HashMap::new();
        walk(root.path(), 2, &mut few);
        assert_eq!(few.len(), 2);
    }
}
