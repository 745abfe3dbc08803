//! Fault scenarios in network namespaces of their own: `netdiag lab`, and the tests' ground truth.
//!
//! A scenario builds one fault that an operator could meet, in an anonymous network namespace, and knows what the
//! kernel will do about it: how many packets it drops, which counter moves, which finding netdiag must reach. It comes
//! in two steps, so that probes can be attached between them:
//!
//! ```no_run
//! # use netdiag::lab;
//! # fn main() -> Result<(), lab::LabError> {
//! if let Some(scenario) = lab::find("ethernet-on-l3-device") {
//!     let mut bench = scenario.prepare()?; // namespace and devices; no faulty packet yet
//!     // ... attach the probes ...
//!     let injected = bench.inject(scenario.interval)?;
//!     // ... detach, and only then drop the bench: its devices purge their queues when they go
//!     drop(bench);
//! #   let _ = injected;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here touches the machine's own network namespace, its devices or its settings. The scenarios of `global` do,
//! say so (`Expectation::global`), and are refused by [`Scenario::prepare`].
//!
//! A new scenario is an entry in the `SCENARIOS` of a topic's file; a new topic adds its name to `topics!` below.
//! This module is a leaf: it knows nothing of the rest of netdiag.

mod bench;
pub mod bpf;
mod cgroup;
mod error;
mod expect;
pub mod frame;
mod l2;
mod l3;
pub mod link;
mod namespace;
mod netlink;
pub mod nft;
mod pair;
mod peer;
pub mod qdisc;
pub mod route;
mod sockopt;
pub mod sysctl;
#[cfg(test)]
mod tests;
pub mod traffic;
mod tun;

use std::sync::LazyLock;
use std::time::Duration;

pub use bench::{Bench, Injected};
pub use cgroup::Cgroup;
pub use error::LabError;
pub use expect::{Expectation, Owner, Told};
pub use namespace::{Namespace, current_netns};
pub use tun::{Layer, PacketInfo, Tun};

/// Declares the files that hold scenarios and gathers what they list.
macro_rules! topics {
    ($($topic:ident),* $(,)?) => {
        $(mod $topic;)*
        static ALL: LazyLock<Vec<Scenario>> =
            LazyLock::new(|| [$($topic::SCENARIOS),*].concat());
    };
}

topics!(
    ethernet_on_l3_device,
    malformed,
    ip,
    forwarded,
    fragments,
    tunnels,
    device,
    neighbour,
    filter,
    program,
    queue,
    udp,
    tcp,
    tcp_queue,
    backlog,
    mixed,
    global,
    healthy,
    noise,
);

/// One fault that the lab can build.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What `netdiag lab run` is given; kebab-case, stable.
    pub name: &'static str,
    /// One line for `netdiag lab list`.
    pub summary: &'static str,
    /// What is broken, for someone who never saw it.
    pub story: &'static str,
    /// What the kernel and netdiag must make of it.
    pub expect: Expectation,
    /// The time between two packets that looks natural; tests take zero.
    pub interval: Duration,
    /// Builds namespace and devices, ready to inject. Called through [`Scenario::prepare`].
    pub build: fn() -> Result<Bench, LabError>,
}

impl Scenario {
    /// Builds namespace and devices, ready to inject.
    ///
    /// # Errors
    /// When the lab may not or cannot build them; the error names the step and what it needs.
    /// [`LabError::Unsupported`] when the kernel lacks what the scenario is made of, [`LabError::Global`] when it turns
    /// a knob of the whole machine.
    pub fn prepare(&self) -> Result<Bench, LabError> {
        if self.expect.global {
            return Err(LabError::Global(self.name));
        }
        (self.build)()
    }

    /// The same on a machine that is thrown away: a scenario may turn knobs of the whole machine.
    ///
    /// # Errors
    /// As for [`Scenario::prepare`].
    pub fn prepare_anywhere(&self) -> Result<Bench, LabError> {
        (self.build)()
    }
}

/// Every scenario, in the order in which `netdiag lab list` shows them.
#[must_use]
pub fn all() -> &'static [Scenario] {
    &ALL
}

/// The scenario of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}
