//! Loaded BPF programs.

use aya::programs::{ProgramError, loaded_programs};
use std::io;

/// More programs than this are not looked at.
const MOST: usize = 4096;

/// A program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its id.
    pub id: u32,
    /// Its name, cut to 15 bytes by the kernel.
    pub name: String,
}

/// All of them.
///
/// # Errors
/// The kernel does not show them: this needs `CAP_SYS_ADMIN`.
pub fn list() -> io::Result<Vec<Program>> {
    let mut programs = Vec::new();
    for found in loaded_programs().take(MOST) {
        match found {
            Ok(info) => programs.push(Program {
                id: info.id(),
                name: info
                    .name_as_str()
                    .unwrap_or_default()
                    .replace(char::is_control, "\u{fffd}"),
            }),
            // One that was unloaded meanwhile.
            Err(error) if gone(&error) => {}
            Err(error) => return Err(source(error)),
        }
    }
    Ok(programs)
}

fn gone(error: &ProgramError) -> bool {
    matches!(error, ProgramError::SyscallError(error) if error.io_error.kind() == io::ErrorKind::NotFound)
}

fn source(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other.to_string()),
    }
}
