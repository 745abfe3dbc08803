//! Values that clap has no parser for. An error says what would be right.

use std::time::Duration;

/// A time such as `10s`, `1.5s`, `500ms`, `5m` or `1h`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write 10s, 500ms, 5m or 1h");
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if duration.is_zero() {
        Err(format!("'{text}' is no time at all"))
    } else {
        Ok(duration)
    }
}

/// A ring size such as `16M`: the kernel wants a power of two of whole pages.
pub(super) fn ring_size(text: &str) -> Result<u32, String> {
    let wrong =
        || format!("'{text}' is no buffer size: write a power of two from 64K to 1G, such as 16M");
    let size = bytes(text)
        .filter(|size| size.is_power_of_two() && (1 << 16..=1 << 30).contains(size))
        .ok_or_else(wrong)?;
    u32::try_from(size).map_err(|_| wrong())
}

/// The inode number of a namespace.
pub(super) fn inode(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        format!("'{text}' is no inode number: names of namespaces are of the host that a file was made on; \
             `netdiag read --json` shows the numbers")
    })
}

/// The size of a file, such as `100M`.
pub(super) fn file_size(text: &str) -> Result<u64, String> {
    /// Below this a file is little more than its header.
    const LEAST: u64 = 4 << 10;
    bytes(text)
        .filter(|&size| size >= LEAST)
        .ok_or_else(|| format!("'{text}' is no file size: write 4K or more, such as 100M or 1G"))
}

/// A number of bytes with a unit of 1024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::{duration, file_size, ring_size};
    use std::time::Duration;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in [
            "",
            "s",
            "10x",
            "-1s",
            "0",
            "0ms",
            "1e9h",
            "..",
            "99999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn file_sizes_are_sensible() {
        assert_eq!(file_size("100M"), Ok(100 << 20));
        assert_eq!(file_size("5000"), Ok(5000));
        for wrong in ["", "1K", "M", "1T", "-5M"] {
            assert!(file_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ring_sizes_are_powers_of_two() {
        assert_eq!(ring_size("16M"), Ok(16 << 20));
        assert_eq!(ring_size("64k"), Ok(64 << 10));
        assert_eq!(ring_size("1G"), Ok(1 << 30));
        for wrong in [
            "",
            "M",
            "15M",
            "2G",
            "4K",
            "16T",
            "99999999999999999999G",
            "-1",
        ] {
            assert!(ring_size(wrong).is_err(), "{wrong}");
        }
    }
}
