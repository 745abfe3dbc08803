//! What this kernel must be able to do, by its version and by what whoever started the tests promises.

/// Whether every rung must hold here: set by `cargo xtask matrix`, whose kernels refuse nothing.
///
/// Elsewhere a rung may be refused, and the tests look at how that is told.
#[must_use]
pub fn every_rung() -> bool {
    std::env::var_os("NETDIAG_EVERY_RUNG").is_some()
}

/// Whether this kernel tells why it drops (since 5.17).
#[must_use]
pub fn has_reasons() -> bool {
    version() >= (5, 17)
}

/// Whether this kernel tells for which socket it was when it drops what it receives (`rx_sk`, since 6.11).
#[must_use]
pub fn has_receiving_socket() -> bool {
    version() >= (6, 11)
}

fn version() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next())
}
