//! What a device does instead of the kernel: checksums, and packets cut and joined.

use rustix::net::{AddressFamily, SocketType, socket};
use std::{io, os::fd::AsRawFd};

// Of linux/ethtool.h: each asks for one value, and needs no privilege.
const OFFLOADS: [(&str, u32); 6] = [
    ("rx-checksum", 0x14),
    ("tx-checksum", 0x16),
    ("tso", 0x1e),
    ("gso", 0x23),
    ("gro", 0x2b),
    // Among the flags.
    ("lro", ETHTOOL_GFLAGS),
];
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETH_FLAG_LRO: u32 = 1 << 15;
/// Of linux/sockios.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Those that are on, in the calling thread's namespace.
///
/// # Errors
/// There is no such device.
pub fn of(device: &str) -> io::Result<Vec<&'static str>> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let mut on = Vec::new();
    for (name, command) in OFFLOADS {
        match ask(socket.as_raw_fd(), device, command) {
            Ok(data) if command == ETHTOOL_GFLAGS && data & ETH_FLAG_LRO == 0 => {}
            Ok(0) => {}
            Ok(_) => on.push(name),
            // The driver knows it not.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(on)
}

fn ask(socket: i32, device: &str, command: u32) -> io::Result<u32> {
    let mut value = Value { command, data: 0 };
    // SAFETY: integers and a union of integers and pointers, for which zeros are good.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes().take(room)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
    // SAFETY: the kernel reads the request and, through its pointer, reads and writes `value`; both live until then.
    if unsafe { libc::ioctl(socket, SIOCETHTOOL as _, &mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_checks_no_sums() {
        let on = of("lo").expect("lo");
        assert!(on.contains(&"tx-checksum"), "{on:?}");
        let error = of("no-such-device").expect_err("none");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
