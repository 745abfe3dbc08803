//! Faults on the way, by nftables and, where the kernel has it, netem.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Pair, Side};

/// Ends the match of a rule: it holds for the first packet, and for no other during the test.
pub const ONCE: &str = "limit rate 1/hour burst 1 packets";

/// Where a namespace looks at packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// What comes to its sockets.
    Input,
    /// What its sockets send.
    Output,
}

/// A fault in effect. Dropping it ends the fault.
#[derive(Debug)]
pub struct Fault<'a> {
    pair: &'a Pair,
    side: Side,
    name: &'static str,
    undo: Vec<String>,
}

impl Fault<'_> {
    fn end(&self) -> bool {
        let arguments: Vec<_> = self.undo.iter().map(String::as_str).collect();
        let ended = self.pair.command(self.side, self.name, &arguments, "");
        ended.code == Some(0)
    }
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        // A fault that stays would only be seen later, and elsewhere.
        let ended = std::thread::panicking() || self.end();
        assert!(ended, "cannot end the fault: {:?}", self.undo);
    }
}

impl Pair {
    /// Adds rules, each in nft's words without a table: `fault(Side::Server, Hook::Input, &["tcp dport 80 drop"])`.
    ///
    /// # Panics
    /// When nft refuses.
    #[must_use = "dropping it ends the fault"]
    pub fn fault(&self, side: Side, hook: Hook, rules: &[&str]) -> Fault<'_> {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let table = format!("fault{}", TABLES.fetch_add(1, Ordering::Relaxed));
        let hook = match hook {
            Hook::Input => "input",
            Hook::Output => "output",
        };
        let mut text = format!(
            "table inet {table} {{\n chain faults {{\n  type filter hook {hook} priority 0; policy accept;\n"
        );
        for rule in rules {
            writeln!(text, "  {rule}").expect("memory");
        }
        self.nft(side, &format!("{text} }}\n}}\n"));
        Fault {
            pair: self,
            side,
            name: "nft",
            undo: ["delete", "table", "inet", &table]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// Whether this kernel can delay and lose packets by itself.
    #[must_use]
    pub fn has_netem(&self) -> bool {
        let dev = ["dev", Side::Client.device(), "root"];
        let add = [&["qdisc", "add"][..], &dev, &["netem"]].concat();
        let added = self.command(Side::Client, "tc", &add, "").code == Some(0);
        if added {
            self.tc(Side::Client, &[&["qdisc", "del"][..], &dev].concat());
        }
        added
    }

    /// What a namespace sends meets netem with these options: `netem(Side::Client, "delay 100ms")`. Not every kernel
    /// has it, see [`Pair::has_netem`].
    ///
    /// # Panics
    /// When tc refuses.
    #[must_use = "dropping it ends the fault"]
    pub fn netem(&self, side: Side, options: &str) -> Fault<'_> {
        let dev = ["dev", side.device(), "root"];
        let options: Vec<_> = options.split_whitespace().collect();
        self.tc(
            side,
            &[&["qdisc", "add"][..], &dev, &["netem"], &options].concat(),
        );
        let undo = [&["qdisc", "del"][..], &dev].concat();
        Fault {
            pair: self,
            side,
            name: "tc",
            undo: undo.into_iter().map(str::to_owned).collect(),
        }
    }
}
