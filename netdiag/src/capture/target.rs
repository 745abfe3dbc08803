//! The files that a dump goes into: made new, never through somebody else's link, one after the other where they
//! rotate.

use super::writer::Sink;
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, lstat, openat2, readlink, statat,
        unlinkat,
    },
    io::Errno,
    process::geteuid,
};
use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::{Component, Path, PathBuf},
};

/// Packets are nobody else's business.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A path with more links than this goes round in circles.
const MOST_LINKS: u32 = 40;

/// When to go on to another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// From this size on, in bytes.
    pub most_bytes: u64,
    /// How many files to keep; the oldest of this run go.
    pub keep: Option<u32>,
}

/// A dump cannot be made there.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is there already.
    #[error("{0} is there already: --force overwrites it")]
    Exists(String),
    /// It is a link.
    #[error("{0} is a symbolic link, and a dump follows none: name the file itself")]
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
    /// It is a directory, a socket, or somebody else's pipe.
    #[error("{0} is neither a file nor a pipe of this user")]
    Kind(String),
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
    shown: PathBuf,
    name: OsString,
    force: bool,
    rotation: Option<Rotation>,
    number: u32,
    made: VecDeque<OsString>,
    /// The first one: made at once, so that a refusal comes before anything else happens.
    first: Option<(String, DumpFile)>,
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nothing was written: no empty file stays behind.
        if let Some((name, file)) = self.first.take()
            && file.made
            && let Some(name) = Path::new(&name).file_name()
        {
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
    ) -> Result<Self, TargetError> {
        let shown = path.display().to_string();
        let system = |source: io::Error| TargetError::System {
            path: shown.clone(),
            source,
        };
        let name = path
            .file_name()
            .ok_or_else(|| TargetError::Kind(shown.clone()))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = resolve(parent, &shown)?;
        let directory = openat2(
            rustix::fs::CWD,
            &parent,
            OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        )
        .map_err(|error| system(error.into()))?;
        let mut files = Self {
            directory,
            shown: path.to_path_buf(),
            name: name.to_owned(),
            force,
            rotation,
            number: 0,
            made: VecDeque::new(),
            first: None,
        };
        files.first = Some(files.make()?);
        Ok(files)
    }

    /// From which size on there is to be another file.
    pub(super) fn most_bytes(&self) -> Option<u64> {
        self.rotation.map(|rotation| rotation.most_bytes)
    }

    /// The name that the user gave.
    pub(super) fn name(&self) -> String {
        self.shown.display().to_string()
    }

    /// The next file, and its name.
    pub(super) fn next(&mut self) -> io::Result<(String, Box<dyn Sink>)> {
        let (name, file) = match self.first.take() {
            Some(first) => first,
            None => self
                .make()
                .map_err(|error| io::Error::other(error.to_string()))?,
        };
        Ok((name, Box::new(file)))
    }

    fn make(&mut self) -> Result<(String, DumpFile), TargetError> {
        self.number += 1;
        let name = match self.rotation {
            Some(_) => numbered(&self.name, self.number),
            None => self.name.clone(),
        };
        let shown = self.shown.with_file_name(&name).display().to_string();
        let (file, made) = self.create_file(&name, &shown)?;
        if let Some(keep) = self.rotation.and_then(|rotation| rotation.keep) {
            self.made.push_back(name);
            while self.made.len() > usize::try_from(keep).unwrap_or(usize::MAX) {
                if let Some(oldest) = self.made.pop_front() {
                    // Gone already is as good.
                    let _ = unlinkat(&self.directory, &oldest, AtFlags::empty());
                }
            }
        }
        Ok((
            shown,
            DumpFile {
                file,
                length: 0,
                made,
            },
        ))
    }

    /// Opens the file, and tells whether it is new.
    fn create_file(&self, name: &OsString, shown: &str) -> Result<(File, bool), TargetError> {
        let system = |error: Errno| TargetError::System {
            path: shown.to_owned(),
            source: error.into(),
        };
        let create = || self.open(name, OFlags::CREATE | OFlags::EXCL);
        let existing = || {
            let file = self.open(name, OFlags::empty()).map_err(system)?;
            Ok((file, false))
        };
        match create() {
            Ok(file) => return Ok((file, true)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(system(error)),
        }
        let stat = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(system)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Err(TargetError::Link(shown.to_owned())),
            FileType::RegularFile if !self.force => Err(TargetError::Exists(shown.to_owned())),
            FileType::RegularFile => {
                // Made anew and not emptied: it may have another name elsewhere.
                unlinkat(&self.directory, name, AtFlags::empty()).map_err(system)?;
                create().map(|file| (file, true)).map_err(system)
            }
            FileType::CharacterDevice => existing(),
            // Somebody else's pipe would be handed the packets.
            FileType::Fifo if stat.st_uid == geteuid().as_raw() => existing(),
            _ => Err(TargetError::Kind(shown.to_owned())),
        }
    }

    fn open(&self, name: &OsString, more: OFlags) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        rustix::fs::openat(&self.directory, name, flags, MODE).map(File::from)
    }
}

/// `drops.pcapng` as `drops_00001.pcapng`.
fn numbered(name: &OsString, number: u32) -> OsString {
    let path = Path::new(name);
    let mut numbered = path.file_stem().unwrap_or(name).to_owned();
    numbered.push(format!("_{number:05}"));
    if let Some(extension) = path.extension() {
        numbered.push(".");
        numbered.push(extension);
    }
    numbered
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
        let target = PathBuf::from(OsString::from(target.to_string_lossy().into_owned()));
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

/// A dump on a disk, or a device or pipe that the user named.
struct DumpFile {
    file: File,
    /// Up to here it has whole blocks.
    length: u64,
    /// Whether it is new, and no device or pipe.
    made: bool,
}

impl Sink for DumpFile {
    fn write(&mut self, blocks: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(blocks) {
            // A part of a block would make the file damaged. A pipe cannot be cut, and its reader has seen it.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += u64::try_from(blocks.len()).unwrap_or(0);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let stat = fstat(self.file.as_fd())?;
        if FileType::from_raw_mode(stat.st_mode).is_file() {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    fn write(path: &Path, force: bool) -> Result<(), TargetError> {
        let mut files = Files::create(path, force, None)?;
        files.next().unwrap().1.write(b"new").unwrap();
        Ok(())
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
        assert!(matches!(
            write(directory.path(), true),
            Err(TargetError::Kind(_))
        ));
        write(Path::new("/dev/null"), false).unwrap();
        assert!(write(Path::new("/"), false).is_err());
        assert!(write(&directory.path().join("no/such/file"), false).is_err());
    }

    #[test]
    fn rotation_keeps_the_newest() {
        let directory = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            most_bytes: 1,
            keep: Some(2),
        };
        let path = directory.path().join("d.pcapng");
        let mut files = Files::create(&path, false, Some(rotation)).unwrap();
        for number in 1..=4 {
            let (name, _) = files.next().unwrap();
            assert!(name.ends_with(&format!("d_0000{number}.pcapng")), "{name}");
        }
        let mut left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["d_00003.pcapng", "d_00004.pcapng"]);
    }
}
