//! A fresh, anonymous network namespace, held by a thread of its own.
//!
//! A namespace lives as long as a process or a file descriptor refers to it. This one has no name in `/run/netns`, so
//! nothing is left behind even when the process is killed with SIGKILL.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use netdiag_common::NetnsId;
use rustix::thread::{Pid, UnshareFlags, gettid, unshare_unsafe};

use super::{LabError, link};

/// The network namespace of the calling thread.
const THREAD_NETNS: &str = "/proc/thread-self/ns/net";

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace of its own, with `lo` up and nothing else in it.
#[derive(Debug)]
pub struct Namespace {
    id: NetnsId,
    tid: Pid,
    /// `None` only while dropping: closing it ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Creates the namespace and its thread, and brings `lo` up.
    ///
    /// # Errors
    /// [`LabError::Privilege`] without CAP_SYS_ADMIN; otherwise what the kernel refused.
    pub fn new() -> Result<Self, LabError> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("netdiag-lab".to_owned())
            .spawn(move || {
                let entered = enter();
                let go_on = entered.is_ok();
                if ready.send(entered).is_ok() && go_on {
                    todo.into_iter().for_each(|job| job());
                }
            })
            .map_err(|source| LabError::Namespace {
                operation: "start the thread of a network namespace",
                source,
            })?;
        let (id, tid) = is_ready.recv().map_err(|_| LabError::Namespace {
            operation: "enter a new network namespace",
            source: io::Error::other("its thread ended"),
        })??;
        Ok(Self {
            id,
            tid,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Its inode number, as `/proc/PID/ns/net` shows it.
    #[must_use]
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// The thread inside: `/proc/TID/ns/net` leads to the namespace for as long as this value lives.
    #[must_use]
    pub fn tid(&self) -> u32 {
        self.tid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Runs `job` on the thread inside the namespace and returns what it returned.
    ///
    /// # Panics
    /// When `job` does: the panic goes on in the caller, so that tests can assert inside.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Job = Box::new(move || {
            // A caller that is gone has no use for the answer.
            let _ = answer.send(panic::catch_unwind(AssertUnwindSafe(job)));
        });
        if let Some(jobs) = &self.jobs {
            // Fails only together with `recv` below.
            let _ = jobs.send(job);
        }
        answered
            .recv()
            .expect("the thread outlives its Namespace: every job's panic is caught")
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    }

    /// A file descriptor of the namespace, which keeps it alive on its own.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn open(&self) -> Result<OwnedFd, LabError> {
        self.run(|| File::open(THREAD_NETNS))
            .map(OwnedFd::from)
            .map_err(|source| LabError::Namespace {
                operation: "open the network namespace",
                source,
            })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // Jobs cannot panic the thread, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

/// Moves the calling thread into a new namespace and brings `lo` up there.
fn enter() -> Result<(NetnsId, Pid), LabError> {
    // SAFETY: only CLONE_FILES makes unshare unsafe: a descriptor table that other threads do not share. It is not set.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(|errno| match errno {
        rustix::io::Errno::PERM => LabError::Privilege(errno.into()),
        _ => LabError::Namespace {
            operation: "create a network namespace",
            source: errno.into(),
        },
    })?;
    let id = current_netns()?;
    link::set_up("lo")?;
    Ok((id, gettid()))
}

/// The network namespace of the calling thread.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn current_netns() -> Result<NetnsId, LabError> {
    netns_of(THREAD_NETNS).map_err(|source| LabError::Namespace {
        operation: "read the id of this thread's network namespace",
        source,
    })
}

/// The network namespace that a `/proc/.../ns/net` link leads to.
pub(super) fn netns_of(path: &str) -> io::Result<NetnsId> {
    let inode = fs::metadata(path)?.ino();
    u32::try_from(inode).map(NetnsId).map_err(io::Error::other)
}
