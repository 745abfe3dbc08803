//! A scenario that stands ready: its namespace, its devices, and the packets that it will send.

use std::fmt;
use std::thread;
use std::time::Duration;

use netdiag_common::NetnsId;

use super::{LabError, Namespace, Tun};

/// Sends the packets with that much time between two, and says how many went.
type Inject = Box<dyn FnMut(&Namespace, Duration) -> Result<u64, LabError> + Send>;

/// A prepared scenario. Dropping it removes the devices and the namespace.
pub struct Bench {
    // Before `namespace`: what the closure owns (devices, sockets) goes first.
    inject: Inject,
    namespace: Namespace,
}

impl Bench {
    /// A bench whose faults appear in `namespace`. The closure owns whatever else must live as long: devices, sockets,
    /// further namespaces.
    pub fn new(
        namespace: Namespace,
        inject: impl FnMut(&Namespace, Duration) -> Result<u64, LabError> + Send + 'static,
    ) -> Self {
        Self {
            inject: Box::new(inject),
            namespace,
        }
    }

    /// A bench that does this `count` times, and pauses in between; it is told the how-manieth time it is, from 1.
    pub fn each(
        namespace: Namespace,
        count: u16,
        mut send: impl FnMut(u16) -> Result<(), LabError> + Send + 'static,
    ) -> Self {
        Self::new(namespace, move |_, interval| {
            for seq in 1..=count {
                if seq > 1 && !interval.is_zero() {
                    thread::sleep(interval);
                }
                send(seq)?;
            }
            Ok(u64::from(count))
        })
    }

    /// A bench that writes `packets`, each with the EtherType that its packet information shall claim, to `tun`.
    pub fn writing(namespace: Namespace, tun: Tun, packets: Vec<(u16, Vec<u8>)>) -> Self {
        let count = u16::try_from(packets.len()).unwrap_or(u16::MAX);
        Self::each(namespace, count, move |seq| {
            let packet = packets.get(usize::from(seq - 1));
            packet.map_or(Ok(()), |(protocol, bytes)| tun.write(*protocol, bytes))
        })
    }

    /// The same bench, which does this too when its packets are sent.
    #[must_use]
    pub fn afterwards(
        mut self,
        then: impl Fn(&Namespace) -> Result<(), LabError> + Send + 'static,
    ) -> Self {
        let mut inject = self.inject;
        self.inject = Box::new(move |namespace, interval| {
            let sent = inject(namespace, interval)?;
            then(namespace)?;
            Ok(sent)
        });
        self
    }

    /// The same bench, which keeps something more for as long as it lives: a device, a socket, a namespace.
    #[must_use]
    pub fn keeping(self, thing: impl Send + Sync + 'static) -> Self {
        self.afterwards(move |_| {
            let _ = &thing;
            Ok(())
        })
    }

    /// The namespace where the faults appear.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its id.
    #[must_use]
    pub fn netns(&self) -> NetnsId {
        self.namespace.id()
    }

    /// Sends the packets, `interval` apart, and returns when the last was handed to the kernel. Blocks.
    ///
    /// # Errors
    /// When a device or socket refuses a packet.
    pub fn inject(&mut self, interval: Duration) -> Result<Injected, LabError> {
        let packets = (self.inject)(&self.namespace, interval)?;
        Ok(Injected {
            packets,
            netns: self.namespace.id(),
        })
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// What a bench did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injected {
    /// How many packets were handed to the kernel.
    pub packets: u64,
    /// The namespace where they were.
    pub netns: NetnsId,
}
