//! The view of the log that answers questions: the ledger in memory, the exceptions as rows in the retry journal.
//!
//! [`View::apply`] is the one way in which an entry changes it, while running and on recovery alike.

mod standing;

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap as HashMap;
use serde::{Deserialize, Serialize};

use super::{
    codec::{self, Kind},
    erasures::Erasures,
    horizons::Horizons,
    idempotency::fingerprint,
    keys::{self, Table},
    ledger::{Cursor, Ledger},
    record::{Cancelled, ErasureStep, EventBody, Fate, Requeued, Settled, Standing, TenantExpired},
    retry_journal::{PendingRows, RetryJournal},
};
use crate::{Timestamp, error::Result, event::Tenant, id::EventId, limits, order::Lane};

/// Log bytes between two marks.
pub const MARK_BYTES: u64 = 256 * 1024;
/// Deliveries whose attempts share one row; keeps the row below 4 KiB.
const CHUNK_DELIVERIES: usize = 200;
/// How far apart the events in one such row are at most, so that a search knows when to stop.
const CHUNK_SPAN_EVENTS: u64 = 65_536;

/// Stands behind the attempts of a delivery that was cancelled.
pub const CANCELLED: u64 = u64::MAX;

/// A delivery that waits for another attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryRow {
    /// Where the event stands in the log.
    pub event_position: u64,
    /// When the next attempt is due.
    pub due: Timestamp,
    /// When that was decided.
    pub set_at: Timestamp,
    /// Where the attempts so far stand in the log.
    pub attempts: Vec<u64>,
    /// How many of them its schedule does not count, since a replay began it anew.
    #[serde(default)]
    pub earlier: u16,
    /// Its case, if it is known; it then has a row in the table of cases too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}

/// What a delivery's row said before it was put into the journal once more.
#[derive(Default)]
struct Before {
    attempts: Vec<u64>,
    earlier: u16,
    set_at: Timestamp,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRow {
    /// Where the event stands in the log.
    pub event_position: u64,
    /// Where its attempts stand in the log.
    pub attempts: Vec<u64>,
}

/// What is remembered of an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownKey {
    /// When it was first used.
    pub at: Timestamp,
    /// The event that it stands for.
    pub id: EventId,
    /// How many endpoints that event matched.
    pub deliveries: u32,
    /// A digest of the event's content.
    pub content: [u8; 16],
}

/// Where an event stands in the log; one for every [`MARK_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The event.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// Where it stands.
    pub position: u64,
}

#[derive(Serialize, Deserialize)]
struct ViewRow {
    position: u64,
    expired_through: u64,
    next_seq: u64,
    last_id: EventId,
    #[serde(default)]
    horizons: BTreeMap<Tenant, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct View {
    /// The cursors.
    pub ledger: Ledger,
    /// Marks, in log order.
    pub marks: Vec<Mark>,
    /// Where the attempts of deliveries settled since the last checkpoint stand: by endpoint, (event, position).
    pub fresh: HashMap<u32, Vec<(u64, u64)>>,
    /// Row changes that are not in sled yet.
    pub rows: PendingRows,
    /// The next event's sequence number.
    pub next_seq: u64,
    /// The largest event id so far.
    pub last_id: u128,
    /// Which contents are erased.
    pub erasures: Arc<Erasures>,
    /// Up to where events of some tenants are gone.
    pub horizons: Arc<Horizons>,
    /// Whether any event may have been routed later, by a replay. Few logs have such, and look-ups cost.
    pub has_late: bool,
    unsaved_marks: Vec<Mark>,
    fresh_count: usize,
}

impl View {
    /// Reads the last checkpoint, and tells from where the log must be replayed: first for cursors, then for rows.
    /// `None` if there was no checkpoint.
    pub fn load(journal: &RetryJournal) -> Result<Option<(Self, u64, u64)>> {
        let mut view = Self::default();
        let Some(row) = journal.get::<ViewRow>(keys::VIEW, None)? else { return Ok(None) };
        view.ledger.expired_through = row.expired_through;
        view.next_seq = row.next_seq;
        view.last_id = row.last_id.as_u128();
        row.horizons.into_iter().for_each(|(tenant, through)| view.horizons.raise(tenant, through));
        for entry in journal.rows(keys::CURSORS, keys::CURSORS) {
            let (key, value) = entry?;
            if let Some(endpoint) = keys::cursor_endpoint(&key) {
                view.ledger.restore(endpoint, journal.open_row::<Cursor>(&key, &value)?);
            }
        }
        for entry in journal.rows(keys::MARKS, keys::MARKS) {
            let (key, value) = entry?;
            let (seq, id, position) = journal.open_row(&key, &value)?;
            view.marks.push(Mark { seq, id, position });
        }
        for entry in journal.rows(keys::ERASURES, keys::ERASURES) {
            let (key, value) = entry?;
            if let Some(position) = keys::erasure_position(&key) {
                view.erasures.apply(position, ErasureStep::Asked(journal.open_row(&key, &value)?));
            }
        }
        view.has_late = journal.rows(keys::LATE, keys::LATE).next().is_some();
        let rows_from = journal.get::<u64>(keys::ROWS, None)?.unwrap_or(0);
        Ok(Some((view, row.position, rows_from.max(row.position))))
    }

    /// Takes in one entry. Rows change only if `rows` (on recovery they may be ahead of the cursors).
    pub fn apply(
        &mut self,
        journal: &RetryJournal,
        position: u64,
        kind: Kind,
        body: &[u8],
        rows: bool,
    ) -> Result<()> {
        match kind {
            Kind::Event => self.apply_event(position, &EventBody::split(body)?, rows)?,
            Kind::Settled => {
                let settled: Settled = codec::unpack(body, "an attempt in the log")?;
                self.apply_settled(journal, position, &settled, rows)?;
            }
            Kind::Parked => {
                let parked = codec::unpack(body, "a parked delivery in the log")?;
                if self.ledger.parked(&parked) && rows {
                    let row = RetryRow {
                        event_position: parked.event_position,
                        due: parked.due,
                        set_at: parked.due,
                        attempts: Vec::new(),
                        earlier: 0,
                        lane: parked.lane,
                    };
                    self.put_retry(parked.endpoint, parked.seq, &row);
                }
            }
            Kind::Requeued => {
                let requeued: Requeued = codec::unpack(body, "a requeued delivery in the log")?;
                self.apply_requeued(journal, &requeued, rows)?;
            }
            Kind::Expired => self.ledger.expired(&codec::unpack(body, "an expiry in the log")?),
            Kind::TenantExpired => {
                let expired: TenantExpired = codec::unpack(body, "an expiry in the log")?;
                self.ledger.tenant_expired(&expired);
                self.horizons.raise(expired.tenant, expired.through);
            }
            Kind::Cancelled => {
                let cancelled: Cancelled = codec::unpack(body, "a cancelled delivery in the log")?;
                if self.ledger.cancelled(&cancelled) && cancelled.parked && rows {
                    self.cancel_retry(journal, &cancelled)?;
                }
            }
            Kind::Erasure => {
                let step: ErasureStep = codec::unpack(body, "an erasure in the log")?;
                if rows {
                    self.note_erasure(position, &step);
                }
                self.erasures.apply(position, step);
            }
            Kind::Document | Kind::Audit => {}
        }
        Ok(())
    }

    fn apply_requeued(&mut self, journal: &RetryJournal, requeued: &Requeued, rows: bool) -> Result<()> {
        let Before { attempts, mut earlier, set_at } =
            if rows { self.take_attempts(journal, requeued)? } else { Before::default() };
        if !self.ledger.requeued(requeued) || !rows {
            return Ok(());
        }
        if requeued.replayed {
            earlier = u16::try_from(attempts.len()).unwrap_or(u16::MAX);
        }
        if requeued.from == Standing::Missing {
            self.has_late = true;
            self.rows.put(keys::late(requeued.seq, requeued.endpoint), &());
        }
        let Requeued { event_position, due, lane, .. } = *requeued;
        let row = RetryRow { event_position, due, set_at: set_at.min(due), attempts, earlier, lane };
        self.put_retry(requeued.endpoint, requeued.seq, &row);
        Ok(())
    }

    fn apply_event(&mut self, position: u64, body: &EventBody<'_>, rows: bool) -> Result<()> {
        let (seq, id) = body.key()?;
        body.routes().for_each(|endpoint| self.ledger.routed(endpoint));
        self.next_seq = self.next_seq.max(seq + 1);
        self.last_id = self.last_id.max(id.as_u128());
        let due = self.marks.last().is_none_or(|mark| position >= mark.position + MARK_BYTES);
        if due {
            let mark = Mark { seq, id, position };
            self.marks.push(mark);
            self.unsaved_marks.push(mark);
        }
        if rows && body.has_idempotency_key() {
            let event = body.event(position)?;
            let by = if event.erased_at.is_some() {
                body.kept_fingerprint()?
            } else {
                fingerprint(&event.tenant, &event.content)
            };
            if let Some((key, content)) = by {
                let (at, deliveries) = (event.published_at, body.routes().count() as u32);
                self.rows.put(keys::idempotency(at, &key), &KnownKey { at, id, deliveries, content });
            }
        }
        Ok(())
    }

    /// Takes in an attempt that was just written to `position`.
    pub fn apply_settled(
        &mut self,
        journal: &RetryJournal,
        position: u64,
        settled: &Settled,
        rows: bool,
    ) -> Result<()> {
        if !self.ledger.settled(settled) {
            return Ok(());
        }
        let (endpoint, seq) = (settled.endpoint, settled.seq);
        if !settled.parked && settled.fate == Fate::Delivered {
            self.fresh.entry(endpoint).or_default().push((seq, position));
            self.fresh_count += 1;
            return Ok(());
        }
        if !rows {
            return Ok(());
        }
        let (mut attempts, earlier) = match settled.parked {
            true => {
                let row = self.take_retry(journal, endpoint, seq)?;
                (row.attempts, row.earlier)
            }
            false => (Vec::new(), 0),
        };
        attempts.push(position);
        match settled.fate {
            Fate::Delivered => self.rows.put(keys::row(Table::History, endpoint, seq), &attempts),
            Fate::RetryAt(due) => {
                let set_at = settled.attempt.started_at;
                let (event_position, lane) = (settled.event_position, settled.lane);
                let row = RetryRow { event_position, due, set_at, attempts, earlier, lane };
                self.put_retry(endpoint, seq, &row);
            }
            Fate::Dead => {
                let row = DeadRow { event_position: settled.event_position, attempts };
                self.rows.put(keys::row(Table::Dead, endpoint, seq), &row);
            }
        }
        Ok(())
    }

    fn put_retry(&mut self, endpoint: u32, seq: u64, row: &RetryRow) {
        self.rows.put(keys::row(Table::Retry, endpoint, seq), row);
        self.rows.put(keys::due(endpoint, row.due, seq), &());
        if let Some(lane) = row.lane {
            self.rows.put(keys::lane_from(endpoint, lane, seq), &());
        }
    }

    fn take_retry(&mut self, journal: &RetryJournal, endpoint: u32, seq: u64) -> Result<RetryRow> {
        let key = keys::row(Table::Retry, endpoint, seq);
        let found = journal.get::<RetryRow>(&key, Some(&self.rows))?;
        let Some(row) = found else { return Ok(RetryRow::default()) };
        self.rows.delete(key);
        self.rows.delete(keys::due(endpoint, row.due, seq));
        if let Some(lane) = row.lane {
            self.rows.delete(keys::lane_from(endpoint, lane, seq));
        }
        Ok(row)
    }

    /// The delivery waits no more; its attempts stay, with a mark that they came to nothing.
    fn cancel_retry(&mut self, journal: &RetryJournal, cancelled: &Cancelled) -> Result<()> {
        let (endpoint, seq) = (cancelled.endpoint, cancelled.seq);
        let mut attempts = self.take_retry(journal, endpoint, seq)?.attempts;
        if !attempts.is_empty() {
            attempts.push(CANCELLED);
            self.rows.put(keys::row(Table::History, endpoint, seq), &attempts);
        }
        Ok(())
    }

    fn note_erasure(&mut self, position: u64, step: &ErasureStep) {
        match step {
            ErasureStep::Asked(erasure) => self.rows.put(keys::erasure(position), erasure),
            ErasureStep::DoneBefore(done) => {
                let pending = self.erasures.pending();
                let over = pending.into_iter().map(|(asked, _)| asked).filter(|asked| asked < done);
                over.for_each(|asked| self.rows.delete(keys::erasure(asked)));
            }
        }
    }

    /// The row of a delivery before it is put into the journal once more, wherever that was: its attempts, how many of
    /// them the schedule does not count, and since when it has had a time.
    fn take_attempts(&mut self, journal: &RetryJournal, requeued: &Requeued) -> Result<Before> {
        let (endpoint, seq) = (requeued.endpoint, requeued.seq);
        let attempts = match requeued.from {
            Standing::Parked => {
                let row = self.take_retry(journal, endpoint, seq)?;
                return Ok(Before { attempts: row.attempts, earlier: row.earlier, set_at: row.set_at });
            }
            Standing::Dead => {
                let key = keys::row(Table::Dead, endpoint, seq);
                let row = journal.get::<DeadRow>(&key, Some(&self.rows))?;
                self.rows.delete(key);
                row.map_or_else(Vec::new, |row| row.attempts)
            }
            Standing::Delivered => {
                let mut attempts = self.delivered_attempts(journal, endpoint, seq)?;
                attempts.retain(|attempt| *attempt != CANCELLED);
                attempts
            }
            Standing::Missing => Vec::new(),
        };
        Ok(Before { attempts, earlier: 0, set_at: requeued.due })
    }

    /// Adds to the pending rows all that makes them, once applied, a view of the log up to `position`.
    pub fn checkpoint(&mut self, position: u64) {
        self.fresh_count = 0;
        for (endpoint, mut settled) in std::mem::take(&mut self.fresh) {
            settled.sort_unstable();
            let mut rest = settled.as_slice();
            while let Some(&(first, _)) = rest.first() {
                let near = rest.partition_point(|(seq, _)| seq - first < CHUNK_SPAN_EVENTS);
                let (chunk, others) = rest.split_at(near.min(CHUNK_DELIVERIES));
                self.rows.put(keys::chunk(endpoint, chunk[chunk.len() - 1].0, first), &chunk);
                rest = others;
            }
        }
        for mark in std::mem::take(&mut self.unsaved_marks) {
            self.rows.put(keys::mark(mark.seq), &(mark.seq, mark.id, mark.position));
        }
        for (endpoint, cursor) in self.ledger.take_changed() {
            self.rows.put(keys::cursor(endpoint), &cursor);
        }
        let row = ViewRow {
            position,
            expired_through: self.ledger.expired_through,
            next_seq: self.next_seq,
            last_id: EventId::from_u128(self.last_id),
            horizons: self.horizons.all(),
        };
        self.rows.put(keys::VIEW.to_vec(), &row);
    }

    /// Things in memory that a checkpoint would write out.
    pub fn unsaved(&self) -> usize {
        self.rows.len() + self.fresh_count
    }

    /// Forgets what it holds in memory of events up to `through`.
    pub fn forget(&mut self, through: u64) {
        self.marks.retain(|mark| mark.seq > through);
        self.unsaved_marks.retain(|mark| mark.seq > through);
        self.fresh.values_mut().for_each(|settled| settled.retain(|(seq, _)| *seq > through));
        self.fresh.retain(|_, settled| !settled.is_empty());
    }

    /// Forgets a deleted endpoint that no event names any more.
    pub fn remove_cursor(&mut self, endpoint: u32) {
        self.ledger.remove(endpoint);
        self.rows.delete(keys::cursor(endpoint));
    }

    /// Where to begin reading for events above `seq`.
    pub fn position_after(&self, seq: u64) -> u64 {
        let index = self.marks.partition_point(|mark| mark.seq <= seq + 1);
        index.checked_sub(1).map_or(0, |index| self.marks[index].position)
    }

    /// Where to begin reading for an event by its id.
    pub fn position_of(&self, id: EventId) -> u64 {
        let index = self.marks.partition_point(|mark| mark.id <= id);
        index.checked_sub(1).map_or(0, |index| self.marks[index].position)
    }

    /// What is remembered of an idempotency key, if it was used within the last 24 h.
    pub fn known_key(
        &self,
        journal: &RetryJournal,
        hash: &[u8; keys::HASH_BYTES],
        now: Timestamp,
    ) -> Result<Option<KnownKey>> {
        for at in [now, now.plus_millis(-limits::IDEMPOTENCY_MILLIS)] {
            let known = journal.get::<KnownKey>(&keys::idempotency(at, hash), Some(&self.rows))?;
            if let Some(known) = known.filter(|known| now.millis_since(known.at) < limits::IDEMPOTENCY_MILLIS)
            {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }
}
