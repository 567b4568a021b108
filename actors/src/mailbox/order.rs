//! The order that an endpoint keeps: whose turn is next, and who waits for others of its case.
//!
//! What may begin is decided in `casewire_data::order`. What is held up by a failed delivery of its case has a row of
//! its own in the retry journal, so that it takes no place in the window, and is read when it is its turn. After a start,
//! and after a change of the order, nothing begins before all rows are known.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message};
use casewire_data::{
    Result, Timestamp, limits,
    order::{Arrival, DeliveryOrder, Lane, LaneRead, Lanes, SetAside},
    store::{BEHIND, Behind, Fate, Requeued, Row, Standing, Store},
};

use super::{Mailbox, READY_BYTES_MAX, Turn};
use crate::envelope::Envelope;

/// Rows that one reading looks at, so that no reader keeps the others waiting.
const ROWS_MAX: usize = 256;
/// What waits for its case is read when no more of it than this is in memory, and at most four times as much at once.
const LOADED_MIN: usize = 64;

/// See the module.
pub(super) struct Order {
    kept: Kept,
    /// How often it has changed: what was read for an earlier one is of no use.
    changes: u32,
    /// The journal has yet to be told of an attempt that is over: what waits for it must not get there first, or after a
    /// crash it would be the first of its case.
    settling: bool,
    /// What retention has taken, as far as it was looked at.
    expired_through: u64,
}

enum Kept {
    Nothing,
    OfEndpoint,
    OfCases(Box<Cases>),
    /// Another one is to be kept as soon as nothing is under way.
    Changing,
}

/// The cases of an endpoint.
#[derive(Default)]
struct Cases {
    lanes: Lanes<Turn>,
    /// Payload that waits in memory for its case and has no row, in bytes.
    bytes: usize,
    reading: bool,
    /// Rows before this event are known; with `all_known`, the others too.
    known_below: u64,
    all_known: bool,
    /// Rows up to this event are from a time without order, in which events before them may be left in the log. What
    /// waits for its case goes on waiting until those are read.
    hold_through: u64,
    is_open: bool,
}

impl Order {
    pub(super) fn new(order: DeliveryOrder) -> Self {
        let kept = match order {
            DeliveryOrder::None => Kept::Nothing,
            DeliveryOrder::Endpoint => Kept::OfEndpoint,
            DeliveryOrder::Resource => Kept::OfCases(Box::default()),
        };
        Self { kept, changes: 0, settling: false, expired_through: 0 }
    }

    /// Whether anything waits for anything else.
    pub(super) fn is_kept(&self) -> bool {
        !matches!(self.kept, Kept::Nothing)
    }

    /// Whether all waits for the one that is under way.
    pub(super) fn is_of_endpoint(&self) -> bool {
        matches!(self.kept, Kept::OfEndpoint)
    }

    /// Whether a replayed delivery may be under way, for all that its case knows.
    pub(super) fn may_lend(&self, lane: Option<Lane>, seq: u64) -> bool {
        self.cases().zip(lane).is_none_or(|(cases, lane)| cases.lanes.may_lend(lane, seq))
    }

    /// A replayed delivery is under way, for which its case waits.
    pub(super) fn lend(&mut self, lane: Option<Lane>, seq: u64) {
        if let Some((cases, lane)) = self.cases_mut().zip(lane) {
            cases.lanes.lend(lane, seq);
        }
    }

    /// An attempt is over, and the journal will be told in a moment.
    pub(super) fn settles(&mut self) {
        self.settling = true;
    }

    /// Whether enough is known to begin something.
    pub(super) fn is_known(&self) -> bool {
        match &self.kept {
            Kept::Nothing | Kept::OfEndpoint => true,
            Kept::OfCases(cases) => cases.all_known,
            Kept::Changing => false,
        }
    }

    /// Something that waited in memory may begin.
    pub(super) fn has_next(&self) -> bool {
        self.cases().is_some_and(|cases| cases.lanes.has_next())
    }

    pub(super) fn is_reading(&self) -> bool {
        matches!(self.kept, Kept::Changing) || self.cases().is_some_and(|cases| cases.reading)
    }

    /// There is more to read.
    pub(super) fn is_behind(&self) -> bool {
        self.cases().is_some_and(|cases| !cases.is_open || cases.lanes.has_unread())
    }

    /// What waits in memory takes more than its share of it.
    pub(super) fn is_heavy(&self) -> bool {
        self.cases().is_some_and(|cases| cases.bytes > READY_BYTES_MAX / 2)
    }

    fn cases(&self) -> Option<&Cases> {
        if let Kept::OfCases(cases) = &self.kept { Some(cases) } else { None }
    }

    fn cases_mut(&mut self) -> Option<&mut Cases> {
        if let Kept::OfCases(cases) = &mut self.kept { Some(cases) } else { None }
    }
}

impl Cases {
    /// A row from before. Of each case the first keeps its time, and the others wait for it: that is to be written, if
    /// it is not what the row says.
    fn restore(&mut self, row: &Row, lane: Lane, last_taken: u64) -> Option<Requeued> {
        let is_ahead = !row.is_enrolled && row.seq > last_taken;
        if is_ahead {
            self.hold_through = self.hold_through.max(row.seq);
        }
        let waits = row.due == BEHIND || is_ahead || self.lanes.contains(lane);
        self.lanes.restore(lane, row.seq, waits);
        let due = if waits { BEHIND } else { row.due };
        let Row { seq, event_position, .. } = *row;
        let (from, replayed) = (Standing::Parked, false);
        let requeued = Requeued { endpoint: 0, seq, event_position, due, from, replayed, lane: Some(lane) };
        (!row.is_enrolled || due != row.due).then_some(requeued)
    }

    /// A new event: it begins, or waits in memory, or is answered for being set aside.
    fn arrives(&mut self, lane: Lane, turn: Turn) -> Arrival<Turn> {
        let (seq, bytes) = (turn.envelope.event.seq, turn.bytes());
        let arrival = self.lanes.arrives(lane, seq, turn);
        if matches!(arrival, Arrival::Waits) {
            self.bytes += bytes;
        }
        arrival
    }

    fn next(&mut self) -> Option<Turn> {
        let turn = self.lanes.begin_next()?;
        if !turn.parked {
            self.bytes -= turn.bytes();
        }
        Some(turn)
    }
}

impl Turn {
    fn bytes(&self) -> usize {
        self.envelope.event.content.data.len()
    }

    fn in_lane(mut self) -> Self {
        self.lane = self.envelope.event.content.resource.as_ref().map(Lane::of);
        self
    }
}

impl Mailbox {
    /// Whether new events are taken up: not before what all of them wait for, nor once too many cases are blocked.
    pub(super) fn takes_new(&self) -> bool {
        match &self.order.kept {
            Kept::OfEndpoint => !self.retries.is_waiting(),
            Kept::OfCases(cases) => !cases.is_open || cases.lanes.len() < limits::BLOCKED_CASES_MAX,
            Kept::Nothing | Kept::Changing => true,
        }
    }

    /// Whether nothing that has a row is to come before all that is new.
    pub(super) fn may_begin_new(&self) -> bool {
        !matches!(self.order.kept, Kept::OfEndpoint) || self.retries.is_clear()
    }

    /// The next delivery whose turn it is, in the order that is kept.
    pub(super) fn next_in_order(&mut self) -> Option<Turn> {
        match self.order.kept {
            Kept::OfEndpoint if self.in_flight.is_empty() => match self.retries.next_turn() {
                None if self.retries.is_clear() => self.next_new(),
                first => first,
            },
            Kept::OfCases(_) => self.next_of_cases(),
            _ => None,
        }
    }

    /// What is due comes before what waited for it, and that before what is new.
    fn next_of_cases(&mut self) -> Option<Turn> {
        loop {
            let due = self.retries.next_turn().map(Turn::in_lane);
            let cases = self.order.cases_mut()?;
            if let Some(turn) = due {
                let Some(lane) = turn.lane else { return Some(turn) };
                match cases.lanes.comes_due(lane, turn.envelope.event.seq, turn) {
                    None => continue,
                    begins => return begins,
                }
            }
            if let Some(turn) = cases.next() {
                return Some(turn);
            }
            let turn = self.next_new()?.in_lane();
            let Some(lane) = turn.lane else { return Some(turn) };
            match self.order.cases_mut()?.arrives(lane, turn) {
                Arrival::Begin(turn) => return Some(turn),
                Arrival::Waits => {}
                Arrival::Park(turn) => self.park_behind(&turn),
            }
        }
    }

    /// An attempt is over, and the journal has been told. `now` is the time by which the mailbox works on.
    pub(super) fn settled_in_order(
        &mut self,
        (seq, lane): (u64, Option<Lane>),
        had_row: bool,
        fate: Fate,
        now: Timestamp,
    ) {
        self.order.settling = false;
        // What retention took meanwhile has no row, and would be waited for in vain.
        let is_gone = || seq <= self.surroundings.journal.store().expired_through(self.ordinal());
        let ended = !matches!(fate, Fate::RetryAt(_)) || is_gone();
        match (&mut self.order.kept, lane) {
            // There may be others with rows, from an earlier order or an operator.
            (Kept::OfEndpoint, _) if ended && had_row => self.retries.note(now),
            (Kept::OfEndpoint, _) if !ended => self.give_back(),
            (Kept::OfCases(cases), Some(lane)) => {
                let aside = cases.lanes.settled(lane, seq, ended);
                self.set_aside(aside);
            }
            _ => {}
        }
        if self.is_held() || self.pace.is_down() {
            self.set_all_aside();
        }
    }

    /// Sets aside what waits in memory for its case. `false` if nothing does.
    pub(super) fn set_all_aside(&mut self) -> bool {
        let settling = self.order.settling;
        let Some(cases) = self.order.cases_mut().filter(|_| !settling) else { return false };
        let aside = cases.lanes.set_aside();
        self.set_aside(aside)
    }

    fn set_aside(&mut self, SetAside { parked, due_again }: SetAside<Turn>) -> bool {
        let any = !parked.is_empty();
        for (before, turn) in parked {
            if let Some(before) = before {
                self.park_flight(before);
            }
            if let Some(cases) = self.order.cases_mut() {
                cases.bytes -= turn.bytes();
            }
            self.park_behind(&turn);
        }
        if due_again {
            self.retries.note(self.now());
        }
        any
    }

    /// Whether what is due may be read: not before it is known what it would overtake.
    pub(super) fn may_read_due(&self) -> bool {
        match self.order.kept {
            Kept::OfEndpoint => self.in_flight.is_empty(),
            _ => self.order.is_known(),
        }
    }

    /// Retention may have taken what others wait for, long before its time. Once for each time that it took something, or
    /// what waits for its time would be read again and again.
    pub(super) fn pass_over_expired(&mut self) {
        let is_of_endpoint = self.order.is_of_endpoint();
        if is_of_endpoint && !self.retries.is_waiting() {
            // Looked at when it is known what waits.
            return;
        }
        let expired_through = self.surroundings.journal.store().expired_through(self.ordinal());
        if std::mem::replace(&mut self.order.expired_through, expired_through) == expired_through {
            return;
        }
        if is_of_endpoint {
            let now = self.now();
            self.retries.note(now);
        } else if let Some(cases) = self.order.cases_mut() {
            cases.lanes.expire(expired_through);
        }
    }

    /// The endpoint is to keep another order from now on. What is under way was begun in the one before.
    pub(super) fn change_order(&mut self) {
        self.set_all_aside();
        self.replays.give_back();
        let changes = self.order.changes + 1;
        self.order = Order { kept: Kept::Changing, changes, settling: false, expired_through: 0 };
    }

    /// Keeps the order that the endpoint is to have, once all is over that was begun in another.
    pub(super) fn settle_order(&mut self) {
        let is_over = self.in_flight.is_empty() && !self.retries.is_reading();
        if matches!(self.order.kept, Kept::Changing) && is_over {
            self.order = Order { changes: self.order.changes, ..Order::new(self.plan.endpoint.ordering) };
            self.retries.forget();
        }
    }

    /// Reads what must be known of cases, and what waits for them, if it is time.
    pub(super) fn read_cases(&mut self, context: &mut Context<Self>) {
        let Some(wanted) = self.wanted_of_cases() else { return };
        let (journal, ordinal, mailbox) =
            (self.surroundings.journal.clone(), self.ordinal(), context.address());
        let changes = self.order.changes;
        actix_rt::spawn(async move {
            let read = move |store: &Store| match wanted {
                Wanted::Rows(from) => store.rows(ordinal, from, ROWS_MAX).map(Found::Rows),
                Wanted::Behind(reads) => {
                    store.behind(ordinal, &reads, 4 * LOADED_MIN).map(|behind| Found::Behind(reads, behind))
                }
            };
            if let Ok(found) = journal.read(read).await {
                mailbox.do_send(ReadCases { found, changes });
            }
        });
    }

    fn wanted_of_cases(&mut self) -> Option<Wanted> {
        let (is_begun, is_held) = (self.intake.is_begun(), self.is_held());
        let next_new = self.ready.front().map_or(self.window.last_taken() + 1, |next| next.event.seq);
        let cases = self.order.cases_mut().filter(|cases| is_begun && !cases.reading)?;
        if !cases.all_known {
            cases.reading = true;
            return Some(Wanted::Rows(cases.known_below));
        }
        if !cases.is_open && next_new > cases.hold_through {
            cases.is_open = true;
            cases.lanes.open();
        }
        if is_held || cases.lanes.loaded() > LOADED_MIN {
            return None;
        }
        let reads = cases.lanes.to_read();
        cases.reading = !reads.is_empty();
        cases.reading.then_some(Wanted::Behind(reads))
    }

    fn know_rows(&mut self, rows: &[Row]) {
        let (endpoint, last_taken) = (self.ordinal(), self.window.last_taken());
        let Some(cases) = self.order.cases_mut() else { return };
        for (row, lane) in rows.iter().filter_map(|row| Some((row, row.lane?))) {
            if let Some(enrolled) = cases.restore(row, lane, last_taken) {
                self.surroundings.journal.enrol(Requeued { endpoint, ..enrolled });
            }
        }
        cases.known_below = rows.last().map_or(cases.known_below, |last| last.seq + 1);
        cases.all_known = rows.len() < ROWS_MAX;
    }

    fn take_behind(&mut self, reads: Vec<LaneRead>, behind: Vec<Behind>) {
        let Some(cases) = self.order.cases_mut() else { return };
        for (read, Behind { waiting, more }) in reads.into_iter().zip(behind) {
            let turns = waiting.into_iter().map(|waiting| {
                let (seq, attempts, earlier) = (waiting.event.seq, waiting.attempts, waiting.earlier);
                let envelope = Arc::new(Envelope::new(waiting.event));
                (
                    seq,
                    Turn { envelope, attempts, earlier, parked: true, lane: Some(read.lane), replayed: None },
                )
            });
            cases.lanes.read(read, turns.collect(), more);
        }
    }
}

/// What is to be read of cases.
enum Wanted {
    /// Rows from an event on.
    Rows(u64),
    Behind(Vec<LaneRead>),
}

enum Found {
    Rows(Vec<Row>),
    Behind(Vec<LaneRead>, Vec<Behind>),
}

/// What the journal has of cases.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReadCases {
    found: Result<Found>,
    changes: u32,
}

impl Handler<ReadCases> for Mailbox {
    type Result = ();

    fn handle(&mut self, ReadCases { found, changes }: ReadCases, context: &mut Self::Context) {
        if changes != self.order.changes {
            return;
        }
        if let Some(cases) = self.order.cases_mut() {
            cases.reading = false;
        }
        match found {
            Ok(Found::Rows(rows)) => self.know_rows(&rows),
            Ok(Found::Behind(reads, behind)) => self.take_behind(reads, behind),
            Err(error) => {
                tracing::error!(%error, endpoint = %self.plan.endpoint.id, "its cases cannot be read");
                self.surroundings.report_damage(&error);
                return;
            }
        }
        self.work(context);
    }
}
