//! Kernel addresses as `function+0xoffset [module]`.
//!
//! blazesym reads `/proc/kallsyms`, which takes some 50 ms, so that happens with the first address and never before.

use blazesym::{
    Addr, MaybeDefault,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Kernel, Source},
    },
};
use std::{collections::HashMap, fmt, sync::Arc};

/// A place in the kernel's code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The function's name; `None` when the kernel hides its addresses or does not know this one.
    pub function: Option<String>,
    /// `function+0xoffset [module]`, or the bare address.
    pub text: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names for kernel addresses, each looked up once.
pub struct Symbols {
    symbolizer: Symbolizer,
    known: HashMap<u64, Arc<Place>>,
}

impl Default for Symbols {
    fn default() -> Self {
        Self {
            symbolizer: Symbolizer::new(),
            known: HashMap::new(),
        }
    }
}

impl Symbols {
    /// The place of an address.
    pub fn place(&mut self, address: u64) -> Arc<Place> {
        if let Some(place) = self.known.get(&address) {
            return Arc::clone(place);
        }
        let place = Arc::new(self.look_up(address));
        self.known.insert(address, Arc::clone(&place));
        place
    }

    fn look_up(&self, address: u64) -> Place {
        // kallsyms only: an image on disk may belong to another kernel.
        let kernel = Kernel {
            vmlinux: MaybeDefault::None,
            debug_syms: false,
            ..Kernel::default()
        };
        let addresses: [Addr; 1] = [address];
        let found = self
            .symbolizer
            .symbolize(&Source::Kernel(kernel), Input::AbsAddr(&addresses));
        match found.as_deref() {
            Ok([Symbolized::Sym(symbol)]) => {
                let module = match &symbol.module {
                    Some(module) => {
                        format!(" [{}]", module.to_string_lossy().trim_matches(['[', ']']))
                    }
                    None => String::new(),
                };
                let text = format!("{}+{:#x}{module}", symbol.name, symbol.offset);
                Place {
                    function: Some(symbol.name.to_string()),
                    text,
                }
            }
            _ => Place {
                function: None,
                text: format!("{address:#x}"),
            },
        }
    }
}
