//! What netdiag prints on a terminal fits its width.

use std::fs;
use std::path::Path;

use netdiag_tests::{netdiag, on_terminal};

/// What a run says on a terminal of so many columns.
fn shown(arguments: &[&str], columns: u16) -> String {
    let ended = on_terminal(netdiag(arguments), columns);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{arguments:?}"
    );
    ended.stdout
}

/// Commands whose output is the same each time: every capture, read, and the lists.
fn commands() -> Vec<Vec<String>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let files = fs::read_dir(directory).expect("the captures").flatten();
    let paths = files.map(|file| file.path());
    let captures = paths.filter(|path| path.to_string_lossy().contains(".pcap"));
    let read = captures.flat_map(|path| {
        let path = path.to_str().expect("a path in UTF-8").to_owned();
        let read = vec!["read".to_owned(), path];
        let each = [read.clone(), vec!["--each".to_owned()]].concat();
        [read, each]
    });
    let lists = [&["lab", "list"][..], &["explain"], &["explain", "no-route"]];
    let lists = lists.map(|list| list.iter().map(|&word| word.to_owned()).collect());
    let commands: Vec<Vec<String>> = read.chain(lists).collect();
    assert!(commands.len() > 20, "{commands:?}");
    commands
}

fn widest(text: &str) -> usize {
    text.lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default()
}

#[test]
fn eighty_columns_are_enough() {
    for command in commands() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let text = shown(&arguments, 80);
        assert!(widest(&text) <= 80, "{command:?}:\n{text}");
        let wide = shown(&arguments, 200);
        assert!(
            wide.lines().count() <= text.lines().count(),
            "{command:?}:\n{wide}"
        );
    }
}

#[test]
fn a_serial_line_that_does_not_know_its_width_has_eighty_columns() {
    for command in commands() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        assert_eq!(shown(&arguments, 0), shown(&arguments, 80), "{command:?}");
    }
}
