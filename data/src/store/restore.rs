//! Makes a data directory of a backup: every file and every record in it checked, or nothing left behind.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Paths,
    copying::{CHUNK_BYTES, Copying},
    format,
    guard::{DirectoryLock, RunMark},
    manifest::{Listed, Manifest},
    segment::{create_private_dir, storage, sync_dir},
    verify::{self, VerifyReport},
};
use crate::error::{Error, ErrorKind, Result};

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The data directory.
    pub path: PathBuf,
    /// The moment that the backup holds, RFC 3339.
    pub made_at: String,
    /// What was checked in it.
    #[serde(flatten)]
    pub verified: VerifyReport,
}

/// Makes a data directory of a backup; the next start brings it up to its build's format.
///
/// `Conflict` if there is anything in `to`, `Damaged` naming the file if one is not as it was written, `Newer` if a
/// newer build made the backup, `NotFound` if it is none or not whole. After an error `to` is as it was.
pub fn restore(from: &Path, to: &Path) -> Result<RestoreReport> {
    let manifest = Manifest::read(from)?;
    let was_there = is_there_and_empty(to)?;
    let verified = fill(from, to, &manifest).inspect_err(|_| {
        if let Err(error) = clear(to, was_there) {
            tracing::warn!(%error, "empty {} by hand: it is half a data directory", to.display());
        }
    })?;
    Ok(RestoreReport { path: to.to_owned(), made_at: manifest.made_at, verified })
}

fn is_there_and_empty(to: &Path) -> Result<bool> {
    match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(true),
        Ok(false) => {
            let message = format!("{} is not empty; restore into a new directory", to.display());
            Err(Error::new(ErrorKind::Conflict, message))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(storage("list", to, &error)),
    }
}

fn fill(from: &Path, to: &Path, manifest: &Manifest) -> Result<VerifyReport> {
    let (lock, paths) = (DirectoryLock::take(to)?, Paths::of(to));
    // First of all, so that a directory in which a kill left half of it ends before it should, and is not started on.
    lock.note(manifest.reach());
    lock.sync(to)?;
    RunMark::new(to, &paths.retry).set_doubtful()?;
    if manifest.data_format > 0 {
        format::write(to, manifest.data_format)?;
    }
    for folder in manifest.folders() {
        create_private_dir(&to.join(folder))?;
    }
    for file in &manifest.files {
        copy(from, to, file)?;
    }
    for folder in manifest.folders() {
        sync_dir(&to.join(folder))?;
    }
    let (verified, reach) = verify::check(&paths, manifest.reach())?;
    if reach != manifest.reach() {
        let message = format!("the backup {} lacks a file; restore another one", from.display());
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    Ok(verified)
}

fn copy(from: &Path, to: &Path, listed: &Listed) -> Result<()> {
    let path = from.join(&listed.path);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&path, "is gone")),
        Err(error) => return Err(storage("open", &path, &error)),
    };
    let (mut copying, mut chunk) = (Copying::create(to.join(&listed.path))?, vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(bytes) => copying.write(&chunk[..bytes])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(storage("read", &path, &error)),
        }
    }
    if listed.matches(copying.finish()?) { Ok(()) } else { Err(damaged(&path, "is not as it was written")) }
}

fn damaged(path: &Path, how: &str) -> Error {
    let message = format!("{} of the backup {how}; restore another one", path.display());
    Error::new(ErrorKind::Damaged, message)
}

/// Takes away what was put into a directory that was empty, and itself unless it was there.
fn clear(dir: &Path, was_there: bool) -> io::Result<()> {
    if !was_there {
        return fs::remove_dir_all(dir);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

impl fmt::Display for RestoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} holds the backup of {}", self.path.display(), self.made_at)?;
        write!(f, "{}", self.verified)
    }
}
