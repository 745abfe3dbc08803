//! What a scenario must lead to.

/// What the kernel does about a fault, and what netdiag must make of it, whatever the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The finding that netdiag must reach; `None` for traffic that nothing is wrong with.
    pub finding: Option<&'static str>,
    /// How many packets the kernel drops, with an event each; 0 where the fault leaves none.
    pub drops: u64,
    /// The counter of the namespace that grows: protocol and name as in `/proc/net/snmp` and `/proc/net/netstat`,
    /// written as one (`IpInHdrErrors`, `IpExtInCsumErrors`), or a name of `/proc/net/snmp6`; `None` when no counter
    /// tells, or not on every kernel.
    pub counter: Option<&'static str>,
    /// By how much it grows: not every drop is counted.
    pub counted: u64,
    /// How many packets the finding is about, where not all drops are its own.
    pub found: Option<u64>,
    /// The reasons that kernels since 5.17 give, one of these.
    pub reasons: &'static [&'static str],
    /// Where the drops happen: the function's name starts with one of these.
    pub functions: &'static [&'static str],
    /// The device that the packets are told with; `None` where they have none, or not on every kernel.
    pub device: Option<&'static str>,
    /// Whose the packets are.
    pub owner: Owner,
    /// Which kernels tell of the drops.
    pub told: Told,
    /// The counter that leads to the finding where the kernel does not tell of the drops: by one a drop.
    pub counted_alone: Option<&'static str>,
    /// The finding where the kernel does not name the receiving socket (before 6.11), if that is another one.
    pub unowned: Option<&'static str>,
    /// What the kernel must have been built with; a kernel that lacks it answers [`LabError::Unsupported`] when the
    /// scenario is prepared.
    ///
    /// [`LabError::Unsupported`]: super::LabError::Unsupported
    pub needs: &'static [&'static str],
    /// Whether it turns a knob of the whole machine: for machines that are thrown away.
    pub global: bool,
    /// The command that finds it.
    pub command: &'static str,
    /// Further faults of the same scenario.
    pub and: &'static [Expectation],
}

/// Which kernels tell of a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// All of them.
    Always,
    /// Those with reasons: before 5.17 `tcp_drop` frees without an event.
    WithReasons,
    /// Those that name the receiving socket, since 6.11: before, neither device, route nor socket tells in which
    /// namespace it is.
    WithReceiver,
}

/// Whose a dropped packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody's: it was dropped before there was a socket, or is only passing by.
    Nobody,
    /// The process that injects: it sent the packet, or the kernel found its connection as soon as the packet arrived.
    Process,
    /// The process that injects would have received it. The kernel tells since 6.11.
    Receiver,
    /// The kernel tells of some.
    Unsaid,
}

/// How many packets, unless a scenario says otherwise.
pub(super) const PACKETS: u16 = 5;

impl Expectation {
    /// Nothing is wrong, and nothing may be made of what is reported.
    pub(super) const HEALTHY: Self = Self {
        finding: None,
        drops: 0,
        counter: None,
        counted: 0,
        found: None,
        reasons: &[],
        functions: &[],
        device: None,
        owner: Owner::Nobody,
        told: Told::Always,
        counted_alone: None,
        unowned: None,
        needs: &[],
        global: false,
        command: "drops",
        and: &[],
    };

    /// A handful of packets arrive on the TUN device and are dropped before they are anybody's.
    pub(super) const fn finding(id: &'static str) -> Self {
        Self {
            finding: Some(id),
            drops: PACKETS as u64,
            device: Some("tun0"),
            ..Self::HEALTHY
        }
    }

    /// A counter tells, and no event does.
    pub(super) const fn counter_alone(id: &'static str, counter: &'static str) -> Self {
        Self {
            finding: Some(id),
            counter: Some(counter),
            counted: PACKETS as u64,
            ..Self::HEALTHY
        }
    }

    pub(super) const fn drops(mut self, drops: u64) -> Self {
        self.drops = drops;
        self
    }

    /// A counter grows by one a drop.
    pub(super) const fn counter(mut self, counter: &'static str) -> Self {
        self.counter = Some(counter);
        self.counted = self.drops;
        self
    }

    pub(super) const fn counted(mut self, counted: u64) -> Self {
        self.counted = counted;
        self
    }

    /// The finding is about so many of the drops.
    pub(super) const fn found(mut self, packets: u64) -> Self {
        self.found = Some(packets);
        self
    }

    pub(super) const fn at(
        mut self,
        reasons: &'static [&'static str],
        functions: &'static [&'static str],
    ) -> Self {
        self.reasons = reasons;
        self.functions = functions;
        self
    }

    pub(super) const fn on(mut self, device: Option<&'static str>) -> Self {
        self.device = device;
        self
    }

    pub(super) const fn of(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// Not every kernel tells of it.
    pub(super) const fn told(mut self, told: Told) -> Self {
        self.told = told;
        self
    }

    /// Where the kernel does not tell of it, this counter leads to the finding.
    pub(super) const fn counted_alone(mut self, counter: &'static str) -> Self {
        self.counted_alone = Some(counter);
        self
    }

    /// Where the kernel does not name the receiving socket, it is this finding.
    pub(super) const fn unowned(mut self, id: &'static str) -> Self {
        self.unowned = Some(id);
        self
    }

    pub(super) const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }

    pub(super) const fn global(mut self) -> Self {
        self.global = true;
        self
    }

    pub(super) const fn and(mut self, and: &'static [Expectation]) -> Self {
        self.and = and;
        self
    }

    /// Each fault of the scenario.
    pub fn faults(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.and)
    }

    /// How many packets the kernel drops in all.
    #[must_use]
    pub fn all_drops(&self) -> u64 {
        self.faults().map(|fault| fault.drops).sum()
    }
}
