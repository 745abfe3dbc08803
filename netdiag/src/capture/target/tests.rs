//! What may be written to, and what may not.

use super::*;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

struct Never;

impl Patience for Never {
    fn writable(&self, _file: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }

    fn moment(&self) -> io::Result<()> {
        Err(io::ErrorKind::Interrupted.into())
    }
}

fn create(path: &Path, force: bool, rotation: Option<Rotation>) -> Result<Files, TargetError> {
    Files::create(path, force, rotation, Rc::new(Never), &[])
}

fn write(path: &Path, force: bool) -> Result<(), TargetError> {
    let mut files = create(path, force, None)?;
    files.next().unwrap().1.write(b"new").unwrap();
    Ok(())
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_made_for_its_owner_alone_and_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.pcapng");
    write(&path, false).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::write(&path, "old").unwrap();
    assert!(matches!(write(&path, false), Err(TargetError::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    let other_name = directory.path().join("b.pcapng");
    fs::hard_link(&path, &other_name).unwrap();
    write(&path, true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::read(&other_name).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["a.pcapng", "b.pcapng"]);
}

#[test]
fn what_is_never_written_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.pcapng");
    drop(create(&path, false, None).unwrap());
    assert!(names(directory.path()).is_empty());
    fs::write(&path, "old").unwrap();
    drop(create(&path, true, None).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["a.pcapng"]);
}

#[test]
fn a_link_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    fs::write(&victim, "old").unwrap();
    let link = directory.path().join("link");
    symlink(&victim, &link).unwrap();
    for force in [false, true] {
        assert!(matches!(write(&link, force), Err(TargetError::Link(_))));
    }
    assert_eq!(fs::read(&victim).unwrap(), b"old");
    // A link to a directory is the user's own affair ...
    let real = directory.path().join("real");
    fs::create_dir(&real).unwrap();
    let way = directory.path().join("way");
    symlink("real", &way).unwrap();
    write(&way.join("a"), false).unwrap();
    assert_eq!(fs::read(real.join("a")).unwrap(), b"new");
    // ... and round in circles it goes nowhere.
    symlink("round", directory.path().join("round")).unwrap();
    assert!(write(&directory.path().join("round/a"), false).is_err());
}

#[test]
fn somebody_elses_link_in_a_public_directory_is_refused() {
    if !geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let way = directory.path().join("way");
    symlink("/etc", &way).unwrap();
    let nobody = Some(65534);
    std::os::unix::fs::lchown(&way, nobody, nobody).unwrap();
    let refused = write(&way.join("a"), false);
    assert!(matches!(refused, Err(TargetError::ForeignLink { .. })));
}

#[test]
fn what_is_no_file_is_refused_or_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert!(matches!(write(path, true), Err(TargetError::Directory(_))));
    assert!(matches!(
        write(&path.join("new/"), true),
        Err(TargetError::Directory(_))
    ));
    write(Path::new("/dev/null"), false).unwrap();
    assert!(write(Path::new("/"), false).is_err());
    assert!(write(&path.join("no/such/file"), false).is_err());
    let rotation = Some(Rotation {
        most_bytes: 1,
        keep: None,
    });
    let refused = create(Path::new("/dev/null"), false, rotation);
    assert!(matches!(refused, Err(TargetError::NoRotation(_))));
    // A pipe that nobody reads from is waited for, as long as the user has patience.
    let pipe = path.join("pipe");
    let kind = FileType::Fifo;
    rustix::fs::mknodat(CWD, &pipe, kind, MODE, 0).unwrap();
    assert!(matches!(
        write(&pipe, false),
        Err(TargetError::System { .. })
    ));
}

#[test]
fn rotation_keeps_the_newest_and_clears_what_an_earlier_run_left() {
    let directory = tempfile::tempdir().unwrap();
    let rotation = Some(Rotation {
        most_bytes: 1,
        keep: Some(2),
    });
    let path = directory.path().join("d.pcapng");
    let run = |force| {
        let mut files = create(&path, force, rotation)?;
        for number in 1..=4 {
            let (name, _) = files.next().unwrap();
            assert!(name.ends_with(&format!("d_0000{number}.pcapng")), "{name}");
        }
        Ok(())
    };
    run(false).unwrap();
    assert_eq!(
        names(directory.path()),
        ["d_00003.pcapng", "d_00004.pcapng"]
    );
    assert!(matches!(run(false), Err(TargetError::Exists(_))));
    for other in ["d_00009.pcapng", "d_0009.pcapng", "other_00001.pcapng"] {
        fs::write(directory.path().join(other), "old").unwrap();
    }
    run(true).unwrap();
    let left = [
        "d_00003.pcapng",
        "d_00004.pcapng",
        "d_0009.pcapng",
        "other_00001.pcapng",
    ];
    assert_eq!(names(directory.path()), left);
}

#[test]
fn what_is_read_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d.pcapng");
    let piece = directory.path().join("d_00001.pcapng");
    for (input, rotation) in [
        (&path, None),
        (
            &piece,
            Some(Rotation {
                most_bytes: 1,
                keep: None,
            }),
        ),
    ] {
        fs::write(input, "old").unwrap();
        let meta = fs::metadata(input).unwrap();
        let inputs = [(meta.dev(), meta.ino())];
        let refused = Files::create(&path, true, rotation, Rc::new(Never), &inputs);
        assert!(matches!(refused, Err(TargetError::Input(_))));
        assert_eq!(fs::read(input).unwrap(), b"old");
        fs::remove_file(input).unwrap();
    }
}

#[test]
fn what_stands_before_a_dump_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fs::write(&path, "old").unwrap();
    let file = File::options().append(true).open(&path).unwrap();
    assert_eq!(DumpFile::new(file, Rc::new(Never)).length(), Some(3));
}
