//! What a kernel function returned, in words and back.

use netdiag_common::errno;

/// `NET_XMIT_DROP` of `linux/netdevice.h`: what a queue returns that has dropped the packet, where an error is negative.
const NET_XMIT_DROP: i32 = 1;

/// `ok`, the name of an error (-1 is EPERM), `NET_XMIT_DROP` (1), or the bare number.
#[must_use]
pub fn result_name(result: i32) -> String {
    let error = errno::name(result.unsigned_abs());
    match (result, error) {
        (0, _) => "ok".to_owned(),
        (NET_XMIT_DROP, _) => "NET_XMIT_DROP".to_owned(),
        (..0, Some(name)) => name.to_owned(),
        _ => result.to_string(),
    }
}

/// The result that [`result_name`] was given.
#[must_use]
pub fn result_number(name: &str) -> Option<i32> {
    match name {
        "ok" => Some(0),
        "NET_XMIT_DROP" => Some(NET_XMIT_DROP),
        _ => {
            let error = errno::number(name).and_then(|number| i32::try_from(number).ok());
            error.map(|error| -error).or_else(|| name.parse().ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for number in -600..600 {
            assert_eq!(result_number(&result_name(number)), Some(number));
        }
        assert_eq!(result_name(-111), "ECONNREFUSED");
        // The sign tells a queue from a firewall.
        assert_eq!(result_name(-1), "EPERM");
        assert_eq!(result_name(1), "NET_XMIT_DROP");
        assert_eq!(result_number("nothing"), None);
    }
}
