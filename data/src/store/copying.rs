//! A file that is being written as a whole: a copy, or a segment that is packed.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use super::segment::storage;
use crate::error::Result;

/// Bytes that are read and written at a time.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes after which they are synced. The disk would otherwise get them all at once, and a publisher's sync behind them.
const UNSYNCED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A new file, checksummed while it is written.
#[derive(Debug)]
pub struct Copying {
    file: File,
    path: PathBuf,
    unsynced: usize,
    sum: Sum,
}

/// What a file's content is told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Its length.
    pub bytes: u64,
    /// CRC-32C of it.
    pub checksum: u32,
}

impl Copying {
    /// Creates the file, for nobody else's eyes: it holds payloads and secrets. It must not be there yet.
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| storage("create", &path, &error))?;
        Ok(Self { file, path, unsynced: 0, sum: Sum::default() })
    }

    /// Appends to it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| storage("write", &self.path, &error))?;
        self.sum.bytes += bytes.len() as u64;
        self.sum.checksum = crc32c::crc32c_append(self.sum.checksum, bytes);
        self.unsynced += bytes.len();
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.file.sync_data().map_err(|error| storage("sync", &self.path, &error))?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Has the disk hold it; its name is durable once the directory is synced.
    pub fn finish(self) -> Result<Sum> {
        self.file.sync_all().map_err(|error| storage("sync", &self.path, &error))?;
        Ok(self.sum)
    }
}
