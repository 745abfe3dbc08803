//! A cgroup of the lab's own, for sockets: a thread joins it, opens a socket there, and ends.
//!
//! It is the one thing of the lab that outlives a process that is killed: an empty directory, which the next one
//! removes.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use procfs::process::Process;

use super::LabError;

/// What the names of the lab's cgroups begin with; the process's id and a number follow.
const PREFIX: &str = "netdiag-lab-";

/// How often a removal is tried, and the time between two: a thread that has ended is in the cgroup a little longer.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// A cgroup below the one of this process, removed when dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    directory: File,
    /// `None` only while dropping: closing it ends the thread.
    needed: Option<mpsc::Sender<()>>,
    /// Removes the cgroup: who drops this may have given up the capability for that by then.
    keeper: Option<JoinHandle<()>>,
}

impl Cgroup {
    /// Makes it.
    ///
    /// # Errors
    /// [`LabError::Unsupported`] where no cgroup2 is mounted or it takes no single threads; otherwise what the kernel
    /// refused.
    pub fn new() -> Result<Self, LabError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let parent = own().map_err(|source| LabError::Unsupported {
            what: "cgroup2",
            source,
        })?;
        remove_leftovers(&parent);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        let refused = |source| LabError::Refused {
            operation: "make the cgroup",
            object: path.display().to_string(),
            source,
        };
        fs::create_dir(&path).map_err(refused)?;
        let directory = File::open(&path).map_err(refused)?;
        let (needed, wait) = mpsc::channel();
        let kept = path.clone();
        let keeper = thread::spawn(move || {
            // Ends when the other side is dropped.
            let _ = wait.recv();
            remove(&kept);
        });
        let cgroup = Self {
            path: path.clone(),
            directory,
            needed: Some(needed),
            keeper: Some(keeper),
        };
        // A thread can join it without its process.
        fs::write(path.join("cgroup.type"), "threaded")
            .map_err(|source| refused(source).lacking("cgroup2 for single threads"))?;
        Ok(cgroup)
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a job on a thread in this cgroup, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the thread may not join the cgroup, or what the job answers.
    pub fn run<T: Send>(
        &self,
        job: impl FnOnce() -> Result<T, LabError> + Send,
    ) -> Result<T, LabError> {
        let inside = || {
            fs::write(self.path.join("cgroup.threads"), "0").map_err(|source| {
                LabError::Refused {
                    operation: "join the cgroup",
                    object: self.path.display().to_string(),
                    source,
                }
            })?;
            job()
        };
        thread::scope(|scope| {
            scope
                .spawn(inside)
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        drop(self.needed.take());
        if let Some(keeper) = self.keeper.take() {
            // There is nobody to tell.
            let _ = keeper.join();
        }
    }
}

fn remove(path: &Path) {
    for _ in 0..ATTEMPTS {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(PAUSE),
            _ => break,
        }
    }
}

/// The directory of this process's cgroup.
fn own() -> io::Result<PathBuf> {
    let process = Process::myself().map_err(io::Error::other)?;
    let mounts = process.mountinfo().map_err(io::Error::other)?;
    let mount = mounts
        .into_iter()
        .find(|mount| mount.fs_type == "cgroup2")
        .ok_or(io::ErrorKind::NotFound)?;
    let cgroups = process.cgroups().map_err(io::Error::other)?;
    let own = cgroups
        .into_iter()
        .find(|cgroup| cgroup.hierarchy == 0)
        .ok_or(io::ErrorKind::NotFound)?;
    Ok(mount.mount_point.join(own.pathname.trim_start_matches('/')))
}

/// Removes the empty cgroups of processes that are no more.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if let Some(pid) = pid
            && !Path::new("/proc").join(pid).exists()
        {
            // One that is in use refuses.
            let _ = fs::remove_dir(entry.path());
        }
    }
}
