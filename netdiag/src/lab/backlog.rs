//! A connection whose program holds its socket, so that what arrives has to wait.

use std::ffi::c_void;
use std::io::{self, Read as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, UserfaultfdFlags, mmap_anonymous, munmap, userfaultfd};

use super::l3::{Ip, PACKETS, scenario};
use super::peer::{ACK, PSH, Peer};
use super::tcp::serve;
use super::udp::OPEN_PORT;
use super::{Bench, Expectation, LabError, Owner, Scenario, Told, traffic};

/// What the kernel must be built with.
const USERFAULTFD: &str = "userfaultfd";

/// Segments, and how much they carry: more than waits for a socket with small buffers (`tcp_add_backlog`).
const FILL: u16 = 400;
const SIZE: usize = 1400;

pub(super) const SCENARIOS: &[Scenario] = &[scenario(
    "tcp-backlog-full",
    "Segments arrive for a connection whose program holds its socket all the while",
    "The program reads, and the memory that it reads into is swapped out, or on a disk that hangs: until the page is \
     there the kernel keeps the socket locked, and what arrives waits in the backlog until that is full.",
    Expectation::finding("tcp-backlog-full")
        .counter("TcpExtTCPBacklogDrop")
        .at(&["SOCKET_BACKLOG"], &["tcp_v4_rcv", "tcp_add_backlog"])
        // The segment has lost its device by then, and its route.
        .on(None)
        .of(Owner::Receiver)
        .told(Told::WithReceiver)
        .counted_alone("TcpExtTCPBacklogDrop")
        .needs(&[USERFAULTFD]),
    held,
)];

fn held() -> Result<Bench, LabError> {
    let service = serve(Ip::V4)?;
    traffic::shrink_receive_buffer(&service.listener)?;
    let mut peer = Peer::new(&service.tun, Ip::V4, 40_000, OPEN_PORT);
    peer.connect()?;
    let stream = service.accept()?;
    let reader = StuckReader::start(&stream, || {
        // Something to read, while nothing waits yet.
        peer.send(ACK | PSH, b"read me")
    })
    .map_err(|error| error.lacking(USERFAULTFD))?;
    // The same each time: what follows on another would be joined to it.
    let payload = [0; SIZE];
    for _ in 0..FILL {
        peer.send(ACK | PSH, &payload)?;
    }
    let bench = Bench::each(service.namespace, PACKETS, move |_| peer.send(ACK | PSH, &payload));
    Ok(bench.keeping(Arc::new((reader, stream, service.listener, service.tun))))
}

/// A thread that reads from a socket into a page that is not there, and does not get it before this is dropped.
#[derive(Debug)]
struct StuckReader {
    /// `None` only while dropping: closing it gives the thread its page.
    faults: Option<OwnedFd>,
    reader: Option<JoinHandle<()>>,
    /// Given back last, when the thread has ended.
    _page: Page,
}

impl StuckReader {
    /// Returns when the thread is stuck; `give` is to make something arrive.
    fn start(
        stream: &TcpStream,
        give: impl FnOnce() -> Result<(), LabError>,
    ) -> Result<Self, LabError> {
        let refused = |operation, source: io::Error| LabError::Refused {
            operation,
            object: "a page of memory".to_owned(),
            source,
        };
        let page = Page::map().map_err(|source| refused("map", source))?;
        let faults = page
            .watch()
            .map_err(|source| refused("watch the faults of", source))?;
        let socket = stream
            .try_clone()
            .map_err(|source| refused("hand over the socket for", source))?;
        let address = page.address as usize;
        let reader = thread::spawn(move || {
            // SAFETY: the page is mapped until this thread has been joined, and nobody else looks at it.
            let _read = unsafe {
                libc::read(socket.as_raw_fd(), address as *mut c_void, Page::SIZE)
            };
        });
        let mut stuck = Self {
            faults: Some(faults),
            reader: Some(reader),
            _page: page,
        };
        give()?;
        stuck
            .await_fault()
            .map_err(|source| refused("wait for a fault of", source))?;
        Ok(stuck)
    }

    /// The kernel tells of the fault when the reader sleeps on it, with the socket locked (`tcp_recvmsg`).
    fn await_fault(&mut self) -> io::Result<()> {
        /// `struct uffd_msg`
        const MESSAGE: usize = 32;
        let Some(faults) = &self.faults else {
            return Ok(());
        };
        let mut message = [0; MESSAGE];
        std::fs::File::from(faults.try_clone()?).read_exact(&mut message)
    }
}

impl Drop for StuckReader {
    fn drop(&mut self) {
        // Faults on a page that nobody watches are the kernel's again, and it gives zeros.
        drop(self.faults.take());
        if let Some(reader) = self.reader.take() {
            // There is nobody to tell.
            let _ = reader.join();
        }
    }
}

/// A page that has not been touched.
#[derive(Debug)]
struct Page {
    address: *mut c_void,
}

// SAFETY: an address; who reads or writes there says so.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// Of linux/userfaultfd.h.
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFD_API: u64 = 0xaa;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

impl Page {
    const SIZE: usize = 4096;

    fn map() -> io::Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice; it stays until `drop`.
        let address = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                Self::SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        Ok(Self { address })
    }

    /// Has faults on the page wait for whoever holds the answer.
    fn watch(&self) -> io::Result<OwnedFd> {
        // SAFETY: it acts on the pages that are registered with it alone.
        let faults = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC) }.map_err(|errno| match errno {
            // Not built in.
            Errno::NOSYS => io::Error::from_raw_os_error(libc::ENOSYS),
            other => other.into(),
        })?;
        // API, features, ioctls
        request(&faults, UFFDIO_API, &mut [UFFD_API, 0, 0])?;
        // Start, length, mode, ioctls
        let (start, length) = (self.address as u64, Self::SIZE as u64);
        let mut range = [start, length, UFFDIO_REGISTER_MODE_MISSING, 0];
        request(&faults, UFFDIO_REGISTER, &mut range)?;
        Ok(faults)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping of `map`, which nothing refers to any more.
        let _ = unsafe { munmap(self.address, Self::SIZE) };
    }
}

fn request<const WORDS: usize>(
    faults: &OwnedFd,
    operation: u64,
    words: &mut [u64; WORDS],
) -> io::Result<()> {
    // SAFETY: the kernel reads and writes as many bytes as the operation's number says, which are those of `words`.
    let answer = unsafe { libc::ioctl(faults.as_raw_fd(), operation as _, words.as_mut_ptr()) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
