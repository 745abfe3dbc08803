//! The running kernel: the only place that names aya and, with `lab`, that makes a system call.

pub mod attach;
pub mod btf;
pub mod clock;
pub mod count;
pub mod device;
pub mod errno;
pub mod fact;
pub mod hook;
mod load;
pub mod netns;
pub mod owner;
pub mod plan;
pub mod privilege;
pub mod procnet;
pub mod reason;
pub mod ring;
pub mod rung;
pub mod session;
pub mod sockdiag;
pub mod stop;
pub mod symbol;
pub mod tracefs;

/// The release of the running kernel, as `uname -r` prints it.
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// The machine's architecture, as `uname -m` prints it.
pub fn machine() -> String {
    rustix::system::uname()
        .machine()
        .to_string_lossy()
        .into_owned()
}

/// Gives freed memory back to the kernel.
///
/// glibc keeps what was freed below its top; after the kernel's types are parsed that is tens of megabytes.
pub fn trim_memory() {
    // SAFETY: no arguments to get wrong; the allocator stays consistent.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
