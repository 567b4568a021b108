//! What a mailbox that can do no more tells its shard: when it will have something to do, or that it has nothing.

use casewire_data::Timestamp;

use super::Mailbox;
use crate::shard::{Rest, WakeAt};

impl Mailbox {
    /// Asks to be woken for what is to be done later, unless it has asked for that or earlier.
    pub(super) fn ask_to_be_woken(&mut self, now: Timestamp) {
        if self.is_held() {
            return;
        }
        let waits_until = self.pace.waits_until(now);
        let has_turn = !self.ready.is_empty() || self.retries.has_turns() || self.order.has_next();
        let has_turn = has_turn || self.replays.has_turns();
        let is_down = self.pace.is_down();
        // While a probe is under way there is no other one, and its end does what is to be done next.
        let may_probe = self.in_flight.is_empty() && !self.intake.is_reading() && !self.retries.is_reading();
        let may_read = self.intake.is_behind() && self.has_room();
        let probe = waits_until.filter(|_| is_down && may_probe && may_read);
        let due = self.retries.next_due().filter(|_| (!is_down || may_probe) && self.may_read_due());
        let due = if is_down { due.map(|due| waits_until.map_or(due, |until| until.max(due))) } else { due };
        let times = [due, waits_until.filter(|_| has_turn), self.share.grows_at(), probe];
        if let Some(at) = times.into_iter().flatten().min()
            && self.asked_for.is_none_or(|asked| at < asked)
        {
            let at = at.max(now.plus_millis(1));
            self.asked_for = Some(at);
            let at = self.surroundings.clock.instant(at);
            self.shard.do_send(WakeAt { ordinal: self.ordinal(), at });
        }
    }

    /// Says that it has nothing to do, or that it has.
    pub(super) fn note_rest(&self, now: Timestamp) {
        let nothing_waits = self.ready.is_empty() && !self.has_turns() && !self.replays.is_busy();
        let nothing_under_way = self.in_flight.is_empty() && nothing_waits;
        let may_go_on = self.intake.is_behind() || self.order.is_behind();
        let nothing_to_read =
            !self.intake.is_reading() && !self.order.is_reading() && (!may_go_on || self.is_held());
        let rest = (nothing_under_way && nothing_to_read).then(|| Rest {
            received: self.received,
            // A held one may have retries, for which it has not asked to be woken.
            clean: if self.intake.is_behind() || self.is_held() { None } else { Some(self.window.floor()) },
            // Not before another request may begin: who comes after it knows nothing of the one before.
            since: self
                .rest
                .get()
                .map_or(now, |rest| rest.since)
                .max(self.pace.waits_until(now).unwrap_or(now)),
        });
        self.rest.set(rest);
    }
}
