//! The layout of a classic tracepoint, from the `format` file that the running kernel shows.

use std::{fs, io, path::PathBuf};

/// Where tracefs is mounted: on its own since 4.1, or below debugfs.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// What can go wrong with a tracepoint's format.
#[derive(Debug, thiserror::Error)]
pub enum TracefsError {
    /// The file cannot be read.
    #[error(
        "cannot read the layout of tracepoint {tracepoint} from {}: {source}; it takes root, and a mounted \
         tracefs (mount -t tracefs none /sys/kernel/tracing)", path.display()
    )]
    Read {
        /// `category/name`.
        tracepoint: String,
        /// The last place that was tried.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The fields of a tracepoint's record, and the text that says how they are printed.
#[derive(Debug)]
pub struct TracepointFormat {
    fields: Vec<(String, u32)>,
    print: String,
}

impl TracepointFormat {
    /// Reads the layout of a tracepoint.
    ///
    /// # Errors
    /// [`TracefsError::Read`] where tracefs is not mounted or may not be read.
    pub fn read(category: &str, name: &str) -> Result<Self, TracefsError> {
        let mut failure = None;
        for mount in MOUNTS {
            let path = PathBuf::from(format!("{mount}/events/{category}/{name}/format"));
            match fs::read_to_string(&path) {
                Ok(text) => return Ok(Self::parse(&text)),
                Err(source) => {
                    let tracepoint = format!("{category}/{name}");
                    failure.get_or_insert(TracefsError::Read {
                        tracepoint,
                        path,
                        source,
                    });
                }
            }
        }
        // MOUNTS is not empty, so there was a failure.
        Err(failure.unwrap_or_else(|| TracefsError::Read {
            tracepoint: format!("{category}/{name}"),
            path: PathBuf::new(),
            source: io::ErrorKind::NotFound.into(),
        }))
    }

    /// Reads the text of a `format` file; what is not understood is left out.
    pub fn parse(text: &str) -> Self {
        let mut fields = Vec::new();
        for line in text.lines() {
            // field:void * skbaddr;	offset:8;	size:8;	signed:0;
            let Some(rest) = line.trim().strip_prefix("field:") else {
                continue;
            };
            let mut parts = rest.split(';').map(str::trim);
            let Some(declaration) = parts.next() else {
                continue;
            };
            // An array has its length behind its name: `__u8 saddr[4]`.
            let declared = declaration.rsplit([' ', '*']).next();
            let Some(name) = declared.and_then(|name| name.split('[').next()) else {
                continue;
            };
            let offset = parts.find_map(|part| part.strip_prefix("offset:")?.parse().ok());
            if let Some(offset) = offset {
                fields.push((name.to_owned(), offset));
            }
        }
        let print = text
            .lines()
            .find_map(|line| line.strip_prefix("print fmt:"))
            .unwrap_or_default();
        Self {
            fields,
            print: print.to_owned(),
        }
    }

    /// The byte offset of a field in the record.
    pub fn offset(&self, field: &str) -> Option<u32> {
        self.fields
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, offset)| *offset)
    }

    /// The names that the print format gives to a field's values: `__print_symbolic(REC->field, { 2, "NAME" }, ...)`.
    pub fn symbols(&self, field: &str) -> Vec<(u32, String)> {
        let start = format!("__print_symbolic(REC->{field},");
        let Some((_, list)) = self.print.split_once(&start) else {
            return Vec::new();
        };
        let mut symbols = Vec::new();
        for entry in list.split('{').skip(1) {
            let Some((entry, rest)) = entry.split_once('}') else {
                break;
            };
            if let Some((value, name)) = entry.split_once(',')
                && let Some(value) = number(value.trim())
            {
                symbols.push((value, name.trim().trim_matches('"').to_owned()));
            }
            // The list ends with the first parenthesis after an entry.
            if rest.trim_start().starts_with(')') {
                break;
            }
        }
        symbols
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::TracepointFormat;

    const FORMAT: &str = "name: kfree_skb\nID: 1617\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
        \tfield:void *location;\toffset:16;\tsize:8;\tsigned:0;\n\
        \tfield:unsigned short protocol;\toffset:24;\tsize:2;\tsigned:0;\n\
        \tfield:enum skb_drop_reason reason;\toffset:28;\tsize:4;\tsigned:0;\n\
        \tfield:__u8 saddr[4];\toffset:34;\tsize:4;\tsigned:0;\n\n\
        print fmt: \"skbaddr=%p reason: %s\", REC->skbaddr, __print_symbolic(REC->reason, { 1, \"NOT_SPECIFIED\" }, \
        { 0x2, \"NO_SOCKET\" }), { 9, \"NO\" }\n";

    #[test]
    fn fields_have_the_offsets_of_the_file() {
        let format = TracepointFormat::parse(FORMAT);
        assert_eq!(format.offset("skbaddr"), Some(8));
        assert_eq!(format.offset("location"), Some(16));
        assert_eq!(format.offset("reason"), Some(28));
        assert_eq!(format.offset("saddr"), Some(34));
        assert_eq!(format.offset("rx_sk"), None);
    }

    #[test]
    fn symbols_end_with_their_list() {
        let symbols = TracepointFormat::parse(FORMAT).symbols("reason");
        let expected = [(1, "NOT_SPECIFIED".to_owned()), (2, "NO_SOCKET".to_owned())];
        assert_eq!(symbols, expected);
    }

    #[test]
    fn any_text_is_taken() {
        for text in [
            "",
            "field:",
            "field:;offset:;",
            "print fmt: __print_symbolic(REC->x, {",
            "field:a b;offset:x;",
        ] {
            let format = TracepointFormat::parse(text);
            assert!(format.symbols("x").is_empty());
        }
    }
}
