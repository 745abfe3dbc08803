//! Runs the binary on a terminal.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::binary::{Ended, finish};

/// Runs a command to its end with a terminal of so many columns as its standard output and controlling terminal, without
/// colours. A serial line does not know how wide it is: 0 columns.
///
/// # Panics
/// When there is no terminal to be had, the command cannot be started, or does not end.
#[must_use]
pub fn on_terminal(mut command: Command, columns: u16) -> Ended {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&controller).expect("its other end");
    unlockpt(&controller).expect("its other end");
    let name = ptsname(&controller, Vec::new()).expect("its name");
    let mut options = OpenOptions::new();
    let flags = i32::try_from(OFlags::NOCTTY.bits()).expect("a flag");
    options.read(true).write(true).custom_flags(flags);
    let terminal = options.open(OsStr::from_bytes(name.as_bytes()));
    let terminal = terminal.expect("the terminal");
    let mut modes = tcgetattr(&terminal).expect("its modes");
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&terminal, OptionalActions::Now, &modes).expect("newlines as they are");
    let size = Winsize {
        ws_row: if columns == 0 { 0 } else { 24 },
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&controller, size).expect("its size");

    let reader = thread::spawn(move || read(controller.into()));
    let own = terminal.try_clone().expect("a descriptor");
    command.env("NO_COLOR", "1").stdout(Stdio::from(terminal));
    // SAFETY: two system calls between fork and exec.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            Ok(ioctl_tiocsctty(&own)?)
        });
    }
    let ended = finish(&mut command);
    // It holds the terminal open, which ends when nobody does.
    drop(command);
    let stdout = reader.join().expect("a reader");
    Ended { stdout, ..ended }
}

/// All that is written to a terminal.
fn read(mut controller: File) -> String {
    let mut bytes = Vec::new();
    // It ends with EIO, when all is read and nobody has the terminal open.
    let end = controller.read_to_end(&mut bytes);
    let end = end.expect_err("a terminal").raw_os_error();
    assert_eq!(end, Some(Errno::IO.raw_os_error()));
    String::from_utf8(bytes).expect("UTF-8")
}
