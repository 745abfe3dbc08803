//! `-w`: where a dump goes, made before anything else happens, so that a refusal costs nothing.

use super::sinks::Sinks;
use crate::{
    capture::{
        Destination, LinkStyle, Origin, Writer,
        target::{Files, Rotation},
    },
    cli::{DumpArgs, LinkType, UsageError},
    kernel,
    render::{self, Diagnostics, Dump, Output, Style},
};
use anyhow::Context as _;
use std::path::Path;

/// What stands for standard output.
const STDOUT: &str = "-";

/// The view and the dump that the user asked for; `snaplen` is what will be captured of a packet at most.
///
/// # Errors
/// Where the command line contradicts itself, or the file cannot be made.
pub(super) fn sinks(
    args: &DumpArgs,
    style: Style,
    snaplen: u32,
    output: Output,
    diagnostics: &Diagnostics,
) -> anyhow::Result<Sinks> {
    let Some(path) = &args.write else {
        let view = render::view(style, output.clone(), diagnostics);
        return Ok(Sinks::new(view, None, vec![output]));
    };
    let to_stdout = path == Path::new(STDOUT);
    if to_stdout {
        check_stdout(args, style, &output)?;
    }
    let rotation = args.rotate_size.map(|most_bytes| Rotation {
        most_bytes,
        keep: args.rotate_files,
    });
    let (style_of_link, snaplen) = match args.link_type {
        LinkType::Native => (LinkStyle::Native, snaplen),
        LinkType::Sll2 => (LinkStyle::Sll2, Writer::cooked_snaplen(snaplen)),
    };
    let (destination, table) = if to_stdout {
        let table = Output::stderr().context("cannot use standard error")?;
        let stream = Destination::Stream(Box::new(output.clone()), "standard output");
        (stream, table)
    } else {
        let files = Files::create(path, args.force, rotation)?;
        (Destination::Files(files), output.clone())
    };
    let dump = Dump::new(Writer::new(destination, origin(), snaplen), style_of_link);
    let view = render::view(style, table.clone(), diagnostics);
    Ok(Sinks::new(view, Some(dump), vec![output, table]))
}

fn check_stdout(args: &DumpArgs, style: Style, output: &Output) -> Result<(), UsageError> {
    let wrong = |text: &str| Err(UsageError(text.to_owned()));
    if matches!(style, Style::Json { .. }) {
        return wrong(
            "-w - and --json both want standard output: give the dump a file, or leave out one of them",
        );
    }
    if args.rotate_size.is_some() {
        return wrong("--rotate-size needs a file: -w - is one stream");
    }
    if output.is_terminal() {
        return wrong(
            "-w - writes binary data, and standard output is a terminal: pipe it into a program, as in `-w - | tshark -r -`",
        );
    }
    Ok(())
}

fn origin() -> Origin {
    let words: Vec<_> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Origin {
        application: format!("netdiag {}", env!("CARGO_PKG_VERSION")),
        os: Some(format!("Linux {}", kernel::release())),
        hardware: Some(kernel::machine()),
        command_line: words.join(" "),
    }
}
