//! Sockets behind descriptors: what a system call is about.

use super::TCP;
use crate::{
    field::*,
    memory::{Memory, Probed, non_null, pointer},
    socket,
};
use aya_ebpf::{Global, helpers::generated::bpf_get_current_task};
use netdiag_common::{
    field::ABSENT,
    record::{FAMILY_IPV4, FAMILY_IPV6},
};

/// Where the tracepoints of system calls keep the first argument, the second, and what was returned.
#[unsafe(no_mangle)]
pub(super) static CALL_LAYOUT: Global<[u32; 3]> = Global::new([ABSENT; 3]);

/// `SS_UNCONNECTED` of `linux/net.h`.
const UNCONNECTED: u32 = 1;

/// The TCP socket behind a descriptor of the current task, if no connection of it is under way.
#[inline(always)]
pub(super) unsafe fn unconnected(fd: u64) -> Option<*const u8> {
    // SAFETY: `Probed` reads any address.
    unsafe {
        let socket = socket_of(fd)?;
        if SOCKET_STATE.load() == ABSENT
            || Probed::read::<u32>(socket, SOCKET_STATE.load()) != UNCONNECTED
        {
            return None;
        }
        let sk = pointer::<Probed>(socket, SOCKET_SK.load())?;
        if is_tcp(sk) { Some(sk) } else { None }
    }
}

#[inline(always)]
pub(super) unsafe fn is_tcp(sk: *const u8) -> bool {
    // SAFETY: `Probed` reads any address.
    unsafe {
        let family = Probed::read::<u16>(sk, SK_FAMILY.load());
        (family == FAMILY_IPV4 || family == FAMILY_IPV6)
            && SK_PROTOCOL.load() != ABSENT
            && Probed::read::<u16>(sk, SK_PROTOCOL.load()) == TCP
    }
}

/// The `struct socket` behind a descriptor of the current task.
#[inline(always)]
pub(super) unsafe fn socket_of(fd: u64) -> Option<*const u8> {
    if FDT_MAX.load() == ABSENT {
        return None;
    }
    // SAFETY: `Probed` reads any address; another thread may close the descriptor meanwhile, and what is read then is
    // checked.
    unsafe {
        let task = non_null(bpf_get_current_task() as *const u8)?;
        let files = pointer::<Probed>(task, TASK_FILES.load())?;
        let table = pointer::<Probed>(files, FILES_FDT.load())?;
        if fd >= Probed::read::<u32>(table, FDT_MAX.load()) as u64 {
            return None;
        }
        let entries = pointer::<Probed>(table, FDT_FD.load())?;
        let file = non_null(Probed::read::<*const u8>(
            entries.wrapping_add((fd * 8) as usize),
            0,
        ))?;
        let inode = pointer::<Probed>(file, FILE_INODE.load())?;
        if !socket::is_socket(inode) {
            return None;
        }
        pointer::<Probed>(file, FILE_PRIVATE.load())
    }
}
