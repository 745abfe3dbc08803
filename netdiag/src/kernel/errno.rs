//! Error numbers by the names that kernel people search for.

use std::{error::Error, fmt, io};

/// An error number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The first error number in an error's chain of causes.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut current = Some(error);
        while let Some(error) = current {
            if let Some(code) = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::raw_os_error)
            {
                return Some(Self(code));
            }
            current = error.source();
        }
        None
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = u32::try_from(self.0)
            .ok()
            .and_then(netdiag_common::errno::name);
        let Some(name) = name else {
            return write!(f, "error {}", self.0);
        };
        f.write_str(name)
    }
}
