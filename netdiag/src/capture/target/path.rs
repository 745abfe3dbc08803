//! The way to a directory, without anybody else's links.

use super::TargetError;
use rustix::{
    fs::{FileType, Mode, lstat, readlink},
    io::Errno,
    process::geteuid,
};
use std::{
    collections::VecDeque,
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Component, Path, PathBuf},
};

/// A path with more links than this goes round in circles.
const MOST_LINKS: u32 = 40;

/// A directory without symbolic links in its path. A link that somebody else put where everybody may write is refused,
/// as the kernel does where `fs.protected_symlinks` is set.
pub(super) fn resolve(directory: &Path, dump: &str) -> Result<PathBuf, TargetError> {
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
