//! Who holds the directory, how the last holder left it, and how far what it acknowledged reaches.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::segment::{storage, sync_dir};
use crate::error::{Error, ErrorKind, Result};

/// How far log, registry and audit reach, at the least.
///
/// Noted after each sync, so it is never ahead of the disk, and not synced itself, so it costs nothing: it survives a
/// crash of the process, and after a loss of power it may be old. Whatever ends before it was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// End of the log.
    pub log: u64,
    /// End of the registry.
    pub registry: u64,
    /// End of the audit; `None` if who noted it had none yet.
    pub audit: Option<u64>,
}

impl Reach {
    /// What the last holder of a directory noted, or its present one; nothing if it noted nothing that is whole.
    pub fn noted_in(dir: &Path) -> Self {
        File::open(dir.join("lock")).map(|file| Self::read(&file)).unwrap_or_default()
    }

    fn read(file: &File) -> Self {
        let mut bytes = [0; 28];
        let mut read = 0;
        while let Ok(more @ 1..) = file.read_at(&mut bytes[read..], read as u64) {
            read += more;
        }
        Self::decode(&bytes[..read]).unwrap_or_default()
    }

    /// Each as 8 bytes, the audit's left out before there was one; then a checksum.
    fn encode(self) -> Vec<u8> {
        let ends = [Some(self.log), Some(self.registry), self.audit];
        let mut bytes: Vec<u8> = ends.into_iter().flatten().flat_map(u64::to_le_bytes).collect();
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| bytes.get(at..at + 8)?.try_into().map(u64::from_le_bytes).ok();
        let whole = Self { log: long(0)?, registry: long(8)?, audit: long(16) };
        // An earlier version notes less, perhaps over the beginning of what a later one has noted.
        let forms = [whole, Self { audit: None, ..whole }];
        forms.into_iter().find(|reach| bytes.starts_with(&reach.encode()))
    }
}

/// The right to use a data directory; released when dropped. Its file also holds how far the journal reaches.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Takes the directory, creating it (0700) if it is not there. Changes nothing if another process has it.
    pub fn take(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            created.map_err(|error| storage("create", dir, &error))?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync_dir(parent)?;
            }
        }
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| storage("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Locked,
                format!(
                    "another process uses {}; stop it first, or choose another data directory",
                    dir.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(storage("lock", &path, &error)),
        }
    }
}

impl DirectoryLock {
    /// What the last holder noted; nothing if it noted nothing that is whole.
    pub fn reach(&self) -> Reach {
        Reach::read(&self.file)
    }

    /// Notes how far what is synced reaches. Best effort: without it less damage is told from a torn tail.
    pub fn note(&self, reach: Reach) {
        if let Err(error) = self.file.write_all_at(&reach.encode(), 0) {
            tracing::warn!(%error, "could not note how far the journal reaches");
        }
    }

    /// Has the disk hold what was noted; `dir` is for the message.
    pub fn sync(&self, dir: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| storage("sync", &dir.join("lock"), &error))
    }
}

/// Whether what was written without a sync can still be believed.
///
/// The retry journal is only handed to the operating system, not synced, so it outlives the process but not the
/// machine. It is believed after a clean stop, and after a crash if the machine has run on since and the files are
/// the very same ones; after anything else it is made anew from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMark {
    path: PathBuf,
    journal: PathBuf,
}

const CLEAN: &str = "clean\n";
const DOUBTFUL: &str = "doubtful\n";

impl RunMark {
    /// The mark of a data directory whose retry journal lies in `journal`.
    pub fn new(dir: &Path, journal: &Path) -> Self {
        Self { path: dir.join("run"), journal: journal.to_owned() }
    }

    /// Whether there was a run before, however it ended.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Whether the last run left a retry journal that can be believed.
    pub fn is_believable(&self) -> bool {
        match fs::read_to_string(&self.path) {
            Ok(text) if text == CLEAN => true,
            Ok(text) => self.running().is_some_and(|running| running == text),
            Err(_) => false,
        }
    }

    /// Notes that a run has begun. Must be on disk before the run's first write.
    pub fn set_running(&self) -> Result<()> {
        // Without a boot id nothing is believable after a crash, which is safe.
        write_whole(&self.path, &self.running().unwrap_or_else(|| DOUBTFUL.to_owned()))
    }

    /// Notes that the retry journal must not be believed: it is about to be made anew.
    pub fn set_doubtful(&self) -> Result<()> {
        write_whole(&self.path, DOUBTFUL)
    }

    /// Notes that everything is on disk and synced.
    pub fn set_clean(&self) -> Result<()> {
        write_whole(&self.path, CLEAN)
    }

    fn running(&self) -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let journal = fs::metadata(self.journal.join("db")).ok()?;
        Some(format!("running\nboot {}\nfile {}:{}\n", boot.trim(), journal.dev(), journal.ino()))
    }
}

/// Writes a small file, synced: whatever happens, it has all of the old text or all of the new one.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    let private = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = private.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| storage("write", &new, &error))?;
    fs::rename(&new, path).map_err(|error| storage("rename", &new, &error))?;
    sync_dir(path.parent().expect("it lies in a directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_reads_back_also_from_a_version_without_an_audit_and_a_broken_one_is_nothing() {
        let now = Reach { log: 7, registry: 8, audit: Some(9) };
        let earlier = Reach { audit: None, ..now };
        assert_eq!(Reach::decode(&now.encode()), Some(now));
        assert_eq!((earlier.encode().len(), Reach::decode(&earlier.encode())), (20, Some(earlier)));
        // An earlier version writes less than was there.
        let mut over = now.encode();
        let less = Reach { log: 10, ..earlier };
        over[..20].copy_from_slice(&less.encode());
        assert_eq!(Reach::decode(&over), Some(less));
        for bit in 0..now.encode().len() * 8 {
            let mut flipped = now.encode();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Reach::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Reach::decode(&[]), None);
    }
}
