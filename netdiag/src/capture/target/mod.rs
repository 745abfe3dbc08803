//! The files that a dump goes into: made new, never through somebody else's link, one after the other where they
//! rotate.
//!
//! Everything is done below a descriptor of the directory, so that nobody can put another one in its place meanwhile.

mod file;
mod name;
mod path;
#[cfg(test)]
mod tests;

pub use file::stream;

use super::writer::Sink;
use file::DumpFile;
use name::{is_piece, numbered};
use path::resolve;
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, fchown, fstat, openat,
        openat2, renameat, statat, unlinkat,
    },
    io::Errno,
    process::geteuid,
};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    rc::Rc,
};

/// Packets are nobody else's business.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

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
    /// It is read from.
    #[error("{0} is read from: give the dump another name")]
    Input(String),
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

/// What tells a file from others, whatever its name: device and inode number.
pub type Identity = (u64, u64);

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
        inputs: &[Identity],
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
        files.check_inputs(inputs)?;
        if rotation.is_some() {
            files.check_rotation()?;
        }
        files.first = Some(files.make()?);
        Ok(files)
    }

    /// What is read must not be overwritten, whatever the user wants.
    fn check_inputs(&self, inputs: &[Identity]) -> Result<(), TargetError> {
        let mut names = vec![self.name.clone()];
        names.extend(self.rotation.map(|_| self.earlier()).unwrap_or_default());
        for name in names {
            let stat = statat(&self.directory, &name, AtFlags::empty());
            if stat.is_ok_and(|stat| inputs.contains(&(stat.st_dev, stat.st_ino))) {
                return Err(TargetError::Input(self.shown_as(&name)));
            }
        }
        Ok(())
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
            let renamed = renameat(&self.directory, temporary, &self.directory, &made.name);
            if let Err(error) = renamed {
                let _ = unlinkat(&self.directory, temporary, AtFlags::empty());
                return Err(error.into());
            }
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

    fn is_ours(&self, user: u32) -> bool {
        let sudo = self.owner.map(|(user, _)| user.as_raw());
        user == geteuid().as_raw() || Some(user) == sudo
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
            FileType::Fifo if self.is_ours(stat.st_uid) => Ok(File::from(file)),
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
