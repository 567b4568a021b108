//! A segment of the log written anew without the content of some of its entries, packed: where each entry stands in the
//! log stays as it was, and the disk has back what it held.
//!
//! The new file grows under another name. When all of it is synced it takes the old one's, so a crash leaves one or the
//! other, both whole. Whoever reads the old one, or copies it, finishes with it.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    codec::{self, Kind},
    copying::Copying,
    log::{Log, Scan},
    packed::Packer,
    remains,
    segment::{FILE_HEADER_BYTES, Segment, storage},
};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
};

/// What a file is called as long as it is not whole.
const UNFINISHED: &str = "unfinished";
/// Bytes that are written at a time.
const WRITE_BYTES: usize = 1024 * 1024;

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
    // An earlier attempt could not remove it.
    let _ = fs::remove_file(path);
    let mut out = Packing::begin(Copying::create(path.to_owned())?, segment);
    let mut scan = Scan::new(Arc::new([segment.clone()]), segment.header.start, segment.end());
    let mut marked = marked.iter().peekable();
    while let Some((position, kind)) = scan.next_entry()? {
        go_on(stop)?;
        let at = marked.next_if(|(place, _)| *place == position).map(|(_, at)| *at);
        match at.map_or(Ok(None), |at| padded(kind, scan.body(), at))? {
            Some(body) => {
                out.put(&codec::with_body(position, scan.head(), &body))?;
                out.put(&body)?;
            }
            None => {
                out.put(scan.head())?;
                out.put(scan.body())?;
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

/// A packed file that is being written.
struct Packing {
    file: Copying,
    packer: Packer,
    buffer: Vec<u8>,
}

impl Packing {
    fn begin(file: Copying, segment: &Segment) -> Self {
        let packer = Packer::new(segment.header.start, FILE_HEADER_BYTES);
        Self { file, packer, buffer: segment.packed_header().to_vec() }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.packer.put(bytes, &mut self.buffer);
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.file.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.packer.finish(&mut self.buffer);
        self.file.write(&self.buffer)?;
        self.file.finish().map(drop)
    }
}
