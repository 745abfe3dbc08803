//! What a kernel function returned, in words and back.

use netdiag_common::errno;

/// `ok`, the name of an error number, or the bare number.
#[must_use]
pub fn errno_name(number: u32) -> String {
    match (number, errno::name(number)) {
        (0, _) => "ok".to_owned(),
        (_, Some(name)) => name.to_owned(),
        (_, None) => number.to_string(),
    }
}

/// The number that [`errno_name`] was given.
#[must_use]
pub fn errno_number(name: &str) -> Option<u32> {
    if name == "ok" {
        return Some(0);
    }
    errno::number(name).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for number in 0..600 {
            assert_eq!(errno_number(&errno_name(number)), Some(number));
        }
        assert_eq!(errno_name(111), "ECONNREFUSED");
        assert_eq!(errno_number("nothing"), None);
    }
}
