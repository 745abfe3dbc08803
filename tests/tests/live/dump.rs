//! What a run leaves in its file, however it ends. That a file of an orderly run says what the run said is shown by
//! every other test here (`netdiag_tests::Dump`).

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use netdiag::lab::Namespace;
use netdiag_tests::{
    Ended, Live, Mounted, NamedNetns, assert_nothing_attached, closed_port, finish, isolated,
    netdiag as binary, run,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::complaint::unprivileged;

const BLUE: &str = "blue";

fn namespace() -> (Namespace, NamedNetns) {
    let namespace = Namespace::new().expect("the lab");
    let name = NamedNetns::new(&namespace, BLUE);
    (namespace, name)
}

/// `netdiag drops` for the namespace, with a dump.
fn dumping(path: &str, more: &[&str]) -> Command {
    let mut command = binary(&["drops", "--json", "--netns", BLUE, "-w", path]);
    command.args(more);
    command
}

fn read(path: &str) -> (Vec<Value>, Ended) {
    let ended = run(&["read", "--json", path]);
    let lines = ended.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str(line).expect("JSON"));
    (lines.collect(), ended)
}

fn drops(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["kind"] == "drop").count()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// What was handed over is whole, and nothing claims that the run ended in order.
#[test]
fn a_killed_run_leaves_a_valid_file() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("killed.pcapng");
        let mut live = Live::start_command(&mut dumping(text(&path), &[]));
        closed_port(&namespace, 4242, 7);
        live.await_drops(7);
        live.kill();
        let (lines, ended) = read(text(&path));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("the end of its run"),
            "{}",
            ended.stderr
        );
        assert_eq!(drops(&lines), 7);
        let ledger = &lines[lines.len() - 1]["ledger"];
        assert_eq!(
            (&ledger["seen"], &ledger["reported"]),
            (&7.into(), &7.into())
        );
    });
}

#[test]
fn a_terminated_run_leaves_a_whole_file() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("terminated.pcapng");
        let mut live = Live::start_command(&mut dumping(text(&path), &[]));
        closed_port(&namespace, 4242, 3);
        live.await_drops(3);
        signal(live.pid(), Signal::TERM);
        let said = live.finish();
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let (lines, ended) = read(text(&path));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert_eq!(lines[lines.len() - 1], said.summary);
    });
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), signal).expect("a signal");
}

/// The run ends in order, says how much is saved, and that much can be read.
#[test]
fn a_full_disk_is_told_with_what_is_saved() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let directory = Mounted::new("tmpfs", Some(c"size=256k"));
        let path = directory.path().join("full.pcapng");
        let mut command = dumping(text(&path), &["--duration", "20s"]);
        let live = Live::start_command(&mut command);
        closed_port(&namespace, 4242, 3000);
        let said = live.finish();
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        let complaint = said.stderr.lines().last().expect("a complaint");
        for part in [
            "cannot write",
            text(&path),
            "No space left on device",
            "saved: ",
        ] {
            assert!(complaint.contains(part), "no {part} in {complaint}");
        }
        // "...: No space left on device (os error 28); saved: 512 packets (245760 bytes) in ..."
        let words: Vec<_> = complaint.split(' ').collect();
        let packets = words.iter().position(|word| *word == "packets");
        let saved = words[packets.expect("packets") - 1].parse().ok();
        let (lines, ended) = read(text(&path));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(Some(drops(&lines)), saved, "{complaint}");
        assert!(drops(&lines) > 0 && said.ledger("reported") > drops(&lines) as u64);
        assert_nothing_attached();
    });
}

/// Pieces that each can be read alone, the oldest gone; together they say what is left.
#[test]
fn rotation() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("d.pcapng");
        let rotate = ["--rotate-size", "64K", "--rotate-files", "3"];
        let mut live = Live::start_command(&mut dumping(text(&path), &rotate));
        closed_port(&namespace, 4242, 2000);
        live.await_drops(2000);
        let said = live.stop();
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let mut files: Vec<_> = fs::read_dir(directory.path())
            .expect("the directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        assert_eq!(files.len(), 3, "{files:?}");
        let mut sum = 0;
        for file in &files {
            let (lines, ended) = read(text(file));
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert_eq!(lines[0], said.start, "{file:?}");
            assert!(drops(&lines) > 0);
            sum += drops(&lines);
        }
        let arguments: Vec<_> = files.iter().map(|file| text(file)).collect();
        let whole = run(&[&["read", "--json"], arguments.as_slice()].concat());
        let lines: Vec<Value> = whole
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        // One start, the packets of all, one summary; what went with the oldest files is accounted for.
        assert_eq!(drops(&lines), sum);
        assert_eq!(
            lines.iter().filter(|line| line["kind"] == "start").count(),
            1
        );
        assert_eq!(lines[1..=sum], said.drops[said.drops.len() - sum..]);
        let ledger = &lines[lines.len() - 1]["ledger"];
        assert_eq!(ledger["seen"], said.summary["ledger"]["seen"]);
        assert_eq!(ledger["filtered"], Value::from(said.drops.len() - sum));
        assert!(
            whole.stderr.contains("are not in the file"),
            "{}",
            whole.stderr
        );
    });
}

/// Nothing is attached, and nothing is left behind, where the file cannot be.
#[test]
fn a_file_that_cannot_be_is_refused_first() {
    isolated(|| {
        let (_namespace, _name) = namespace();
        let directory = tempfile::tempdir().expect("a directory");
        let there = directory.path().join("there");
        fs::write(&there, "precious").expect("a file");
        let link = directory.path().join("link");
        symlink(&there, &link).expect("a link");
        let missing = directory.path().join("no/such/place");
        let cases: [(&Path, &[&str], &str); 4] = [
            (&there, &[], "--force"),
            (&link, &["--force"], "symbolic link"),
            (&missing, &[], "No such file"),
            (directory.path(), &["--force"], "is a directory"),
        ];
        for (path, more, part) in cases {
            let ended = finish(dumping(text(path), more).stdout(Stdio::piped()));
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
            assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
        }
        assert_eq!(fs::read(&there).expect("the file"), b"precious");
        // A run that cannot start takes its file with it.
        let open = Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), open).expect("let anyone write there");
        let fresh = directory.path().join("fresh");
        let ended = unprivileged(&["drops", "-w", text(&fresh)]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("CAP_BPF"), "{}", ended.stderr);
        assert!(!fresh.exists());
        assert_nothing_attached();
    });
}

/// As `sudo netdiag drops -w x.pcapng --force` in a user's own directory: by then root has given up most of its power.
#[test]
fn an_old_file_of_somebody_elses_directory_is_overwritten() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let directory = tempfile::tempdir().expect("a directory");
        let nobody = Some(65534);
        std::os::unix::fs::chown(directory.path(), nobody, nobody).expect("give it away");
        let path = directory.path().join("old.pcapng");
        fs::write(&path, "old").expect("a file");
        let mut live = Live::start_command(&mut dumping(text(&path), &["--force"]));
        closed_port(&namespace, 4242, 2);
        live.await_drops(2);
        let said = live.stop();
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert_eq!(drops(&read(text(&path)).0), 2);
        assert_eq!(
            fs::read_dir(directory.path())
                .expect("the directory")
                .count(),
            1
        );
    });
}

#[test]
fn standard_output_has_one_use() {
    isolated(|| {
        for arguments in [
            &["drops", "-w", "-", "--json"][..],
            &["drops", "-w", "-", "--rotate-size", "1M"],
            &["drops", "--link-type", "sll2"],
            &["drops", "-w", "x", "--rotate-files", "3"],
            &["lab", "run", "udp-closed-port", "-w", "-", "--json"],
            &["read", "-", "-"],
        ] {
            let ended = run(arguments);
            assert_eq!(
                (ended.code, ended.stdout.as_str()),
                (Some(2), ""),
                "{arguments:?}"
            );
            assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        }
    });
}

/// Packets come out of the pipe while the run goes on, and the table goes to standard error.
#[test]
fn a_stream_is_read_while_it_is_written() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let mut watch = binary(&["drops", "--netns", BLUE, "-w", "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("netdiag");
        let stream = watch.stdout.take().expect("a pipe");
        let mut reader = binary(&["read", "--json", "-"])
            .stdin(stream)
            .stdout(Stdio::piped())
            .spawn()
            .expect("netdiag");
        let mut lines = BufReader::new(reader.stdout.take().expect("a pipe"));
        assert_eq!(next(&mut lines)["kind"], "start");
        closed_port(&namespace, 4242, 2);
        for _ in 0..2 {
            assert_eq!(next(&mut lines)["kind"], "drop");
        }
        signal(watch.id(), Signal::INT);
        let finding = next(&mut lines);
        assert_eq!(finding["id"], "udp-port-closed", "{finding}");
        let summary = next(&mut lines);
        assert_eq!(summary["kind"], "summary", "{summary}");
        assert_eq!(summary["ledger"]["reported"], 2);
        let mut table = String::new();
        let mut stderr = watch.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut table).expect("text");
        assert!(table.contains("Ledger: 2 seen"), "{table}");
        assert_eq!(watch.wait().expect("netdiag").code(), Some(0));
        assert_eq!(reader.wait().expect("netdiag").code(), Some(0));
    });
}

fn next(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line:?}"))
}

/// As `netdiag drops -w - | tcpdump -c 1 -r -`: a reader that has enough is no failure.
#[test]
fn a_stream_whose_reader_has_enough() {
    isolated(|| {
        let (namespace, _name) = namespace();
        let mut watch = binary(&["drops", "--netns", BLUE, "-w", "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("netdiag");
        let mut stream = watch.stdout.take().expect("a pipe");
        let mut start = [0; 4];
        stream.read_exact(&mut start).expect("a section header");
        assert_eq!(start, [0x0a, 0x0d, 0x0d, 0x0a]);
        drop(stream);
        // The pipe tells at the next packet.
        while watch.try_wait().expect("netdiag").is_none() {
            closed_port(&namespace, 4242, 1);
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(watch.wait().expect("netdiag").code(), Some(0));
        assert_nothing_attached();
    });
}
