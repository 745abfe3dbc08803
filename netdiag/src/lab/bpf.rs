//! BPF programs of two instructions, which say the same of every packet.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::LabError;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A filter of one socket: how many bytes of a packet it gets.
    SocketFilter,
    /// A classifier of traffic control.
    Classifier,
    /// XDP.
    Xdp,
    /// What the sockets of a cgroup receive and send: whether they may.
    Cgroup,
}

/// `XDP_DROP`
pub const XDP_DROP: i32 = 1;
/// `TC_ACT_SHOT`
pub const TC_DROP: i32 = 2;
/// Of a filter of a socket or a cgroup: nothing passes.
pub const NOTHING: i32 = 0;
/// Of a filter of a cgroup: everything passes.
pub const EVERYTHING: i32 = 1;

/// `BPF_PROG_LOAD`, `BPF_PROG_ATTACH` and `BPF_LINK_CREATE`
const LOAD: libc::c_long = 5;
const ATTACH: libc::c_long = 8;
const LINK: libc::c_long = 28;
/// `BPF_TCX_INGRESS` of `enum bpf_attach_type`
const TCX_INGRESS: u32 = 46;

/// The part of `union bpf_attr` that `BPF_PROG_LOAD` wants, as of 4.15.
#[repr(C)]
struct LoadRequest {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The part of `union bpf_attr` that `BPF_PROG_ATTACH` wants.
#[repr(C)]
struct AttachRequest {
    target: RawFd,
    program: RawFd,
    kind: u32,
    flags: u32,
}

/// Loads the program `return VALUE;`.
///
/// # Errors
/// [`LabError::Unsupported`] when the kernel knows no such programs; otherwise what it answered.
pub fn load(kind: Kind, value: i32) -> Result<OwnedFd, LabError> {
    let [a, b, c, d] = value.to_ne_bytes();
    // r0 = VALUE (BPF_ALU64 | BPF_MOV | BPF_K); exit (BPF_JMP | BPF_EXIT)
    let code: [u8; 16] = [0xb7, 0, 0, 0, a, b, c, d, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let license = c"GPL";
    let request = LoadRequest {
        kind: match kind {
            Kind::SocketFilter => 1,
            Kind::Classifier => 3,
            Kind::Xdp => 6,
            Kind::Cgroup => 8,
        },
        instructions: 2,
        code: code.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"netdiag_lab\0\0\0\0\0",
    };
    // SAFETY: the kernel reads the request and, through its pointers, two instructions and a string that ends with
    // zero; all live until the call returns, and nothing is written.
    let answer = unsafe { bpf(LOAD, &request) };
    let fd = answer
        .and_then(|fd| RawFd::try_from(fd).map_err(io::Error::other))
        .map_err(|source| refused("load", source).lacking("BPF"))?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a program to what the sockets of a cgroup receive, or to what they send.
///
/// # Errors
/// What the kernel answered.
pub fn attach_cgroup(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    egress: bool,
) -> Result<(), LabError> {
    let request = AttachRequest {
        target: cgroup.as_raw_fd(),
        program: program.as_raw_fd(),
        // BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS
        kind: u32::from(egress),
        flags: 0,
    };
    // SAFETY: the kernel reads the request, which has no pointers.
    unsafe { bpf(ATTACH, &request) }
        .map(drop)
        .map_err(|source| refused("attach to a cgroup", source).lacking("cgroup programs"))
}

/// The part of `union bpf_attr` that `BPF_LINK_CREATE` wants for TCX, as of 6.6.
#[repr(C)]
struct LinkRequest {
    program: RawFd,
    index: u32,
    kind: u32,
    flags: u32,
    relative: u32,
    padding: u32,
    revision: u64,
}

/// Lets a classifier look at what a device receives, without a queueing discipline (TCX); until the answer is dropped.
///
/// # Errors
/// What the kernel answered; [`LabError::Unsupported`] before 6.6.
pub fn link_tcx(index: u32, program: BorrowedFd<'_>) -> Result<OwnedFd, LabError> {
    let request = LinkRequest {
        program: program.as_raw_fd(),
        index,
        kind: TCX_INGRESS,
        flags: 0,
        relative: 0,
        padding: 0,
        revision: 0,
    };
    // SAFETY: the kernel reads the request, which has no pointers.
    let answer = unsafe { bpf(LINK, &request) };
    let fd = answer
        .and_then(|fd| RawFd::try_from(fd).map_err(io::Error::other))
        .map_err(|source| match source.raw_os_error() {
            // Older kernels know no such way to attach it.
            Some(libc::EINVAL) => LabError::Unsupported {
                what: "tcx",
                source,
            },
            _ => refused("attach by TCX", source).lacking("tcx"),
        })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `request` is what the command wants, and its pointers are good.
unsafe fn bpf<T>(command: libc::c_long, request: &T) -> io::Result<libc::c_long> {
    // SAFETY: the caller's promise; the kernel reads as many bytes as the size says.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(request),
            size_of::<T>(),
        )
    };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

fn refused(operation: &'static str, source: io::Error) -> LabError {
    LabError::Refused {
        operation,
        object: "a BPF program".to_owned(),
        source,
    }
}
