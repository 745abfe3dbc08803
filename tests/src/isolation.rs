//! Keeps a test's mounts and names to itself: nothing is left behind, even when the test is killed.

use std::ffi::CStr;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use netdiag::lab::Namespace;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tempfile::TempDir;

use super::machine::every_rung;

/// Where network namespaces have names.
const NAMES: &str = "/run/netns";

/// The host's counters, and what is attached, belong to all tests: they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test on a thread with mounts of its own, inherited by what it starts: an empty `/run/netns`, and a tracefs
/// if there was none.
///
/// # Panics
/// When the test does, or without root.
pub fn isolated<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    // A test that failed leaves nothing that another could trip over.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let inside = || {
        // SAFETY: only CLONE_FILES makes unshare unsafe, and it is not set.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
            .expect("a mount namespace of its own: the live tests need root");
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).expect("make all mounts private");
        fs::create_dir_all(NAMES).expect("create /run/netns");
        mount("none", NAMES, "tmpfs", MountFlags::empty(), None).expect("mount a tmpfs");
        if !Path::new("/sys/kernel/tracing/events").exists() {
            // Where this is refused, `doctor` must say that tracefs is missing.
            let _ = mount(
                "none",
                "/sys/kernel/tracing",
                "tracefs",
                MountFlags::empty(),
                None,
            );
        }
        test()
    };
    // A failure is told with the thread's name.
    let name = thread::current().name().unwrap_or("main").to_owned();
    let thread = thread::Builder::new().name(name);
    thread::scope(|scope| {
        let thread = thread.spawn_scoped(scope, inside).expect("a thread");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// As [`isolated`], for tests that count what a tracepoint tells: where the rungs are not promised, such a test may take
/// three attempts.
///
/// The 6.18 kernel of the machines that this is developed on was seen, under load, not to run a program for one
/// retransmission in some forty, and not to count that it skipped it: then TcpRetransSegs rises by more than is
/// explained, which netdiag says, and the test cannot know. The kernels of the matrix get one attempt.
///
/// # Panics
/// When the last attempt does.
pub fn steadily(test: impl Fn() + Send + Sync) {
    const ATTEMPTS: u32 = 3;
    for _ in 1..ATTEMPTS {
        if every_rung() {
            break;
        }
        let attempt = AssertUnwindSafe(|| isolated(&test));
        if catch_unwind(attempt).is_ok() {
            return;
        }
    }
    isolated(&test);
}

/// A file system on a directory that the test made: both are gone at its end.
#[derive(Debug)]
pub struct Mounted(TempDir);

impl Mounted {
    /// Mounts a file system; call it inside [`isolated`].
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn new(file_system: &str, options: Option<&CStr>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let flags = MountFlags::empty();
        mount("none", directory.path(), file_system, flags, options).expect("a mount");
        Self(directory)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Before the directory, which cannot be removed while it is in use.
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// A name in `/run/netns` for a namespace of the lab; call it inside [`isolated`].
#[derive(Debug)]
pub struct NamedNetns(PathBuf);

impl NamedNetns {
    /// Binds the name.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn new(namespace: &Namespace, name: &str) -> Self {
        let path = Path::new(NAMES).join(name);
        fs::write(&path, "").expect("create the file that becomes the name");
        let source = format!("/proc/self/task/{}/ns/net", namespace.tid());
        mount_bind(source, &path).expect("bind the namespace to its name");
        Self(path)
    }
}

impl Drop for NamedNetns {
    fn drop(&mut self) {
        // The mount namespace goes with its test in any case.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
        let _ = fs::remove_file(&self.0);
    }
}
