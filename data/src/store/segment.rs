//! One file of the log: a header of its own, then entries, as they were appended or [packed](super::packed).

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::packed::{Fault, Packed};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
};

const MAGIC: [u8; 8] = *b"CASEWIRE";
/// The format of files whose entries stand as they were appended.
const FORMAT: u32 = 1;
/// The format of packed files, which builds before it name as newer than they are.
const FORMAT_PACKED: u32 = 2;
/// Bytes before the first entry; those that say nothing are room for later.
pub const FILE_HEADER_BYTES: u64 = 64;
/// How far beyond its entries a file is made to reach at a time.
const AHEAD_BYTES: u64 = 1024 * 1024;
/// Bytes that a search reads at a time.
const SEARCH_BYTES: usize = 256 * 1024;

/// What a segment's file says of itself; written once, when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Position of the first entry in the log as a whole.
    pub start: u64,
    /// The sequence number that the first event in it has.
    pub first_seq: u64,
    /// The largest event id handed out before it.
    pub last_id: u128,
    /// When it was created: no event in it is older.
    pub created_at: Timestamp,
}

/// One file of the log. Positions count through all segments, file headers left out.
#[derive(Debug)]
pub struct Segment {
    /// What the file says of itself.
    pub header: SegmentHeader,
    path: PathBuf,
    file: File,
    /// Absent if its entries stand as they were appended. Nothing is appended to a packed one.
    packed: Option<Packed>,
    /// Bytes of entries in it, unpacked.
    entry_bytes: AtomicU64,
    /// Bytes of the file; behind the entries it may have zeros.
    file_bytes: AtomicU64,
    /// Everything before this position is known to be synced.
    durable_to: AtomicU64,
}

impl Segment {
    /// Creates the file, with its header on disk; the caller syncs the directory.
    pub fn create(dir: &Path, header: SegmentHeader) -> Result<Self> {
        let path = dir.join(file_name(header.start));
        // A crash between create and first sync leaves a file without entries; it is written over.
        // For nobody else's eyes: it holds payloads and secrets.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(|error| storage("create", &path, &error))?;
        file.write_all_at(&encode(&header, None), 0).map_err(|error| storage("write", &path, &error))?;
        file.sync_all().map_err(|error| storage("sync", &path, &error))?;
        let (entry_bytes, file_bytes) = (AtomicU64::new(0), AtomicU64::new(FILE_HEADER_BYTES));
        let durable_to = AtomicU64::new(header.start);
        Ok(Self { header, path, file, packed: None, entry_bytes, file_bytes, durable_to })
    }

    /// Opens a file of the log. `None` if its own header never reached the disk: nothing can be in it.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|error| storage("open", path, &error))?;
        let length = file.metadata().map_err(|error| storage("stat", path, &error))?.len();
        let mut bytes = [0; FILE_HEADER_BYTES as usize];
        let complete = file.read_exact_at(&mut bytes, 0).is_ok();
        if length <= FILE_HEADER_BYTES && (!complete || bytes == [0; FILE_HEADER_BYTES as usize]) {
            return Ok(None);
        }
        if is_newer(&bytes) {
            let message = format!(
                "log segment {} was written by a newer casewire; use that one, or a newer one",
                path.display()
            );
            return Err(Error::new(ErrorKind::Newer, message));
        }
        let decoded = decode(&bytes).filter(|(header, _)| path.ends_with(file_name(header.start)));
        let (header, unpacked_bytes) =
            decoded.ok_or_else(|| damaged(path, "its header is not as it was written"))?;
        let read_at = |buffer: &mut [u8], at| file.read_exact_at(buffer, at);
        let packed = unpacked_bytes.map(|bytes| {
            let opened = Packed::open((header.start, bytes), (FILE_HEADER_BYTES, length), read_at);
            opened.map_err(|fault| faulty(path, fault))
        });
        let packed = packed.transpose()?;
        let entry_bytes = AtomicU64::new(unpacked_bytes.unwrap_or(length - FILE_HEADER_BYTES));
        let file_bytes = AtomicU64::new(length);
        // All before it was synced before it was begun; of itself nothing is known yet.
        let durable_to = AtomicU64::new(header.start);
        Ok(Some(Self { header, path: path.to_owned(), file, packed, entry_bytes, file_bytes, durable_to }))
    }

    /// The position behind its last byte.
    pub fn end(&self) -> u64 {
        self.header.start + self.entry_bytes.load(Ordering::Acquire)
    }

    /// Whether its file holds it packed; then it was written, and synced, as a whole, and is never changed.
    pub fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// The header of a file that holds it packed.
    pub fn packed_header(&self) -> [u8; FILE_HEADER_BYTES as usize] {
        encode(&self.header, Some(self.entry_bytes()))
    }

    /// Bytes of entries in it, unpacked.
    pub fn entry_bytes(&self) -> u64 {
        self.entry_bytes.load(Ordering::Acquire)
    }

    /// Bytes of the disk that the file takes: not those that it has ahead of its entries.
    pub fn disk_bytes(&self) -> u64 {
        // The unit of `st_blocks`, whatever the file system's blocks are.
        const BLOCK_BYTES: u64 = 512;
        self.file.metadata().map_or(0, |metadata| metadata.blocks() * BLOCK_BYTES)
    }

    /// Makes the file reach beyond the next `bytes`, and well beyond, so that few appends lengthen it: a sync then writes
    /// what was appended and not the file's new length too, which costs as much again. What is behind the entries reads
    /// as zeros, takes no room on the disk, and is cut off by [`Segment::finish`] or the next start.
    pub fn reach_ahead(&self, bytes: usize) {
        let needed = FILE_HEADER_BYTES + self.entry_bytes() + bytes as u64;
        if needed <= self.file_bytes.load(Ordering::Acquire) {
            return;
        }
        // At the limit of what a file may be, syncs just cost what they cost.
        if self.file.set_len(needed + AHEAD_BYTES).is_ok() {
            self.file_bytes.store(needed + AHEAD_BYTES, Ordering::Release);
        }
    }

    /// Cuts off what is behind the entries and has the disk hold the rest: nothing is appended for now.
    pub fn finish(&self) -> Result<()> {
        self.trim(self.end())?;
        self.durable_to.store(self.end(), Ordering::Release);
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(|error| storage("trim", &self.path, &error))?;
        self.file_bytes.store(bytes, Ordering::Release);
        Ok(())
    }

    /// The position behind the last byte from `position` on that is not zero; `position` if there is none.
    pub fn written_to(&self, position: u64) -> Result<u64> {
        let (mut from, mut written_to) = (position, position);
        let mut window = vec![0; SEARCH_BYTES];
        while from < self.end() {
            let read = self.read(from, &mut window)?;
            if let Some(last) = window[..read].iter().rposition(|byte| *byte != 0) {
                written_to = from + last as u64 + 1;
            }
            from += read as u64;
        }
        Ok(written_to)
    }

    /// Appends entries; not synced. Never to one that is packed.
    pub fn append(&self, bytes: &[u8]) -> Result<()> {
        assert!(!self.is_packed(), "a start begins a segment behind a packed one");
        let before = self.entry_bytes.load(Ordering::Acquire);
        let written = self.file.write_all_at(bytes, FILE_HEADER_BYTES + before);
        written.map_err(|error| storage("write", &self.path, &error))?;
        self.entry_bytes.store(before + bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Has the disk hold all that was appended. This call is what "acknowledged" rests on.
    pub fn sync(&self) -> Result<()> {
        let end = self.end();
        self.file.sync_data().map_err(|error| storage("sync", &self.path, &error))?;
        self.durable_to.store(end, Ordering::Release);
        Ok(())
    }

    /// Everything before this position is known to be synced.
    pub fn durable_to(&self) -> u64 {
        self.durable_to.load(Ordering::Acquire)
    }

    /// Reads up to `buffer.len()` bytes from `position`, which must lie in this segment.
    pub fn read(&self, position: u64, buffer: &mut [u8]) -> Result<usize> {
        let available = usize::try_from(self.end().saturating_sub(position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(available);
        let buffer = &mut buffer[..wanted];
        match &self.packed {
            None => self.read_file(self.file_offset(position), buffer)?,
            Some(packed) => {
                let read = packed.read(position, buffer, |buffer, at| self.file.read_exact_at(buffer, at));
                read.map_err(|fault| faulty(&self.path, fault))?;
            }
        }
        Ok(wanted)
    }

    /// Reads the file as it is, its own header included, from a byte of it on.
    pub fn read_file(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|error| storage("read", &self.path, &error))
    }

    /// How much of the file, its own header included, holds all up to a position of the log: of a packed one, all.
    pub fn file_bytes_to(&self, position: u64) -> u64 {
        if self.is_packed() {
            return self.file_bytes.load(Ordering::Acquire);
        }
        self.file_offset(position.min(self.end()))
    }

    /// Where in the file a position of the log stands; in one that is not packed.
    pub fn file_offset(&self, position: u64) -> u64 {
        FILE_HEADER_BYTES + (position - self.header.start)
    }

    /// Cuts off everything from `position` on, for good. Of a packed one nothing can be missing but by damage.
    pub fn trim(&self, position: u64) -> Result<()> {
        if self.is_packed() {
            return Err(damaged(&self.path, &format!("what stands at position {position} is not whole")));
        }
        let keep = position - self.header.start;
        self.set_len(FILE_HEADER_BYTES + keep)?;
        self.file.sync_all().map_err(|error| storage("sync", &self.path, &error))?;
        self.entry_bytes.store(keep, Ordering::Release);
        Ok(())
    }

    /// Gives the file back to the disk; who still reads it can finish.
    pub fn remove(&self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|error| storage("remove", &self.path, &error))
    }

    /// The file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A failure of the disk, in words.
pub fn storage(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("could not {action} {}: {error}", path.display()))
}

/// Damage of a log's file, in words.
pub fn damaged(path: &Path, why: &str) -> Error {
    let advice = "restore it from a backup, or set the data directory aside";
    Error::new(ErrorKind::Damaged, format!("log segment {} is damaged: {why}; {advice}", path.display()))
}

fn faulty(path: &Path, fault: Fault) -> Error {
    match fault {
        Fault::Disk(error) => storage("read", path, &error),
        Fault::Damaged(position) => {
            damaged(path, &format!("what is packed at position {position} is not as it was written"))
        }
    }
}

/// Creates a folder of the data directory, for nobody else's eyes, if it is not there.
pub fn create_private_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let created = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    created.map_err(|error| storage("create", dir, &error))?;
    sync_dir(dir.parent().expect("it lies in a data directory"))
}

/// Has the disk hold the directory's entries: a file's name is durable only after this.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|error| storage("sync", dir, &error))
}

/// The name of the segment that starts at a position; names sort like positions.
fn file_name(start: u64) -> String {
    format!("{start:016x}.segment")
}

/// Whether a file in the log's folder is a segment.
pub fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "segment")
}

/// A header; of a packed file, with the bytes of entries that it holds.
fn encode(header: &SegmentHeader, unpacked_bytes: Option<u64>) -> [u8; FILE_HEADER_BYTES as usize] {
    let mut bytes = [0; FILE_HEADER_BYTES as usize];
    let format = unpacked_bytes.map_or(FORMAT, |_| FORMAT_PACKED);
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&format.to_le_bytes());
    bytes[12..20].copy_from_slice(&header.start.to_le_bytes());
    bytes[20..28].copy_from_slice(&header.first_seq.to_le_bytes());
    bytes[28..44].copy_from_slice(&header.last_id.to_le_bytes());
    bytes[44..52].copy_from_slice(&header.created_at.as_micros().to_le_bytes());
    bytes[52..60].copy_from_slice(&unpacked_bytes.unwrap_or(0).to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Whether a header is whole, and of a later format than this build's.
fn is_newer(bytes: &[u8; FILE_HEADER_BYTES as usize]) -> bool {
    is_whole(bytes) && format_of(bytes) > FORMAT_PACKED
}

fn format_of(bytes: &[u8; FILE_HEADER_BYTES as usize]) -> u32 {
    u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]])
}

fn is_whole(bytes: &[u8; FILE_HEADER_BYTES as usize]) -> bool {
    bytes[..8] == MAGIC && bytes[60..] == crc32c::crc32c(&bytes[..60]).to_le_bytes()
}

/// What a header says, and of a packed file how many bytes of entries it holds.
fn decode(bytes: &[u8; FILE_HEADER_BYTES as usize]) -> Option<(SegmentHeader, Option<u64>)> {
    let long = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let unpacked_bytes = match format_of(bytes) {
        FORMAT if is_whole(bytes) => None,
        FORMAT_PACKED if is_whole(bytes) => Some(long(52)?),
        _ => return None,
    };
    let header = SegmentHeader {
        start: long(12)?,
        first_seq: long(20)?,
        last_id: u128::from_le_bytes(bytes[28..44].try_into().ok()?),
        created_at: Timestamp::from_micros(long(44)?.cast_signed()),
    };
    Some((header, unpacked_bytes))
}
