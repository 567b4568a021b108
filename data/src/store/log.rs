//! The log: every event, settlement and expiry in the order in which they happened, in segments.
//!
//! The log is the truth. What is acknowledged is in it and synced; the retry journal is a view of it that can be
//! made anew. It knows entries and positions, not what they mean.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    codec::{self, FLAG_CONTINUES, HEADER_BYTES, Kind},
    rewriting::remove_unfinished,
    segment::{Segment, SegmentHeader, create_private_dir, damaged, is_segment, storage, sync_dir},
    torn,
};
use crate::error::{Error, ErrorKind, Result};

/// Bytes that a scan reads at a time.
const SCAN_BYTES: usize = 256 * 1024;

/// Segments, oldest first.
type Segments = Arc<[Arc<Segment>]>;

/// The segments, oldest first. One thread appends; any number read what is committed.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    /// Shared as a whole with every scan, which must cost the same however many there are.
    segments: RwLock<Segments>,
    /// Readers see entries up to here.
    committed: AtomicU64,
    /// Held while a file is removed or another takes its place, so that none comes back.
    changing: Mutex<()>,
}

/// How the log ends, found by [`Log::find_end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The position behind the last whole group of entries.
    pub position: u64,
    /// Bytes of the file behind it.
    pub tail_bytes: u64,
    /// Bytes behind it that never became whole: without the zeros at the end, which the file has ahead of its entries.
    pub torn_bytes: u64,
}

impl Log {
    /// Opens the folder, creating it if it is not there. Reads no entries yet.
    pub fn open(dir: &Path) -> Result<Self> {
        create_private_dir(dir)?;
        let log = Self::open_existing(dir)?;
        log.remove_stillborn()?;
        remove_unfinished(dir)?;
        Ok(log)
    }

    /// Removes the file of a segment that a crash left without a header: the next one may begin elsewhere, and this
    /// would lie before it.
    fn remove_stillborn(&self) -> Result<()> {
        let segments = self.segments();
        for path in segment_paths(&self.dir)? {
            if segments.iter().all(|segment| segment.path() != path) {
                fs::remove_file(&path).map_err(|error| storage("remove", &path, &error))?;
                sync_dir(&self.dir)?;
            }
        }
        Ok(())
    }

    /// Opens a folder that is there, and changes nothing in it.
    pub fn open_existing(dir: &Path) -> Result<Self> {
        let paths = segment_paths(dir)?;
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            let newest = index + 1 == paths.len();
            match Segment::open(path)? {
                Some(segment) => segments.push(Arc::new(segment)),
                // A crash while it was created.
                None if newest => {}
                None => return Err(damaged(path, "it has no header")),
            }
        }
        for pair in segments.windows(2) {
            if pair[0].end() != pair[1].header.start {
                let gap =
                    format!("it ends at {} but the next begins at {}", pair[0].end(), pair[1].header.start);
                return Err(damaged(pair[0].path(), &gap));
            }
        }
        let (segments, committed) = (RwLock::new(segments.into()), AtomicU64::new(0));
        Ok(Self { dir: dir.to_owned(), segments, committed, changing: Mutex::default() })
    }

    /// The segments as they are now.
    pub fn segments(&self) -> Arc<[Arc<Segment>]> {
        self.segments.read().expect("no code panics while it holds this lock").clone()
    }

    /// Readers see entries up to here.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Lets readers see entries up to `position`.
    pub fn commit_to(&self, position: u64) {
        self.committed.store(position, Ordering::Release);
    }

    /// Begins a new segment; appends go there from now on.
    pub fn begin_segment(&self, header: SegmentHeader) -> Result<Arc<Segment>> {
        let segment = Arc::new(Segment::create(&self.dir, header)?);
        sync_dir(&self.dir)?;
        let mut segments = self.segments.write().expect("no code panics while it holds this lock");
        *segments = segments.iter().cloned().chain([segment.clone()]).collect();
        Ok(segment)
    }

    /// Gives the oldest segment back to the disk. The newest stays.
    pub fn drop_oldest(&self) -> Result<()> {
        let _turn = self.change();
        let oldest = {
            let mut segments = self.segments.write().expect("no code panics while it holds this lock");
            assert!(segments.len() > 1, "the newest segment is never dropped");
            let oldest = segments[0].clone();
            *segments = segments[1..].into();
            oldest
        };
        oldest.remove()?;
        sync_dir(&self.dir)
    }

    /// Puts a file, synced, into the place of a segment's. `false` if the segment is gone; never the newest.
    pub fn replace(&self, old: &Arc<Segment>, with: &Path) -> Result<bool> {
        let _turn = self.change();
        if !self.segments().iter().any(|segment| Arc::ptr_eq(segment, old)) {
            return Ok(false);
        }
        fs::rename(with, old.path()).map_err(|error| storage("rename", with, &error))?;
        sync_dir(&self.dir)?;
        let new = Segment::open(old.path())?.ok_or_else(|| damaged(old.path(), "it has no header"))?;
        let new = Arc::new(new);
        let mut segments = self.segments.write().expect("no code panics while it holds this lock");
        let replaced =
            |segment: &Arc<Segment>| if Arc::ptr_eq(segment, old) { &new } else { segment }.clone();
        *segments = segments.iter().map(replaced).collect();
        Ok(true)
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the newest segments begin that hold `bytes` between them; always the beginning of an entry.
    pub fn newest(&self, bytes: u64) -> u64 {
        let segments = self.segments();
        let end = segments.last().map_or(0, |segment| segment.end());
        let reaches = segments.iter().rev().find(|segment| end - segment.header.start >= bytes);
        reaches.or(segments.first()).map_or(0, |segment| segment.header.start)
    }

    /// Walks the entries from `from` to the end of the files, and tells where the last whole group ends.
    ///
    /// A tail that was never acknowledged may be cut off; the module [`torn`] tells it from what was once whole. That
    /// is damage, and named.
    pub fn find_end(&self, from: u64) -> Result<LogEnd> {
        let segments = self.segments();
        let Some(newest) = segments.last() else {
            return Ok(LogEnd { position: from, tail_bytes: 0, torn_bytes: 0 });
        };
        let file_end = newest.end();
        let mut scan = Scan::new(segments.clone(), from, file_end);
        let mut whole_to = scan.position();
        loop {
            match scan.step()? {
                Step::End => break,
                Step::Entry { flags, end, .. } => {
                    if flags & FLAG_CONTINUES == 0 {
                        whole_to = end;
                    }
                }
                Step::Broken { position, why } => {
                    let newer = why == codec::NEWER;
                    if newer || position < newest.header.start || !torn::may_be_cut(newest, position)? {
                        return Err(damaged_at(&segments, position, why));
                    }
                    break;
                }
            }
        }
        if whole_to < newest.header.start && newest.entry_bytes() > 0 {
            return Err(damaged_at(&segments, whole_to, "its group is cut short"));
        }
        let position = whole_to.min(file_end);
        let (tail_bytes, written_to) =
            (file_end - position, newest.written_to(position.max(newest.header.start))?);
        Ok(LogEnd { position, tail_bytes, torn_bytes: written_to - position })
    }

    /// Cuts off what is behind `position` in the newest segment; the others are whole.
    pub fn trim(&self, position: u64) -> Result<()> {
        self.segments().last().map_or(Ok(()), |newest| newest.trim(position))
    }

    /// Entries from `from` up to what is committed now.
    pub fn scan(&self, from: u64) -> Scan {
        // In this order: a segment begun in between would be committed to, but not among the segments.
        let to = self.committed();
        Scan::new(self.segments(), from, to)
    }

    /// The one entry at a position.
    pub fn entry(&self, position: u64) -> Result<(Kind, Vec<u8>)> {
        let mut scan = self.scan(position);
        scan.chunk_bytes = 2 * 1024;
        if scan.position() != position {
            return Err(Error::new(ErrorKind::NotFound, "retention has removed this part of the log"));
        }
        match scan.step()? {
            Step::Entry { kind, .. } => Ok((kind, scan.body().to_vec())),
            Step::End => Err(Error::new(ErrorKind::NotFound, "the log ends before this position")),
            Step::Broken { position, why } => Err(damaged_at(&self.segments(), position, why)),
        }
    }
}

/// What one step of a scan came to.
#[derive(Debug)]
pub enum Step {
    /// A whole entry; its body is [`Scan::body`] until the next step.
    Entry {
        /// Where it stands.
        position: u64,
        /// The position behind it.
        end: u64,
        /// What it holds.
        kind: Kind,
        /// [`FLAG_CONTINUES`] or nothing.
        flags: u8,
    },
    /// Nothing more up to the scan's end.
    End,
    /// What stands here is not an entry.
    Broken {
        /// Where.
        position: u64,
        /// Why not.
        why: &'static str,
    },
}

/// A walk over entries in order. Holds the files open, so retention cannot pull them away.
#[derive(Debug)]
pub struct Scan {
    segments: Segments,
    position: u64,
    to: u64,
    buffer: Vec<u8>,
    /// Where the buffer's first byte stands in the log.
    buffer_at: u64,
    body: std::ops::Range<usize>,
    chunk_bytes: usize,
}

impl Scan {
    /// Entries from `from` up to `to`, which must be the end of one.
    pub fn new(segments: Segments, from: u64, to: u64) -> Self {
        let first = segments.first().map_or(from, |segment| segment.header.start);
        let position = from.max(first);
        Self {
            segments,
            position,
            to,
            buffer: Vec::new(),
            buffer_at: position,
            body: 0..0,
            chunk_bytes: SCAN_BYTES,
        }
    }

    /// Where the next entry stands.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The body of the entry that the last step found.
    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }

    /// That entry's header.
    pub fn head(&self) -> &[u8; HEADER_BYTES] {
        let head = self.buffer[..self.body.start].last_chunk();
        head.expect("an entry was found, and its header stands before its body")
    }

    /// The next entry; damage is an error. For what was found whole before.
    pub fn next_entry(&mut self) -> Result<Option<(u64, Kind)>> {
        match self.step()? {
            Step::Entry { position, kind, .. } => Ok(Some((position, kind))),
            Step::End => Ok(None),
            Step::Broken { position, why } => Err(damaged_at(&self.segments, position, why)),
        }
    }

    /// The next entry, or why there is none.
    pub fn step(&mut self) -> Result<Step> {
        let position = self.position;
        if position >= self.to {
            return Ok(Step::End);
        }
        if !self.load(position, HEADER_BYTES)? {
            return Ok(Step::Broken { position, why: "the file ends within its header" });
        }
        let at = (position - self.buffer_at) as usize;
        let header = match codec::read_header(position, &self.buffer[at..at + HEADER_BYTES]) {
            Ok(header) => header,
            Err(why) => return Ok(Step::Broken { position, why }),
        };
        let bytes = HEADER_BYTES + header.body_bytes;
        if !self.load(position, bytes)? {
            return Ok(Step::Broken { position, why: "the file ends within it" });
        }
        let at = (position - self.buffer_at) as usize;
        self.body = at + HEADER_BYTES..at + bytes;
        if !codec::body_matches(position, &header, self.body()) {
            return Ok(Step::Broken { position, why: "its checksum does not match" });
        }
        self.position = position + bytes as u64;
        Ok(Step::Entry { position, end: self.position, kind: header.kind, flags: header.flags })
    }

    /// Makes sure that the buffer holds `bytes` from `position`; entries never span two segments.
    fn load(&mut self, position: u64, bytes: usize) -> Result<bool> {
        let buffered_to = self.buffer_at + self.buffer.len() as u64;
        if position >= self.buffer_at && position + bytes as u64 <= buffered_to {
            return Ok(true);
        }
        let index = self.segments.partition_point(|segment| segment.end() <= position);
        let Some(segment) = self.segments.get(index) else { return Ok(false) };
        self.buffer.resize(bytes.max(self.chunk_bytes), 0);
        let read = segment.read(position, &mut self.buffer)?;
        self.buffer.truncate(read);
        self.buffer_at = position;
        Ok(read >= bytes)
    }
}

fn segment_paths(dir: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = listing.map_err(|error| storage("list", dir, &error))?;
    paths.retain(|path| is_segment(path));
    paths.sort();
    Ok(paths)
}

fn damaged_at(segments: &[Arc<Segment>], position: u64, why: &str) -> Error {
    let holder = segments.iter().rev().find(|segment| segment.header.start <= position);
    match holder {
        Some(segment) if why == codec::NEWER => {
            let place =
                format!("the entry at position {position} of log segment {}", segment.path().display());
            Error::new(ErrorKind::Newer, format!("{place} cannot be read: {why}"))
        }
        Some(segment) => damaged(segment.path(), &format!("the entry at position {position}: {why}")),
        None => Error::new(ErrorKind::Damaged, format!("no log segment holds position {position}")),
    }
}
