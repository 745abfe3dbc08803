//! The offsets of the kernel struct fields, one read-only global each; user space fills them in before loading.

use aya_ebpf::Global;
use netdiag_common::{field::ABSENT, kernel_fields};

macro_rules! globals {
    ($($symbol:ident: $structure:literal $path:literal $need:ident;)*) => {
        $(
            #[doc = concat!("Byte offset of `", $path, "` in `struct ", $structure, "`.")]
            #[unsafe(no_mangle)]
            pub static $symbol: Global<u32> = Global::new(ABSENT);
        )*
    };
}

kernel_fields!(globals);
