//! Lines of remedies, with what is known in place of their words in capitals.

use std::borrow::Cow;

/// A line with values in place of words in capitals. `None` where it has a word whose value is not known.
///
/// Words are whole: the `PORT` of `SO_REUSEPORT` is none. What is put in is not looked at again: a stranger's name may be
/// such a word.
pub(super) fn fill(line: &str, known: &[(&str, Option<&str>)]) -> Option<String> {
    let is_capital = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let mut filled = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let plain = rest.find(is_capital).unwrap_or(rest.len());
        let (before, from) = rest.split_at(plain);
        filled += before;
        let end = from.find(|letter| !is_capital(letter));
        let (word, after) = from.split_at(end.unwrap_or(from.len()));
        rest = after;
        match known.iter().find(|(name, _)| *name == word) {
            None => filled += word,
            Some((_, None)) => return None,
            // Within the name of a sysctl: there a dot of a device's name is a slash (`sysctl(8)`).
            Some((_, Some(value))) if is_sysctl(&filled) => {
                filled += &quoted(&value.replace('.', "/"));
            }
            Some((_, Some(value))) => filled += &quoted(value),
        }
    }
    Some(filled)
}

/// Whether a line is at a dot in the name of a sysctl.
fn is_sysctl(line: &str) -> bool {
    let name = line.rsplit(' ').next().unwrap_or_default();
    name.starts_with("net.") && name.ends_with('.')
}

/// A name as a shell takes it for one word: those of devices and cgroups are for strangers to choose, and remedies are
/// there to be pasted.
fn quoted(value: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.:/@%+-,=[]".contains(letter);
    if value.chars().all(plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::{fill, quoted};

    #[test]
    fn a_name_is_one_word_for_a_shell() {
        assert_eq!(quoted("eth0.42"), "eth0.42");
        assert_eq!(
            quoted("/system.slice/a@b.service"),
            "/system.slice/a@b.service"
        );
        assert_eq!(quoted("/a b"), "'/a b'");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("a';b"), "'a'\\'';b'");
    }

    #[test]
    fn words_are_whole_and_values_are_not_words() {
        let known = [
            ("PORT", Some("53")),
            ("DEVICE", Some("PORT")),
            ("SOURCE", Some("10.0.0.2")),
            ("PID", None),
        ];
        for (line, filled) in [
            ("SO_REUSEPORT, port PORT", Some("SO_REUSEPORT, port 53")),
            (
                "DEVICE_OF_SOURCE of SOURCE",
                Some("DEVICE_OF_SOURCE of 10.0.0.2"),
            ),
            ("dev DEVICE: on it", Some("dev PORT: on it")),
            ("vxlanPORT", Some("vxlan53")),
            ("strace -p PID", None),
            ("", Some("")),
        ] {
            assert_eq!(fill(line, &known).as_deref(), filled, "{line}");
        }
    }

    #[test]
    fn a_dot_in_a_devices_name_is_a_slash_in_a_sysctls() {
        let known = [("DEVICE", Some("eth0.42"))];
        for (line, filled) in [
            (
                "sysctl net.ipv4.conf.DEVICE.rp_filter",
                "sysctl net.ipv4.conf.eth0/42.rp_filter",
            ),
            ("ip link show dev DEVICE", "ip link show dev eth0.42"),
            ("name DEVICE.VLAN", "name eth0.42.VLAN"),
            ("host.DEVICE", "host.eth0.42"),
        ] {
            assert_eq!(fill(line, &known).as_deref(), Some(filled), "{line}");
        }
    }
}
