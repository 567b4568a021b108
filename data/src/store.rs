//! The store: the log of all that happened, and the retry journal that answers questions about it.
//!
//! ```text
//! <data directory>/
//!   lock            held by the one process that uses it
//!   format          which builds can read it
//!   run             how the last run ended
//!   registry/       endpoints and tokens: a log of documents
//!   audit/          who did what: a log that is never cut nor rewritten
//!   log/            events and settlements: segments, the truth
//!   retry/          sled: the retry journal, a view of the log
//! ```
//!
//! [`open`] gives one [`Writer`] and a [`Store`] that any number of readers clone. What is acknowledged rests on the
//! log alone: an append and one `fdatasync`. The retry journal is brought up to the log at checkpoints, and made anew
//! from the log whenever it cannot be believed.
//!
//! Only this module and those below it know sled and MessagePack.

mod audit_chain;
mod audit_log;
mod backup;
mod byte_retention;
mod codec;
mod copying;
mod erasures;
mod figures;
mod format;
mod guard;
mod horizons;
mod idempotency;
mod keys;
mod lanes;
mod ledger;
mod listing;
mod log;
mod manifest;
mod packed;
mod reader;
mod record;
mod registry_log;
mod remains;
mod replays;
mod restore;
mod retention;
mod retry_journal;
mod rewriting;
mod segment;
mod shares;
mod staged;
mod sweep;
mod sync;
mod synced_log;
mod tenant_retention;
#[cfg(test)]
mod tests;
mod torn;
mod verify;
mod view;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

pub use backup::{BackupPoint, BackupReport, back_up};
pub use figures::Extent;
pub use guard::DirectoryLock;
pub use lanes::{Behind, Row};
pub use ledger::{Cursor, Tally};
pub use listing::{Among, DeliveryFilter, EventFilter, Learner, Listed, Place, Rest, Slice};
pub use reader::{Backlog, Due, DueUntil, Standing as DeliveryStanding, Store, Trace, Waiting};
pub use record::{BEHIND, Cancelled, Fate, Parked, Requeued, Settled, Standing};
pub use registry_log::{Document, Documents, Tombstone};
pub use replays::{ReplayFilter, ReplaySlice};
pub use restore::{RestoreReport, restore};
pub use sweep::{Sweep, SweepReport, SweepTerms};
pub use sync::SyncWatch;
pub use verify::{AuditReport, StatsReport, VerifyReport, stats, verify, verify_audit, verify_audit_against};
pub use writer::{Publication, Published, Write, Writer, Written};

use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
    event::Tenant,
    id::UlidSequence,
};
use audit_log::{AuditLog, Trail};
use codec::Kind;
use erasures::Erasures;
use guard::RunMark;
use horizons::Horizons;
use listing::Digests;
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
    /// How long events of some tenants are kept, in milliseconds, where that is shorter.
    pub tenants_retention_ms: BTreeMap<Tenant, i64>,
    /// Bytes of the disk that the log may take; the oldest events go first. No limit if absent.
    pub retention_bytes: Option<u64>,
    /// How old a segment may become before another one is begun, in milliseconds: what goes by age goes by segments.
    pub segment_age_ms_max: i64,
    /// Bytes of one segment of the log.
    pub segment_bytes_max: u64,
}

/// What writer and readers share.
#[derive(Debug)]
struct Shared {
    log: Log,
    journal: RetryJournal,
    view: Mutex<View>,
    erasures: Arc<Erasures>,
    horizons: Arc<Horizons>,
    audit: Arc<Trail>,
    digests: Digests,
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().expect("a panic while the view changed ends the engine")
    }
}

/// Opens a data directory, creating it if it is not there, and recovers whatever the last run left.
///
/// A torn tail that was never acknowledged is cut off and logged. Any other damage to the log or the registry is an
/// error that names the place. A retry journal that cannot be believed is made anew. A directory of an older format is
/// brought up to this build's, one of a newer format is refused and stays as it is.
pub fn open(dir: &Path, options: StoreOptions, now: Timestamp) -> Result<(Writer, Store)> {
    manifest::refuse_backup(dir)?;
    let lock = DirectoryLock::take(dir)?;
    let data_format = format::read(dir)?;
    let paths = Paths::of(dir);
    let mark = RunMark::new(dir, &paths.retry);
    let reach = lock.reach();
    let registry = RegistryLog::open(&paths.registry, now, mark.is_there(), reach.registry)?;
    let audit = AuditLog::open(&paths.audit, now, reach.audit)?;
    let log = Log::open(&paths.log)?;
    let recovered = if mark.is_believable() {
        // Before sled is opened, because opening writes: after a loss of power from here on it is not to be believed.
        mark.set_running()?;
        recover(&log, &registry, &paths.retry, reach.log).transpose()?
    } else {
        None
    };
    let (journal, mut view) = match recovered {
        Some(recovered) => recovered,
        None => {
            mark.set_doubtful()?;
            rebuild(&log, &registry, &paths.retry, reach.log)?
        }
    };
    let active = match log.segments().last() {
        Some(newest) if !newest.is_packed() => newest.clone(),
        // Nothing is appended to a packed one. It is the newest if damage took what came behind it, and nobody knows.
        Some(packed) => log.begin_segment(SegmentHeader {
            start: packed.end(),
            first_seq: view.next_seq.max(packed.header.first_seq),
            last_id: view.last_id.max(packed.header.last_id),
            created_at: now,
        })?,
        None => log.begin_segment(SegmentHeader { start: 0, first_seq: 1, last_id: 0, created_at: now })?,
    };
    if data_format < format::FORMAT {
        format::write(dir, format::FORMAT)?;
    }
    // Not before the first segment is there: a mark that says so proves that there was one.
    mark.set_running()?;
    view.next_seq = view.next_seq.max(active.header.first_seq);
    view.last_id = view.last_id.max(active.header.last_id);
    let (next_seq, ids) = (view.next_seq, UlidSequence::after(view.last_id));
    log.commit_to(active.end());
    let checkpointed = active.end();
    let (erasures, horizons) = (view.erasures.clone(), view.horizons.clone());
    let audit_trail = audit.trail().clone();
    let shared = Arc::new(Shared {
        log,
        journal,
        view: Mutex::new(view),
        erasures,
        horizons,
        audit: audit_trail,
        digests: Digests::default(),
    });
    let mut writer = Writer {
        shared: shared.clone(),
        active,
        registry,
        audit,
        options,
        mark,
        ids,
        next_seq,
        failure: None,
        checkpointed,
        lock,
        buffer: Vec::new(),
        sync_watch: None,
        retention_is_behind: false,
        expired: BTreeSet::new(),
    };
    writer.settle_recovery()?;
    Ok((writer, Store::new(shared)))
}

/// Where things lie in a data directory.
struct Paths {
    registry: PathBuf,
    audit: PathBuf,
    log: PathBuf,
    retry: PathBuf,
}

impl Paths {
    fn of(dir: &Path) -> Self {
        let [registry, audit, log, retry] = ["registry", "audit", "log", "retry"].map(|name| dir.join(name));
        Self { registry, audit, log, retry }
    }
}

/// Brings a believable retry journal up to the log. `None` if it must be made anew after all.
fn recover(
    log: &Log,
    registry: &RegistryLog,
    dir: &Path,
    reach: u64,
) -> Option<Result<(RetryJournal, View)>> {
    let Some(oldest) = log.segments().first().cloned() else {
        return Some(Err(lost_log(dir, "it has no segment, but a run of this store left at least one")));
    };
    let loaded =
        RetryJournal::open(dir).and_then(|journal| Ok(View::load(&journal)?.map(|view| (journal, view))));
    let (journal, (view, view_from, rows_from)) = match loaded {
        Ok(Some(loaded)) => loaded,
        // A first run, or a rebuild, that ended before its first checkpoint.
        Ok(None) => return None,
        Err(error) => {
            tracing::warn!(%error, "making the retry journal anew from the log");
            return None;
        }
    };
    match replay(log, registry, &journal, view, Replay { view: view_from, rows: rows_from, reach }) {
        Ok(view) if view.ledger.expired_through + 1 < oldest.header.first_seq => {
            let first = oldest.header.first_seq;
            Some(Err(lost_log(
                dir,
                &format!("it begins with event {first}, but retention did not take those before"),
            )))
        }
        Ok(view) => Some(Ok((journal, view))),
        Err(_) if journal.is_suspect() => None,
        Err(error) => Some(Err(error)),
    }
}

/// A log that ends before what is known to have been written to it.
fn cut_short(dir: &Path, end: u64, written: u64) -> Error {
    let message = format!(
        "what is in {} ends at position {end}, but it was written and acknowledged up to {written}: it was cut or \
         removed; restore it from a backup",
        dir.display()
    );
    Error::new(ErrorKind::Damaged, message)
}

fn lost_log(retry: &Path, what: &str) -> Error {
    let log = retry.with_file_name("log");
    let message = format!("the log in {} is not whole: {what}; restore it from a backup", log.display());
    Error::new(ErrorKind::Damaged, message)
}

/// Makes the retry journal anew from the whole log.
fn rebuild(log: &Log, registry: &RegistryLog, dir: &Path, reach: u64) -> Result<(RetryJournal, View)> {
    RetryJournal::wipe(dir)?;
    let journal = RetryJournal::open(dir)?;
    let mut view = View::default();
    // What the first segment does not hold was taken by retention.
    view.ledger.expired_through = log.segments().first().map_or(0, |first| first.header.first_seq - 1);
    let view = replay(log, registry, &journal, view, Replay { view: 0, rows: 0, reach })?;
    Ok((journal, view))
}

/// From where a log is replayed, and how far it must reach.
#[derive(Clone, Copy, Debug)]
struct Replay {
    /// The cursors' checkpoint.
    view: u64,
    /// The place up to which rows are in.
    rows: u64,
    /// Where the log ended, at the least.
    reach: u64,
}

/// Bytes at the end of the log that every start holds against their checksums; what is older is checked when it is
/// read, and by [`verify`].
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// Finds the log's end, cuts a torn tail off, and takes all entries from a checkpoint on into the view.
fn replay(
    log: &Log,
    registry: &RegistryLog,
    journal: &RetryJournal,
    mut view: View,
    Replay { view: view_from, rows: rows_from, reach }: Replay,
) -> Result<View> {
    const UNSAVED_MAX: usize = 65_536;
    registry.documents.tombstones.keys().for_each(|ordinal| view.ledger.close(*ordinal));
    let end = log.find_end(view_from.min(log.newest(CHECKED_BYTES)))?;
    // What the retry journal has, and what was noted after a sync, was written: it outlived a crash of the process alone.
    let written = rows_from.max(reach);
    if end.position < written {
        return Err(cut_short(&journal.dir.with_file_name("log"), end.position, written));
    }
    if end.torn_bytes > 0 {
        tracing::warn!(
            bytes = end.torn_bytes,
            position = end.position,
            "cut a torn, never acknowledged tail off the log"
        );
    }
    if end.tail_bytes > 0 {
        log.trim(end.position)?;
    }
    log.commit_to(end.position);
    let mut scan = log.scan(view_from);
    while let Some((position, kind)) = scan.next_entry()? {
        let rows = position >= rows_from;
        if matches!(kind, Kind::Expired | Kind::TenantExpired) && rows {
            // What comes before is in; what this takes away is not pending.
            save(journal, &mut view, position, rows_from)?;
        }
        view.apply(journal, position, kind, scan.body(), rows)?;
        if kind == Kind::Expired {
            let through = view.ledger.expired_through;
            view.forget(through);
            if rows {
                retention::forget_rows(journal, through)?;
            }
        }
        if kind == Kind::TenantExpired && rows {
            tenant_retention::forget_rows(journal, &codec::unpack(scan.body(), "an expiry in the log")?)?;
        }
        if view.unsaved() >= UNSAVED_MAX {
            save(journal, &mut view, scan.position(), rows_from)?;
        }
    }
    Ok(view)
}

/// Saves the view as of a position of the replay; rows may be ahead of it already.
fn save(journal: &RetryJournal, view: &mut View, position: u64, rows_from: u64) -> Result<()> {
    view.checkpoint(position);
    view.rows.put(keys::ROWS.to_vec(), &position.max(rows_from));
    journal.apply(&mut view.rows)
}
