//! Room in the window: what holds it up is set aside in the retry journal, and what cannot be begun is given back.

use casewire_data::store::{BEHIND, Parked};

use super::{Mailbox, Turn};

impl Mailbox {
    /// Keeps one stuck delivery from blocking the others: the oldest one under way gets a row of its own in the
    /// retry journal, so that the window can move on. So does what waits for others of its case, if that is too much.
    pub(super) fn make_room(&mut self) {
        while self.window.len() >= self.surroundings.config.limits.window_deliveries_max {
            let Some(oldest) = self.window.oldest() else { return };
            if !self.park_flight(oldest) && !self.set_all_aside() {
                return;
            }
        }
        if self.order.is_heavy() {
            self.set_all_aside();
        }
    }

    /// Sets a delivery under way aside; it goes on. `false` if it is not under way.
    pub(super) fn park_flight(&mut self, seq: u64) -> bool {
        let Some(flight) = self.in_flight.get_mut(&seq) else { return false };
        if std::mem::replace(&mut flight.parked, true) {
            return true;
        }
        let (event_position, lane) = (flight.event_position, flight.lane);
        self.window.settle(seq);
        let due = self.now().plus_millis(i64::try_from(self.plan.deadline.as_millis()).unwrap_or(i64::MAX));
        let (endpoint, floor) = (self.ordinal(), self.window.floor());
        self.surroundings.journal.park(Parked { endpoint, seq, event_position, due, floor, lane });
        true
    }

    /// Sets a delivery aside that waits for others of its case.
    pub(super) fn park_behind(&mut self, turn: &Turn) {
        let event = &turn.envelope.event;
        let (seq, event_position, lane) = (event.seq, event.position, turn.lane);
        self.window.settle(seq);
        let (endpoint, floor) = (self.ordinal(), self.window.floor());
        self.surroundings.journal.park(Parked { endpoint, seq, event_position, due: BEHIND, floor, lane });
    }

    /// Gives back to the journal what was taken up but not begun.
    pub(super) fn give_back(&mut self) {
        if let Some(first) = self.ready.front() {
            self.window.give_back_from(first.event.seq);
            self.intake.reread(self.window.last_taken());
            self.ready.clear();
            self.ready_bytes = 0;
        }
        self.set_all_aside();
        self.retries.give_back();
        self.replays.give_back();
    }
}
