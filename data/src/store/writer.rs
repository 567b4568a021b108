//! The one writer: stages a batch of writes, puts it on disk with one sync, then takes it into the view.

mod staging;

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Shared, StoreOptions,
    audit_log::AuditLog,
    codec::{self, Kind},
    guard::{DirectoryLock, RunMark},
    keys,
    record::{Cancelled, Expired, Parked, Requeued, Settled, TenantExpired},
    registry_log::{Document, Documents, RegistryLog},
    segment::{Segment, SegmentHeader},
    staged::{Entry, Staged},
    sync::SyncWatch,
};
use crate::{
    Timestamp,
    audit::Act,
    error::{Error, Result},
    event::{Event, NewEvent, Resource, Tenant},
    id::{EventId, UlidSequence},
    route::Routes,
};

/// Bytes of a batch whose room is kept for the next.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Events to publish, all or nothing.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Whose events.
    pub tenant: Tenant,
    /// The events and their routes, or why one may not be stored. One that repeats an earlier event by its key is
    /// answered all the same.
    pub events: Vec<(NewEvent, Result<Routes>)>,
}

/// One thing to write.
#[derive(Clone, Debug)]
pub enum Write {
    /// New events.
    Publish(Publication),
    /// An attempt and its fate. Durable with the next sync, not before: losing it only repeats a delivery.
    Settle(Settled),
    /// An attempt that a replay asked for, and its fate. Durable like [`Write::Settle`].
    SettleReplayed {
        /// The attempt.
        settled: Box<Settled>,
        /// The event was not routed to the endpoint before.
        missing: bool,
    },
    /// A delivery set aside; durable like [`Write::Settle`].
    Park(Parked),
    /// A delivery to be attempted again.
    Requeue(Requeued),
    /// A delivery that has a row gets its case, and a time of its own or none; durable like [`Write::Settle`]. It means
    /// nothing once the row is gone.
    Enrol(Requeued),
    /// A change of the registry.
    Document(Document),
    /// A delivery that is not to be made any more; durable like [`Write::Settle`].
    Cancel(Cancelled),
    /// The content of all events about a resource up to now, and of their attempts' answers, is to go. From the answer on
    /// nobody sees it; a [`Sweep`](super::Sweep) takes it out of the files.
    Erase(Tenant, Resource),
    /// All erasures asked for before this position of the log are done. Durable like [`Write::Settle`].
    ErasedBefore(u64),
    /// What somebody did, and the change by which it was done; without one, something was looked at. The audit has it
    /// before the change is made, and not at all if the change is refused.
    Audited(Box<Act>, Option<Box<Write>>),
}

/// What became of one event of a publication.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Its id; the first one's if its idempotency key was known.
    pub id: EventId,
    /// How many endpoints it matched.
    pub deliveries: usize,
    /// The event and its routes; `None` if it is a duplicate.
    pub fresh: Option<(Arc<Event>, Routes)>,
}

/// The answer to one [`Write`]: what was published, empty for other writes, or why this one was refused.
pub type Written = Result<Vec<Published>>;

/// The sole writer of a store.
#[derive(Debug)]
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) active: Arc<Segment>,
    pub(super) registry: RegistryLog,
    pub(super) audit: AuditLog,
    pub(super) options: StoreOptions,
    pub(super) mark: RunMark,
    pub(super) ids: UlidSequence,
    pub(super) next_seq: u64,
    pub(super) failure: Option<Error>,
    pub(super) checkpointed: u64,
    pub(super) lock: DirectoryLock,
    /// The last batch's bytes, to be written over by the next.
    pub(super) buffer: Vec<u8>,
    pub(super) sync_watch: Option<Box<dyn SyncWatch>>,
    /// More is due than what [`Writer::enforce_retention`] took.
    pub(super) retention_is_behind: bool,
    /// Endpoints of which retention took deliveries that waited, since somebody asked.
    pub(super) expired: BTreeSet<u32>,
}

impl Writer {
    /// After opening: makes what was recovered durable and drops segments whose expiry was under way.
    pub(super) fn settle_recovery(&mut self) -> Result<()> {
        self.try_checkpoint()?;
        let expired_through = self.shared.view().ledger.expired_through;
        while self
            .shared
            .log
            .segments()
            .get(1)
            .is_some_and(|next| next.header.first_seq <= expired_through + 1)
        {
            super::retention::drop_known_expired(self)?;
        }
        Ok(())
    }

    /// Writes a batch; answers for each write in order. When it returns, every publication, requeue and document in
    /// it is on disk and synced, and so is what the audit says of it.
    ///
    /// After an error of the disk the store is closed to writes: nothing is acknowledged that may not be there.
    pub fn commit(
        &mut self,
        writes: Vec<Write>,
        now: Timestamp,
        random: &mut dyn FnMut() -> u128,
    ) -> Result<Vec<Written>> {
        self.commit_noting(writes, now, random, &mut || {})
    }

    /// As [`Writer::commit`], and calls `in_file` as soon as the batch is in the log's file: it survives the death of
    /// the process from then on, though not yet a loss of power.
    pub fn commit_noting(
        &mut self,
        writes: Vec<Write>,
        now: Timestamp,
        random: &mut dyn FnMut() -> u128,
        in_file: &mut dyn FnMut(),
    ) -> Result<Vec<Written>> {
        self.check_open()?;
        let committed = self.try_commit(writes, now, random, in_file);
        if let Err(error) = &committed {
            self.fail(error);
        }
        committed
    }

    fn try_commit(
        &mut self,
        writes: Vec<Write>,
        now: Timestamp,
        random: &mut dyn FnMut() -> u128,
        in_file: &mut dyn FnMut(),
    ) -> Result<Vec<Written>> {
        self.begin_segment_if_due(now)?;
        let mut staged = Staged::behind(&self.active, std::mem::take(&mut self.buffer));
        staged.entries.reserve(writes.len());
        let mut answers = Vec::with_capacity(writes.len());
        for write in writes {
            answers.push(self.stage(&mut staged, write, now, random)?);
        }
        self.put_on_disk(&mut staged, now, in_file)?;
        self.take_into_view(&staged)?;
        self.buffer = staged.bytes;
        self.buffer.shrink_to(BUFFER_BYTES_MAX);
        Ok(answers)
    }

    /// Each segment is an open file, so those of a long log are larger. Not without bound, or a start, which checks the
    /// newest ones, would take longer and longer.
    fn segment_bytes_max(&self) -> u64 {
        const SEGMENTS: u64 = 128;
        const GROWN_BYTES_MAX: u64 = 256 * 1024 * 1024;
        let oldest = self.shared.log.segments().first().map_or(0, |oldest| oldest.header.start);
        let share = (self.active.end() - oldest) / SEGMENTS;
        self.options.segment_bytes_max.max(share.min(GROWN_BYTES_MAX))
    }

    fn begin_segment_if_due(&mut self, now: Timestamp) -> Result<()> {
        let bytes = self.active.entry_bytes();
        let aged = now.millis_since(self.active.header.created_at) > self.options.segment_age_ms_max;
        if bytes < self.segment_bytes_max() && !(aged && bytes > 0) {
            return Ok(());
        }
        self.begin_segment(now)
    }

    fn begin_segment(&mut self, now: Timestamp) -> Result<()> {
        self.active.finish()?;
        let header = SegmentHeader {
            start: self.active.end(),
            first_seq: self.next_seq,
            last_id: self.ids.last(),
            created_at: now,
        };
        self.active = self.shared.log.begin_segment(header)?;
        Ok(())
    }

    /// Begins a new segment, so that the one up to now can be rewritten. `false` if there are so many already that it must
    /// wait until it is full or old: each is an open file.
    pub fn seal(&mut self, now: Timestamp) -> Result<bool> {
        const SEGMENTS_MAX: usize = 256;
        self.check_open()?;
        if self.shared.log.segments().len() >= SEGMENTS_MAX {
            return Ok(false);
        }
        let sealed = self.begin_segment(now);
        sealed.inspect_err(|error| self.fail(error)).map(|()| true)
    }

    fn put_on_disk(&mut self, staged: &mut Staged, now: Timestamp, in_file: &mut dyn FnMut()) -> Result<()> {
        // First of all: no change is ever there without its entry, whatever a crash leaves undone.
        if !staged.acts.is_empty() {
            self.audit.append(std::mem::take(&mut staged.acts), now)?;
            self.note_reach();
        }
        if !staged.bytes.is_empty() {
            self.active.reach_ahead(staged.bytes.len());
            self.active.append(&staged.bytes)?;
        }
        in_file();
        if staged.must_sync {
            self.sync()?;
        }
        let documents = std::mem::take(&mut staged.documents);
        if !documents.is_empty() {
            let deleted: Vec<_> = documents.iter().filter_map(Document::deleted_ordinal).collect();
            self.registry.append(documents, now)?;
            self.note_reach();
            let mut view = self.shared.view();
            deleted.into_iter().for_each(|ordinal| view.ledger.close(ordinal));
        }
        Ok(())
    }

    fn take_into_view(&self, staged: &Staged) -> Result<()> {
        let mut view = self.shared.view();
        for entry in &staged.entries {
            match entry {
                Entry::Settled { position, settled } => {
                    view.apply_settled(&self.shared.journal, *position, settled, true)?;
                }
                Entry::Other { position, kind, body } => {
                    view.apply(&self.shared.journal, *position, *kind, &staged.bytes[body.clone()], true)?;
                }
            }
        }
        self.shared.log.commit_to(self.active.end());
        Ok(())
    }

    /// Writes row changes out to the retry journal. To be called after each commit, once its waiters are answered.
    pub fn flush_rows(&mut self) -> Result<()> {
        self.check_open()?;
        let mut view = self.shared.view();
        if view.rows.is_empty() {
            return Ok(());
        }
        view.rows.put(keys::ROWS.to_vec(), &self.active.end());
        let applied = self.shared.journal.apply(&mut view.rows);
        drop(view);
        applied.inspect_err(|error| self.fail(error))
    }

    /// Makes all settlements durable and brings the retry journal up to the log. Bounds what a restart replays.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.check_open()?;
        if self.shared.journal.is_suspect() {
            // A reader found damage; nothing that was acknowledged rests on it, but it must not outlive this run.
            self.mark.set_doubtful()?;
        }
        if self.checkpointed == self.active.end() {
            return Ok(());
        }
        let result = self.try_checkpoint();
        result.inspect_err(|error| self.fail(error))
    }

    fn try_checkpoint(&mut self) -> Result<()> {
        let end = self.active.end();
        if self.active.durable_to() < end {
            self.sync()?;
        }
        {
            let mut view = self.shared.view();
            view.checkpoint(end);
            view.rows.put(keys::ROWS.to_vec(), &end);
            self.shared.journal.apply(&mut view.rows)?;
        }
        self.checkpointed = end;
        Ok(())
    }

    /// Drops segments in which every event is older than retention; gives up what still waits in them.
    /// Tells how many deliveries were given up.
    pub fn enforce_retention(&mut self, now: Timestamp) -> Result<u64> {
        self.check_open()?;
        // By age, also where nothing is written any more, or what was written last would stay for as long.
        let begun = self.begin_segment_if_due(now);
        let result = begun.and_then(|()| super::retention::enforce(self, now));
        result.inspect_err(|error| self.fail(error))
    }

    /// Whether the last [`Writer::enforce_retention`] may have left some of what is due, lest publishing wait for it: call
    /// it again before its time.
    pub fn retention_is_behind(&self) -> bool {
        self.retention_is_behind
    }

    /// Endpoints of which retention has taken deliveries that waited, since this was asked last: others may have waited for
    /// those.
    pub fn take_expired(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.expired)
    }

    /// The registry as it stands.
    pub fn documents(&self) -> &Documents {
        &self.registry.documents
    }

    /// Bytes of log since the last checkpoint.
    pub fn bytes_since_checkpoint(&self) -> u64 {
        self.active.end().saturating_sub(self.checkpointed)
    }

    /// Writes everything out, synced, and notes that the stop was clean; lets go of all files but the log's. The
    /// directory stays locked until the answer is dropped.
    pub fn close(mut self) -> Result<DirectoryLock> {
        let closed = self.try_close();
        self.shared.journal.close();
        closed.map(|()| self.lock)
    }

    fn try_close(&mut self) -> Result<()> {
        self.check_open()?;
        self.try_checkpoint()?;
        self.active.finish()?;
        self.shared.journal.sync_all()?;
        if self.shared.journal.is_suspect() { self.mark.set_doubtful() } else { self.mark.set_clean() }
    }

    /// Logs an expiry, so that the view on disk follows.
    pub(super) fn log_expiry(&mut self, expired: &Expired) -> Result<()> {
        let mut staged = Staged::behind(&self.active, Vec::new());
        staged.put(Kind::Expired, 0, |out| codec::pack(expired, out));
        self.put_on_disk(&mut staged, Timestamp::default(), &mut || {})?;
        self.take_into_view(&staged)
    }

    /// Logs the expiry of one tenant's events, synced: what has been gone once never comes back.
    pub(super) fn log_tenant_expiry(&mut self, expired: &TenantExpired) -> Result<()> {
        let mut staged = Staged::behind(&self.active, Vec::new());
        staged.put(Kind::TenantExpired, 0, |out| codec::pack(expired, out));
        staged.must_sync = true;
        self.put_on_disk(&mut staged, Timestamp::default(), &mut || {})?;
        self.take_into_view(&staged)
    }

    /// After the first failure nothing more is written: a later sync may succeed without what the failed one lost.
    pub(super) fn check_open(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    pub(super) fn fail(&mut self, error: &Error) {
        tracing::error!(%error, "the journal failed and accepts nothing more");
        if self.shared.journal.is_suspect()
            && let Err(error) = self.mark.set_doubtful()
        {
            tracing::error!(%error, "remove the folder `retry` before the next start");
        }
        self.failure.get_or_insert_with(|| error.clone());
    }
}
