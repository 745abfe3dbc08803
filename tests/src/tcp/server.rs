//! A server that works beside the test.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Listener;

/// What a [`Server`] does with what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Sends it back.
    Echo,
    /// Nothing.
    Sink,
}

/// Serves one connection after the other until it is dropped, each until its end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Server {
    /// Serves what this listener accepts.
    ///
    /// # Panics
    /// When there is no thread to be had.
    #[must_use]
    pub fn new(listener: Listener, answer: Answer) -> Self {
        let address = listener.address();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                let mut served = 0;
                while !stopped.load(Ordering::Relaxed) {
                    let next = listener.accept_within(Duration::from_millis(20));
                    if let Ok(Some(stream)) = next {
                        serve(stream, answer);
                        served += 1;
                    }
                }
                served
            })
            .expect("a thread");
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and tells how many connections it had.
    ///
    /// # Panics
    /// When its thread did.
    #[must_use]
    pub fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        thread.map_or(0, |thread| thread.join().expect("the server's thread"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // There is nobody to tell.
            let _ = thread.join();
        }
    }
}

/// Until the other end has said all, or is gone.
fn serve(mut stream: TcpStream, answer: Answer) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        let said = bytes.get(..count).unwrap_or_default();
        if answer == Answer::Echo && stream.write_all(said).is_err() {
            return;
        }
    }
    // A peer that reset the connection has ended it already.
    let _ = stream.shutdown(Shutdown::Write);
}
