//! Options of sockets that no library has.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::LabError;

/// Lets closing a connection reset it, at once and in one packet (`SO_LINGER` of no time).
///
/// # Errors
/// What the kernel answered.
pub(super) fn reset_when_closed(socket: impl AsFd) -> Result<(), LabError> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the kernel reads the structure.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_LINGER, &linger) }
}

/// Gives a socket a classic filter that lets nothing pass (`SO_ATTACH_FILTER`).
///
/// # Errors
/// What the kernel answered.
pub(super) fn filter_everything(socket: impl AsFd) -> Result<(), LabError> {
    // BPF_RET | BPF_K: no byte is wanted.
    let mut code = libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut code,
    };
    // SAFETY: the kernel copies the instruction that the program points to before the call returns.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program) }
}

/// Gives a socket a BPF program as its filter (`SO_ATTACH_BPF`).
///
/// # Errors
/// What the kernel answered.
pub(super) fn filter_by(socket: impl AsFd, program: BorrowedFd<'_>) -> Result<(), LabError> {
    // SAFETY: the kernel reads a descriptor.
    unsafe {
        set(
            socket,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_BPF,
            &program.as_raw_fd(),
        )
    }
}

/// Lets a socket refuse what comes from further away (`IP_MINTTL`, `IPV6_MINHOPCOUNT`).
///
/// # Errors
/// What the kernel answered.
pub(super) fn least_ttl(socket: impl AsFd, ipv6: bool, ttl: libc::c_int) -> Result<(), LabError> {
    /// Of `linux/in.h` and `linux/in6.h`.
    const IP_MINTTL: libc::c_int = 21;
    const IPV6_MINHOPCOUNT: libc::c_int = 73;
    let (level, option) = if ipv6 {
        (libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT)
    } else {
        (libc::IPPROTO_IP, IP_MINTTL)
    };
    // SAFETY: the kernel reads an int.
    unsafe { set(socket, level, option, &ttl) }
}

/// `struct tcp_md5sig` of `linux/tcp.h`.
#[repr(C)]
struct Signature {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix: u8,
    length: u16,
    index: libc::c_int,
    key: [u8; 80],
}

/// Lets a socket take only signed segments from that host (`TCP_MD5SIG`).
///
/// # Errors
/// [`LabError::Unsupported`] when the kernel has no signatures; otherwise what it answered.
pub(super) fn signed_only(socket: impl AsFd, from: IpAddr) -> Result<(), LabError> {
    // SAFETY: all zeroes are such a structure.
    let mut signature: Signature = unsafe { std::mem::zeroed() };
    let storage = (&raw mut signature.address).cast::<u8>();
    let (family, offset, bytes) = match from {
        IpAddr::V4(address) => (libc::AF_INET, 4, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, 8, address.octets().to_vec()),
    };
    signature.address.ss_family = libc::sa_family_t::try_from(family).unwrap_or_default();
    // SAFETY: the address stands behind family and port, in IPv6 behind the flow label as well; 24 bytes of 128.
    unsafe { storage.add(offset).copy_from(bytes.as_ptr(), bytes.len()) };
    signature.length = 3;
    signature.key = [b'k'; 80];
    // SAFETY: the kernel reads the structure.
    unsafe { set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &signature) }
        .map_err(|error| error.lacking("TCP-MD5"))
}

/// Makes a device take what is for others, as long as this packet socket lives (`PACKET_ADD_MEMBERSHIP`).
///
/// # Errors
/// What the kernel answered.
pub(super) fn promiscuous(socket: impl AsFd, device: u32) -> Result<(), LabError> {
    let request = libc::packet_mreq {
        mr_ifindex: libc::c_int::try_from(device).unwrap_or_default(),
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or_default(),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    // SAFETY: the kernel reads the structure.
    unsafe {
        set(
            socket,
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            &request,
        )
    }
}

/// # Safety
/// The option takes a `T`, and what `T` points to is good.
pub(super) unsafe fn set<T>(
    socket: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> Result<(), LabError> {
    let size = libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default();
    // SAFETY: the caller's promise; the kernel reads as many bytes as the size says.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size,
        )
    };
    if answer == 0 {
        return Ok(());
    }
    Err(LabError::Socket {
        operation: "set an option of",
        address: format!("a socket ({level}, {option})"),
        source: io::Error::last_os_error(),
    })
}
