//! The files that a dump goes into: made new, never through somebody else's link, one after the other where they
//! rotate.
//!
//! Everything is done below a descriptor of the directory, so that nobody can put another one in its place meanwhile.

use super::writer::{Short, Sink, whole};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, fchown, fstat, lstat,
        openat, openat2, readlink, renameat, statat, unlinkat,
    },
    io::Errno,
    process::geteuid,
};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Seek as _, Write as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Component, Path, PathBuf},
    rc::Rc,
};

/// Packets are nobody else's business.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A path with more links than this goes round in circles.
const MOST_LINKS: u32 = 40;

/// A pipe that can be written to takes this much without blocking (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// When to go on to another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// From this size on, in bytes.
    pub most_bytes: u64,
    /// How many files to keep; the oldest of this run go.
    pub keep: Option<u32>,
}

/// How long to wait for the reader of a pipe. The user may want to stop before that.
pub trait Patience {
    /// Waits until a file can be written to without blocking.
    ///
    /// # Errors
    /// When the user wants to stop, or the system refuses.
    fn writable(&self, file: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits a moment.
    ///
    /// # Errors
    /// When the user wants to stop.
    fn moment(&self) -> io::Result<()>;
}

/// A dump cannot be made there.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is there already.
    #[error("{0} is there already: --force overwrites it")]
    Exists(String),
    /// It is a link.
    #[error(
        "{0} is a symbolic link, and a dump follows none: name the file itself, or '-' for standard output"
    )]
    Link(String),
    /// A link on the way to it is somebody else's.
    #[error(
        "{path}: {link} is a symbolic link that another user put into a directory where everybody may write"
    )]
    ForeignLink {
        /// The dump.
        path: String,
        /// The link.
        link: String,
    },
    /// It is a directory.
    #[error("{0} is a directory: name a file in it")]
    Directory(String),
    /// It is a socket, a disk, or somebody else's pipe.
    #[error("{0} is neither a file nor a pipe of this user")]
    Kind(String),
    /// It is no file, and cannot be followed by others.
    #[error("{0} is no file: --rotate-size needs one")]
    NoRotation(String),
    /// The system refuses.
    #[error("cannot make {path}: {source}")]
    System {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The files of a dump.
pub struct Files {
    directory: OwnedFd,
    /// The same without links, to look for the files of an earlier run.
    resolved: PathBuf,
    shown: PathBuf,
    name: OsString,
    force: bool,
    rotation: Option<Rotation>,
    patience: Rc<dyn Patience>,
    owner: Option<(Uid, Gid)>,
    number: u32,
    made: VecDeque<OsString>,
    /// The first one: made at once, so that a refusal comes before anything else happens.
    first: Option<Made>,
}

/// A file that is made, and not yet used.
struct Made {
    shown: String,
    file: DumpFile,
    /// The name that it has until it is used: what has the right name already is overwritten then and not before.
    temporary: Option<OsString>,
    name: OsString,
    /// Whether it is new, and no device or pipe.
    new: bool,
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nothing was written: no empty file stays behind.
        if let Some(made) = self.first.take().filter(|made| made.new) {
            let name = made.temporary.as_ref().unwrap_or(&made.name);
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
    }
}

impl Files {
    /// Makes the first file.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn create(
        path: &Path,
        force: bool,
        rotation: Option<Rotation>,
        patience: Rc<dyn Patience>,
    ) -> Result<Self, TargetError> {
        let shown = path.display().to_string();
        let system = |source: io::Error| TargetError::System {
            path: shown.clone(),
            source,
        };
        let name = match path.file_name() {
            Some(name) if !path.as_os_str().as_bytes().ends_with(b"/") => name,
            _ => return Err(TargetError::Directory(shown)),
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let resolved = resolve(parent, &shown)?;
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let links = ResolveFlags::NO_SYMLINKS;
        let directory = openat2(CWD, &resolved, flags, Mode::empty(), links)
            .map_err(|error| system(error.into()))?;
        let mut files = Self {
            directory,
            resolved,
            shown: path.to_path_buf(),
            name: name.to_owned(),
            force,
            rotation,
            patience,
            owner: sudo_user(),
            number: 0,
            made: VecDeque::new(),
            first: None,
        };
        if rotation.is_some() {
            files.check_rotation()?;
        }
        files.first = Some(files.make()?);
        Ok(files)
    }

    /// Nothing of an earlier run may be in the way when the run is well on: it would be refused then.
    fn check_rotation(&self) -> Result<(), TargetError> {
        let there = statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|stat| !is_regular(&stat)) {
            return Err(TargetError::NoRotation(self.name()));
        }
        match self.earlier().first() {
            Some(name) if !self.force => Err(TargetError::Exists(self.shown_as(name))),
            _ => Ok(()),
        }
    }

    /// Files that have the names of pieces.
    fn earlier(&self) -> Vec<OsString> {
        let Ok(entries) = fs::read_dir(&self.resolved) else {
            // What cannot be listed is refused when its turn comes.
            return Vec::new();
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        let mut names: Vec<_> = names.filter(|name| is_piece(&self.name, name)).collect();
        names.sort();
        names
    }

    /// From which size on there is to be another file.
    pub(super) fn most_bytes(&self) -> Option<u64> {
        self.rotation.map(|rotation| rotation.most_bytes)
    }

    /// How many files stay.
    pub(super) fn keep(&self) -> Option<u32> {
        self.rotation?.keep
    }

    /// The name that the user gave.
    pub(super) fn name(&self) -> String {
        self.shown.display().to_string()
    }

    fn shown_as(&self, name: &OsStr) -> String {
        self.shown.with_file_name(name).display().to_string()
    }

    /// The next file, and its name.
    pub(super) fn next(&mut self) -> io::Result<(String, Box<dyn Sink>)> {
        let made = match self.first.take() {
            Some(first) => {
                // Wanted overwritten, with all its pieces.
                for name in self.rotation.map(|_| self.earlier()).unwrap_or_default() {
                    if name != first.name {
                        let _ = unlinkat(&self.directory, &name, AtFlags::empty());
                    }
                }
                first
            }
            None => self
                .make()
                .map_err(|error| io::Error::other(error.to_string()))?,
        };
        if let Some(temporary) = &made.temporary {
            renameat(&self.directory, temporary, &self.directory, &made.name)?;
        }
        if let Some(keep) = self.keep() {
            self.made.push_back(made.name);
            while self.made.len() > usize::try_from(keep).unwrap_or(usize::MAX) {
                if let Some(oldest) = self.made.pop_front() {
                    // Gone already is as good.
                    let _ = unlinkat(&self.directory, &oldest, AtFlags::empty());
                }
            }
        }
        Ok((made.shown, Box::new(made.file)))
    }

    fn make(&mut self) -> Result<Made, TargetError> {
        self.number += 1;
        let name = match self.rotation {
            Some(_) => numbered(&self.name, self.number),
            None => self.name.clone(),
        };
        let shown = self.shown_as(&name);
        let system = |error: Errno| TargetError::System {
            path: shown.clone(),
            source: error.into(),
        };
        let made = |file: File, temporary: Option<OsString>, new: bool| Made {
            shown: shown.clone(),
            file: DumpFile::new(file, Rc::clone(&self.patience)),
            temporary,
            name: name.clone(),
            new,
        };
        match self.create_file(&name) {
            Ok(file) => return Ok(made(file, None, true)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(system(error)),
        }
        let stat = statat(&self.directory, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(system)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Err(TargetError::Link(shown)),
            FileType::Directory => Err(TargetError::Directory(shown)),
            FileType::RegularFile if !self.force => Err(TargetError::Exists(shown)),
            FileType::RegularFile => {
                // Made anew and not emptied: it may have another name elsewhere.
                let mut temporary = OsString::from(".");
                temporary.push(&name);
                temporary.push(format!(".{}", std::process::id()));
                let file = self.create_file(&temporary).map_err(system)?;
                Ok(made(file, Some(temporary), true))
            }
            FileType::CharacterDevice | FileType::Fifo => {
                let file = self.open_existing(&name, &shown)?;
                Ok(made(file, None, false))
            }
            _ => Err(TargetError::Kind(shown)),
        }
    }

    fn create_file(&self, name: &OsStr) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = flags | OFlags::CREATE | OFlags::EXCL;
        let file = File::from(openat(&self.directory, name, flags, MODE)?);
        if let Some((user, group)) = self.owner {
            // Where that is refused, root keeps it.
            let _ = fchown(&file, Some(user), Some(group));
        }
        Ok(file)
    }

    /// A device or a pipe. What was opened is looked at, and not what had the name before.
    fn open_existing(&self, name: &OsStr, shown: &str) -> Result<File, TargetError> {
        let system = |source: io::Error| TargetError::System {
            path: shown.to_owned(),
            source,
        };
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = loop {
            match openat(&self.directory, name, flags, Mode::empty()) {
                // Nobody reads from it yet.
                Err(Errno::NXIO) => self.patience.moment().map_err(system)?,
                opened => break opened.map_err(|error| system(error.into()))?,
            }
        };
        let stat = fstat(&file).map_err(|error| system(error.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => Ok(File::from(file)),
            // Somebody else's pipe would be handed the packets.
            FileType::Fifo if stat.st_uid == geteuid().as_raw() => Ok(File::from(file)),
            _ => Err(TargetError::Kind(shown.to_owned())),
        }
    }
}

/// Whom root works for: under sudo a dump is to be the user's, who wants to read it.
fn sudo_user() -> Option<(Uid, Gid)> {
    if !geteuid().is_root() {
        return None;
    }
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let (user, group) = (number("SUDO_UID")?, number("SUDO_GID")?);
    // -1 says "leave it" to the kernel.
    let known = user != u32::MAX && group != u32::MAX;
    known.then(|| (Uid::from_raw(user), Gid::from_raw(group)))
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

/// How many digits tell pieces apart.
const DIGITS: usize = 5;

/// `drops.pcapng` as `drops_00001.pcapng`.
fn numbered(name: &OsStr, number: u32) -> OsString {
    let (stem, extension) = halves(name);
    let mut numbered = stem.to_owned();
    numbered.push(format!("_{number:0DIGITS$}"));
    numbered.push(extension);
    numbered
}

/// Whether a name is one of [`numbered`]'s.
fn is_piece(name: &OsStr, other: &OsStr) -> bool {
    let (stem, extension) = halves(name);
    let number = other
        .as_bytes()
        .strip_prefix(stem.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"_"))
        .and_then(|rest| rest.strip_suffix(extension.as_bytes()));
    number.is_some_and(|digits| digits.len() >= DIGITS && digits.iter().all(u8::is_ascii_digit))
}

/// A name up to its extension, and the extension with its dot.
fn halves(name: &OsStr) -> (&OsStr, OsString) {
    let path = Path::new(name);
    let mut extension = OsString::new();
    if let Some(text) = path.extension() {
        extension.push(".");
        extension.push(text);
    }
    (path.file_stem().unwrap_or(name), extension)
}

/// A directory without symbolic links in its path. A link that somebody else put where everybody may write is refused,
/// as the kernel does where `fs.protected_symlinks` is set.
fn resolve(directory: &Path, dump: &str) -> Result<PathBuf, TargetError> {
    let system = |error: Errno| TargetError::System {
        path: dump.to_owned(),
        source: error.into(),
    };
    let absolute = std::path::absolute(directory).map_err(|source| TargetError::System {
        path: dump.to_owned(),
        source,
    })?;
    let mut resolved = PathBuf::from("/");
    let mut rest = parts(&absolute);
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&part);
        let stat = lstat(&next).map_err(system)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            resolved = next;
            continue;
        }
        let holder = lstat(&resolved).map_err(system)?;
        let anyone = Mode::from_raw_mode(holder.st_mode).contains(Mode::WOTH);
        if anyone && stat.st_uid != geteuid().as_raw() && stat.st_uid != holder.st_uid {
            return Err(TargetError::ForeignLink {
                path: dump.to_owned(),
                link: next.display().to_string(),
            });
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(system(Errno::LOOP));
        }
        let target = readlink(&next, Vec::new()).map_err(system)?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            resolved = PathBuf::from("/");
        }
        for part in parts(&target).into_iter().rev() {
            rest.push_front(part);
        }
    }
    Ok(resolved)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What is open already, such as standard output.
#[must_use]
pub fn stream(file: File, patience: Rc<dyn Patience>) -> Box<dyn Sink> {
    Box::new(DumpFile::new(file, patience))
}

/// A dump on a disk, or a device or pipe.
struct DumpFile {
    file: File,
    /// Up to here a regular file has whole blocks; `None` for others.
    length: Option<u64>,
    patience: Rc<dyn Patience>,
}

impl DumpFile {
    fn new(mut file: File, patience: Rc<dyn Patience>) -> Self {
        let regular = fstat(file.as_fd()).is_ok_and(|stat| is_regular(&stat));
        // Standard output may be a file that has something already.
        let length = regular.then(|| file.stream_position().unwrap_or(0));
        Self {
            file,
            length,
            patience,
        }
    }

    /// Writes one piece; tells how much of it went out.
    fn piece(&mut self, piece: &[u8]) -> (usize, io::Result<()>) {
        let mut done = 0;
        while let Some(rest) = piece.get(done..).filter(|rest| !rest.is_empty()) {
            if self.length.is_none()
                && let Err(error) = self.patience.writable(self.file.as_fd())
            {
                return (done, Err(error));
            }
            match self.file.write(rest) {
                Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) => {}
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }
}

impl Sink for DumpFile {
    fn write(&mut self, blocks: &[u8]) -> Result<(), Short> {
        let size = if self.length.is_some() {
            blocks.len().max(1)
        } else {
            PIECE
        };
        let mut done = 0;
        for piece in blocks.chunks(size) {
            let (written, result) = self.piece(piece);
            done += written;
            if let Err(source) = result {
                let (bytes, packets) = whole(blocks, done);
                if let Some(length) = self.length {
                    // A part of a block would make the file damaged. A pipe cannot be cut, and its reader has seen it.
                    let _ = self.file.set_len(length + bytes);
                }
                return Err(Short {
                    bytes,
                    packets,
                    source,
                });
            }
        }
        if let Some(length) = &mut self.length {
            *length += u64::try_from(blocks.len()).unwrap_or(0);
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        if self.length.is_some() {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

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
        Files::create(path, force, rotation, Rc::new(Never))
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
}
