//! A cable that takes its time and loses what it is told to, without the kernel knowing: two TUN devices, and a thread
//! that carries packets from one to the other. Some kernels have no netem, and what netem loses is a drop of its own.

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netdiag::lab::{Layer, Namespace, PacketInfo, Tun};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;

use super::Side;

/// Whether a packet that comes from a side is lost.
pub type Loss = Box<dyn FnMut(Side, &[u8]) -> bool + Send>;

/// What happens to the packets on their way.
struct Fate {
    delay: Duration,
    loss: Loss,
}

/// The cable. Dropping it ends the thread; the devices go with it.
pub struct Wire {
    fate: Arc<Mutex<Fate>>,
    /// Closed to end the thread.
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// Makes a device in each namespace, down and without addresses, and carries packets from now on.
    pub(super) fn new(client: &Namespace, server: &Namespace) -> Self {
        let device = |namespace, side: Side| {
            let tun = Tun::create(namespace, side.device(), Layer::Ip, PacketInfo::Absent);
            tun.expect("a TUN device")
        };
        let ends = [device(client, Side::Client), device(server, Side::Server)];
        let fate = Arc::new(Mutex::new(Fate {
            delay: Duration::ZERO,
            loss: Box::new(|_, _| false),
        }));
        let (ended, end) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let carrier = Arc::clone(&fate);
        let thread = thread::spawn(move || carry(&ends, &ended, &carrier));
        Self {
            fate,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Lets every packet take so long from now on, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.fate().delay = delay;
    }

    /// Loses from now on what this says is lost, and nothing else.
    pub fn lose(&self, loss: impl FnMut(Side, &[u8]) -> bool + Send + 'static) {
        self.fate().loss = Box::new(loss);
    }

    /// Loses nothing any more.
    pub fn heal(&self) {
        self.lose(|_, _| false);
    }

    fn fate(&self) -> std::sync::MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It ends at the latest with its next packet, and there is nobody to tell of a panic.
            let _ = thread.join();
        }
    }
}

/// Carries packets until the other end of `ended` is closed.
fn carry(ends: &[Tun; 2], ended: &OwnedFd, fate: &Mutex<Fate>) {
    let mut on_the_way: VecDeque<(Instant, Side, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let wait = on_the_way.front().map(|(due, ..)| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec::try_from(left).expect("a short time")
        });
        let mut polled = [
            PollFd::new(&ends[0], PollFlags::IN),
            PollFd::new(&ends[1], PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
        ];
        if poll(&mut polled, wait.as_ref()).is_err() {
            continue;
        }
        let [client, server, over] = polled.map(|fd| fd.revents());
        if !over.is_empty() {
            return;
        }
        for (side, ready) in [(Side::Client, client), (Side::Server, server)] {
            if !ready.contains(PollFlags::IN) {
                continue;
            }
            let Ok(length) = rustix::io::read(end_of(ends, side).as_fd(), &mut buffer) else {
                continue;
            };
            let packet = &buffer[..length];
            let mut fate = fate.lock().unwrap_or_else(PoisonError::into_inner);
            if !(fate.loss)(side, packet) {
                // The delay may have been made shorter: packets do not overtake each other all the same.
                let due = Instant::now() + fate.delay;
                let due = on_the_way.back().map_or(due, |(last, ..)| due.max(*last));
                on_the_way.push_back((due, side, packet.to_vec()));
            }
        }
        while let Some((due, ..)) = on_the_way.front()
            && *due <= Instant::now()
            && let Some((_, side, packet)) = on_the_way.pop_front()
        {
            // A device that is going down takes nothing any more.
            let _ = end_of(ends, side.other()).write(0, &packet);
        }
    }
}

fn end_of(ends: &[Tun; 2], side: Side) -> &Tun {
    match side {
        Side::Client => &ends[0],
        Side::Server => &ends[1],
    }
}
