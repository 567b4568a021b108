//! Deliveries that wait in the retry journal: read when they are due, or all of them when the endpoint has recovered.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use actix::{AsyncContext, Context, Handler, Message};
use casewire_data::{
    Result, Timestamp,
    store::{Due, DueUntil, Store, Waiting},
};

use super::{Mailbox, Turn};
use crate::envelope::Envelope;

/// Retries that are read at once.
const READ_MAX: usize = 256;

/// What is known of the retry journal.
#[derive(Debug)]
pub struct Retries {
    /// Read, and waiting for their turn.
    turns: VecDeque<Waiting>,
    next_due: Option<Timestamp>,
    reading: bool,
    /// It has been read once, so that all that is due later is known too.
    known: bool,
    /// Attempts begun since the read under way was asked for. They may be over by the time it is answered, and what
    /// it tells of them is of no use: it may have come before their end, or after it and look due by a clock put back.
    begun: HashSet<u64>,
    release: Release,
}

/// After an outage nothing waits for its time: it was the outage that failed, not the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    No,
    Asked,
    /// All whose last attempt was before this position of the log.
    Before(u64),
}

impl Retries {
    pub(super) fn new(must_ask: bool) -> Self {
        let next_due = must_ask.then(|| Timestamp::from_micros(i64::MIN));
        Self {
            turns: VecDeque::new(),
            next_due,
            reading: false,
            known: false,
            begun: HashSet::new(),
            release: Release::No,
        }
    }

    pub(super) fn next_turn(&mut self) -> Option<Turn> {
        let waiting = self.turns.pop_front()?;
        Some(Turn {
            envelope: Arc::new(Envelope::new(waiting.event)),
            attempts: waiting.attempts,
            earlier: waiting.earlier,
            parked: true,
            lane: None,
            replayed: None,
        })
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.reading || !self.turns.is_empty() { None } else { self.next_due }
    }

    /// Whether something is due at a time, as far as is known.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.release != Release::No || self.next_due.is_some_and(|due| due <= now)
    }

    /// Whether some have been read and wait for their turn.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading
    }

    pub(super) fn is_busy(&self) -> bool {
        self.reading || !self.turns.is_empty() || self.release != Release::No
    }

    /// Whether a delivery was read and waits for its turn.
    pub(super) fn holds(&self, seq: u64) -> bool {
        self.turns.iter().any(|waiting| waiting.event.seq == seq)
    }

    /// An attempt begins.
    pub(super) fn begun(&mut self, seq: u64) {
        if self.reading {
            self.begun.insert(seq);
        }
    }

    /// Something is due at a time.
    pub(super) fn note(&mut self, due: Timestamp) {
        self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
    }

    pub(super) fn release(&mut self) {
        self.release = Release::Asked;
    }

    /// The outage goes on: what waits keeps to its schedule again.
    pub(super) fn end_release(&mut self, now: Timestamp) {
        self.release = Release::No;
        self.note(now);
    }

    /// Nothing waits in the retry journal.
    pub(super) fn is_clear(&self) -> bool {
        self.known && self.next_due.is_none() && !self.is_busy()
    }

    /// Something waits for its time.
    pub(super) fn is_waiting(&self) -> bool {
        self.known && self.next_due.is_some()
    }

    /// All is to be read again.
    pub(super) fn forget(&mut self) {
        self.turns.clear();
        self.known = false;
        self.note(Timestamp::from_micros(i64::MIN));
    }

    /// Forgets what was read; it is still in the retry journal.
    pub(super) fn give_back(&mut self) {
        if let Some(first) = self.turns.front() {
            let due = first.due;
            self.turns.clear();
            self.note(due);
        }
    }
}

impl Mailbox {
    /// Reads what is due, if something is and nothing read is left.
    pub(super) fn read_due(&mut self, now: Timestamp, context: &mut Context<Self>) {
        let retries = &self.retries;
        if !retries.is_due(now)
            || retries.reading
            || !retries.turns.is_empty()
            || !self.intake.is_begun()
            || !self.may_read_due()
            || self.is_held()
        {
            return;
        }
        let mut most = READ_MAX;
        if self.pace.is_down() {
            // One at a time, as a probe, in turn with what is new. The others wait, and use up nothing of their schedule.
            let prefers_retry = self.pace.probes_with_retry() || self.order.is_kept();
            if !self.may_fetch_probe(now) || (self.intake.is_behind() && !prefers_retry) {
                return;
            }
            most = 1;
        }
        let retries = &mut self.retries;
        retries.reading = true;
        retries.next_due = None;
        let release = retries.release;
        let under_way: HashSet<u64> = self.in_flight.keys().copied().collect();
        let (ordinal, order, mailbox) = (self.ordinal(), self.plan.endpoint.ordering, context.address());
        let journal = self.surroundings.journal.clone();
        actix_rt::spawn(async move {
            let read = move |store: &Store| {
                let until = match release {
                    Release::No => DueUntil::Time(now),
                    Release::Asked => DueUntil::LastAttemptBefore(store.position()),
                    Release::Before(position) => DueUntil::LastAttemptBefore(position),
                };
                (store.due(ordinal, until, order, most, |seq| under_way.contains(&seq)), until)
            };
            if let Ok((due, until)) = journal.read(read).await {
                mailbox.do_send(ReadDue { due, until });
            }
        });
    }
}

/// What was due.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReadDue {
    due: Result<Due>,
    until: DueUntil,
}

impl Handler<ReadDue> for Mailbox {
    type Result = ();

    fn handle(&mut self, ReadDue { due, until }: ReadDue, context: &mut Self::Context) {
        self.retries.reading = false;
        self.retries.known = true;
        let begun = std::mem::take(&mut self.retries.begun);
        let due = match due {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, endpoint = %self.plan.endpoint.id, "its retries cannot be read");
                self.surroundings.report_damage(&error);
                return;
            }
        };
        let mut release_ended = false;
        if let DueUntil::LastAttemptBefore(position) = until {
            release_ended = self.retries.release == Release::No;
            if !release_ended {
                self.retries.release =
                    if due.waiting.is_empty() { Release::No } else { Release::Before(position) };
            }
        }
        if let Some(next) = due.next {
            self.retries.note(next);
        }
        self.pass_over_expired();
        // What was under way was left out by name; what began since notes itself when it fails.
        self.retries
            .turns
            .extend(due.waiting.into_iter().filter(|waiting| !begun.contains(&waiting.event.seq)));
        let is_too_much = self.pace.is_down() && self.retries.turns.len() > 1;
        if self.is_held() || release_ended || is_too_much {
            self.retries.give_back();
        }
        self.work(context);
    }
}
