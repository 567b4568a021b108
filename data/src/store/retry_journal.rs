//! The retry journal: the exceptions of delivery as rows in sled, and cursors for all the rest.
//!
//! It is a view of the log and can be made anew from it, so nothing here needs to survive a loss of power. It does
//! need to survive the crash of the process, and to say so when it is damaged.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    codec,
    keys::{self, Table},
    segment::{create_private_dir, storage, sync_dir},
};
use crate::error::{Error, ErrorKind, Result};

const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Operations of one batch that sled's epoch collector gets one kick for (measured; see README, living with sled).
const OPERATIONS_PER_KICK: usize = 128;

/// Rows that are changed but not yet in sled; reads look here first.
#[derive(Debug, Default)]
pub struct PendingRows(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl PendingRows {
    /// Writes a row.
    pub fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) {
        let sealed = codec::seal(&key, value);
        self.0.insert(key, Some(sealed));
    }

    /// Takes a row away.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.0.insert(key, None);
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The tree in sled.
#[derive(Clone, Debug)]
pub struct RetryJournal {
    /// `None` once it is closed: sled holds its files as long as anybody holds sled.
    db: Arc<RwLock<Option<sled::Db>>>,
    /// Where it lies.
    pub dir: PathBuf,
    /// Set once anything in it was found damaged; the next start then makes it anew.
    suspect: Arc<AtomicBool>,
}

impl RetryJournal {
    /// Opens it, creating it if it is not there. An error means: make it anew from the log.
    pub fn open(dir: &Path) -> Result<Self> {
        create_private_dir(dir)?;
        remove_unfinished_snapshots(dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let db = open_when_free(&config)?;
        Ok(Self { db: Arc::new(RwLock::new(Some(db))), dir: dir.to_owned(), suspect: Arc::default() })
    }

    /// Lets go of the files, whoever still holds a handle.
    pub fn close(&self) {
        self.db.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn db(&self) -> Result<sled::Db> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner).clone();
        db.ok_or_else(|| Error::new(ErrorKind::Closed, "the engine has stopped"))
    }

    /// Whether anything in it was found damaged.
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    fn suspecting<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            if error.kind() == ErrorKind::Damaged {
                self.suspect.store(true, Ordering::Release);
            }
        })
    }

    /// Removes it from the disk.
    pub fn wipe(dir: &Path) -> Result<()> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(storage("remove", dir, &error)),
            _ => Ok(()),
        }
    }

    /// A row, as it will be once what is pending is in.
    pub fn get<T: DeserializeOwned>(&self, key: &[u8], pending: Option<&PendingRows>) -> Result<Option<T>> {
        if let Some(change) = pending.and_then(|rows| rows.0.get(key)) {
            return change.as_ref().map(|sealed| codec::open_sealed(key, sealed)).transpose();
        }
        let db = self.db()?;
        let sealed = self.suspecting(no_panic(|| db.get(key)))?;
        sealed.map(|sealed| self.open_row(key, &sealed)).transpose()
    }

    /// Opens the value of a row that [`RetryJournal::rows`] gave.
    pub fn open_row<T: DeserializeOwned>(&self, key: &[u8], sealed: &[u8]) -> Result<T> {
        self.suspecting(codec::open_sealed(key, sealed))
    }

    /// Writes all that is pending, as one batch.
    pub fn apply(&self, pending: &mut PendingRows) -> Result<()> {
        let rows = std::mem::take(&mut pending.0);
        let operations = rows.len();
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match value {
                Some(sealed) => batch.insert(key, sealed),
                None => batch.remove(key),
            }
        }
        let db = self.db()?;
        self.suspecting(no_panic(|| db.apply_batch(batch)))?;
        collect_garbage(operations);
        Ok(())
    }

    /// Rows whose key begins with `prefix` and is at or above `from`, in key order.
    pub fn rows(
        &self,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + use<> {
        let (journal, prefix) = (self.clone(), prefix.to_vec());
        let mut range = self.db().map(|db| db.range(from.to_vec()..));
        let next = move || match &mut range {
            Ok(range) => journal.suspecting(no_panic(|| range.next().transpose())).transpose(),
            Err(closed) => Some(Err(closed.clone())),
        };
        std::iter::from_fn(next)
            .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// The endpoints that have rows in a table, ascending. Costs a look-up each, however many rows they have.
    pub fn endpoints(&self, table: Table) -> Result<Vec<u32>> {
        let (all, mut endpoints, mut from) = ([table as u8], Vec::new(), keys::table(table, 0));
        while let Some(row) = self.rows(&all, &from).next() {
            let Some(endpoint) = keys::row_endpoint(&row?.0) else { break };
            endpoints.push(endpoint);
            let Some(next) = endpoint.checked_add(1) else { break };
            from = keys::table(table, next);
        }
        Ok(endpoints)
    }

    /// Keys that begin with `prefix`, in order, as they will be once what is pending is in.
    pub fn keys<'a>(
        &self,
        prefix: &'a [u8],
        pending: &'a PendingRows,
    ) -> impl Iterator<Item = Result<Vec<u8>>> + use<'a> {
        self.keys_from(prefix, prefix, pending)
    }

    /// As [`RetryJournal::keys`], those at or above `from`.
    pub fn keys_from<'a>(
        &self,
        prefix: &'a [u8],
        from: &[u8],
        pending: &'a PendingRows,
    ) -> impl Iterator<Item = Result<Vec<u8>>> + use<'a> {
        let mut stored = self.rows(prefix, from).map(|row| row.map(|(key, _)| key)).peekable();
        let mut changes =
            pending.0.range(from.to_vec()..).take_while(move |(key, _)| key.starts_with(prefix)).peekable();
        std::iter::from_fn(move || {
            loop {
                let next_stored = match stored.peek() {
                    Some(Err(_)) => return stored.next(),
                    Some(Ok(key)) => Some(key),
                    None => None,
                };
                let Some((changed, value)) = changes.peek() else { return stored.next() };
                if next_stored.is_some_and(|key| key < *changed) {
                    return stored.next();
                }
                // The change stands for the stored row under the same key, if there is one.
                let (changed, kept) = ((*changed).clone(), value.is_some());
                if next_stored == Some(&changed) {
                    stored.next();
                }
                changes.next();
                if kept {
                    return Some(Ok(changed));
                }
            }
        })
    }

    /// The last key at or above `from` and below `below`, as it will be once what is pending is in.
    pub fn last_key(&self, from: &[u8], below: &[u8], pending: &PendingRows) -> Result<Option<Vec<u8>>> {
        if from >= below {
            return Ok(None);
        }
        let mut stored = self.db()?.range(from.to_vec()..below.to_vec());
        let stored = loop {
            let Some((key, _)) = self.suspecting(no_panic(|| stored.next_back().transpose()))? else {
                break None;
            };
            if pending.0.get(&*key).is_none_or(Option::is_some) {
                break Some(key.to_vec());
            }
        };
        let mut changes = pending.0.range(from.to_vec()..below.to_vec()).rev();
        let changed = changes.find(|(_, value)| value.is_some()).map(|(key, _)| key.clone());
        Ok(stored.max(changed))
    }

    /// Removes rows whose key begins with `prefix` and is below `below`; tells how many.
    pub fn remove_below(&self, prefix: &[u8], below: &[u8]) -> Result<u64> {
        const BATCH_ROWS: usize = 1_024;
        let mut removed = 0;
        let mut batch = PendingRows::default();
        for row in self.rows(prefix, prefix) {
            let (key, _) = row?;
            if key.as_slice() >= below {
                break;
            }
            removed += 1;
            batch.delete(key);
            if batch.0.len() == BATCH_ROWS {
                self.apply(&mut batch)?;
            }
        }
        if !batch.is_empty() {
            self.apply(&mut batch)?;
        }
        Ok(removed)
    }

    /// Hands what sled holds back to the operating system, so that it survives the process.
    pub fn flush(&self) -> Result<()> {
        let db = self.db()?;
        let flushed = self.suspecting(no_panic(|| db.flush())).map(|_| ());
        // Each flush retires a write buffer of 512 KiB, and the collector keeps 64 such for a thread that isn't kicked.
        collect_garbage(0);
        flushed
    }

    /// Has the disk hold all of it: every file, then the directory. For a clean stop.
    pub fn sync_all(&self) -> Result<()> {
        self.flush()?;
        for entry in walk(&self.dir)? {
            let synced = fs::File::open(&entry).and_then(|file| file.sync_all());
            synced.map_err(|error| storage("sync", &entry, &error))?;
        }
        sync_dir(&self.dir)
    }
}

/// Opens sled's files as soon as they are free: its threads hold on to them for a moment after they were let go.
fn open_when_free(config: &sled::Config) -> Result<sled::Db> {
    const TRIES: u32 = 500;
    const PAUSE: Duration = Duration::from_millis(10);
    let mut tries = 1;
    loop {
        match no_panic(|| config.open()) {
            Err(error) if tries < TRIES && error.message().contains("could not acquire lock") => {
                std::thread::sleep(PAUSE);
                tries += 1;
            }
            opened => return opened,
        }
    }
}

/// A kill while sled writes its snapshot leaves a file behind that fails every later open.
fn remove_unfinished_snapshots(dir: &Path) -> Result<()> {
    let Ok(listing) = fs::read_dir(dir) else { return Ok(()) };
    for entry in listing.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(|error| storage("remove", &entry.path(), &error))?;
        }
    }
    Ok(())
}

fn walk(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| storage("list", dir, &error))?.flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

/// Large batches from one thread outrun sled's garbage collection, which then only grows.
fn collect_garbage(operations: usize) {
    for _ in 0..operations / OPERATIONS_PER_KICK + 4 {
        crossbeam_epoch::pin().flush();
    }
}

/// Calls sled, which answers some damage with a panic rather than an error.
fn no_panic<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    let advice = "the next start makes it anew from the log";
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => {
            Err(Error::new(ErrorKind::Storage, format!("the retry journal failed: {error}")))
        }
        Ok(Err(error)) => {
            Err(Error::new(ErrorKind::Damaged, format!("the retry journal is damaged ({error}); {advice}")))
        }
        Err(_) => Err(Error::new(ErrorKind::Damaged, format!("the retry journal is damaged; {advice}"))),
    }
}
