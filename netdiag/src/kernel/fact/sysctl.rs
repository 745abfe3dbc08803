//! Sysctls.

use std::{fs, io};

/// Longer values are cut.
const LONGEST: usize = 256;

/// The value of `net.ipv4.ip_forward`, or with `DEVICE` in its name, that of a device.
///
/// # Errors
/// It cannot be read, or the name is none.
pub fn read(name: &str, device: Option<&str>) -> io::Result<String> {
    let strange = |name: &str| name.is_empty() || name.contains('/') || name.contains("..");
    // Names of devices have no slash; what a sysctl is called is netdiag's own choice.
    if strange(name) || device.is_some_and(|device| strange(device) || device == ".") {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let path = name.replace('.', "/");
    let path = match device {
        Some(device) => path.replace("DEVICE", device),
        None => path,
    };
    let text = fs::read_to_string(format!("/proc/sys/{path}"))?;
    let value: String = text.trim_end().chars().take(LONGEST).collect();
    Ok(value.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_and_no_other_file() {
        let value = read("net.ipv4.conf.DEVICE.forwarding", Some("lo")).expect("sysctl");
        assert!(value.parse::<u32>().is_ok(), "{value}");
        for (name, device) in [("net..", None), ("net/x", None), ("DEVICE", Some("../x"))] {
            assert!(read(name, device).is_err());
        }
    }
}
