//! Reading on from the journal: what waits for the endpoint and did not fit into its window, or came while it was down.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message};
use casewire_data::{Result, Timestamp, store::Backlog, window::Window};

use super::{Mailbox, READY_BYTES_MAX};
use crate::envelope::Envelope;

/// Where the mailbox stands in the journal.
#[derive(Debug)]
pub struct Intake {
    /// The journal has been asked, or need not be, up to which event all is settled.
    begun: bool,
    /// Events wait in the journal that were not taken up.
    behind: bool,
    reading: bool,
    position: Option<u64>,
    /// The last event that came while there was no room for it.
    missed_through: u64,
}

impl Intake {
    pub(super) fn new(must_ask: bool) -> Self {
        Self { begun: !must_ask, behind: must_ask, reading: false, position: None, missed_through: 0 }
    }

    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading
    }

    pub(super) fn missed(&mut self, seq: u64) {
        self.behind = true;
        self.missed_through = self.missed_through.max(seq);
    }

    /// What lies above `last_taken` is to be read again.
    pub(super) fn reread(&mut self, last_taken: u64) {
        self.behind = true;
        self.position = None;
        self.missed_through = self.missed_through.max(last_taken + 1);
    }
}

impl Mailbox {
    pub(super) fn has_room(&self) -> bool {
        self.window.len() < self.surroundings.config.limits.window_deliveries_max
            && self.ready_bytes < READY_BYTES_MAX
            && self.takes_new()
    }

    pub(super) fn take(&mut self, envelope: Arc<Envelope>) {
        self.window.take(envelope.event.seq);
        self.ready_bytes += envelope.event.content.data.len();
        self.ready.push_back(envelope);
    }

    /// Asks the journal where to begin.
    pub(super) fn resume(&mut self, context: &mut Context<Self>) {
        self.intake.reading = true;
        let (journal, ordinal, mailbox) =
            (self.surroundings.journal.clone(), self.ordinal(), context.address());
        actix_rt::spawn(async move {
            if let Ok(floor) = journal.read(move |store| store.resume_point(ordinal)).await {
                mailbox.do_send(Resumed { floor });
            }
        });
    }

    /// After a pause: what was held is read, and what was attempted before is due.
    pub(super) fn resume_held(&mut self) {
        self.intake.missed(self.plan.endpoint.held_through);
        self.retries.note(self.now());
        self.replays.look_again();
    }

    /// Whether something may be read with which an endpoint that is down is probed: it is time, and nothing is at hand.
    pub(super) fn may_fetch_probe(&self, now: Timestamp) -> bool {
        let has_one = self.has_turns() || !self.in_flight.is_empty();
        !has_one && !self.intake.reading && self.pace.waits_until(now).is_none()
    }

    /// Reads on when half the window is free. An endpoint that is down gets one event, as a probe, when it is time.
    pub(super) fn read_on(&mut self, now: Timestamp, context: &mut Context<Self>) {
        let limits = &self.surroundings.config.limits;
        let room = limits.window_deliveries_max.saturating_sub(self.window.len());
        let hungry = self.ready.len() <= limits.window_deliveries_max / 2 && self.has_room();
        if !self.intake.begun || !self.intake.behind || self.intake.reading || self.is_held() || !hungry {
            return;
        }
        let mut events_max = room;
        if self.pace.is_down() {
            // Where an order is kept, what is new may have to wait for what failed.
            let prefers_retry = self.pace.probes_with_retry() || self.order.is_kept();
            if !self.may_fetch_probe(now) || (prefers_retry && self.retries.is_due(now)) {
                return;
            }
            events_max = 1;
        }
        self.intake.reading = true;
        let (journal, ordinal, mailbox) =
            (self.surroundings.journal.clone(), self.ordinal(), context.address());
        let (after, position) = (self.window.last_taken(), self.intake.position);
        let bytes_max = READY_BYTES_MAX - self.ready_bytes;
        actix_rt::spawn(async move {
            let read = move |store: &casewire_data::store::Store| {
                store.backlog(ordinal, after, position, (events_max, bytes_max))
            };
            if let Ok(backlog) = journal.read(read).await {
                mailbox.do_send(Read { backlog, after });
            }
        });
    }
}

/// Where to begin.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Resumed {
    floor: u64,
}

impl Handler<Resumed> for Mailbox {
    type Result = ();

    fn handle(&mut self, Resumed { floor }: Resumed, context: &mut Self::Context) {
        self.intake.begun = true;
        self.intake.reading = false;
        self.window = Window::new(floor);
        self.work(context);
    }
}

/// What the journal had.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Read {
    backlog: Result<Backlog>,
    /// What the read began after; a window that was given back meanwhile makes it stale.
    after: u64,
}

impl Handler<Read> for Mailbox {
    type Result = ();

    fn handle(&mut self, Read { backlog, after }: Read, context: &mut Self::Context) {
        self.intake.reading = false;
        match backlog {
            // Read before it went down, it is more than a probe.
            Ok(backlog)
                if after == self.window.last_taken()
                    && !self.is_held()
                    && self.takes_new()
                    && !(self.pace.is_down() && backlog.events.len() > 1) =>
            {
                for event in backlog.events {
                    self.take(Arc::new(Envelope::new(event)));
                }
                self.window.pass_to(backlog.through);
                self.intake.position = Some(backlog.position);
                if backlog.at_end && self.intake.missed_through <= backlog.through {
                    self.intake.behind = false;
                }
            }
            Ok(_) => self.intake.position = None,
            Err(error) => {
                tracing::error!(%error, endpoint = %self.plan.endpoint.id, "its backlog cannot be read");
                self.surroundings.report_damage(&error);
                return;
            }
        }
        self.work(context);
    }
}
