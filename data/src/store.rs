//! The store: the log of all that happened, and the retry journal that answers questions about it.
//!
//! ```text
//! <data directory>/
//!   lock            held by the one process that uses it
//!   run             how the last run ended
//!   registry/       endpoints and tokens: a log of documents
//!   log/            events and settlements: segments, the truth
//!   retry/          sled: the retry journal, a view of the log
//! ```
//!
//! [`open`] gives one [`Writer`] and a [`Store`] that any number of readers clone. What is acknowledged rests on the
//! log alone: an append and one `fdatasync`. The retry journal is brought up to the log at checkpoints, and made anew
//! from the log whenever it cannot be believed.
//!
//! Only this module and those below it know sled and MessagePack.

mod codec;
mod guard;
mod idempotency;
mod keys;
mod ledger;
mod log;
mod reader;
mod record;
mod registry_log;
mod retention;
mod retry_journal;
mod segment;
#[cfg(test)]
mod tests;
mod verify;
mod view;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

pub use guard::DirectoryLock;
pub use ledger::Cursor;
pub use reader::{Backlog, Standing as DeliveryStanding, Store, Trace, Waiting};
pub use record::{Fate, Parked, Requeued, Settled, Standing};
pub use registry_log::{Document, Documents, Tombstone};
pub use verify::{StatsReport, VerifyReport, stats, verify};
pub use writer::{Publication, Published, Write, Writer, Written};

use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
    id::UlidSequence,
};
use guard::RunMark;
use log::Log;
use registry_log::RegistryLog;
use retry_journal::RetryJournal;
use segment::SegmentHeader;
use view::View;

/// What the store needs to know from [`Limits`](crate::limits::Limits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// How long events are kept, in milliseconds.
    pub retention_ms: i64,
    /// Bytes of one segment of the log.
    pub segment_bytes_max: u64,
}

/// What writer and readers share.
#[derive(Debug)]
struct Shared {
    log: Log,
    journal: RetryJournal,
    view: Mutex<View>,
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().expect("a panic while the view changed ends the engine")
    }
}

/// Opens a data directory, creating it if it is not there, and recovers whatever the last run left.
///
/// A torn tail that was never acknowledged is cut off and logged. Any other damage to the log or the registry is an
/// error that names the place. A retry journal that cannot be believed is made anew.
pub fn open(dir: &Path, options: StoreOptions, now: Timestamp) -> Result<(Writer, Store)> {
    let lock = DirectoryLock::take(dir)?;
    let paths = Paths::of(dir);
    let registry = RegistryLog::open(&paths.registry, now)?;
    let log = Log::open(&paths.log)?;
    let mark = RunMark::new(dir, &paths.retry);
    let believable = mark.is_believable() && !log.segments().is_empty();
    let recovered = if believable { recover(&log, &registry, &paths.retry) } else { None };
    let (journal, mut view) = match recovered.transpose()? {
        Some(recovered) => recovered,
        None => {
            mark.set_doubtful()?;
            rebuild(&log, &registry, &paths.retry)?
        }
    };
    mark.set_running()?;
    let active = match log.segments().last() {
        Some(newest) => newest.clone(),
        None => log.begin_segment(SegmentHeader { start: 0, first_seq: 1, last_id: 0, created_at: now })?,
    };
    view.next_seq = view.next_seq.max(active.header.first_seq);
    view.last_id = view.last_id.max(active.header.last_id);
    let (next_seq, ids) = (view.next_seq, UlidSequence::after(view.last_id));
    log.commit_to(active.end());
    let checkpointed = active.end();
    let shared = Arc::new(Shared { log, journal, view: Mutex::new(view) });
    let mut writer = Writer {
        shared: shared.clone(),
        active,
        registry,
        options,
        mark,
        ids,
        next_seq,
        failure: None,
        unsynced: true,
        checkpointed,
        lock,
    };
    writer.settle_recovery()?;
    Ok((writer, Store::new(shared)))
}

/// Where things lie in a data directory.
struct Paths {
    registry: PathBuf,
    log: PathBuf,
    retry: PathBuf,
}

impl Paths {
    fn of(dir: &Path) -> Self {
        Self { registry: dir.join("registry"), log: dir.join("log"), retry: dir.join("retry") }
    }
}

/// Brings a believable retry journal up to the log. `None` if it must be made anew after all.
fn recover(log: &Log, registry: &RegistryLog, dir: &Path) -> Option<Result<(RetryJournal, View)>> {
    let opened = RetryJournal::open(dir).and_then(|journal| Ok((View::load(&journal)?, journal)));
    let ((view, view_from, rows_from), journal) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(%error, "making the retry journal anew from the log");
            return None;
        }
    };
    let written_to = log.segments().last().map_or(0, |segment| segment.end());
    if written_to < rows_from {
        return Some(Err(Error::new(
            ErrorKind::Damaged,
            format!(
                "the log ends at position {written_to}, but it was written up to {rows_from}: its newest segment in {} \
                 was cut or removed; restore it from a backup",
                dir.with_file_name("log").display()
            ),
        )));
    }
    Some(replay(log, registry, &journal, view, (view_from, rows_from)).map(|view| (journal, view)))
}

/// Makes the retry journal anew from the whole log.
fn rebuild(log: &Log, registry: &RegistryLog, dir: &Path) -> Result<(RetryJournal, View)> {
    RetryJournal::wipe(dir)?;
    let journal = RetryJournal::open(dir)?;
    let (mut view, ..) = View::load(&journal)?;
    // What the first segment does not hold was taken by retention.
    view.ledger.expired_through = log.segments().first().map_or(0, |first| first.header.first_seq - 1);
    let view = replay(log, registry, &journal, view, (0, 0))?;
    Ok((journal, view))
}

/// Finds the log's end, cuts a torn tail off, and takes all entries from a checkpoint on into the view.
fn replay(
    log: &Log,
    registry: &RegistryLog,
    journal: &RetryJournal,
    mut view: View,
    (view_from, rows_from): (u64, u64),
) -> Result<View> {
    const ROWS_AT_ONCE: usize = 4_096;
    registry.documents.tombstones.keys().for_each(|ordinal| view.ledger.close(*ordinal));
    let end = log.find_end(view_from)?;
    if end.torn_bytes > 0 {
        tracing::warn!(
            bytes = end.torn_bytes,
            position = end.position,
            "cut a torn, never acknowledged tail off the log"
        );
        log.trim(end.position)?;
    }
    log.commit_to(end.position);
    let mut scan = log.scan(view_from);
    while let Some((position, kind)) = scan.next_entry()? {
        view.apply(journal, position, kind, scan.body(), position >= rows_from)?;
        if view.rows.len() >= ROWS_AT_ONCE {
            view.rows.put(keys::ROWS.to_vec(), &scan.position());
            journal.apply(&mut view.rows)?;
        }
    }
    Ok(view)
}
