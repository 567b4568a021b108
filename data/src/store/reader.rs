//! Reading: backlogs for mailboxes, events and their fates for people. Any thread may read at any time.

use std::sync::Arc;

use super::{
    Shared,
    codec::{self, Kind},
    keys::{self, Table},
    ledger::Cursor,
    record::{BEHIND, EventBody, Settled},
    remains,
    view::{CANCELLED, DeadRow, RetryRow},
};
use crate::{
    Timestamp,
    delivery::Attempt,
    error::{Error, ErrorKind, Result},
    event::Event,
    id::EventId,
    order::DeliveryOrder,
};

/// Log bytes that one call of [`Store::backlog`] reads at most, so that no reader keeps the others waiting.
const SCAN_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Payload after which [`Store::due`] leaves the rest for the next call: an endpoint's window of memory is bounded.
const DUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why nothing can be done about an event any more.
pub(super) const TAKEN: &str = "retention has removed the event; publish it again";

/// A handle for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

/// Events that wait for an endpoint, read from the log.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// The events, in publish order.
    pub events: Vec<Arc<Event>>,
    /// Where to read on.
    pub position: u64,
    /// The last event that was looked at, or is gone, whether it was for this endpoint or not.
    pub through: u64,
    /// Whether the end of the log was reached; if not, call again from `position`.
    pub at_end: bool,
}

/// A delivery that waits for another attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The event.
    pub event: Arc<Event>,
    /// When the attempt is due.
    pub due: Timestamp,
    /// Attempts made so far.
    pub attempts: u16,
    /// How many of them its schedule does not count.
    pub earlier: u16,
}

impl RetryRow {
    pub(super) fn is_for(&self, until: DueUntil) -> bool {
        match until {
            // The order for which it waited is another now, or it is the first.
            _ if self.due == BEHIND => true,
            // If its time was set in what is now the future, the clock was put back over a restart: it has waited
            // long enough.
            DueUntil::Time(now) => self.due <= now || self.set_at > now,
            // One without an attempt is under way, or was when the engine stopped: its time is near anyhow.
            DueUntil::LastAttemptBefore(position) => {
                self.attempts.last().is_some_and(|last| *last < position)
            }
        }
    }
}

/// Which waiting deliveries [`Store::due`] is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueUntil {
    /// Those due by now.
    Time(Timestamp),
    /// All whose last attempt stands before a position of the log: the endpoint has recovered since, so there is no
    /// reason to wait for their time.
    LastAttemptBefore(u64),
}

/// What [`Store::due`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// The deliveries, the earliest due first.
    pub waiting: Vec<Waiting>,
    /// When the next one after them is due.
    pub next: Option<Timestamp>,
}

/// Where a delivery stands, as far as the journal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither attempted nor given up.
    Unread,
    /// Waits for another attempt.
    Waiting(Timestamp),
    /// Waits for others of its case, for no time.
    Behind,
    /// Acknowledged.
    Delivered,
    /// Given up.
    Dead,
    /// Its endpoint was deleted first, its event's content erased, or retention took it.
    Cancelled,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Where it stands.
    pub standing: Standing,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Store {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Where an endpoint stands.
    pub fn cursor(&self, endpoint: u32) -> Cursor {
        self.shared.view().ledger.cursor(endpoint)
    }

    /// Endpoints for which something waits.
    pub fn endpoints_with_work(&self) -> Vec<u32> {
        let view = self.shared.view();
        let open = view.ledger.cursors().filter(|(endpoint, _)| !view.ledger.is_closed(*endpoint));
        open.filter(|(_, cursor)| cursor.waiting() > 0).map(|(endpoint, _)| endpoint).collect()
    }

    /// Every delivery of an endpoint up to this event is settled or parked, so its backlog begins after it.
    pub fn resume_point(&self, endpoint: u32) -> u64 {
        let view = self.shared.view();
        let cursor = view.ledger.cursor(endpoint);
        if cursor.unread == 0 { view.next_seq - 1 } else { cursor.floor }
    }

    /// The position behind the last committed entry of the log.
    pub fn position(&self) -> u64 {
        self.shared.log.committed()
    }

    /// The last event that was published; 0 if none was.
    pub fn last_seq(&self) -> u64 {
        self.shared.view().next_seq - 1
    }

    /// Retention, be it that of its tenant, has left nothing up to this event that waits for an endpoint.
    pub fn expired_through(&self, endpoint: u32) -> u64 {
        let view = self.shared.view();
        let horizon = view.ledger.kept(endpoint).map_or(0, |cursor| cursor.horizon);
        view.ledger.expired_through.max(horizon)
    }

    /// Events above `after` that wait for an endpoint, at most `events_max` of them and not much over `bytes_max`.
    /// `position` is where an earlier call left off.
    pub fn backlog(
        &self,
        endpoint: u32,
        after: u64,
        position: Option<u64>,
        (events_max, bytes_max): (usize, usize),
    ) -> Result<Backlog> {
        let (from, above, horizon, last_seq) = {
            let view = self.shared.view();
            let Cursor { above, horizon, .. } = view.ledger.cursor(endpoint);
            (position.unwrap_or_else(|| view.position_after(after)), above, horizon, view.next_seq - 1)
        };
        let mut scan = self.shared.log.scan(from);
        // Not `from`: retention may have moved the beginning, and no distance is read by that.
        let begin = scan.position();
        let mut backlog = Backlog { position: begin, through: after, ..Backlog::default() };
        let mut bytes = 0;
        while backlog.events.len() < events_max && bytes < bytes_max {
            if scan.position() - begin > SCAN_BYTES_MAX {
                return Ok(backlog);
            }
            let Some((at, kind)) = scan.next_entry()? else {
                backlog.at_end = true;
                // Retention may have taken the last events: whoever waits for them would read on for ever.
                backlog.through = backlog.through.max(last_seq);
                break;
            };
            backlog.position = scan.position();
            if kind != Kind::Event {
                continue;
            }
            let body = EventBody::split(scan.body())?;
            let (seq, _) = body.key()?;
            backlog.through = backlog.through.max(seq);
            if seq > after.max(horizon) && body.routes_to(endpoint) && !above.contains(&seq) {
                let mut event = body.event(at)?;
                self.shared.erasures.hide(&mut event);
                bytes += event.content.data.len();
                backlog.events.push(Arc::new(event));
            }
        }
        Ok(backlog)
    }

    /// Deliveries of an endpoint that are to be attempted by `until`, the earliest first, passing over those that
    /// `skip` names. At most `limit` of them, and not much over 4 MiB of payload.
    ///
    /// In the `order` of cases, what waits for others of its case is not among them; in that of the endpoint, nothing but
    /// its first delivery is.
    pub fn due(
        &self,
        endpoint: u32,
        until: DueUntil,
        order: DeliveryOrder,
        limit: usize,
        skip: impl Fn(u64) -> bool,
    ) -> Result<Due> {
        let (rows, mut next) = match order {
            DeliveryOrder::Endpoint => self.first_row(endpoint, until)?,
            DeliveryOrder::None => self.due_rows(endpoint, until, true, limit, skip)?,
            DeliveryOrder::Resource => self.due_rows(endpoint, until, false, limit, skip)?,
        };
        let (mut waiting, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            if bytes >= DUE_BYTES_MAX {
                next = Some(next.map_or(row.due, |next| next.min(row.due)));
                break;
            }
            match self.waiting_of(&row)? {
                Some(one) => {
                    bytes += one.event.content.data.len();
                    waiting.push(one);
                }
                // There may be others, of which this was the first.
                None => next = Some(row.due),
            }
        }
        Ok(Due { waiting, next })
    }

    /// What a row stands for; `None` if retention took it since the row was read.
    pub(super) fn waiting_of(&self, row: &RetryRow) -> Result<Option<Waiting>> {
        match self.event_at(row.event_position) {
            Ok((event, _)) => Ok(Some(Waiting {
                event: Arc::new(event),
                due: row.due,
                attempts: row.attempts.len() as u16,
                earlier: row.earlier,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One look at rows and changes that are not in sled yet: what was acknowledged is found at once.
    fn due_rows(
        &self,
        endpoint: u32,
        until: DueUntil,
        behind_too: bool,
        limit: usize,
        skip: impl Fn(u64) -> bool,
    ) -> Result<(Vec<RetryRow>, Option<Timestamp>)> {
        let (journal, view) = (&self.shared.journal, self.shared.view());
        let (table, behind) = (keys::table(Table::Due, endpoint), keys::due_from(endpoint, BEHIND));
        let (mut found, mut next) = (Vec::new(), None);
        for key in journal.keys(&table, &view.rows) {
            let key = key?;
            if key >= behind {
                break;
            }
            let Some((due, seq)) = keys::parse_due(&key).filter(|(_, seq)| !skip(*seq)) else { continue };
            if found.len() >= limit {
                next = Some(next.map_or(due, |next: Timestamp| next.min(due)));
                break;
            }
            let row = keys::row(Table::Retry, endpoint, seq);
            let Some(row) = journal.get::<RetryRow>(&row, Some(&view.rows))? else { continue };
            if row.is_for(until) {
                found.push(row);
                continue;
            }
            next = Some(next.map_or(due, |next| next.min(due)));
            if matches!(until, DueUntil::Time(_)) {
                break;
            }
        }
        if behind_too {
            // Left by an order that the endpoint had before.
            for key in journal.keys_from(&table, &behind, &view.rows) {
                if found.len() >= limit {
                    next = Some(Timestamp::default());
                    break;
                }
                let Some((_, seq)) = keys::parse_due(&key?).filter(|(_, seq)| !skip(*seq)) else { continue };
                found.extend(journal.get(&keys::row(Table::Retry, endpoint, seq), Some(&view.rows))?);
            }
        }
        Ok((found, next))
    }

    /// The first delivery of an endpoint that has a row, if it is to be attempted by `until`; else, when it is.
    fn first_row(&self, endpoint: u32, until: DueUntil) -> Result<(Vec<RetryRow>, Option<Timestamp>)> {
        let (journal, view) = (&self.shared.journal, self.shared.view());
        let first = journal.keys(&keys::table(Table::Retry, endpoint), &view.rows).next().transpose()?;
        let row = first.map(|key| journal.get::<RetryRow>(&key, Some(&view.rows))).transpose()?.flatten();
        Ok(match row {
            Some(row) if row.is_for(until) => (vec![row], None),
            Some(row) => (Vec::new(), Some(row.due)),
            None => (Vec::new(), None),
        })
    }

    /// An event and the endpoints that it went to, ascending: those that it matched, and those that a replay sent it to
    /// later; `None` if there is none, or retention took it.
    pub fn event(&self, id: EventId) -> Result<Option<(Event, Vec<u32>)>> {
        let from = self.shared.view().position_of(id);
        let mut scan = self.shared.log.scan(from);
        while let Some((position, kind)) = scan.next_entry()? {
            if kind != Kind::Event {
                continue;
            }
            let body = EventBody::split(scan.body())?;
            match body.key()?.1.cmp(&id) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal if self.is_gone(&body)? => return Ok(None),
                std::cmp::Ordering::Equal => {
                    let mut event = body.event(position)?;
                    self.shared.erasures.hide(&mut event);
                    let late = self.late(event.seq..event.seq + 1)?;
                    let mut routes: Vec<u32> =
                        body.routes().chain(late.iter().map(|at| at.ordinal)).collect();
                    routes.sort_unstable();
                    return Ok(Some((event, routes)));
                }
                std::cmp::Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What became of an event's delivery to an endpoint that it was routed to.
    pub fn trace(&self, event: &Event, endpoint: u32) -> Result<Trace> {
        let (standing, attempts) = self.standing(event.seq, endpoint)?;
        let attempts = attempts.into_iter().map(|position| self.attempt_at(position));
        let mut attempts = attempts.collect::<Result<Vec<_>>>()?;
        if self.is_erased(event) {
            attempts.iter_mut().for_each(remains::strip_erased);
        }
        Ok(Trace { standing, attempts })
    }

    /// Whether an event's content was erased since it was read, or before, or its tenant's retention took it.
    pub fn is_erased(&self, event: &Event) -> bool {
        self.shared.erasures.of(event).is_some()
            || self.shared.horizons.has_taken(event.tenant.as_str(), event.seq)
    }

    /// Whether the retention of its tenant took an event that is still in the log.
    fn is_gone(&self, body: &EventBody<'_>) -> Result<bool> {
        let horizons = &self.shared.horizons;
        Ok(horizons.may_have_taken(body.key()?.0) && {
            let brief = body.brief()?;
            horizons.has_taken(brief.tenant, brief.seq)
        })
    }

    /// Takes from an attempt what it may hold of its event's content, if that was erased.
    pub fn strip(&self, event: &Event, attempt: &mut Attempt) {
        if self.is_erased(event) {
            remains::strip_erased(attempt);
        }
    }

    /// Where a delivery stands, and where its attempts stand in the log.
    pub(super) fn standing(&self, seq: u64, endpoint: u32) -> Result<(Standing, Vec<u64>)> {
        let journal = &self.shared.journal;
        let view = self.shared.view();
        let row = |table| keys::row(table, endpoint, seq);
        if let Some(retry) = journal.get::<RetryRow>(&row(Table::Retry), Some(&view.rows))? {
            let closed = view.ledger.is_closed(endpoint);
            let standing = match retry.due {
                _ if closed => Standing::Cancelled,
                BEHIND => Standing::Behind,
                due => Standing::Waiting(due),
            };
            return Ok((standing, retry.attempts));
        }
        if let Some(dead) = journal.get::<DeadRow>(&row(Table::Dead), Some(&view.rows))? {
            return Ok((Standing::Dead, dead.attempts));
        }
        let is_unread = !view.ledger.is_closed(endpoint) && view.ledger.is_unread(endpoint, seq);
        if is_unread && !view.is_late(journal, seq, endpoint)? {
            return Ok((Standing::Unread, Vec::new()));
        }
        let mut attempts = view.delivered_attempts(journal, endpoint, seq)?;
        if attempts.pop_if(|last| *last == CANCELLED).is_some() {
            return Ok((Standing::Cancelled, attempts));
        }
        Ok((if attempts.is_empty() { Standing::Cancelled } else { Standing::Delivered }, attempts))
    }

    fn attempt_at(&self, position: u64) -> Result<Attempt> {
        match self.shared.log.entry(position)? {
            (Kind::Settled, body) => Ok(codec::unpack::<Settled>(&body, "an attempt in the log")?.attempt),
            _ => Err(misplaced(position, "an attempt")),
        }
    }

    pub(super) fn event_at(&self, position: u64) -> Result<(Event, Vec<u32>)> {
        match self.shared.log.entry(position)? {
            (Kind::Event, body) => {
                let body = EventBody::split(&body)?;
                if self.is_gone(&body)? {
                    return Err(Error::new(ErrorKind::NotFound, TAKEN));
                }
                let mut event = body.event(position)?;
                self.shared.erasures.hide(&mut event);
                Ok((event, body.routes().collect()))
            }
            _ => Err(misplaced(position, "an event")),
        }
    }

    /// Hands what sled holds back to the operating system, so that a restart after a crash replays little.
    pub fn flush_retry_journal(&self) -> Result<()> {
        self.shared.journal.flush()
    }
}

fn misplaced(position: u64, what: &str) -> Error {
    Error::new(
        ErrorKind::Damaged,
        format!(
            "the retry journal points to position {position} for {what}, but the log holds something else there"
        ),
    )
}
