//! A segment of the log written anew without the content of some of its entries, at the same length.
//!
//! The new file grows under another name. When all of it is synced it takes the old one's, so a crash leaves one or the
//! other, both whole. Whoever reads the old one, or copies it, finishes with it.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    codec::{self, Kind},
    log::{Log, Scan},
    remains,
    segment::{FILE_HEADER_BYTES, Segment, storage},
};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
};

/// What a file is called as long as it is not whole.
const UNFINISHED: &str = "unfinished";
/// Zeros from which on they are left out of the file: a file system gives back whole blocks.
const HOLE_BYTES_MIN: usize = 4 * 1024;
/// Bytes that are written at a time.
const WRITE_BYTES: usize = 1024 * 1024;
/// Bytes after which they are synced, so that a publisher's sync never waits for all of them.
const UNSYNCED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// An entry whose content is to go, and as of when.
pub type Marked = (u64, Timestamp);

/// Writes a segment anew without the content of the entries that are marked, in log order, and puts it into the old one's
/// place. `false` if retention has taken the segment meanwhile.
pub fn rewrite(log: &Log, segment: &Arc<Segment>, marked: &[Marked], stop: &AtomicBool) -> Result<bool> {
    let path = segment.path().with_extension(UNFINISHED);
    let replaced = write(segment, &path, marked, stop).and_then(|()| log.replace(segment, &path));
    if !matches!(replaced, Ok(true)) {
        // The next start would remove it too.
        let _ = fs::remove_file(&path);
    }
    replaced
}

/// Removes what a kill left of files that were being written.
pub fn remove_unfinished(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|error| storage("list", dir, &error))?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            fs::remove_file(&path).map_err(|error| storage("remove", &path, &error))?;
        }
    }
    Ok(())
}

/// Has whatever takes long end early when the engine stops.
pub fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(Error::new(
            ErrorKind::Closed,
            "the engine stops; what is left is done after the next start",
        ));
    }
    Ok(())
}

fn write(segment: &Arc<Segment>, path: &Path, marked: &[Marked], stop: &AtomicBool) -> Result<()> {
    let mut out = Sparse::create(path, segment.file_offset(segment.end()))?;
    let mut header = [0; FILE_HEADER_BYTES as usize];
    segment.read_file(0, &mut header)?;
    out.put(&header)?;
    let mut scan = Scan::new(Arc::new([segment.clone()]), segment.header.start, segment.end());
    let mut marked = marked.iter().peekable();
    while let Some((position, kind)) = scan.next_entry()? {
        go_on(stop)?;
        let at = marked.next_if(|(place, _)| *place == position).map(|(_, at)| *at);
        match at.map_or(Ok(None), |at| padded(kind, scan.body(), at))? {
            Some(body) => {
                out.put(&codec::with_body(position, scan.head(), &body))?;
                out.put_padded(&body)?;
            }
            None => {
                out.put(scan.head())?;
                out.put_padded(scan.body())?;
            }
        }
    }
    out.finish()
}

fn padded(kind: Kind, body: &[u8], at: Timestamp) -> Result<Option<Vec<u8>>> {
    let remains = remains::of(kind, body, at)?;
    Ok(remains.map(|mut remains| {
        remains.resize(body.len(), 0);
        remains
    }))
}

/// A file with holes where it would have zeros.
struct Sparse {
    file: File,
    path: PathBuf,
    /// What goes to `at`.
    buffer: Vec<u8>,
    at: u64,
    unsynced: u64,
}

impl Sparse {
    fn create(path: &Path, length: u64) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = file.and_then(|file| file.set_len(length).map(|()| file));
        let file = file.map_err(|error| storage("create", path, &error))?;
        Ok(Self { file, path: path.to_owned(), buffer: Vec::new(), at: 0, unsynced: 0 })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES { self.write_out() } else { Ok(()) }
    }

    fn put_padded(&mut self, bytes: &[u8]) -> Result<()> {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if bytes.len() - end < HOLE_BYTES_MIN {
            return self.put(bytes);
        }
        self.put(&bytes[..end])?;
        self.write_out()?;
        self.at += (bytes.len() - end) as u64;
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        let written = self.file.write_all_at(&self.buffer, self.at);
        written.map_err(|error| storage("write", &self.path, &error))?;
        self.at += self.buffer.len() as u64;
        self.unsynced += self.buffer.len() as u64;
        self.buffer.clear();
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            self.file.sync_data().map_err(|error| storage("sync", &self.path, &error))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.write_out()?;
        self.file.sync_all().map_err(|error| storage("sync", &self.path, &error))
    }
}
