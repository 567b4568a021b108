//! Backups: a copy of the log, the registry and the audit as they stood at one moment, made while all go on.
//!
//! The writer only notes the moment ([`Writer::backup_point`]): how far each reaches, after a sync, and the files that
//! are open. Whoever has the point copies at leisure, on a thread of his own. What is below the noted ends never changes
//! again, and a file that retention removes meanwhile stays readable for as long as it is open. The retry journal is
//! left out: the first start on a restored copy makes it anew.
//!
//! A backup grows under a name that begins with a dot and has its final one only when all of it is synced.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Serialize;

use super::{
    Paths,
    copying::{CHUNK_BYTES, Copying, Sum},
    format,
    guard::Reach,
    log::{Log, Scan},
    manifest::{FOLDERS, Listed, Manifest},
    segment::{Segment, create_private_dir, storage, sync_dir},
    verify,
    writer::Writer,
};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
};

/// What a backup is called as long as it is not whole.
const UNFINISHED: &str = ".unfinished";

/// A moment of a store, to be copied. Holds the files open.
#[derive(Debug)]
pub struct BackupPoint {
    log: Extent,
    registry: Extent,
    /// Absent of a directory from before there was one.
    audit: Option<Extent>,
    events: u64,
    data_format: u32,
}

/// Segments up to a position.
#[derive(Debug)]
struct Extent {
    segments: Arc<[Arc<Segment>]>,
    end: u64,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// Where it lies.
    pub path: PathBuf,
    /// The moment that it holds, RFC 3339.
    pub made_at: String,
    /// Files in it, besides the one that lists them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events in it.
    pub events: u64,
}

impl Writer {
    /// Notes this moment for a backup: all that was committed before is in it. Costs a sync, if anything is not synced.
    pub fn backup_point(&mut self) -> Result<BackupPoint> {
        self.check_open()?;
        if self.active.durable_to() < self.active.end() {
            let synced = self.sync();
            synced.inspect_err(|error| self.fail(error))?;
        }
        let segments = self.shared.log.segments();
        let first_seq = segments.first().map_or(self.next_seq, |oldest| oldest.header.first_seq);
        Ok(BackupPoint {
            log: Extent { segments, end: self.active.end() },
            registry: Extent { segments: self.registry.segments(), end: self.registry.end() },
            audit: Some(Extent { segments: self.audit.segments(), end: self.audit.end() }),
            events: self.next_seq - first_seq,
            data_format: format::FORMAT,
        })
    }
}

/// Copies a data directory that no process uses to `to`, which must not be there yet.
pub fn back_up(dir: &Path, to: &Path, made_at: Timestamp) -> Result<BackupReport> {
    let (lock, data_format) = verify::existing(dir)?;
    let paths = Paths::of(dir);
    let (verified, reach) = verify::check(&paths, lock.reach())?;
    let extent = |dir: &Path, end| Ok(Extent { segments: Log::open_existing(dir)?.segments(), end });
    let point = BackupPoint {
        log: extent(&paths.log, reach.log)?,
        registry: extent(&paths.registry, reach.registry)?,
        audit: reach.audit.map(|end| extent(&paths.audit, end)).transpose()?,
        events: verified.events,
        data_format,
    };
    point.write(to, made_at, &AtomicBool::new(false))
}

impl BackupPoint {
    /// Copies everything to `to`, which must not be there yet; every entry is held against its checksums on the way.
    /// When it returns, the backup is on disk and synced. When it fails, or `stop` is set meanwhile, nothing is left.
    ///
    /// Blocks for as long as the disk takes.
    pub fn write(self, to: &Path, made_at: Timestamp, stop: &AtomicBool) -> Result<BackupReport> {
        let unfinished = Unfinished::begin(to)?;
        let written = self.write_into(&unfinished, made_at, stop);
        let (files, bytes) = written.map_err(|error| match error.kind() {
            ErrorKind::Storage => {
                let advice = "nothing is left of the backup; make room or choose another folder for it";
                Error::new(ErrorKind::Storage, format!("{error}; {advice}"))
            }
            _ => error,
        })?;
        let (path, events) = (unfinished.finish()?, self.events);
        Ok(BackupReport { path, made_at: made_at.to_rfc3339_seconds(), files, bytes, events })
    }

    fn write_into(&self, to: &Unfinished, made_at: Timestamp, stop: &AtomicBool) -> Result<(u64, u64)> {
        let mut listed = Vec::new();
        let mut bytes = 0;
        let extents = [Some(&self.log), Some(&self.registry), self.audit.as_ref()];
        for (folder, extent) in FOLDERS.into_iter().zip(extents) {
            let Some(extent) = extent else { continue };
            extent.check(stop)?;
            let dir = to.dir.join(folder);
            create_private_dir(&dir)?;
            for (name, sum) in extent.copy_into(&dir, stop)? {
                bytes += sum.bytes;
                listed.push(Listed::new(format!("{folder}/{name}"), sum));
            }
            sync_dir(&dir)?;
        }
        let (files, audit) = (listed.len() as u64, self.audit.as_ref().map(|audit| audit.end));
        let reach = Reach { log: self.log.end, registry: self.registry.end, audit };
        Manifest::new(made_at, self.data_format, self.events, reach, listed).write(&to.dir)?;
        Ok((files, bytes))
    }
}

impl Extent {
    /// Reads every entry: to find damage now is better than when the backup is all that there is.
    fn check(&self, stop: &AtomicBool) -> Result<()> {
        let mut scan = Scan::new(self.segments.clone(), 0, self.end);
        while scan.next_entry()?.is_some() {
            go_on(stop)?;
        }
        Ok(())
    }

    fn copy_into(&self, dir: &Path, stop: &AtomicBool) -> Result<Vec<(String, Sum)>> {
        let mut copied = Vec::with_capacity(self.segments.len());
        for segment in self.segments.iter() {
            let name = segment.path().file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
            let mut copying = Copying::create(dir.join(&name))?;
            let mut left = segment.file_bytes_to(self.end);
            let (mut at, mut chunk) = (0, vec![0; CHUNK_BYTES]);
            while left > 0 {
                go_on(stop)?;
                let bytes = left.min(CHUNK_BYTES as u64);
                let chunk = &mut chunk[..bytes as usize];
                segment.read_file(at, chunk)?;
                copying.write(chunk)?;
                (at, left) = (at + bytes, left - bytes);
            }
            copied.push((name, copying.finish()?));
        }
        Ok(copied)
    }
}

fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(Error::new(
            ErrorKind::Closed,
            "the engine stops, and has given up the backup; make it again",
        ));
    }
    Ok(())
}

/// A backup that is being made; removed when dropped.
#[derive(Debug)]
struct Unfinished {
    /// Where it grows.
    dir: PathBuf,
    /// Where it will be.
    to: PathBuf,
    /// Locked for as long as somebody works on it.
    _lock: File,
}

impl Unfinished {
    fn begin(to: &Path) -> Result<Self> {
        let to = std::path::absolute(to).map_err(|error| storage("find", to, &error))?;
        let (Some(parent), Some(name)) = (to.parent(), to.file_name().and_then(OsStr::to_str)) else {
            let message = format!("{} is no name for a backup; choose another", to.display());
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        if to.exists() {
            let message = format!("there is a backup {name} already; choose another name");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        create_private_dir(parent)?;
        remove_abandoned(parent);
        let dir = parent.join(format!(".{name}{UNFINISHED}"));
        let created = DirBuilder::new().mode(0o700).create(&dir);
        created.map_err(|error| storage("create", &dir, &error))?;
        let lock = File::open(&dir).and_then(|lock| lock.try_lock().map(|()| lock).map_err(Into::into));
        let lock = lock.map_err(|error| storage("lock", &dir, &error))?;
        Ok(Self { dir, to, _lock: lock })
    }

    /// Gives it its name; the manifest is in it, and everything synced.
    fn finish(self) -> Result<PathBuf> {
        sync_dir(&self.dir)?;
        fs::rename(&self.dir, &self.to).map_err(|error| storage("rename", &self.dir, &error))?;
        if let Some(parent) = self.to.parent() {
            sync_dir(parent)?;
        }
        Ok(self.to.clone())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "remove {} by hand: it is half a backup", self.dir.display());
        }
    }
}

/// Removes what a kill left of backups. One that somebody still works on is locked.
fn remove_abandoned(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let unfinished =
            name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED));
        let lock = unfinished.then(|| File::open(entry.path()).ok()).flatten();
        if lock.is_some_and(|lock| lock.try_lock().is_ok())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, "remove {} by hand: it is half a backup", entry.path().display());
        }
    }
}
